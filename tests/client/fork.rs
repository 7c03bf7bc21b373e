//! A client in the child of a fork.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use drpc::sys::{self, PollFd};
use drpc::{Cause, Phase};

use super::*;
use crate::support::fork::in_child;
use crate::support::raw_server::describe;

fn is_open(fd: i32) -> bool {
    // SAFETY: F_GETFD takes no argument and changes nothing.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// The number of open descriptors.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_child_of_a_fork_gets_errors() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().thread(true));
    thread::scope(|scope| {
        // One caller waits for the socket, and another one for its turn.
        let first = call_in(scope, &client, b"first");
        let call = server.call();
        let second = call_in(scope, &client, b"second");
        server.assert_silent();
        let forked = |phase, result| describe(result) == (phase, Cause::Forked);
        let child = client.clone();
        assert!(in_child(|| {
            let options = CallOptions::new();
            let errors = [
                forked(Phase::Call, child.call(7, 1, b"child").map(drop)),
                forked(Phase::Call, child.submit(&options, 7, 1, Vec::new(), |_| ())),
                forked(Phase::Call, child.lock().map(drop)),
                forked(Phase::Connect, child.open()),
                forked(Phase::Connect, child.wait_ready(PATIENCE)),
                forked(Phase::Close, child.close()),
                forked(Phase::Progress, child.dispatch(None).map(drop)),
                forked(Phase::Progress, child.event_fd().map(drop)),
            ];
            errors == [true; 8] && !child.is_connected()
        }));
        server.answer(&call, b"one");
        assert_eq!(first.join().unwrap().unwrap().body, b"one");
        server.serve(b"second");
        assert_eq!(second.join().unwrap().unwrap().body, b"second!");
    });
}

/// Dropping the client in the child closes descriptors, and does nothing else.
#[test]
fn a_child_of_a_fork_closes_descriptors_only() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let events = client.event_fd().unwrap().as_raw_fd();
    let held = Arc::new(());
    let (sender, result) = mpsc::channel();
    let done = {
        let held = Arc::clone(&held);
        move |result: Result<Response, Error>| drop((held, sender.send(result)))
    };
    client.submit(&CallOptions::new(), 7, 1, b"parent".to_vec(), done).unwrap();
    let mut client = Some(client);
    assert!(in_child(|| {
        let before = descriptors();
        drop(client.take());
        // The socket and the signal of its leader; the epoll set, its timer and its signal.
        !is_open(events) && before - descriptors() == 5 && Arc::strong_count(&held) == 2
    }));
    let client = client.unwrap();
    assert!(is_open(events));
    server.serve(b"parent");
    assert_eq!(client.dispatch(Some(PATIENCE)), Ok(1));
    assert_eq!(result.recv_timeout(PATIENCE).unwrap().unwrap().body, b"parent!");
}

/// The child still has the descriptors when the parent has given up its connection.
#[test]
fn a_child_of_a_fork_does_not_disturb_the_event_loop() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client());
    let events = client.event_fd().unwrap().as_raw_fd();
    let (mut parent, mut child) = UnixStream::pair().unwrap();
    child.set_read_timeout(Some(PATIENCE)).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            assert!(in_child(|| {
                child.write_all(b"!").unwrap();
                child.read_exact(&mut [0]).unwrap();
                true
            }));
        });
        parent.read_exact(&mut [0]).unwrap();
        // The child has this descriptor, too.
        server.0.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(client.dispatch(Some(PATIENCE)), Ok(0));
        let mut fds = [PollFd { fd: events, events: libc::POLLIN, revents: 0 }];
        assert_eq!(sys::poll(&mut fds, 0), Ok(0), "the old connection is watched still");
        let next = submit(&client, &CallOptions::new(), b"next");
        scope.spawn(move || accept(&listener).serve(b"next"));
        while client.dispatch(Some(PATIENCE)).unwrap() == 0 {}
        next.recv_timeout(PATIENCE).unwrap().unwrap();
        parent.write_all(b"!").unwrap();
    });
}

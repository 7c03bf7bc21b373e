//! A server, and a connection of the plain API, in the child of a fork. Each test runs in a process of its own, as its
//! forks would disturb the others.

use std::process::Stdio;
use std::time::Duration;

use drpc::{Cause, Error, Listener, Phase, Server};
use socket2::{Domain, SockAddr, Socket, Type};

use super::*;
use crate::modules::{ECHO, Echo, PATIENCE};
use crate::raw_client::{Raw, call};
use crate::support::fork::in_child;
use crate::support::socket_path::socket_path;
use crate::support::subprocess::{is_alone, run_alone};

fn is_forked(phase: Phase, result: Result<impl Sized, Error>) -> bool {
    result.is_err_and(|error| (error.phase(), error.cause()) == (phase, Cause::Forked))
}

/// The number of open descriptors.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn echo(path: &std::path::Path) {
    let client = Raw::connect(path, drpc::Framing::Chunked);
    client.send(&call(ECHO, 1, 1, b"!"));
    assert_eq!(client.reply().body, b"!");
}

/// Dropping the server in the child closes its descriptors there, and does nothing else.
#[test]
fn a_server_belongs_to_the_process_that_starts_it() {
    if !is_alone() {
        return run_alone("fork::a_server_belongs_to_the_process_that_starts_it", "", Stdio::null());
    }
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).threads(2).bind(&path).unwrap();
    assert!(!server.is_elsewhere());
    server.start().unwrap();
    echo(&path);
    let idle = Raw::connect(&path, drpc::Framing::Chunked);
    // Its session is there once it has been answered, and that of the client before ends by itself.
    idle.send(&call(ECHO, 1, 1, b"?"));
    assert_eq!(idle.reply().body, b"?");
    await_that("the client before is gone", || server.stats().sessions == 1);
    let mut server = Some(server);
    assert!(in_child(|| {
        let child = server.as_ref().unwrap();
        child.stop();
        let errors = [
            is_forked(Phase::Serve, child.start()),
            is_forked(Phase::Serve, child.wait()),
            is_forked(Phase::Serve, child.run()),
            is_forked(Phase::Serve, child.dispatch(None)),
            is_forked(Phase::Shutdown, child.shutdown(Duration::ZERO)),
        ];
        let before = descriptors();
        let elsewhere = child.is_elsewhere() && child.stats().sessions == 0;
        drop(server.take());
        // The listening socket and its directory, the epoll set, the waker and the timer, and the session.
        errors == [true; 5] && elsewhere && before - descriptors() == 6
    }));
    echo(&path);
    idle.send(&call(ECHO, 1, 1, b"?"));
    assert_eq!(idle.reply().body, b"?");
    server.unwrap().shutdown(PATIENCE).unwrap();
    assert!(!path.exists());
}

/// A daemon that leaves its parent after it has begun to listen.
#[test]
fn a_child_runs_what_its_parent_has_bound() {
    if !is_alone() {
        return run_alone("fork::a_child_runs_what_its_parent_has_bound", "", Stdio::null());
    }
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).threads(2).bind(&path).unwrap();
    assert!(in_child(|| {
        server.start().unwrap();
        echo(&path);
        server.shutdown(PATIENCE).is_ok() && !path.exists()
    }));
}

/// The child may answer the calls from before the fork. Later ones are the parent's.
#[test]
fn a_connection_that_is_dropped_answers_no_calls_from_before_a_fork() {
    if !is_alone() {
        return run_alone("fork::a_connection_that_is_dropped_answers_no_calls_from_before_a_fork", "", Stdio::null());
    }
    let (_dir, path) = socket_path();
    let listener = Listener::bind(&path).unwrap();
    for (forks, later, answers) in [(false, 0, 1), (true, 0, 0), (true, 2, 2)] {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        let client = Raw::new(socket, drpc::Framing::Datagram);
        let mut connection = listener.accept().unwrap();
        client.send(&call(ECHO, 1, 1, b"!"));
        connection.receive().unwrap().unwrap();
        if forks {
            assert!(in_child(|| true));
        }
        for sequence in 0..later {
            client.send(&call(ECHO, 1, 2 + sequence, b"!"));
            connection.receive().unwrap().unwrap();
        }
        drop(connection);
        for _ in 0..answers {
            assert_eq!(client.reply().status(), drpc::Status::Failure);
        }
        client.assert_end();
    }
}

//! Calls whose callers do not wait.

use std::os::fd::AsRawFd;
use std::sync::mpsc::TryRecvError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use drpc::sys::{self, PollFd};
use drpc::{Cancel, Cause, Log, Phase};

use super::*;
use crate::support::body::pattern;
use crate::support::raw_server::describe;

/// True if the program's event loop finds the client's descriptor readable in time.
fn is_readable(client: &Client, patience: Duration) -> bool {
    let fd = client.event_fd().unwrap().as_raw_fd();
    let mut fds = [PollFd { fd, events: libc::POLLIN, revents: 0 }];
    sys::poll(&mut fds, sys::whole_ms(patience)).unwrap() == 1
}

/// Dispatches, as an event loop would, until so many completions have run.
fn dispatch(client: &Client, mut completions: usize) {
    while completions > 0 {
        assert!(is_readable(client, PATIENCE));
        completions -= client.dispatch(Some(Duration::ZERO)).unwrap();
    }
}

/// Asserts that there is nothing to do.
#[track_caller]
fn assert_quiet(client: &Client) {
    for _ in 0..10 {
        if !is_readable(client, Duration::ZERO) {
            return;
        }
        assert_eq!(client.dispatch(Some(Duration::ZERO)), Ok(0));
    }
    panic!("there is something to do again and again");
}

#[test]
fn a_completion_is_run_once_and_by_dispatch_alone() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let results = [b"a", b"b", b"c"].map(|body| submit(&client, &CallOptions::new(), body));
    for (body, result) in [b"a", b"b", b"c"].iter().zip(results) {
        assert!(!is_readable(&client, Duration::ZERO));
        server.serve(*body);
        assert_eq!(result.try_recv(), Err(TryRecvError::Empty));
        dispatch(&client, 1);
        assert_eq!(result.try_recv().unwrap().unwrap().body, [*body, &b"!"[..]].concat());
        assert_eq!(result.try_recv(), Err(TryRecvError::Disconnected));
    }
    assert!(!is_readable(&client, MOMENT));
    assert_eq!(client.dispatch(Some(MOMENT)), Ok(0));
}

#[test]
fn a_deadline_fires_in_the_event_loop_of_the_program() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    // Both calls have the same deadline, or the second would get its turn when the first one ends.
    let submit_both = |time| {
        let short = CallOptions::new().deadline(Instant::now() + time);
        let both = [b"out".as_slice(), b"waiting"].map(|body| submit(&client, &short, body));
        // Otherwise the first call was too late to be sent.
        let in_time = server.has_something();
        dispatch(&client, 2);
        in_time.then_some(both)
    };
    let [out, waiting] = longer_times().find_map(submit_both).unwrap();
    assert_eq!(server.call().body, b"out");
    assert_eq!(describe(out.recv_timeout(PATIENCE).unwrap()), (Phase::Reply, Cause::TimedOut));
    assert_eq!(describe(waiting.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::TimedOut));
    server.assert_silent();
    assert_quiet(&client);
    // The late reply is dropped.
    server.send_message(Framing::Chunked, &success(1, b"late"));
    let next = submit(&client, &CallOptions::new(), b"next");
    server.serve(b"next");
    dispatch(&client, 1);
    assert_eq!(next.recv_timeout(PATIENCE).unwrap().unwrap().body, b"next!");
}

#[test]
fn a_submitted_call_can_be_cancelled() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let cancel = Cancel::new();
    let result = submit(&client, &CallOptions::new().cancel(&cancel), b"out");
    server.call();
    client.event_fd().unwrap();
    cancel.cancel();
    dispatch(&client, 1);
    assert_eq!(describe(result.recv_timeout(PATIENCE).unwrap()), (Phase::Reply, Cause::Cancelled));
}

/// A caller that waits for its own reply reads the others, too, and sends the next calls.
#[test]
fn callers_that_wait_do_the_work_but_run_no_completion() {
    for pipelining in [false, true] {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client().pipelining(pipelining));
        thread::scope(|scope| {
            let submitted = submit(&client, &CallOptions::new(), b"submitted");
            let call = server.call();
            let caller = call_in(scope, &client, b"waiting");
            server.answer(&call, b"done");
            server.serve(b"waiting");
            assert_eq!(caller.join().unwrap().unwrap().body, b"waiting!");
            assert_eq!(submitted.try_recv(), Err(TryRecvError::Empty));
            dispatch(&client, 1);
            assert_eq!(submitted.recv_timeout(PATIENCE).unwrap().unwrap().body, b"done");
        });
    }
}

/// The event loop is also woken if it waits for the descriptor already.
#[test]
fn a_call_that_others_have_completed_wakes_the_event_loop() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    client.event_fd().unwrap();
    let first = submit(&client, &CallOptions::new(), b"first");
    let call = server.call();
    thread::scope(|scope| {
        let waiting = call_in(scope, &client, b"waiting");
        server.assert_silent();
        // The caller that waits sends the call between the two.
        server.answer(&call, b"");
        server.serve(b"waiting");
        waiting.join().unwrap().unwrap();
        assert!(is_readable(&client, Duration::ZERO));
        dispatch(&client, 1);
        first.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_quiet(&client);
    });
}

#[test]
fn a_completion_may_submit() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let (sender, results) = mpsc::channel();
    let again = client.clone();
    let done = move |_| {
        let done = move |result: Result<Response, Error>| sender.send(result.unwrap().body).unwrap();
        again.submit(&CallOptions::new(), 7, 1, b"second".to_vec(), done).unwrap();
    };
    client.submit(&CallOptions::new(), 7, 1, b"first".to_vec(), done).unwrap();
    server.serve(b"first");
    dispatch(&client, 1);
    server.serve(b"second");
    dispatch(&client, 1);
    assert_eq!(results.recv_timeout(PATIENCE).unwrap(), b"second!");
}

/// The descriptor becomes readable when the socket takes more.
#[test]
fn a_large_call_is_sent_by_dispatch() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let body = pattern(4 << 20);
    let result = submit(&client, &CallOptions::new(), &body);
    assert!(!is_readable(&client, MOMENT));
    thread::scope(|scope| {
        let server = scope.spawn(move || {
            let call = server.long_call();
            server.answer(&call, b"");
            call.body
        });
        dispatch(&client, 1);
        result.recv_timeout(PATIENCE).unwrap().unwrap();
        assert!(server.join().unwrap() == body, "another call");
    });
}

#[test]
fn a_thread_of_the_client_can_dispatch() {
    let held = Arc::new(());
    let sink = Arc::clone(&held);
    let log = Log::to(move |_, _| drop(Arc::clone(&sink)));
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client().thread(true).log(log));
    let result = submit(&client, &CallOptions::new(), b"first");
    server.serve(b"first");
    assert_eq!(result.recv_timeout(PATIENCE).unwrap().unwrap().body, b"first!");
    // A completion that panics is the program's fault, and does not harm other completions.
    let (sender, receiver) = mpsc::channel::<()>();
    let panics = move |_| {
        drop(sender);
        std::panic::resume_unwind(Box::new("a completion that panics"));
    };
    client.submit(&CallOptions::new(), 7, 1, b"second".to_vec(), panics).unwrap();
    server.serve(b"second");
    assert!(receiver.recv().is_err());
    // The thread also connects again.
    drop(server);
    let result = submit(&client, &CallOptions::new(), b"third");
    let server = accept(&listener);
    server.serve(b"third");
    assert_eq!(result.recv_timeout(PATIENCE).unwrap().unwrap().body, b"third!");
    // The thread ends with the client.
    let result = submit(&client, &CallOptions::new(), b"last");
    server.call();
    drop(client);
    assert_eq!(describe(result.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::NotConnected));
    server.assert_end();
    assert_eq!(Arc::strong_count(&held), 1, "the thread has the client still");
}

/// The thread of the client does not wait for its own end.
#[test]
fn a_completion_may_hold_the_last_clone() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = Log::to(move |_, line| sink.lock().unwrap().push(line.to_string()));
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().thread(true).log(log));
    let clone = client.clone();
    client.submit(&CallOptions::new(), 7, 1, b"last".to_vec(), move |_| drop(clone)).unwrap();
    drop(client);
    server.serve(b"last");
    server.assert_end();
    assert_eq!(*lines.lock().unwrap(), [""; 0]);
}

#[test]
fn the_event_loop_connects_again() {
    let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&chunked_client().retries(30));
    drop((server, listener));
    let result = submit(&client, &CallOptions::new(), b"next");
    assert!(is_readable(&client, PATIENCE), "the end of the pause");
    client.dispatch(Some(Duration::ZERO)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let listener = raw_listener(&path);
    thread::scope(|scope| {
        scope.spawn(|| accept(&listener).serve(b"next"));
        dispatch(&client, 1);
    });
    assert_eq!(result.recv_timeout(PATIENCE).unwrap().unwrap().body, b"next!");
}

#[test]
fn every_call_ends() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let never = |_| panic!("an error has been returned");
    let unconnected = Client::new(client.path());
    let refused = unconnected.submit(&CallOptions::new(), 7, 1, Vec::new(), never);
    assert_eq!(describe(refused), (Phase::Call, Cause::NotConnected));

    let closed = submit(&client, &CallOptions::new(), b"out");
    server.call();
    client.close().unwrap();
    dispatch(&client, 1);
    assert_eq!(describe(closed.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::NotConnected));

    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let dropped = submit(&client, &CallOptions::new(), b"out");
    let waiting = submit(&client, &CallOptions::new(), b"waiting");
    server.call();
    let clone = client.clone();
    drop(client);
    assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty));
    drop(clone);
    for result in [dropped, waiting] {
        assert_eq!(describe(result.recv_timeout(PATIENCE).unwrap()), (Phase::Call, Cause::NotConnected));
    }
    server.assert_end();
}

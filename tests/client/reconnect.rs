//! The fate of calls when the server goes away, and comes back.

use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use drpc::{Cause, Log, Phase, Status};

use super::*;
use crate::support::body::pattern;
use crate::support::raw_server::{describe, response};

fn idempotent() -> CallOptions {
    CallOptions::new().idempotent(true)
}

#[test]
fn a_call_that_was_not_sent_goes_to_the_next_server() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client());
    thread::scope(|scope| {
        let first = call_in(scope, &client, b"first");
        server.serve(b"first");
        first.join().unwrap().unwrap();
        drop(server);
        let second = call_in(scope, &client, b"second");
        let server = accept(&listener);
        server.serve(b"second");
        assert_eq!(second.join().unwrap().unwrap().body, b"second!");
        // Calls that wait for their turn have not been sent either.
        let out = call_in(scope, &client, b"out");
        server.call();
        let waiting = call_in(scope, &client, b"waiting");
        server.assert_silent();
        drop(server);
        assert_eq!(describe(out.join().unwrap()), (Phase::Reply, Cause::NoReply));
        accept(&listener).serve(b"waiting");
        assert_eq!(waiting.join().unwrap().unwrap().body, b"waiting!");
    });
}

/// A message left in an ending connection is no reply to a call that the connection did not take.
#[test]
fn a_last_word_is_no_reply_to_a_call_that_was_not_sent() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client());
    thread::scope(|scope| {
        server.send_message(Framing::Chunked, &response(-1, Status::Failure, b""));
        drop(server);
        let caller = call_in(scope, &client, b"next");
        accept(&listener).serve(b"next");
        assert_eq!(caller.join().unwrap().unwrap().body, b"next!");
    });
}

#[test]
fn a_call_that_was_sent_in_part_is_sent_again() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client());
    let body = pattern(4 << 20);
    thread::scope(|scope| {
        let caller = call_in(scope, &client, &body);
        server.receive();
        drop(server);
        let server = accept(&listener);
        let call = server.long_call();
        assert!(call.body == body, "another call");
        server.answer(&call, b"whole");
        assert_eq!(caller.join().unwrap().unwrap().body, b"whole");
    });
}

/// The end of a large call may go out together with the next call.
#[test]
fn a_call_that_went_out_with_another_is_not_sent_again() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client().pipelining(true));
    let large = pattern(300_000);
    let first = submit(&client, &CallOptions::new(), &large);
    let begun = server.receive();
    thread::scope(|scope| {
        let second = call_in(scope, &client, b"second");
        let first = server.call_from(begun);
        assert!(first.body == large, "another call");
        assert_eq!(server.call().body, b"second");
        drop(server);
        assert_eq!(describe(second.join().unwrap()), (Phase::Reply, Cause::NoReply));
    });
    client.dispatch(Some(PATIENCE)).unwrap();
    assert_eq!(describe(first.recv_timeout(PATIENCE).unwrap()), (Phase::Reply, Cause::NoReply));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "connected again");
}

#[test]
fn a_call_that_was_sent_is_sent_again_only_if_it_is_idempotent() {
    let Fixture { client, mut server, listener, dir: _dir, .. } = Fixture::new(&chunked_client().retries(2));
    for (options, attempts) in [(CallOptions::new(), 1), (idempotent(), 3)] {
        thread::scope(|scope| {
            let caller = scope.spawn(|| client.call_with(&options, 7, 1, b"maybe"));
            for attempt in 1..=attempts {
                assert_eq!(server.call().body, b"maybe");
                server.end();
                if attempt < attempts {
                    server = accept(&listener);
                }
            }
            assert_eq!(describe(caller.join().unwrap()), (Phase::Reply, Cause::NoReply));
            let next = call_in(scope, &client, b"next");
            server = accept(&listener);
            server.serve(b"next");
            next.join().unwrap().unwrap();
        });
    }
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call_with(&idempotent(), 7, 1, b"again"));
        server.call();
        drop(server);
        accept(&listener).serve(b"again");
        assert_eq!(caller.join().unwrap().unwrap().body, b"again!");
    });
}

#[test]
fn a_call_may_be_tried_once_only() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client().retries(0));
    drop(server);
    assert_eq!(describe(client.call(7, 1, b"lost")), (Phase::Call, Cause::Os(libc::EPIPE)));
    thread::scope(|scope| {
        let caller = scope.spawn(|| client.call_with(&idempotent(), 7, 1, b"next"));
        let server = accept(&listener);
        server.call();
        drop(server);
        assert_eq!(describe(caller.join().unwrap()), (Phase::Reply, Cause::NoReply));
    });
}

#[test]
fn a_server_that_stays_away_is_not_waited_for() {
    let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&chunked_client());
    drop((server, listener));
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Connect, Cause::Os(libc::ECONNREFUSED)));
    fs::remove_file(&path).unwrap();
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Connect, Cause::Os(libc::ENOENT)));
    assert_eq!(describe(client.open()), (Phase::Connect, Cause::Os(libc::ENOENT)));
    // Waiting for a socket of another type would make no sense, and no call does.
    let stream = UnixListener::bind(&path).unwrap();
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Connect, Cause::Os(libc::EPROTOTYPE)));
    drop(stream);
}

#[test]
fn a_server_that_comes_back_in_time_is_found() {
    let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&chunked_client().retries(30));
    drop((server, listener));
    thread::scope(|scope| {
        // Several calls wait, and one of them connects for all.
        let callers = [b"a", b"b", b"c"].map(|body| call_in(scope, &client, body));
        thread::sleep(MOMENT);
        fs::remove_file(&path).unwrap();
        let server = accept(&raw_listener(&path));
        for _ in &callers {
            let call = server.call();
            server.answer(&call, &call.body);
        }
        let bodies = callers.map(|caller| caller.join().unwrap().unwrap().body);
        assert_eq!(bodies, [b"a", b"b", b"c"].map(|body| body.to_vec()));
    });
}

/// Calls wait for the end of a pause, but an attempt of the program does not.
#[test]
fn the_program_can_connect_at_once() {
    let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&chunked_client().retries(5));
    drop((server, listener));
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Connect, Cause::Os(libc::ECONNREFUSED)));
    fs::remove_file(&path).unwrap();
    let _listener = raw_listener(&path);
    client.open_with(&CallOptions::new().timeout(Duration::ZERO)).unwrap();
}

/// The connection to the server before does not count.
#[test]
fn a_server_that_starts_again_is_waited_for() {
    let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&chunked_client());
    drop((server, listener));
    assert_eq!(describe(client.wait_ready(MOMENT)), (Phase::Connect, Cause::TimedOut));
    fs::remove_file(&path).unwrap();
    let listener = raw_listener(&path);
    client.open().unwrap();
    drop(accept(&listener));
    client.open_with(&CallOptions::new().timeout(Duration::ZERO)).unwrap();
    let server = accept(&listener);
    thread::scope(|scope| {
        let caller = call_in(scope, &client, b"next");
        server.serve(b"next");
        caller.join().unwrap().unwrap();
    });
}

#[test]
fn a_server_that_is_starting_is_waited_for() {
    let (_dir, path) = socket_path();
    let client = chunked_client().build(&path);
    assert_eq!(describe(client.wait_ready(MOMENT)), (Phase::Connect, Cause::TimedOut));
    thread::scope(|scope| {
        let ready = scope.spawn(|| client.wait_ready(PATIENCE));
        // First there is no file, then a file on which no server listens, then a server.
        thread::sleep(MOMENT);
        drop(raw_listener(&path));
        thread::sleep(MOMENT);
        fs::remove_file(&path).unwrap();
        let server = accept(&raw_listener(&path));
        ready.join().unwrap().unwrap();
        client.wait_ready(PATIENCE).unwrap();
        let caller = call_in(scope, &client, b"ready");
        server.serve(b"ready");
        caller.join().unwrap().unwrap();
    });
    fs::remove_file(&path).unwrap();
    let _stream = UnixListener::bind(&path).unwrap();
    let other = Client::new(&path);
    assert_eq!(describe(other.wait_ready(PATIENCE)), (Phase::Connect, Cause::Os(libc::EPROTOTYPE)));
}

#[test]
fn the_log_tells_of_lost_connections() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = Log::to(move |_, line| sink.lock().unwrap().push(line.to_string()));
    let Fixture { client, server, listener, path, dir: _dir, .. } = Fixture::new(&chunked_client().log(log));
    assert!(lines.lock().unwrap().is_empty());
    drop(server);
    thread::scope(|scope| {
        let caller = call_in(scope, &client, b"next");
        accept(&listener).serve(b"next");
        caller.join().unwrap().unwrap();
    });
    let path = path.display();
    let expected = [format!("lost the connection: broken pipe path={path}"), format!("connected again path={path}")];
    assert_eq!(*lines.lock().unwrap(), expected);
}

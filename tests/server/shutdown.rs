//! Shutting a server down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use drpc::framing::chunked::MAX_DATA;
use drpc::{Cancel, Cause, Failure, Framing, Module, Phase, Server, Session, Status};

use crate::await_that;
use crate::modules::{ECHO, Echo, GATE, Gate, LATER, Later, PATIENCE};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;

/// A deadline that passes.
const SHORT: Duration = Duration::from_millis(50);

/// Running calls finish, waiting calls are refused, and no new client is accepted.
#[test]
fn a_shutdown_lets_handlers_finish() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let gate = Gate::default();
        let server = Server::builder().module(gate.clone()).module(Echo).threads(3).bind(&path).unwrap();
        server.start().unwrap();
        let (client, idle) = (Raw::connect(&path, framing), Raw::connect(&path, framing));
        assert_eq!(idle.call(ECHO, 1, 1, b"").status(), Status::Success);
        for sequence in 1..=3 {
            client.send(&call(GATE, 1, sequence, b"done"));
        }
        gate.await_waiting(1);
        thread::scope(|scope| {
            let shutdown = scope.spawn(|| server.shutdown(PATIENCE));
            idle.assert_end();
            await_that("the file is gone", || !path.exists());
            // A call may be accepted until the shutdown has reached this session.
            let last = (4..).find(|sequence| !client.try_send(&call(GATE, 1, *sequence, b""))).unwrap();
            assert!(!shutdown.is_finished());
            gate.open(1);
            assert_eq!(client.reply().body, b"done");
            (2..last).for_each(|sequence| client.assert_reply(sequence, Status::Failure));
            client.assert_end();
            assert_eq!(shutdown.join().unwrap(), Ok(()));
        });
        assert_eq!(gate.entered(), 1);
    }
}

/// A response to a slow client is sent, too.
#[test]
fn a_shutdown_waits_for_responses_to_be_taken() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(ECHO, 1, 1, &pattern(4 << 20)));
    await_that("it is handled", || server.stats().handled == 1);
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| server.shutdown(PATIENCE));
        await_that("the file is gone", || !path.exists());
        assert!(client.reply().body == pattern(4 << 20), "another body");
        client.assert_end();
        assert_eq!(shutdown.join().unwrap(), Ok(()));
    });
}

/// Calls that are still being handled at the deadline are answered for their handlers.
#[test]
fn a_shutdown_has_a_deadline() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let gate = Gate::default();
        let (later, taken) = Later::new(false);
        let server = Server::builder().module(gate.clone()).module(later).threads(2).bind(&path).unwrap();
        server.start().unwrap();
        let clients = [(); 3].map(|()| Raw::connect(&path, framing));
        clients[2].send(&call(LATER, 1, 1, b""));
        let request = taken.recv_timeout(PATIENCE).unwrap();
        clients[2].send(&call(LATER, 1, 2, b""));
        // No thread is left to notice the deadline.
        clients[..2].iter().for_each(|client| client.send(&call(GATE, 1, 1, b"")));
        gate.await_waiting(2);
        let error = server.shutdown(SHORT).unwrap_err();
        assert_eq!((error.phase(), error.cause()), (Phase::Shutdown, Cause::TimedOut));
        for (client, sequence) in clients.iter().chain([&clients[2]]).zip([1, 1, 1, 2]) {
            let response = client.reply();
            assert_eq!((response.sequence, response.status()), (sequence, Status::Failure));
            assert_eq!(response.detail(), Some("the server ended before the call had been answered"));
        }
        clients.iter().for_each(Raw::assert_end);
        assert_eq!(request.reply(Ok(Vec::new())).unwrap_err().cause(), Cause::SessionEnded);
        assert_eq!(server.stats().sessions, 0);
        // The handlers can still use their sessions.
        let dropping = thread::spawn(move || drop(server));
        thread::sleep(SHORT);
        assert!(!dropping.is_finished());
        gate.open(2);
        dropping.join().unwrap();
    }
}

/// Several threads shut it down at once, and all see the end.
#[test]
fn several_threads_may_shut_down() {
    let (_dir, path) = socket_path();
    let gate = Gate::default();
    let server = Server::builder().module(gate.clone()).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(GATE, 1, 1, b""));
    gate.await_waiting(1);
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| server.shutdown(PATIENCE))).collect();
        let runner = scope.spawn(|| server.wait());
        server.stop();
        await_that("the file is gone", || !path.exists());
        gate.open(1);
        client.assert_reply(1, Status::Success);
        waiters.into_iter().for_each(|waiter| assert_eq!(waiter.join().unwrap(), Ok(())));
        assert_eq!(runner.join().unwrap(), Ok(()));
    });
    assert_eq!(server.shutdown(Duration::ZERO), Ok(()));
}

/// A caller with less time does not wait for one with more.
#[test]
fn the_earliest_deadline_holds() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(false);
    let server = Server::builder().module(later).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(LATER, 1, 1, b""));
    let _request = taken.recv_timeout(PATIENCE).unwrap();
    thread::scope(|scope| {
        let patient = scope.spawn(|| server.shutdown(Duration::MAX));
        await_that("the file is gone", || !path.exists());
        assert_eq!(server.shutdown(SHORT).unwrap_err().cause(), Cause::TimedOut);
        client.assert_reply(1, Status::Failure);
        assert_eq!(patient.join().unwrap().unwrap_err().cause(), Cause::TimedOut);
        // The order of the calls makes no difference.
        assert_eq!(server.shutdown(Duration::MAX).unwrap_err().cause(), Cause::TimedOut);
    });
}

/// A module that ends the server that calls it.
#[derive(Clone, Default)]
struct Ender(Arc<Mutex<Option<Server>>>);

impl Module for Ender {
    fn id(&self) -> i32 {
        1
    }

    fn handle(&self, _session: &Session, method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
        let server = self.0.lock().unwrap().take().unwrap();
        assert_eq!(server.wait().unwrap_err().cause(), Cause::Busy);
        match method {
            1 => assert_eq!(server.shutdown(PATIENCE), Ok(())),
            2 => server.stop(),
            // The last handle is dropped.
            _ => drop(server),
        }
        Ok(b"bye".to_vec())
    }
}

#[test]
fn a_handler_may_shut_its_server_down() {
    for (method, threads) in [(1, true), (1, false), (2, true), (2, false)] {
        let (_dir, path) = socket_path();
        let ender = Ender::default();
        let server = Server::builder().module(ender.clone()).bind(&path).unwrap();
        *ender.0.lock().unwrap() = Some(server.clone());
        thread::scope(|scope| {
            match threads {
                true => server.start().unwrap(),
                false => drop(scope.spawn(|| while server.dispatch(None).unwrap() {})),
            }
            let client = Raw::connect(&path, Framing::Chunked);
            assert_eq!(client.call(1, method, 1, b"").body, b"bye");
            client.assert_end();
            assert_eq!(server.wait(), Ok(()));
        });
    }
}

/// A thread of the program's loop, outside any handler, shuts the server down alone.
#[test]
fn a_program_loop_may_shut_its_server_down() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(ECHO, 1, 1, b""));
    while server.stats().handled == 0 {
        assert_eq!(server.dispatch(None), Ok(true));
    }
    client.assert_reply(1, Status::Success);
    assert_eq!(server.shutdown(PATIENCE), Ok(()));
    client.assert_end();
}

/// A handler that drops the last handle cuts its own call off.
#[test]
fn a_handler_may_drop_its_server() {
    let (_dir, path) = socket_path();
    let ender = Ender::default();
    let server = Server::builder().module(ender.clone()).bind(&path).unwrap();
    server.start().unwrap();
    *ender.0.lock().unwrap() = Some(server);
    let client = Raw::connect(&path, Framing::Chunked);
    assert_eq!(client.call(1, 3, 1, b"").sequence, 1);
    client.assert_end();
    await_that("the file is gone", || !path.exists());
}

#[test]
fn a_token_stops_the_server() {
    let (_dir, path) = socket_path();
    let cancel = Cancel::new();
    let server = Server::builder().module(Echo).cancelled_by(&cancel).bind(&path).unwrap();
    thread::scope(|scope| {
        let runner = scope.spawn(|| server.run());
        let client = Raw::connect(&path, Framing::Chunked);
        assert_eq!(client.call(ECHO, 1, 1, b"").status(), Status::Success);
        cancel.cancel();
        client.assert_end();
        assert_eq!(runner.join().unwrap(), Ok(()));
    });
    // A token cancelled before stops the server as well, and may outlive it.
    let server = Server::builder().cancelled_by(&cancel).bind(&path).unwrap();
    assert_eq!(server.run(), Ok(()));
    drop(server);
    assert!(!path.exists());
}

/// `stop` grants the time that was set in the builder.
#[test]
fn stopping_has_a_deadline() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(false);
    let server = Server::builder().module(later).grace(SHORT).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(LATER, 1, 1, b""));
    let request = taken.recv_timeout(PATIENCE).unwrap();
    server.stop();
    client.assert_reply(1, Status::Failure);
    client.assert_end();
    assert_eq!(server.wait().unwrap_err().cause(), Cause::TimedOut);
    assert!(request.reply(Ok(Vec::new())).is_err());
}

/// Running calls are cut off at once, and the threads are waited for, also after a shutdown that did not wait.
#[test]
fn dropping_the_last_handle_ends_the_server() {
    for given_up in [false, true] {
        dropped_last(given_up);
    }
}

fn dropped_last(given_up: bool) {
    let (_dir, path) = socket_path();
    let gate = Gate::default();
    let server = Server::builder().module(gate.clone()).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(GATE, 1, 1, b""));
    gate.await_waiting(1);
    drop(server.clone());
    assert!(path.exists());
    if given_up {
        assert_eq!(server.shutdown(SHORT).unwrap_err().cause(), Cause::TimedOut);
    }
    let opened = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(server);
            assert!(opened.load(Ordering::Acquire), "the handler was not waited for");
        });
        client.assert_reply(1, Status::Failure);
        client.assert_end();
        // Time enough to see that it waits.
        thread::sleep(SHORT);
        opened.store(true, Ordering::Release);
        gate.open(1);
    });
    assert!(!path.exists());
}

/// A module that counts the calls it finishes.
struct Tally(Arc<AtomicUsize>);

impl Module for Tally {
    fn id(&self) -> i32 {
        1
    }

    fn handle(&self, _session: &Session, _method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(body.to_vec())
    }
}

/// A shutdown while many clients call. Each finished call's response arrives, and each call sent is answered, or its
/// client sees the end.
#[test]
fn a_shutdown_under_load_loses_nothing() {
    for round in 0..10 {
        for framing in FRAMINGS {
            let (_dir, path) = socket_path();
            let finished = Arc::new(AtomicUsize::new(0));
            let server = Server::builder().module(Tally(Arc::clone(&finished))).bind(&path).unwrap();
            server.start().unwrap();
            let succeeded = AtomicUsize::new(0);
            thread::scope(|scope| {
                for number in 0..6 {
                    let client = Raw::connect(&path, framing);
                    let (succeeded, finished) = (&succeeded, &finished);
                    scope.spawn(move || {
                        // Some send several calls ahead, some large ones.
                        let (ahead, len) = ([1, 4][number % 2], [10, 15_000, 2 * MAX_DATA][number % 3]);
                        let body = pattern(if framing == Framing::Datagram { len.min(15_000) } else { len });
                        let (mut sent, mut answered) = (0, 0);
                        let mut open = true;
                        loop {
                            while open && sent < answered + ahead {
                                open = client.try_send(&call(1, 1, sent + 1, &body));
                                sent += i64::from(open);
                            }
                            if answered == sent {
                                break;
                            }
                            answered += 1;
                            let reply = client.reply();
                            assert_eq!(reply.sequence, answered, "a call was passed over");
                            match reply.status() {
                                Status::Success => {
                                    succeeded.fetch_add(usize::from(reply.body == body), Ordering::SeqCst)
                                }
                                status => {
                                    assert_eq!(status, Status::Failure);
                                    assert!(finished.load(Ordering::SeqCst) > 0);
                                    0
                                }
                            };
                        }
                        // A part of a call may have been left unsent.
                        while client.try_reply().is_some() {}
                    });
                }
                await_that("there is some load", || finished.load(Ordering::SeqCst) > 50 * (round + 1));
                assert_eq!(server.shutdown(PATIENCE), Ok(()));
            });
            assert_eq!(succeeded.load(Ordering::SeqCst), finished.load(Ordering::SeqCst));
        }
    }
}

//! Calls and their responses: threads, order, deferred answers, the program's own loop.

use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::mpsc::{self, TryRecvError};
use std::time::Duration;
use std::{fs, thread};

use drpc::framing::chunked::MAX_DATA;
use drpc::{Cause, Failure, Framing, Module, Server, Session, Status};

use crate::await_that;
use crate::modules::{ECHO, Echo, GATE, Gate, LATER, Later, PATIENCE};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;
use crate::support::subprocess::{is_alone, run_alone};

#[test]
fn calls_are_served() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let server = Server::builder().module(Echo).bind(&path).unwrap();
        server.start().unwrap();
        let clients: Vec<Raw> = (0..10).map(|_| Raw::connect(&path, framing)).collect();
        for sequence in 1..=3 {
            for client in &clients {
                let body = pattern(sequence as usize * 5000);
                let response = client.call(ECHO, 1, sequence, &body);
                assert_eq!((response.sequence, response.status()), (sequence, Status::Success));
                assert!(response.body == body, "another body");
            }
        }
        assert_eq!(clients[0].call(ECHO, 3, 4, b"").status(), Status::UnknownMethod);
        assert_eq!(clients[0].call(77, 1, 5, b"").status(), Status::UnknownModule);
        assert_eq!(clients[0].call(ECHO, 1, 6, b"still").body, b"still");
        drop(clients);
        assert_eq!(server.shutdown(PATIENCE), Ok(()));
        assert!(!path.exists());
    }
}

#[test]
fn large_calls_and_responses() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    for len in [MAX_DATA, MAX_DATA + 1, 3 * MAX_DATA, 16 << 20] {
        let body = pattern(len);
        assert!(client.call(ECHO, 1, 1, &body).body == body, "another body of {len} bytes");
    }
}

/// The next call of a session begins only once the answer to the one before is sent.
#[test]
fn calls_of_one_session_are_handled_in_order() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (later, taken) = Later::new(false);
        let server = Server::builder().module(later).module(Echo).threads(4).bind(&path).unwrap();
        server.start().unwrap();
        let (client, other) = (Raw::connect(&path, framing), Raw::connect(&path, framing));
        for sequence in 1..=3 {
            client.send(&call(LATER, 1, sequence, b"?"));
        }
        for sequence in 1..=3 {
            let request = taken.recv_timeout(PATIENCE).unwrap();
            assert_eq!(request.call().sequence, sequence);
            // Time enough for a thread that would begin the next one.
            for _ in 0..50 {
                assert_eq!(other.call(ECHO, 1, 9, b"").status(), Status::Success);
            }
            assert_eq!(taken.try_recv().map(drop), Err(TryRecvError::Empty));
            request.reply(Ok(b"!".to_vec())).unwrap();
            client.assert_reply(sequence, Status::Success);
        }
    }
}

/// The response to an answered call must be sent before the next call begins.
#[test]
fn the_next_call_waits_until_the_response_is_out() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(false);
    let server = Server::builder().module(later).module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let (client, other) = (Raw::connect(&path, Framing::Chunked), Raw::connect(&path, Framing::Chunked));
    client.send(&call(LATER, 1, 1, b""));
    client.send(&call(LATER, 1, 2, b""));
    let large = pattern(4 << 20);
    taken.recv_timeout(PATIENCE).unwrap().reply(Ok(large.clone())).unwrap();
    for _ in 0..50 {
        other.call(ECHO, 1, 9, b"");
    }
    assert_eq!(taken.try_recv().map(drop), Err(TryRecvError::Empty));
    assert!(client.reply().body == large, "another body");
    taken.recv_timeout(PATIENCE).unwrap().reply(Ok(Vec::new())).unwrap();
    client.assert_reply(2, Status::Success);
}

#[test]
fn calls_to_a_concurrent_module_are_answered_in_any_order() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (later, taken) = Later::new(true);
        let server = Server::builder().module(later).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, framing);
        for sequence in 1..=5 {
            client.send(&call(LATER, 1, sequence, b""));
        }
        let mut requests: Vec<_> = (0..5).map(|_| taken.recv_timeout(PATIENCE).unwrap()).collect();
        requests.sort_by_key(|request| request.call().sequence);
        for request in requests.into_iter().rev() {
            let sequence = request.call().sequence;
            request.reply(Ok(Vec::new())).unwrap();
            client.assert_reply(sequence, Status::Success);
        }
    }
}

/// Responses of several threads to one client do not mix, large and small.
#[test]
fn responses_do_not_interleave() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(true);
    let server = Server::builder().module(later).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    let body = |sequence: i64| pattern([5 * MAX_DATA, 10][sequence as usize % 2] + sequence as usize);
    for sequence in 1..=8 {
        client.send(&call(LATER, 1, sequence, b""));
    }
    let requests: Vec<_> = (0..8).map(|_| taken.recv_timeout(PATIENCE).unwrap()).collect();
    thread::scope(|scope| {
        for request in requests {
            scope.spawn(move || {
                let result = Ok(body(request.call().sequence));
                request.reply(result).unwrap();
            });
        }
        let mut sequences: Vec<i64> = (0..8)
            .map(|_| {
                let response = client.reply();
                assert!(response.body == body(response.sequence), "another body");
                response.sequence
            })
            .collect();
        sequences.sort_unstable();
        assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8]);
    });
}

#[test]
fn a_request_dropped_is_answered() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(false);
    let server = Server::builder().module(later).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(LATER, 1, 5, b""));
    drop(taken.recv_timeout(PATIENCE).unwrap());
    client.assert_reply(5, Status::Failure);
    client.send(&call(LATER, 1, 6, b""));
    taken.recv_timeout(PATIENCE).unwrap().reply(Err(Failure::marshaling_response())).unwrap();
    client.assert_reply(6, Status::FailedMarshal);
}

/// The request may keep the session's descriptor open, but the client has gone.
#[test]
fn a_request_outlives_its_session_and_its_server() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (later, taken) = Later::new(true);
        let server = Server::builder().module(later).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, framing);
        client.send(&call(LATER, 1, 1, b""));
        client.send(&call(LATER, 1, 2, b""));
        let [first, second] = [(); 2].map(|()| taken.recv_timeout(PATIENCE).unwrap());
        drop(client);
        let error = first.reply(Ok(b"!".to_vec())).unwrap_err();
        assert!(matches!(error.cause(), Cause::Os(libc::EPIPE) | Cause::SessionEnded), "{error}");
        drop(server);
        assert_eq!(second.reply(Ok(b"!".to_vec())).unwrap_err().cause(), Cause::SessionEnded);
    }
}

/// A client that sends and leaves at once is served all the same.
#[test]
fn calls_of_a_client_that_has_gone_are_handled() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (later, taken) = Later::new(false);
        let server = Server::builder().module(later).bind(&path).unwrap();
        let client = Raw::connect(&path, framing);
        for sequence in 1..=3 {
            client.send(&call(LATER, 1, sequence, b""));
        }
        drop(client);
        server.start().unwrap();
        for sequence in 1..=3 {
            let request = taken.recv_timeout(PATIENCE).unwrap();
            assert_eq!(request.call().sequence, sequence);
            assert!(request.reply(Ok(b"!".to_vec())).is_err());
        }
        assert_eq!(server.shutdown(PATIENCE), Ok(()));
    }
}

#[test]
fn a_handler_that_panics_answers() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).threads(1).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    for sequence in 1..=3 {
        assert_eq!(client.call(ECHO, 2, sequence, b"").status(), Status::Failure);
    }
    assert_eq!(client.call(ECHO, 1, 4, b"alive").body, b"alive");
    assert_eq!(server.stats().errors.panics, 3);
}

/// The message is answered, and the session goes on.
#[test]
fn what_is_no_call_is_answered() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let server = Server::builder().module(Echo).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, framing);
        client.send_message(b"\xff\xff");
        client.assert_reply(-1, Status::FailedUnmarshalCall);
        assert_eq!(client.call(ECHO, 1, 1, b"on").body, b"on");
        server.shutdown(PATIENCE).unwrap();
        assert_eq!(server.stats().errors.unparsable, 1);
    }
}

/// All threads but one may be in slow handlers, and clients may send half a message or read no response. Other clients
/// are not delayed.
#[test]
fn slow_handlers_and_slow_clients_delay_no_other_client() {
    let (_dir, path) = socket_path();
    let gate = Gate::default();
    let server = Server::builder().module(Echo).module(gate.clone()).threads(4).bind(&path).unwrap();
    server.start().unwrap();
    let connect = || Raw::connect(&path, Framing::Chunked);
    let large = call(ECHO, 1, 1, &pattern(3 * MAX_DATA));
    let halves: Vec<Raw> = (0..100).map(|_| connect()).collect();
    halves.iter().for_each(|client| client.send_part(&large));
    let unread: Vec<Raw> = (0..20).map(|_| connect()).collect();
    unread.iter().for_each(|client| client.send(&large));
    let sleepers: Vec<Raw> = (0..3).map(|_| connect()).collect();
    sleepers.iter().for_each(|client| client.send(&call(GATE, 1, 1, b"awake")));
    gate.await_waiting(3);

    let client = connect();
    for sequence in 1..=1000 {
        assert_eq!(client.call(ECHO, 1, sequence, b"quick").body, b"quick");
    }
    assert_eq!(gate.entered(), 3);
    gate.open(3);
    sleepers.iter().for_each(|client| assert_eq!(client.reply().body, b"awake"));
    unread.iter().for_each(|client| assert_eq!(client.reply().body.len(), 3 * MAX_DATA));
}

/// Handlers that were quick so far run without waking another thread, so a slow one has to be noticed.
#[test]
fn a_handler_that_is_slow_for_once_delays_no_other_client() {
    const QUICK: usize = 500;
    let (_dir, path) = socket_path();
    let gate = Gate::default();
    let server = Server::builder().module(Echo).module(gate.clone()).threads(2).bind(&path).unwrap();
    server.start().unwrap();
    let [held_up, other] = [(); 2].map(|()| Raw::connect(&path, Framing::Chunked));
    gate.open(QUICK);
    for sequence in 1..=QUICK as i64 {
        held_up.call(GATE, 1, sequence, b"");
    }
    held_up.send(&call(GATE, 1, 1, b"late"));
    gate.await_waiting(1);
    for sequence in 1..=10 {
        assert_eq!(other.call(ECHO, 1, sequence, b"quick").body, b"quick");
    }
    // The slow handler goes on.
    gate.await_waiting(1);
    gate.open(1);
    assert_eq!(held_up.reply().body, b"late");
}

/// A slow `authorise` delays no accepted client.
#[test]
fn a_slow_decision_delays_no_accepted_client() {
    let (_dir, path) = socket_path();
    let (decide, decisions) = mpsc::channel();
    let (asking, asked) = mpsc::channel();
    let decisions = Mutex::new(decisions);
    let authorise = move |_: &Session| {
        asking.send(()).unwrap();
        decisions.lock().unwrap().recv().unwrap()
    };
    let server = Server::builder().module(Echo).threads(2).authorise(authorise).bind(&path).unwrap();
    server.start().unwrap();
    decide.send(true).unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    asked.recv().unwrap();
    let other = Raw::connect(&path, Framing::Chunked);
    asked.recv().unwrap();
    assert_eq!(client.call(ECHO, 1, 1, b"quick").body, b"quick");
    decide.send(true).unwrap();
    assert_eq!(other.call(ECHO, 1, 1, b"late").body, b"late");
}

/// A session is not rearmed for each call. So one with more calls, or whose client has gone, must stay silent while its
/// call is handled.
#[test]
fn a_session_with_a_running_call_wakes_no_thread() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(false);
    let server = Server::builder().module(later).bind(&path).unwrap();
    for gone in [false, true] {
        let client = Raw::connect(&path, Framing::Chunked);
        client.send(&call(LATER, 1, 1, b""));
        while readable(&server) {
            assert_eq!(server.dispatch(Some(Duration::ZERO)), Ok(true));
        }
        let first = taken.try_recv().unwrap();
        client.send(&call(LATER, 1, 2, b""));
        let client = Some(client).filter(|_| !gone);
        assert_eq!(server.dispatch(Some(Duration::ZERO)), Ok(true));
        assert!(!readable(&server), "there is nothing that could be done");
        let answered = first.reply(Ok(Vec::new()));
        assert_eq!(answered.is_ok(), !gone);
        while readable(&server) {
            assert_eq!(server.dispatch(Some(Duration::ZERO)), Ok(true));
        }
        drop(taken.try_recv().unwrap());
        drop(client);
    }
}

/// Once all threads are in slow handlers, requests wait and are counted.
#[test]
fn requests_that_wait_for_a_thread_are_counted() {
    let (_dir, path) = socket_path();
    let gate = Gate::default();
    let server = Server::builder().module(Echo).module(gate.clone()).threads(2).bind(&path).unwrap();
    server.start().unwrap();
    let clients: Vec<Raw> = (0..5).map(|_| Raw::connect(&path, Framing::Chunked)).collect();
    clients[..2].iter().for_each(|client| client.send(&call(GATE, 1, 1, b"")));
    gate.await_waiting(2);
    assert_eq!(server.stats().saturated, 0);
    clients[2..].iter().for_each(|client| client.send(&call(ECHO, 1, 1, b"")));
    gate.open(1);
    clients[2..].iter().for_each(|client| client.assert_reply(1, Status::Success));
    assert!(server.stats().saturated >= 3, "{} requests waited", server.stats().saturated);
    gate.open(1);
    clients[..2].iter().for_each(|client| client.assert_reply(1, Status::Success));
}

/// The thread that dispatches does everything, and no other thread exists.
#[test]
fn a_program_loop_serves() {
    let (_dir, path) = socket_path();
    let (later, taken) = Later::new(false);
    let server = Server::builder().module(Echo).module(later).bind(&path).unwrap();
    assert!(!readable(&server), "readable without a client");
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(ECHO, 1, 1, b"one"));
    client.send(&call(LATER, 1, 2, b""));
    assert!(readable(&server));
    while readable(&server) {
        assert_eq!(server.dispatch(Some(Duration::ZERO)), Ok(true));
    }
    assert_eq!(client.reply().body, b"one");
    taken.try_recv().unwrap().reply(Ok(b"two".to_vec())).unwrap();
    assert_eq!(client.reply().body, b"two");
    let server = &server;
    thread::scope(|scope| {
        scope.spawn(move || while server.dispatch(None).unwrap() {});
        assert_eq!(client.call(ECHO, 1, 3, b"three").body, b"three");
        server.stop();
    });
    client.assert_end();
    assert_eq!(server.dispatch(None), Ok(false));
    assert!(!path.exists());
}

fn readable(server: &Server) -> bool {
    let mut fds = [libc::pollfd { fd: server.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    drpc::sys::poll(&mut fds, 0).unwrap() == 1
}

#[test]
fn a_server_starts_once() {
    let (_dir, path) = socket_path();
    // All threads are woken at the end.
    let server = Server::builder().threads(8).bind(&path).unwrap();
    server.start().unwrap();
    assert_eq!(server.start().unwrap_err().cause(), Cause::Busy);
    assert_eq!(server.shutdown(PATIENCE), Ok(()));
    assert_eq!(server.start().unwrap_err().cause(), Cause::Stopped);
    assert_eq!(server.wait(), Ok(()));
}

#[test]
fn calls_and_bytes_are_counted() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).module(Gate::default()).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    let body = pattern(1000);
    for sequence in 1..=3 {
        client.call(ECHO, 1, sequence, &body);
    }
    client.call(ECHO, 3, 4, b"");
    client.call(77, 1, 5, b"");
    client.call(78, 1, 6, b"");
    assert_eq!(server.stats().sessions, 1);
    // Some numbers grow only when the response is sent.
    server.shutdown(PATIENCE).unwrap();
    let stats = server.stats();
    assert_eq!((stats.sessions, stats.accepted, stats.refused), (0, 1, 0));
    assert_eq!(stats.calls.iter().map(|calls| calls.module).collect::<Vec<_>>(), [Some(ECHO), Some(GATE), None]);
    assert_eq!(stats.calls.iter().map(|calls| calls.total()).collect::<Vec<_>>(), [4, 0, 2]);
    assert_eq!(stats.calls[0].with(Status::Success), 3);
    assert_eq!(stats.calls[0].with(Status::UnknownMethod), 1);
    assert_eq!(stats.calls[2].with(Status::UnknownModule), 2);
    assert_eq!(stats.calls[0].with_unknown_status(), 0);
    assert_eq!(stats.handled, 4);
    assert!(stats.longest <= stats.handling && stats.longest > Duration::ZERO);
    // Keys, lengths and numbers are 8 to 9 bytes of each.
    assert!((3000..3100).contains(&stats.bytes_in), "{} bytes", stats.bytes_in);
    assert!((3000..3100).contains(&stats.bytes_out), "{} bytes", stats.bytes_out);
}

/// The server's threads block all signals but those that report a fault of the thread itself.
#[test]
fn the_threads_handle_no_signals() {
    struct Mask;
    impl Module for Mask {
        fn id(&self) -> i32 {
            1
        }
        fn handle(&self, _session: &Session, _method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
            Ok(blocked_signals().to_ne_bytes().to_vec())
        }
    }
    let before = blocked_signals();
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Mask).bind(&path).unwrap();
    server.start().unwrap();
    let mask = Raw::connect(&path, Framing::Chunked).call(1, 1, 1, b"").body;
    let mask = u64::from_ne_bytes(mask.try_into().unwrap());
    let is_blocked = |signal: i32| (mask >> (signal - 1)) & 1 == 1;
    assert!([libc::SIGTERM, libc::SIGINT, libc::SIGALRM, libc::SIGCHLD, libc::SIGUSR1].into_iter().all(is_blocked));
    assert!(![libc::SIGSEGV, libc::SIGBUS, libc::SIGABRT].into_iter().any(is_blocked));
    assert_eq!(blocked_signals(), before);
}

/// The blocked signals of the calling thread, the first signal in the lowest bit.
fn blocked_signals() -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

/// One thread for each CPU, or the number asked for, and none before and after.
#[test]
fn the_number_of_threads_is_the_one_asked_for() {
    if !is_alone() {
        return run_alone("serving::the_number_of_threads_is_the_one_asked_for", "", Stdio::null());
    }
    let count = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
        names.filter(|name| name.starts_with("drpc-")).count()
    };
    let cpus = thread::available_parallelism().unwrap().get();
    for (threads, expected) in [(None, cpus.max(2)), (Some(5), 5), (Some(1), 1)] {
        let (_dir, path) = socket_path();
        let builder = Server::builder().module(Echo);
        let builder = if let Some(threads) = threads { builder.threads(threads) } else { builder };
        let server = builder.bind(&path).unwrap();
        assert_eq!(count(), 0);
        server.start().unwrap();
        await_that("they have their names", || count() == expected);
        assert_eq!(Raw::connect(&path, Framing::Chunked).call(ECHO, 1, 1, b"").status(), Status::Success);
        assert_eq!(count(), expected);
        server.shutdown(PATIENCE).unwrap();
        await_that("they have gone", || count() == 0);
    }
}

//! The limits on clients, and the effect of exceeding them.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use drpc::framing::chunked::MAX_DATA;
use drpc::{Framing, Level, LimitStats, Log, Server, ServerBuilder, ServerLimits, Status};

use crate::await_that;
use crate::modules::{ECHO, Echo, GATE, Gate, LATER, Later, PATIENCE};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;

/// A time that is over soon.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// The lines of a server's log.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn log(&self) -> Log {
        let lines = self.clone();
        Log::to(move |_, line| lines.0.lock().unwrap().push(line.to_string()))
    }

    /// The same with every line that there is.
    pub(crate) fn trace(&self) -> Log {
        self.log().up_to(Level::Trace)
    }

    /// The lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for a number of lines whose sentence has this end.
    #[track_caller]
    pub(crate) fn await_ending(&self, text: &str, count: usize) {
        await_that(text, || self.ending(text) >= count);
        assert_eq!(self.ending(text), count);
    }

    /// The number of lines whose sentence has this end. Each names the peer and the socket.
    fn ending(&self, text: &str) -> usize {
        let lines = self.0.lock().unwrap();
        let found = lines.iter().filter(|line| sentence(line).ends_with(text));
        let names = |line: &str| line.contains(" pid=") && line.contains(" uid=") && line.ends_with("drpc.sock");
        found.inspect(|line| assert!(names(line), "{line}")).count()
    }
}

/// The part of a line before the first field.
pub(crate) fn sentence(line: &str) -> &str {
    let field = line.find('=').and_then(|sign| line[..sign].rfind(' '));
    &line[..field.unwrap_or(line.len())]
}

/// Asserts that these limits were met, and no others.
#[track_caller]
pub(crate) fn assert_met(server: &Server, set: impl FnOnce(&mut LimitStats)) {
    let mut expected = LimitStats::default();
    set(&mut expected);
    assert_eq!(server.stats().limits, expected);
}

pub(crate) fn limited(limits: ServerLimits) -> ServerBuilder {
    Server::builder().module(Echo).limits(limits).threads(4)
}

#[test]
fn a_call_that_is_too_large_is_answered() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (lines, limits) = (Lines::default(), ServerLimits { message: 1000, ..ServerLimits::default() });
        let server = limited(limits).log(lines.log()).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, framing);
        assert_eq!(client.call(ECHO, 1, 1, &pattern(900)).body, pattern(900));
        client.send(&call(ECHO, 1, 2, &pattern(1000)));
        client.assert_reply(2, Status::Failure);
        client.assert_end();
        assert_met(&server, |limits| limits.message = 1);
        lines.await_ending("bytes is too large: ServerLimits::message is 1000", 1);
    }
    // The first of several records tells the size.
    let (_dir, path) = socket_path();
    let limits = ServerLimits { message: 2 * MAX_DATA, ..ServerLimits::default() };
    let server = limited(limits).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send_part(&call(ECHO, 1, 3, &pattern(2 * MAX_DATA)));
    client.assert_reply(3, Status::Failure);
    client.assert_end();
    // The rest of the call, as far as it comes, does not take the answer back.
    let client = Raw::connect(&path, Framing::Chunked);
    client.try_send(&call(ECHO, 1, 4, &pattern(4 * MAX_DATA)));
    client.assert_reply(4, Status::Failure);
    client.assert_end();
}

/// A datagram cut by the kernel cannot be read, but the next one can.
#[test]
fn a_truncated_datagram_is_answered() {
    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let builder = limited(ServerLimits::default()).framing(Framing::Datagram);
    let server = builder.log(lines.log()).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Datagram);
    client.socket().set_send_buffer_size(2 << 20).unwrap();
    if client.try_send(&call(ECHO, 1, 1, &pattern(300_000))) {
        client.assert_reply(-1, Status::FailedUnmarshalCall);
        lines.await_ending("a message is no call: datagram larger than the 262144 bytes that can be received", 1);
    }
    assert_eq!(client.call(ECHO, 1, 2, b"on").body, b"on");
}

#[test]
fn a_response_that_is_too_large_is_replaced() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (lines, limits) = (Lines::default(), ServerLimits { message: 1000, ..ServerLimits::default() });
        let (later, taken) = Later::new(false);
        let builder = limited(limits).module(later).log(lines.log());
        let server = builder.bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, framing);
        client.send(&call(LATER, 1, 1, b""));
        let result = taken.recv_timeout(PATIENCE).unwrap().reply(Ok(pattern(1000)));
        assert!(matches!(result.unwrap_err().cause(), drpc::Cause::TooBig { limit: 1000, .. }));
        client.assert_reply(1, Status::FailedMarshal);
        assert_eq!(client.call(ECHO, 1, 2, b"on").body, b"on");
        assert_eq!(server.stats().errors.unsendable, 1);
        lines.await_ending("a response of 1005 bytes cannot be sent: ServerLimits::message is 1000", 1);
    }
}

/// By default a datagram is sent only if every client can receive it. Chunks have no such limit.
#[test]
fn datagrams_have_a_limit_of_their_own() {
    for (datagram, status) in [(16 << 10, Status::FailedMarshal), (128 << 10, Status::Success)] {
        let (_dir, path) = socket_path();
        let limits = ServerLimits::default();
        assert_eq!(limits.datagram, 16 << 10);
        let server = limited(ServerLimits { datagram, ..limits }).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, Framing::Datagram);
        assert_eq!(client.call(ECHO, 1, 1, &pattern(16_000)).body.len(), 16_000);
        assert_eq!(client.call(ECHO, 1, 2, &pattern(17_000)).status(), status);
        let client = Raw::connect(&path, Framing::Chunked);
        assert_eq!(client.call(ECHO, 1, 1, &pattern(17_000)).body.len(), 17_000);
    }
}

/// Such a datagram costs neither the connection nor the responses that wait with it.
#[test]
fn a_datagram_that_no_socket_takes_is_replaced() {
    let (_dir, path) = socket_path();
    let limits = ServerLimits { message: 8 << 20, datagram: 8 << 20, ..ServerLimits::default() };
    let (later, taken) = Later::new(true);
    let server = Server::builder().module(later).framing(Framing::Datagram).limits(limits).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Datagram);
    let requests = (1..=50).map(|sequence| {
        client.send(&call(LATER, 1, sequence, b""));
        taken.recv_timeout(PATIENCE).unwrap()
    });
    // Soon the socket is full, and the last response waits behind others.
    for request in requests.collect::<Vec<_>>() {
        let last = request.call().sequence == 50;
        let body = pattern(if last { 4 << 20 } else { 10_000 });
        assert_eq!(request.reply(Ok(body)).is_err(), last);
    }
    (1..50).for_each(|sequence| client.assert_reply(sequence, Status::Success));
    client.assert_reply(50, Status::FailedMarshal);
    assert_eq!(server.stats().errors.unsendable, 1);
}

/// With threads, and in the program's own loop, where the timer is among the descriptors.
#[test]
fn time_for_a_call_to_arrive_is_limited() {
    for threads in [true, false] {
        let (_dir, path) = socket_path();
        let (lines, limits) = (Lines::default(), ServerLimits { message_time: SHORT, ..ServerLimits::default() });
        let server = limited(limits).log(lines.log()).bind(&path).unwrap();
        thread::scope(|scope| {
            match threads {
                true => server.start().unwrap(),
                false => drop(scope.spawn(|| while server.dispatch(None).unwrap() {})),
            }
            let (client, other) = (Raw::connect(&path, Framing::Chunked), Raw::connect(&path, Framing::Chunked));
            assert_eq!(other.call(ECHO, 1, 1, b"").status(), Status::Success);
            client.send_part(&call(ECHO, 1, 6, &pattern(MAX_DATA)));
            let text = "closed: the rest of a call did not come within 50 ms, the limit of ServerLimits::message_time";
            let response = client.reply();
            assert_eq!((response.sequence, response.status()), (6, Status::Failure));
            assert_eq!(response.detail(), Some(text));
            client.assert_end();
            assert_eq!(other.call(ECHO, 1, 2, b"").status(), Status::Success);
            assert_met(&server, |limits| limits.message_time = 1);
            lines.await_ending(text, 1);
            server.stop();
        });
    }
}

#[test]
fn time_to_read_a_response_is_limited() {
    let (_dir, path) = socket_path();
    let (lines, limits) = (Lines::default(), ServerLimits { reply_time: SHORT, ..ServerLimits::default() });
    let server = limited(limits).log(lines.log()).bind(&path).unwrap();
    server.start().unwrap();
    let (client, other) = (Raw::connect(&path, Framing::Chunked), Raw::connect(&path, Framing::Chunked));
    client.send(&call(ECHO, 1, 1, &pattern(4 << 20)));
    await_that("the session is closed", || server.stats().limits.reply_time == 1);
    assert_eq!(other.call(ECHO, 1, 2, b"").status(), Status::Success);
    await_that("the session has ended", || server.stats().sessions == 1);
    lines.await_ending("closed: a response was not taken within 50 ms, the limit of ServerLimits::reply_time", 1);
}

#[test]
fn calls_at_once_are_limited() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (lines, limits) = (Lines::default(), ServerLimits { calls_per_session: 3, ..ServerLimits::default() });
        let (later, taken) = Later::new(true);
        let server = limited(limits).module(later).log(lines.log()).bind(&path).unwrap();
        let client = Raw::connect(&path, framing);
        for sequence in 1..=5 {
            client.send(&call(LATER, 1, sequence, b""));
        }
        server.start().unwrap();
        let requests: Vec<_> = (0..3).map(|_| taken.recv_timeout(PATIENCE).unwrap()).collect();
        client.assert_reply(4, Status::Failure);
        client.assert_reply(5, Status::Failure);
        for request in requests {
            let sequence = request.call().sequence;
            request.reply(Ok(Vec::new())).unwrap();
            client.assert_reply(sequence, Status::Success);
        }
        client.assert_end();
        assert!(taken.try_recv().is_err());
        assert_met(&server, |limits| limits.calls_per_session = 1);
        lines.await_ending("closed: 3 calls at once, the limit of ServerLimits::calls_per_session", 1);
    }
}

#[test]
fn an_idle_session_is_closed() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let (lines, limits) = (Lines::default(), ServerLimits { idle_time: Some(SHORT), ..ServerLimits::default() });
        let gate = Gate::default();
        let builder = limited(limits).module(gate.clone()).log(lines.log());
        let server = builder.bind(&path).unwrap();
        let [busy, idle @ ..] = [(); 4].map(|()| Raw::connect(&path, framing));
        // Connected before the server sees the sessions, so that none of them is idle too early.
        busy.send(&call(GATE, 1, 1, b""));
        idle.iter().for_each(|idle| idle.send(&call(ECHO, 1, 1, b"")));
        server.start().unwrap();
        gate.await_waiting(1);
        for idle in idle {
            idle.assert_reply(1, Status::Success);
            idle.assert_end();
        }
        assert_met(&server, |limits| limits.idle_time = 3);
        gate.open(1);
        busy.assert_reply(1, Status::Success);
        busy.assert_end();
        assert_met(&server, |limits| limits.idle_time = 4);
        lines.await_ending("closed: nothing was called for 50 ms, the limit of ServerLimits::idle_time", 4);
    }
}

/// A client is not idle while its call waits for the server to have time.
#[test]
fn a_call_that_waits_keeps_its_session() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let limits = ServerLimits { idle_time: Some(SHORT), ..ServerLimits::default() };
        let server = limited(limits).bind(&path).unwrap();
        let client = Raw::connect(&path, framing);
        for sequence in 1..=2 {
            // From the second round on, the end of the idle time is seen first.
            client.send(&call(ECHO, 1, sequence, b""));
            await_that("it is handled", || {
                server.dispatch(Some(SHORT)).unwrap() && server.stats().handled == sequence as u64
            });
            client.assert_reply(sequence, Status::Success);
            thread::sleep(2 * SHORT);
        }
        assert_met(&server, |_| {});
    }
}

/// A session whose records make no sense is closed, as the beginning of the next message is unknown.
#[test]
fn a_session_out_of_step_is_closed() {
    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let (later, taken) = Later::new(true);
    let server = Server::builder().module(later).log(lines.log()).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(LATER, 1, 1, b""));
    let request = taken.recv_timeout(PATIENCE).unwrap();
    client.send_record(b"no header");
    lines.await_ending("closed, a record makes no sense: record of 9 bytes, too short for a chunk header", 1);
    // Calls being handled are answered all the same.
    request.reply(Ok(Vec::new())).unwrap();
    client.assert_reply(1, Status::Success);
    client.assert_end();
    assert_eq!(server.stats().errors.out_of_step, 1);

    // A call behind such a record is answered, too.
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).framing(Framing::Chunked).bind(&path).unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send_record(b"no header");
    client.send_record(b"nor here");
    client.send(&call(ECHO, 1, 2, b""));
    server.start().unwrap();
    client.assert_reply(2, Status::Failure);
    client.assert_end();
    assert_eq!(server.stats().errors.out_of_step, 1);
}

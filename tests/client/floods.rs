//! Servers that send more than was asked for.

use std::io::{Read, Write};
use std::net::Shutdown;

use drpc::Status;
use drpc::framing::chunked::MAX_DATA;

use super::*;
use crate::support::body::pattern;
use crate::support::raw_server::response;
use crate::support::records::records;

/// More replies than any client takes before it gives up the connection.
const FLOOD: usize = 50_000;

/// Answers the first call, sends the reply over and over, and returns how often the client took it.
fn flood(server: &Peer, reads: bool, body: &[u8]) -> usize {
    let records = records(Framing::Chunked, &success(1, body));
    server.serve(b"first");
    if !reads {
        server.0.shutdown(Shutdown::Read).unwrap();
    }
    let sends = |_: &usize| records.iter().all(|record| (&server.0).write(record).is_ok());
    (0..FLOOD).take_while(sends).count()
}

/// A reply that no call is owed costs the connection, so that a flood of any length ends.
#[test]
fn a_flood_of_replies_ends_with_the_connection() {
    for (pipelining, reads) in [(false, false), (false, true), (true, false), (true, true)] {
        for body in [&b""[..], &pattern(2 * MAX_DATA)] {
            let Fixture { client, server, listener: _listener, dir: _dir, .. } =
                Fixture::new(&chunked_client().pipelining(pipelining).retries(0));
            thread::scope(|scope| {
                let flood = scope.spawn(|| flood(&server, reads, body));
                assert_eq!(client.call(7, 1, b"first").unwrap().body, b"first!");
                let failure = describe(client.call(7, 1, b"second"));
                // If the server does not read, it is sending that fails.
                if reads {
                    assert_eq!(failure, (Phase::Reply, Cause::UnexpectedReply { sequence: 1 }));
                }
                assert!(flood.join().unwrap() < 1000, "the client has gone on reading");
            });
        }
    }
}

/// A late reply is taken for each call that has been given up, and no more.
#[test]
fn no_more_late_replies_are_taken_than_are_owed() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().retries(0));
    for _ in 0..3 {
        assert_eq!(time_out(&client), (Phase::Reply, Cause::TimedOut));
    }
    let owed = std::iter::from_fn(|| server.has_something().then(|| server.call())).count();
    (0..owed).for_each(|_| server.send_message(Framing::Chunked, &success(2, b"late")));
    server.send_message(Framing::Chunked, &success(owed as i64 + 1, b"in time"));
    assert_eq!(client.call(7, 1, b"").unwrap().body, b"in time");
    (0..2).for_each(|_| server.send_message(Framing::Chunked, &success(2, b"again")));
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Reply, Cause::UnexpectedReply { sequence: 2 }));
}

/// Reads what lies in the socket, which the client may have closed, and returns how many records begin a message.
fn begun(server: &Peer, framing: Framing) -> usize {
    let (mut record, mut begun) = (vec![0; 1 << 18], 0);
    server.0.set_nonblocking(true).unwrap();
    loop {
        match (&server.0).read(&mut record) {
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {}
            Ok(1..) => begun += usize::from(framing == Framing::Datagram || record[16..20] == [0; 4]),
            _ => return begun,
        }
    }
}

/// A server that does not read answers in advance. A message that it has not begun to get would stay in the outbox for
/// good.
#[test]
fn no_call_is_answered_of_which_nothing_was_sent() {
    const CALLS: usize = 40;
    let named = |sequence| success(sequence, b"");
    let unnamed = |_| response(-1, Status::UnknownMethod, b"");
    let spoilt = |_| b"\x08".to_vec();
    let kinds: [&dyn Fn(i64) -> Vec<u8>; 3] = [&named, &unnamed, &spoilt];
    for (framing, len) in
        [(Framing::Datagram, 15_000), (Framing::Chunked, MAX_DATA / 2), (Framing::Chunked, 3 * MAX_DATA)]
    {
        for (reply, pipelining) in kinds.iter().flat_map(|reply| [(reply, false), (reply, true)]) {
            let Fixture { client, server, listener: _listener, dir: _dir, .. } =
                Fixture::new(&chunked_client().framing(framing).pipelining(pipelining).retries(0));
            (1..=CALLS).for_each(|sequence| server.send_message(framing, &reply(sequence as i64)));
            let body = pattern(len);
            let is_kept = |_: &usize| {
                let _ = client.call(7, 1, &body);
                client.is_connected()
            };
            let ended = (0..CALLS).take_while(is_kept).count();
            let begun = begun(&server, framing);
            assert!(0 < ended && ended <= begun, "{ended} calls of {len} bytes have ended, {begun} were begun");
        }
    }
}

/// A server may reject a large call before it has received all of it.
#[test]
fn a_call_may_be_answered_of_which_a_part_was_sent() {
    for pipelining in [false, true] {
        let fixture = Fixture::new(&chunked_client().pipelining(pipelining).retries(0));
        let body = pattern(8 * MAX_DATA);
        thread::scope(|scope| {
            let caller = call_in(scope, &fixture.client, &body);
            let first = fixture.server.receive();
            fixture.server.send_message(Framing::Chunked, &response(1, Status::Failure, b""));
            assert_eq!(caller.join().unwrap().unwrap().status(), Status::Failure);
            // The next call is answered, too, if the server reads on.
            let caller = call_in(scope, &fixture.client, b"next");
            assert_eq!(fixture.server.call_from(first).body, body);
            fixture.server.serve(b"next");
            assert_eq!(caller.join().unwrap().unwrap().body, b"next!");
        });
    }
}

/// The end may come at any time while the client sends.
#[test]
fn a_refusal_counts_before_the_end() {
    const ROUNDS: usize = 50;
    let (_dir, path) = socket_path();
    let listener = raw_listener(&path);
    let body = pattern(8 * MAX_DATA);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..ROUNDS {
                let server = accept(&listener);
                server.receive();
                server.send_message(Framing::Chunked, &response(1, Status::Failure, b""));
            }
        });
        for _ in 0..ROUNDS {
            let client = chunked_client().retries(0).connect(&path).unwrap();
            assert_eq!(client.call(7, 1, &body).unwrap().status(), Status::Failure);
        }
    });
}

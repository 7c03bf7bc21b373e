//! Replies that are late, broken, or for no call.

use std::time::Instant;

use drpc::framing::FramingChoice;
use drpc::framing::chunked::MAX_DATA;
use drpc::{Cancel, Cause, HeaderFault, Phase, Status};

use super::*;
use crate::support::body::pattern;
use crate::support::raw_server::{describe, response};
use crate::support::records::{chunk, records};

const FRAMINGS: [Framing; 2] = [Framing::Datagram, Framing::Chunked];

/// Makes two calls in flight at the same time, and returns their results.
fn two_out(fixture: &Fixture, answer: impl FnOnce(&[Call; 2])) -> [Result<Response, Error>; 2] {
    thread::scope(|scope| {
        let first = call_in(scope, &fixture.client, b"first");
        let call = fixture.server.call();
        let second = call_in(scope, &fixture.client, b"second");
        answer(&[call, fixture.server.call()]);
        [first, second].map(|caller| caller.join().unwrap())
    })
}

/// Asserts that the client goes on with the connection that it has.
fn assert_same_connection(fixture: &Fixture) {
    thread::scope(|scope| {
        let caller = call_in(scope, &fixture.client, b"next");
        fixture.server.serve(b"next");
        assert_eq!(caller.join().unwrap().unwrap().body, b"next!");
    });
}

/// Asserts that the client has given up its connection, and goes on with another one.
fn assert_new_connection(fixture: &Fixture) {
    thread::scope(|scope| {
        let caller = call_in(scope, &fixture.client, b"next");
        accept(&fixture.listener).serve(b"next");
        assert_eq!(caller.join().unwrap().unwrap().body, b"next!");
        fixture.server.assert_end();
    });
}

#[test]
fn a_late_reply_is_dropped() {
    for framing in FRAMINGS {
        let Fixture { client, server, .. } = Fixture::new(&chunked_client().framing(framing));
        assert_eq!(time_out(&client), (Phase::Reply, Cause::TimedOut));
        server.send_message(framing, &success(1, b"late"));
        server.send_message(framing, &success(2, b"in time"));
        assert_eq!(client.call(7, 1, b"").unwrap().body, b"in time");
        assert_eq!([1, 2].map(|_| server.receive_call(framing).sequence), [1, 2]);
    }
}

#[test]
fn a_reply_cut_by_the_clock_is_taken_later() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    let late = records(Framing::Chunked, &success(1, &pattern(2 * MAX_DATA)));
    assert_eq!(late.len(), 3);
    for record in &late[..2] {
        server.send(record);
        assert_eq!(time_out(&client), (Phase::Reply, Cause::TimedOut));
    }
    server.send(&late[2]);
    server.send_message(Framing::Chunked, &success(2, b"late, too"));
    server.send_message(Framing::Chunked, &success(3, b"in time"));
    assert_eq!(client.call(7, 1, b"").unwrap().body, b"in time");
}

/// The answer "that was no call" has sequence -1.
#[test]
fn an_answer_to_no_call_is_for_the_only_one() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    server.send_message(Framing::Chunked, &response(-1, Status::FailedUnmarshalCall, b""));
    let response = client.call(7, 1, b"").unwrap();
    assert_eq!((response.sequence, response.status()), (-1, Status::FailedUnmarshalCall));
}

/// A server in C closes the connection after such an answer, so that the client needs another one.
#[test]
fn an_answer_to_no_call_fails_several() {
    let fixture = Fixture::new(&chunked_client().pipelining(true));
    let no_call =
        |server: &Peer| server.send_message(Framing::Chunked, &response(-1, Status::FailedUnmarshalCall, b""));
    let both = two_out(&fixture, |_| no_call(&fixture.server));
    assert_eq!(both.map(describe), [(Phase::Reply, Cause::Unattributable); 2]);
    assert_new_connection(&fixture);

    // The answer may also be for a call that its caller has given up.
    let fixture = Fixture::new(&chunked_client().pipelining(true));
    assert_eq!(time_out(&fixture.client), (Phase::Reply, Cause::TimedOut));
    no_call(&fixture.server);
    assert_eq!(describe(fixture.client.call(7, 1, b"")), (Phase::Reply, Cause::Unattributable));
    let _ = [(); 2].map(|()| fixture.server.call());
    assert_new_connection(&fixture);
}

/// DAOS 0.8 rejects a call that it has received in part, and closes the connection. The next call must not meet that
/// end.
#[test]
fn a_server_that_could_not_read_a_call_is_connected_to_anew() {
    for framing in FRAMINGS {
        for stays in [false, true] {
            let Fixture { client, mut server, listener, dir: _dir, .. } =
                Fixture::new(&chunked_client().framing(framing).retries(0));
            thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..20 {
                        server.receive();
                        server.send_message(framing, &response(-1, Status::FailedUnmarshalCall, b""));
                        let left = Some(std::mem::replace(&mut server, accept(&listener))).filter(|_| stays);
                        let call = server.receive_call(framing);
                        server.send_message(framing, &success(call.sequence, b"read"));
                        if let Some(left) = left {
                            left.assert_end();
                        }
                    }
                });
                for _ in 0..20 {
                    assert_eq!(client.call(7, 1, b"").unwrap().status(), Status::FailedUnmarshalCall);
                    assert_eq!(client.call(7, 1, b"").unwrap().body, b"read");
                }
            });
        }
    }
}

#[test]
fn a_reply_to_no_call_of_ours_costs_the_connection() {
    for sequence in [0, 3, -2, 1 << 40] {
        let fixture = Fixture::new(&chunked_client().pipelining(true));
        let both = two_out(&fixture, |_| fixture.server.send_message(Framing::Chunked, &success(sequence, b"?")));
        assert_eq!(both.map(describe), [(Phase::Reply, Cause::UnexpectedReply { sequence }); 2]);
        assert_new_connection(&fixture);
    }
}

/// An engine of DAOS 2.8 may mix up the pieces of two large replies.
#[test]
fn mixed_up_replies_cost_the_connection() {
    let fixture = Fixture::new(&chunked_client().pipelining(true));
    let both = two_out(&fixture, |[first, second]| {
        for call in [first, second] {
            fixture.server.send(&records(Framing::Chunked, &success(call.sequence, &pattern(MAX_DATA + 1)))[0]);
        }
    });
    let fault = HeaderFault::Surplus { data: MAX_DATA as u64, missing: 7 };
    assert_eq!(both.map(describe), [(Phase::Reply, Cause::Header(fault)); 2]);
    assert_new_connection(&fixture);
}

#[test]
fn a_garbled_reply_spoils_what_it_may_answer() {
    let fixture = Fixture::new(&chunked_client().pipelining(true));
    fixture.server.send_message(Framing::Chunked, b"\x08");
    assert_eq!(describe(fixture.client.call(7, 1, b"")), (Phase::Reply, Cause::Malformed));
    fixture.server.call();
    let both = two_out(&fixture, |_| fixture.server.send_message(Framing::Chunked, b"\x08"));
    assert_eq!(both.map(describe), [(Phase::Reply, Cause::Malformed); 2]);
    assert_same_connection(&fixture);
}

/// A datagram that is too large has been read. Of a message in chunks the rest is still to come, and would be useless.
#[test]
fn too_large_a_reply_costs_the_connection_only_in_chunks() {
    for framing in FRAMINGS {
        let fixture = Fixture::new(&chunked_client().framing(framing).message_limit(100));
        fixture.server.send_message(framing, &success(1, &pattern(97)));
        assert_eq!(describe(fixture.client.call(7, 1, b"")), (Phase::Reply, Cause::TooBig { size: 101, limit: 100 }));
        fixture.server.receive_call(framing);
        if framing == Framing::Datagram {
            fixture.server.send(&success(2, &pattern(96)));
            assert_eq!(fixture.client.call(7, 1, b"").unwrap().body, pattern(96));
        } else {
            assert_new_connection(&fixture);
        }
    }
}

#[test]
fn too_large_a_call_is_not_sent() {
    for (framing, chosen, limit) in
        [(Framing::Datagram, None, 16 << 10), (Framing::Datagram, Some(500), 500), (Framing::Chunked, Some(500), 500)]
    {
        let builder = chunked_client().framing(framing);
        let Fixture { client, server, .. } = Fixture::new(&match chosen {
            Some(chosen) => builder.message_limit(chosen),
            None => builder,
        });
        let call = Call { module: 7, method: 1, sequence: 1, body: pattern(limit - 20) };
        let body = pattern(limit + 1 - (call.encoded_len() - call.body.len()));
        let too_big = Cause::TooBig { size: limit as u64 + 1, limit };
        assert_eq!(describe(client.call(7, 1, &body)), (Phase::Call, too_big));
        server.send_message(framing, &success(2, b""));
        client.call(7, 1, &body[1..]).unwrap();
        assert_eq!(server.receive_call(framing).encoded_len(), limit, "the first that was sent");
    }
}

/// A reply that waits in the socket is read before the end is seen.
#[test]
fn a_reply_before_the_end_counts() {
    let fixture = Fixture::new(&chunked_client().pipelining(true));
    let [first, second] = two_out(&fixture, |[first, _]| {
        fixture.server.answer(first, b"in time");
        fixture.server.0.shutdown(std::net::Shutdown::Both).unwrap();
    });
    assert_eq!(first.unwrap().body, b"in time");
    assert_eq!(describe(second), (Phase::Reply, Cause::NoReply));
}

/// The end may show when the next call is sent.
#[test]
fn a_reply_before_a_failed_send_counts() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&chunked_client().pipelining(true));
    let first = submit(&client, &CallOptions::new(), b"first");
    let call = server.call();
    server.answer(&call, b"in time");
    drop(server);
    thread::scope(|scope| {
        let second = call_in(scope, &client, b"second");
        accept(&listener).serve(b"second");
        second.join().unwrap().unwrap();
    });
    client.dispatch(Some(PATIENCE)).unwrap();
    assert_eq!(first.recv_timeout(PATIENCE).unwrap().unwrap().body, b"in time");
}

#[test]
fn a_connection_that_owes_too_much_is_replaced() {
    const OWED: usize = 1025;
    let fixture = Fixture::new(&chunked_client().pipelining(true));
    let cancel = Cancel::new();
    let out = (0..OWED).map(|_| submit(&fixture.client, &CallOptions::new().cancel(&cancel), b"out"));
    let out: Vec<_> = out.collect();
    thread::scope(|scope| {
        let reader = scope.spawn(|| (0..OWED).for_each(|_| drop(fixture.server.call())));
        while !reader.is_finished() {
            fixture.client.dispatch(Some(MOMENT)).unwrap();
        }
    });
    cancel.cancel();
    while out.iter().any(|result| result.try_recv().is_ok()) || fixture.client.dispatch(Some(MOMENT)).unwrap() > 0 {}
    assert_new_connection(&fixture);
}

/// Where the time of a call is known by its end alone, there is no number.
#[test]
fn a_call_in_vain_is_named() {
    let fixture = Fixture::new(&chunked_client().retries(0));
    let options = CallOptions::new().deadline(Instant::now() + MOMENT);
    let error = fixture.client.call_with(&options, 2, 206, b"").unwrap_err();
    assert_eq!(error.cause(), Cause::TimedOut);
    assert!(error.to_string().contains("mgmt.get_attach_info was not "), "{error}");
    assert!(error.to_string().contains(" in time "), "{error}");
}

#[test]
fn an_answer_in_the_other_framing_is_told_from_garbage() {
    let Fixture { client, server, .. } = Fixture::new(&chunked_client().framing(Framing::Datagram));
    server.send(&chunk(4, 0, 1, b"\x08\x01\x10\x05"));
    let error = client.call(7, 1, b"").unwrap_err();
    let set = Some(FramingChoice::Builder);
    assert_eq!(error.cause(), Cause::OtherFraming { speaks: Framing::Chunked, set });
    let words = "the server speaks chunks, this client is set to datagrams (ClientBuilder::framing)";
    assert!(error.to_string().contains(words), "{error}");

    let Fixture { client, server, .. } = Fixture::new(&chunked_client());
    server.send(b"\x08\x01\x10\x05");
    let error = client.call(7, 1, b"").unwrap_err();
    assert_eq!(error.cause(), Cause::OtherFraming { speaks: Framing::Datagram, set });
    let words = "the server speaks datagrams, this client is set to chunks (ClientBuilder::framing)";
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn errors_of_a_connection_say_what_to_do() {
    let Fixture { client, server, path, .. } = Fixture::new(&chunked_client().retries(0));
    let shown = path.display();
    let call = |options| client.call_with(&options, 7, 1, b"").unwrap_err().to_string();
    let mut timed_out = longer_times().map(|time| (time.as_millis(), call(CallOptions::new().timeout(time))));
    let (ms, once_sent) = timed_out.find(|(_, error)| error.starts_with("reply")).unwrap();
    // The server of the test is a thread of this process.
    let (pid, program) = (std::process::id(), std::fs::read_to_string("/proc/self/comm").unwrap());
    let late = format!("7.1 was not answered within {ms} ms by pid {pid} ({})", program.trim_end());
    assert_eq!(once_sent, format!("reply {shown}: timed out: {late}"));
    server.send_message(Framing::Chunked, b"?");
    let other = "the peer may speak another release's wire format";
    assert_eq!(call(CallOptions::new()), format!("reply {shown}: the bytes received are not a dRPC message: {other}"));
    (0..2).for_each(|_| drop(server.receive()));
    server.0.shutdown(std::net::Shutdown::Write).unwrap();
    let gone = "the server closed the connection after the call was sent, without a reply";
    let cure = "find out from the server's log whether the call was executed";
    assert_eq!(call(CallOptions::new()), format!("reply {shown}: {gone}: {cure}"));

    let Fixture { client, path, .. } = Fixture::new(&chunked_client().framing(Framing::Datagram));
    let shown = path.display();
    let too_big = client.call(7, 1, &pattern(16 << 10)).unwrap_err().to_string();
    let limit = "for a datagram, which is what this peer is sent: ClientBuilder::datagram_limit raises it";
    assert_eq!(too_big, format!("call {shown}: message of 16394 bytes, the limit is 16384 {limit}"));

    let Fixture { client, server, path, .. } = Fixture::new(&chunked_client());
    let shown = path.display();
    server.send(&chunk(2, 0, 0, b"no"));
    let fault = "chunk header announces no chunks";
    assert_eq!(client.call(7, 1, b"").unwrap_err().to_string(), format!("reply {shown}: {fault}: {other}"));
}

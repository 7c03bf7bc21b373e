//! How a client detects the framing of its server, with raw servers that behave like those of each release.

use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use drpc::{Cancel, Cause, Log, Phase, Status};

use super::*;
use crate::support::body::pattern;
use crate::support::raw_server::{describe, response};
use crate::support::records::chunk;
use crate::support::subprocess::{is_alone, run_alone};

/// The answer that a message is no call. Servers that read datagrams give it to every chunk, others to the probe, in a
/// chunk.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

/// A varint of field 2047, with which a later release may mark its answer to the probe.
const MARK: &[u8] = b"\xf8\x7f\x01";

/// The largest message that goes out in one chunk to an unknown server, and the length of a larger body.
const LARGEST_TRIAL: usize = 131_047;
const LARGE: usize = 140_000;

/// A client whose large calls fit in a datagram, so that servers of datagrams get them, too.
fn with_large_datagrams() -> ClientBuilder {
    detecting_client().datagram_limit(200_000)
}

/// A body with which the first call of a client is a message of this length.
fn body_of(message: usize) -> Vec<u8> {
    let of = |body: usize| Call { module: 7, method: 1, sequence: 1, body: vec![0; body] }.encoded_len();
    pattern((0..message).rev().find(|body| of(*body) == message).unwrap())
}

impl Peer {
    fn assert_probe(&self) {
        assert_eq!(self.receive(), chunk(7, 0, 1, &[7; 7]));
    }

    /// Answers the probe, in a chunk, that it is no call.
    fn answer_probe(&self) {
        self.assert_probe();
        self.send_message(Framing::Chunked, NO_CALL);
    }

    /// Serves the next call, which is a datagram, and expects it to have this body.
    fn serve_bare(&self, body: &[u8]) {
        let call = self.receive_call(Framing::Datagram);
        assert!(call.body == body, "another call: {call:?}");
        self.send(&success(call.sequence, b"bare"));
    }
}

/// Asserts that no client connects.
fn assert_no_connection(listener: &Socket) {
    listener.set_read_timeout(Some(MOMENT)).unwrap();
    assert!(listener.accept().is_err(), "connected again");
}

/// Puts another server in the place of the one at the path.
fn replace(fixture: &mut Fixture) {
    fs::remove_file(&fixture.path).unwrap();
    fixture.listener = raw_listener(&fixture.path);
}

/// Serves the first call of a client that does not know the framing, and expects it to have this body.
fn serve_first(mut server: Peer, listener: &Socket, body: &[u8]) {
    if body.len() > LARGEST_TRIAL {
        server.answer_probe();
        server = accept(listener);
    }
    let call = server.long_call();
    assert!(call.body == body, "another call");
    server.answer(&call, b"done");
}

/// Makes a call, blocking or submitted, and returns its result.
fn call_or_submit(client: &Client, submitted: bool, options: &CallOptions, body: &[u8]) -> Result<Response, Error> {
    if !submitted {
        return client.call_with(options, 7, 1, body);
    }
    let result = submit(client, options, body);
    while client.dispatch(None).unwrap() == 0 {}
    result.try_recv().unwrap()
}

#[test]
fn a_first_call_of_one_record_costs_nothing_with_a_server_that_reads_chunks() {
    for submitted in [false, true] {
        let Fixture { client, server, .. } = Fixture::new(&detecting_client());
        let body = body_of(LARGEST_TRIAL);
        thread::scope(|scope| {
            scope.spawn(|| [&body, &body].map(|body| server.serve(body)));
            for _ in 0..2 {
                let response = call_or_submit(&client, submitted, &CallOptions::new(), &body).unwrap();
                assert_eq!(response.body, [&body[..], b"!"].concat());
            }
        });
    }
}

/// Only the varint of the sequence and the sizes in the header differ from the call as it is sent later.
#[test]
fn a_trial_is_the_call_with_a_longer_sequence() {
    let longer = [
        (0, &b"\x01"[..]),
        (1, b"\x81\x80\x80\x00"),
        (2, b"\x81\x80\x00"),
        (3, b"\x81\x00"),
        (8, b"\x81\x80\x80\x80\x00"),
    ];
    for (body, sequence) in longer {
        let Fixture { client, server, .. } = Fixture::new(&detecting_client());
        let _result = submit(&client, &CallOptions::new(), &pattern(body));
        let numbers = [b"\x08\x07\x10\x01\x18", sequence].concat();
        let message = match body {
            0 => numbers,
            body => [&numbers[..], &[0x22, body as u8], &pattern(body)].concat(),
        };
        assert!([4, 6, 7].contains(&(message.len() % 8)), "{}", message.len());
        assert_eq!(server.receive(), chunk(message.len(), 0, 1, &message));
    }
}

/// The server closes the connection or keeps it; the call goes out over a new connection.
#[test]
fn a_first_call_of_several_records_follows_a_probe() {
    for (stays, mark) in [(true, &b""[..]), (false, b""), (true, MARK)] {
        for (submitted, body) in
            [false, true].into_iter().flat_map(|how| [(how, body_of(LARGEST_TRIAL + 1)), (how, pattern(200_000))])
        {
            let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&detecting_client().retries(0));
            thread::scope(|scope| {
                scope.spawn(|| {
                    server.assert_probe();
                    server.send_message(Framing::Chunked, &[NO_CALL, mark].concat());
                    let left = stays.then_some(server);
                    let server = accept(&listener);
                    for _ in 0..2 {
                        let call = server.long_call();
                        assert!(call.body == body, "another call");
                        server.answer(&call, b"whole");
                    }
                    if let Some(left) = left {
                        left.assert_end();
                    }
                });
                for _ in 0..2 {
                    let response = call_or_submit(&client, submitted, &CallOptions::new(), &body).unwrap();
                    assert_eq!(response.body, b"whole");
                }
            });
        }
    }
}

/// The server accepts other clients first. The client waits, and does not use the connection that the server may close.
#[test]
fn a_call_after_the_probe_waits_for_a_busy_server() {
    for submitted in [false, true] {
        let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&detecting_client().retries(0));
        let body = pattern(LARGE);
        let fill = || {
            let socket = Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.connect(&socket2::SockAddr::unix(&path).unwrap()).ok().map(|()| socket)
        };
        let others: Vec<Socket> = std::iter::from_fn(fill).collect();
        thread::scope(|scope| {
            scope.spawn(|| {
                server.answer_probe();
                // The client closes its end when it gives the connection up.
                server.assert_end();
                drop(server);
                others.iter().for_each(|_| drop(accept(&listener)));
                let server = accept(&listener);
                let call = server.long_call();
                assert!(call.body == body, "another call");
                server.answer(&call, b"whole");
            });
            let response = call_or_submit(&client, submitted, &CallOptions::new(), &body).unwrap();
            assert_eq!(response.body, b"whole");
        });
    }
}

/// A program that has given up its rights since it connected cannot connect again.
#[test]
fn a_call_after_the_probe_goes_out_on_the_old_connection_if_there_is_no_other() {
    for (submitted, stays) in [(false, true), (true, true), (false, false)] {
        let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&detecting_client().retries(0));
        let body = pattern(200_000);
        thread::scope(|scope| {
            scope.spawn(|| {
                server.assert_probe();
                fs::remove_file(&path).unwrap();
                server.send_message(Framing::Chunked, NO_CALL);
                let Some(server) = Some(server).filter(|_| stays) else { return };
                let call = server.long_call();
                assert!(call.body == body, "another call");
                server.answer(&call, b"whole");
            });
            let result = call_or_submit(&client, submitted, &CallOptions::new(), &body);
            if stays {
                assert_eq!(result.unwrap().body, b"whole");
            } else {
                // The call was not sent, or was sent just before the server closed the connection.
                let failure = describe(result);
                let unsent = matches!(failure, (Phase::Call, Cause::Os(libc::EPIPE | libc::ECONNRESET)));
                assert!(unsent || failure == (Phase::Reply, Cause::NoReply), "{failure:?}");
            }
        });
        assert_no_connection(&listener);
    }
}

/// The servers of DAOS in Go keep the connection, and those in C close it. No retry is used up.
#[test]
fn a_server_of_datagrams_gets_the_call_in_one() {
    let (small, large) = (body_of(100), pattern(LARGE));
    for stays in [true, false] {
        for (submitted, body) in [(false, &small), (false, &large), (true, &small), (true, &large)] {
            let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&with_large_datagrams().retries(0));
            thread::scope(|scope| {
                scope.spawn(|| {
                    if body.len() < LARGE {
                        assert_eq!(server.call().body, *body);
                    } else {
                        server.assert_probe();
                    }
                    server.send(NO_CALL);
                    let left = stays.then_some(server);
                    let server = accept(&listener);
                    server.serve_bare(body);
                    server.serve_bare(b"next");
                    if let Some(left) = left {
                        left.assert_end();
                    }
                });
                for body in [&body[..], b"next"] {
                    let response = call_or_submit(&client, submitted, &CallOptions::new(), body).unwrap();
                    assert_eq!(response.body, b"bare");
                }
            });
        }
    }
}

/// The server may have executed the call, so it is not asked twice.
#[test]
fn an_answer_that_is_none_of_those_known_is_an_error() {
    let answers = [
        success(1, b"done"),
        response(1, Status::UnknownModule, b""),
        response(0, Status::UnknownModule, b""),
        response(-1, Status::FailedUnmarshalCall, b"?"),
        [NO_CALL, MARK].concat(),
        success(1, b"an answer that is long enough for a header"),
    ];
    for answer in answers {
        for (body, phase) in [(&b"small"[..], Phase::Reply), (&pattern(LARGE), Phase::Call)] {
            let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&detecting_client());
            server.send(&answer);
            let options = CallOptions::new().idempotent(true);
            let error = client.call_with(&options, 7, 1, body).unwrap_err();
            assert_eq!((error.phase(), error.cause()), (phase, Cause::Unclear));
            assert!(error.to_string().contains("DRPC_FRAMING=datagram"), "{error}");
            assert!(error.to_string().contains(&path.display().to_string()));
            server.receive();
            server.assert_end();
            assert_no_connection(&listener);
        }
    }
}

/// Only one answer to the probe means chunks. Any other leaves the framing unknown, and the call has not been sent.
#[test]
fn a_chunk_that_does_not_answer_the_probe_is_an_error() {
    let answers = [
        success(1, b"done"),
        response(1, Status::UnknownModule, b""),
        response(-1, Status::Failure, b""),
        [NO_CALL, MARK, MARK].concat(),
        [NO_CALL, b"\xf0\x7f\x01"].concat(),
    ];
    for answer in answers {
        let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&detecting_client());
        server.send_message(Framing::Chunked, &answer);
        let error = client.call(7, 1, &pattern(LARGE)).unwrap_err();
        assert_eq!((error.phase(), error.cause()), (Phase::Call, Cause::Unclear), "{answer:02x?}");
        assert!(error.to_string().contains("DRPC_FRAMING=datagram"), "{error}");
        server.assert_probe();
        server.assert_end();
        assert_no_connection(&listener);
    }
}

/// A server that closes the connection does not say whether it has executed the call.
#[test]
fn an_end_in_place_of_an_answer_is_no_reply() {
    for (idempotent, small, attempts) in [(false, true, 1), (true, true, 3), (false, false, 3)] {
        let Fixture { client, mut server, listener, dir: _dir, .. } = Fixture::new(&detecting_client().retries(2));
        let body = if small { b"small".to_vec() } else { pattern(LARGE) };
        thread::scope(|scope| {
            let options = CallOptions::new().idempotent(idempotent);
            let caller = scope.spawn(|| client.call_with(&{ options }, 7, 1, &body));
            for attempt in 1..=attempts {
                if small {
                    assert_eq!(server.call().body, body);
                } else {
                    server.assert_probe();
                }
                if attempt < attempts {
                    drop(server);
                    server = accept(&listener);
                }
            }
            drop(server);
            let phase = if small { Phase::Reply } else { Phase::Call };
            let error = caller.join().unwrap().unwrap_err();
            assert_eq!((error.phase(), error.cause()), (phase, Cause::Unanswered));
            assert!(error.to_string().contains("DRPC_FRAMING=datagram"), "{error}");
        });
        assert_no_connection(&listener);
    }
}

/// A connection that has ended takes neither the call nor the probe, and a message left in it is no answer.
#[test]
fn what_was_not_sent_costs_a_try() {
    for body in [b"small".to_vec(), pattern(LARGE)] {
        for retries in [0, 1] {
            let Fixture { client, server, listener, dir: _dir, .. } =
                Fixture::new(&detecting_client().retries(retries));
            server.send_message(Framing::Chunked, &response(-1, Status::Failure, b""));
            drop(server);
            if retries == 0 {
                assert_eq!(describe(client.call(7, 1, &body)), (Phase::Call, Cause::Os(libc::EPIPE)));
                continue;
            }
            thread::scope(|scope| {
                let caller = call_in(scope, &client, &body);
                serve_first(accept(&listener), &listener, &body);
                caller.join().unwrap().unwrap();
            });
        }
    }
}

#[test]
fn nothing_else_is_out_before_the_server_is_known() {
    let large = pattern(LARGE);
    for first in [&b"first"[..], &large] {
        let Fixture { client, mut server, listener, dir: _dir, .. } =
            Fixture::new(&detecting_client().pipelining(true));
        thread::scope(|scope| {
            let leader = call_in(scope, &client, first);
            server.wait();
            let others = [b"a", b"b"].map(|body| call_in(scope, &client, body));
            let submitted = submit(&client, &CallOptions::new(), b"c");
            others.iter().for_each(|other| other.await_blocked());
            let mut calls = Vec::new();
            if first.len() < LARGE {
                let asked = server.call();
                server.assert_silent();
                server.answer(&asked, first);
            } else {
                server.assert_probe();
                server.assert_silent();
                server.send_message(Framing::Chunked, NO_CALL);
                server = accept(&listener);
                calls.push(server.long_call());
            }
            // The other calls wait for nothing any more.
            calls.extend([(); 3].map(|()| server.long_call()));
            calls.iter().rev().for_each(|call| server.answer(call, &call.body));
            assert_eq!(leader.join().unwrap().unwrap().body, first);
            let bodies = others.map(|other| other.join().unwrap().unwrap().body);
            assert_eq!(bodies, [b"a", b"b"].map(|body| body.to_vec()));
            while client.dispatch(Some(MOMENT)).unwrap() == 0 {}
            assert_eq!(submitted.try_recv().unwrap().unwrap().body, b"c");
        });
    }
}

#[test]
fn all_callers_use_the_framing_that_the_first_one_detected() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&detecting_client().pipelining(true));
    thread::scope(|scope| {
        let callers = [b"a", b"b", b"c"].map(|body| call_in(scope, &client, body));
        let first = server.call().body;
        callers.iter().for_each(|caller| caller.await_blocked());
        server.send(NO_CALL);
        let server = accept(&listener);
        let calls = [(); 3].map(|()| server.receive_call(Framing::Datagram));
        assert_eq!(calls[0].body, first);
        calls.iter().rev().for_each(|call| server.send(&success(call.sequence, &call.body)));
        let bodies = callers.map(|caller| caller.join().unwrap().unwrap().body);
        assert_eq!(bodies, [b"a", b"b", b"c"].map(|body| body.to_vec()));
    });
}

/// The connection stays, and the next call waits for the answer first.
#[test]
fn a_caller_that_gives_up_leaves_the_framing_unknown() {
    let large = pattern(LARGE);
    for (first, phase) in [(&b"first"[..], Phase::Reply), (&large, Phase::Call)] {
        for datagrams in [false, true] {
            for cancelled in [false, true] {
                let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&detecting_client());
                let make = |options: &CallOptions, meanwhile: &dyn Fn()| {
                    let result = submit(&client, options, first);
                    meanwhile();
                    while client.dispatch(None).unwrap() == 0 {}
                    result.try_recv().unwrap()
                };
                let (result, cause) = if cancelled {
                    let cancel = Cancel::new();
                    let cancel_it = || {
                        server.wait();
                        cancel.cancel();
                    };
                    (make(&CallOptions::new().cancel(&cancel), &cancel_it), Cause::Cancelled)
                } else {
                    // The time may be over before the call is sent.
                    let mut times = longer_times().map(|time| make(&CallOptions::new().timeout(time), &|| {}));
                    (times.find(|_| server.has_something()).unwrap(), Cause::TimedOut)
                };
                assert_eq!(describe(result), (phase, cause));
                let short = CallOptions::new().timeout(MOMENT);
                assert_eq!(describe(client.call_with(&short, 7, 1, b"never")), (Phase::Call, Cause::TimedOut));
                let asked = if first.len() < LARGE { Some(server.call()) } else { None };
                if asked.is_none() {
                    server.assert_probe();
                }
                thread::scope(|scope| {
                    let next = call_in(scope, &client, b"next");
                    server.assert_silent();
                    if datagrams {
                        server.send(NO_CALL);
                        accept(&listener).serve_bare(b"next");
                        assert_eq!(next.join().unwrap().unwrap().body, b"bare");
                    } else {
                        let mut server = server;
                        match &asked {
                            Some(asked) => server.answer(asked, b"late"),
                            None => {
                                server.send_message(Framing::Chunked, NO_CALL);
                                server = accept(&listener);
                            }
                        }
                        server.serve(b"next");
                        assert_eq!(next.join().unwrap().unwrap().body, b"next!");
                    }
                });
            }
        }
    }
}

/// The deadline does not start again with the second connection.
#[test]
fn a_deadline_holds_for_both_connections() {
    let slow = |time| {
        let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&detecting_client());
        server.send(NO_CALL);
        let failure = describe(client.call_with(&CallOptions::new().timeout(time), 7, 1, b"slow"));
        (failure == (Phase::Reply, Cause::TimedOut)).then(|| accept(&listener))
    };
    // The deadline may pass before the call is sent again.
    let server = longer_times().find_map(slow).unwrap();
    assert_eq!(server.receive_call(Framing::Datagram).body, b"slow");
}

#[test]
fn the_limit_is_that_of_what_the_server_speaks() {
    let Fixture { client, server, listener, dir: _dir, .. } = Fixture::new(&detecting_client().datagram_limit(500));
    thread::scope(|scope| {
        scope.spawn(|| {
            server.call();
            server.send(NO_CALL);
            accept(&listener).serve_bare(&pattern(450));
        });
        let too_big = |size| (Phase::Call, Cause::TooBig { size, limit: 500 });
        assert_eq!(describe(client.call(7, 1, &pattern(500))), too_big(509));
        client.call(7, 1, &pattern(450)).unwrap();
        let never = |_| panic!("an error has been returned");
        assert_eq!(describe(client.submit(&CallOptions::new(), 7, 1, pattern(500), never)), too_big(509));
    });
    // A call that is too large for any framing does not make the client ask.
    let Fixture { client, server, .. } = Fixture::new(&detecting_client().message_limit(500));
    let too_big = Cause::TooBig { size: 509, limit: 500 };
    assert_eq!(describe(client.call(7, 1, &pattern(500))), (Phase::Call, too_big));
    server.assert_silent();
}

#[test]
fn another_server_is_asked_anew() {
    let mut fixture = Fixture::new(&detecting_client());
    thread::scope(|scope| {
        // The first server reads chunks, the second datagrams, the third chunks again.
        let first = call_in(scope, &fixture.client, b"first");
        fixture.server.serve(b"first");
        first.join().unwrap().unwrap();
        replace(&mut fixture);
        fixture.server = Peer::new(fixture.listener.try_clone().unwrap());
        let second = call_in(scope, &fixture.client, b"second");
        let server = accept(&fixture.listener);
        assert_eq!(server.call().body, b"second");
        server.send(NO_CALL);
        let server = accept(&fixture.listener);
        server.serve_bare(b"second");
        second.join().unwrap().unwrap();
        replace(&mut fixture);
        drop(server);
        let third = call_in(scope, &fixture.client, b"third");
        accept(&fixture.listener).serve(b"third");
        third.join().unwrap().unwrap();
    });
}

/// Another server takes over between the two connections.
#[test]
fn another_server_in_between_is_asked_anew() {
    for (first, chunked) in [(b"small".to_vec(), false), (pattern(LARGE), false), (pattern(LARGE), true)] {
        let mut fixture = Fixture::new(&detecting_client().retries(1));
        thread::scope(|scope| {
            let caller = call_in(scope, &fixture.client, &first);
            fixture.server.receive();
            replace(&mut fixture);
            fixture.server.send_message(if chunked { Framing::Chunked } else { Framing::Datagram }, NO_CALL);
            serve_first(accept(&fixture.listener), &fixture.listener, &first);
            assert_eq!(caller.join().unwrap().unwrap().body, b"done");
        });
    }
}

#[test]
fn a_server_that_keeps_changing_is_given_up() {
    for first in [b"small".to_vec(), pattern(LARGE)] {
        let mut fixture = Fixture::new(&detecting_client().retries(1));
        thread::scope(|scope| {
            let caller = call_in(scope, &fixture.client, &first);
            for _ in 0..2 {
                fixture.server.receive();
                replace(&mut fixture);
                fixture.server.send(NO_CALL);
                fixture.server = accept(&fixture.listener);
            }
            fixture.server.receive();
            fixture.server.send(NO_CALL);
            assert_eq!(describe(caller.join().unwrap()), (Phase::Call, Cause::Replaced));
        });
        assert_no_connection(&fixture.listener);
    }
}

#[test]
fn the_log_tells_of_servers_of_datagrams() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = Log::to(move |_, line| sink.lock().unwrap().push(line.to_string()));
    let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&detecting_client().log(log));
    thread::scope(|scope| {
        let caller = call_in(scope, &client, b"first");
        server.call();
        server.send(NO_CALL);
        accept(&listener).serve_bare(b"first");
        caller.join().unwrap().unwrap();
    });
    let path = path.display();
    let datagrams = format!("the server reads datagrams, as DAOS 0.8 to 2.6 do: connecting anew path={path}");
    assert_eq!(*lines.lock().unwrap(), [datagrams, format!("connected again path={path}")]);
}

/// The test runs in a process of its own, where no error of another test makes the client forget.
#[test]
fn what_has_been_learnt_is_kept_until_an_error() {
    if !is_alone() {
        return run_alone("detection::what_has_been_learnt_is_kept_until_an_error", "", Stdio::null());
    }
    let large = pattern(LARGE);
    for datagrams in [true, false] {
        let Fixture { client, server, listener, path, dir: _dir } = Fixture::new(&with_large_datagrams());
        // Rejects the first message of a client that does not know the framing.
        let tell = |server: Peer| {
            server.assert_probe();
            server.send_message(if datagrams { Framing::Datagram } else { Framing::Chunked }, NO_CALL);
            accept(&listener)
        };
        let serve = |server: &Peer| match datagrams {
            true => server.serve_bare(&large),
            false => server.answer(&server.long_call(), b""),
        };
        thread::scope(|scope| {
            let first = call_in(scope, &client, &large);
            let server = tell(server);
            serve(&server);
            first.join().unwrap().unwrap();
            // Closing is no error.
            client.close().unwrap();
            let second = with_large_datagrams().connect(&path).unwrap();
            let caller = call_in(scope, &second, &large);
            let server = accept(&listener);
            serve(&server);
            caller.join().unwrap().unwrap();
            // The end of the server is one.
            drop(server);
            let caller = call_in(scope, &second, &large);
            let server = tell(accept(&listener));
            serve(&server);
            caller.join().unwrap().unwrap();
        });
    }
}

/// The test runs in a process of its own, which has the variable.
#[test]
fn the_environment_can_choose() {
    const TEST: &str = "detection::the_environment_can_choose";
    if !is_alone() {
        return ["datagram", "chunked", "auto", "bare"]
            .iter()
            .for_each(|value| run_alone(TEST, &format!("export DRPC_FRAMING={value}"), Stdio::null()));
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = Log::to(move |_, line| sink.lock().unwrap().push(line.to_string()));
    let chosen = std::env::var("DRPC_FRAMING").unwrap();
    let body = pattern(1000);
    let first = |builder: &ClientBuilder| {
        let Fixture { client, server, .. } = Fixture::new(&builder.clone().log(log.clone()));
        let _result = submit(&client, &CallOptions::new(), &body);
        server.receive()
    };
    let call = Call { module: 7, method: 1, sequence: 1, body: body.clone() }.encode_to_vec();
    let expected = match &chosen[..] {
        "datagram" => call.clone(),
        "chunked" => chunk(call.len(), 0, 1, &call),
        // A padded call has three bytes more.
        _ => {
            let padded = [&b"\x08\x07\x10\x01\x18\x81\x80\x80\x00"[..], &call[6..]].concat();
            chunk(padded.len(), 0, 1, &padded)
        }
    };
    assert_eq!(call.len(), 1009);
    assert_eq!(first(&Client::builder()), expected);
    let complaint =
        "DRPC_FRAMING has no effect, because it is none of datagram, chunked, auto DRPC_FRAMING=bare".to_owned();
    let complaints = if chosen == "bare" { vec![complaint] } else { Vec::new() };
    assert_eq!(*lines.lock().unwrap(), complaints);
    // The program's choice overrides the environment.
    assert_eq!(first(&Client::builder().framing(Framing::Datagram)), call);
    assert_eq!(*lines.lock().unwrap(), complaints);
}

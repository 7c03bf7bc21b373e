//! How a client finds out what its server speaks, with raw servers that speak as each release does.

use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use drpc::{Cancel, Cause, HeaderFault, Log, Phase, Status};

use super::*;
use crate::child::{is_alone, run_alone};
use crate::peer::pattern;
use crate::raw::{chunk, describe, response};

/// How servers of DAOS 0.8 to 2.6 reject a chunk, the second one if they were built with an old libprotobuf-c.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
const NO_MODULE: &[u8] = b"\x10\x03";

/// The largest message that is sent to a server of which nothing is known.
const SAFE: usize = 231;

/// A body that makes the first call of a client a message of so many bytes.
fn body_of(message: usize) -> Vec<u8> {
    let empty = Call { module: 7, method: 1, sequence: 1, body: vec![0; 100] };
    let body = pattern(message - (empty.encoded_len() - 100) - usize::from(message > 135));
    assert_eq!(Call { body: body.clone(), ..empty }.encoded_len(), message);
    body
}

impl Peer {
    fn assert_probe(&self) -> Call {
        let probe = self.call();
        assert_eq!(probe, Call { module: i32::MAX, method: 0, sequence: 1, body: Vec::new() });
        probe
    }

    /// Says, in a chunk, that there is no such module.
    fn answer_probe(&self) {
        let probe = self.assert_probe();
        self.send_message(Framing::Chunked, &response(probe.sequence, Status::UnknownModule, b""));
    }

    /// Serves the next call, which is a datagram, and expects it to have this body.
    fn serve_bare(&self, body: &[u8]) {
        let call = self.receive_call(Framing::Datagram);
        assert!(call.body == body, "another call: {call:?}");
        self.send(&success(call.sequence, b"bare"));
    }
}

/// Nobody connects.
fn assert_no_connection(listener: &Socket) {
    listener.set_read_timeout(Some(MOMENT)).unwrap();
    assert!(listener.accept().is_err(), "connected again");
}

/// Another server takes the place of the one at a path.
fn replace(set: &mut Set) {
    fs::remove_file(&set.path).unwrap();
    set.listener = raw_listener(&set.path);
}

/// Makes a call in either of the two ways, and returns its result.
fn call_or_submit(client: &Client, submitted: bool, options: &CallOptions, body: &[u8]) -> Result<Response, Error> {
    if !submitted {
        return client.call_with(options, 7, 1, body);
    }
    let result = submit(client, options, body);
    while client.dispatch(None).unwrap() == 0 {}
    result.try_recv().unwrap()
}

#[test]
fn a_small_first_call_costs_nothing_with_a_server_that_reads_chunks() {
    for submitted in [false, true] {
        let Set { client, server, .. } = Set::new(&finding_out());
        let body = body_of(SAFE);
        thread::scope(|scope| {
            scope.spawn(|| [&body, &body].map(|body| server.serve(body)));
            for _ in 0..2 {
                let response = call_or_submit(&client, submitted, &CallOptions::new(), &body).unwrap();
                assert_eq!(response.body, [&body[..], b"!"].concat());
            }
        });
    }
}

/// And so does a small one that servers with an old libprotobuf-c take for another call, of which the body holds a part.
#[test]
fn a_first_call_that_is_not_safe_follows_a_probe() {
    for submitted in [false, true] {
        for body in [body_of(SAFE + 1), pattern(200_000), b"HHHHHH\x08\x03".to_vec()] {
            let Set { client, server, .. } = Set::new(&finding_out());
            thread::scope(|scope| {
                scope.spawn(|| {
                    server.answer_probe();
                    for _ in 0..2 {
                        let call = server.long_call();
                        assert!(call.body == body, "another call");
                        server.answer(&call, b"whole");
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

/// The servers of DAOS in Go stay, those in C close the connection. No try is used up.
#[test]
fn a_server_of_datagrams_gets_the_call_in_one() {
    let small = body_of(SAFE);
    let large = body_of(SAFE + 1);
    for (rejection, stays) in [(NO_CALL, true), (NO_CALL, false), (NO_MODULE, true), (NO_MODULE, false)] {
        for (submitted, body) in [(false, &small), (false, &large), (true, &small), (true, &large)] {
            let Set { client, server, listener, dir: _dir, .. } = Set::new(&finding_out().retries(0));
            thread::scope(|scope| {
                scope.spawn(|| {
                    let first = server.call();
                    assert!(first.body == *body || first.module == i32::MAX && body.len() == large.len());
                    server.send(rejection);
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

/// Whatever it has executed, it is not asked twice.
#[test]
fn an_answer_that_is_none_of_those_known_is_an_error() {
    let answers = [
        success(1, b"done"),
        response(1, Status::UnknownModule, b""),
        response(-1, Status::FailedUnmarshalCall, b"?"),
        [NO_MODULE, b"\0"].concat(),
    ];
    for answer in answers {
        for (body, phase) in [(&b"small"[..], Phase::Reply), (&pattern(1000), Phase::Call)] {
            let Set { client, server, listener, path, dir: _dir } = Set::new(&finding_out());
            server.send(&answer);
            let options = CallOptions::new().idempotent(true);
            let error = client.call_with(&options, 7, 1, body).unwrap_err();
            let fault = HeaderFault::Missing { len: answer.len() };
            assert_eq!((error.phase(), error.cause()), (phase, Cause::Header(fault)));
            assert!(error.to_string().ends_with(": the peer may speak another release's wire format"), "{error}");
            assert!(error.to_string().contains(&path.display().to_string()));
            server.call();
            server.assert_end();
            assert_no_connection(&listener);
        }
    }
}

/// A server that closes the connection says nothing about what it has executed.
#[test]
fn an_end_in_place_of_an_answer_is_no_reply() {
    for (idempotent, small, attempts) in [(false, true, 1), (true, true, 3), (false, false, 3)] {
        let Set { client, mut server, listener, dir: _dir, .. } = Set::new(&finding_out().retries(2));
        let body = if small { b"small".to_vec() } else { pattern(1000) };
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
            assert_eq!(describe(caller.join().unwrap()), (phase, Cause::NoReply));
        });
        assert_no_connection(&listener);
    }
}

/// A connection that has ended takes neither the call nor the probe, whatever it still says.
#[test]
fn what_was_not_sent_costs_a_try() {
    for body in [b"small".to_vec(), pattern(1000)] {
        for retries in [0, 1] {
            let Set { client, server, listener, dir: _dir, .. } = Set::new(&finding_out().retries(retries));
            server.send_message(Framing::Chunked, &response(-1, Status::Failure, b""));
            drop(server);
            if retries == 0 {
                assert_eq!(describe(client.call(7, 1, &body)), (Phase::Call, Cause::Os(libc::EPIPE)));
                continue;
            }
            thread::scope(|scope| {
                let caller = call_in(scope, &client, &body);
                let server = accept(&listener);
                if body.len() > SAFE {
                    server.answer_probe();
                }
                server.serve(&body);
                caller.join().unwrap().unwrap();
            });
        }
    }
}

#[test]
fn nothing_else_is_out_before_the_server_is_known() {
    let large = pattern(1000);
    for first in [&b"first"[..], &large] {
        let Set { client, server, .. } = Set::new(&finding_out().pipelining(true));
        thread::scope(|scope| {
            let leader = call_in(scope, &client, first);
            server.wait();
            let others = [b"a", b"b"].map(|body| call_in(scope, &client, body));
            let submitted = submit(&client, &CallOptions::new(), b"c");
            thread::sleep(MOMENT);
            let asked = server.call();
            server.assert_silent();
            let mut calls = Vec::new();
            if first.len() < SAFE {
                server.answer(&asked, first);
            } else {
                server.send_message(Framing::Chunked, &response(asked.sequence, Status::UnknownModule, b""));
                calls.push(server.call());
            }
            // The rest waits for nothing any more.
            calls.extend([(); 3].map(|()| server.call()));
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
fn everybody_speaks_as_the_first_one_has_found_out() {
    let Set { client, server, listener, dir: _dir, .. } = Set::new(&finding_out().pipelining(true));
    thread::scope(|scope| {
        let callers = [b"a", b"b", b"c"].map(|body| call_in(scope, &client, body));
        let first = server.call().body;
        thread::sleep(MOMENT);
        server.send(NO_CALL);
        let server = accept(&listener);
        let calls = [(); 3].map(|()| server.receive_call(Framing::Datagram));
        assert_eq!(calls[0].body, first);
        calls.iter().rev().for_each(|call| server.send(&success(call.sequence, &call.body)));
        let bodies = callers.map(|caller| caller.join().unwrap().unwrap().body);
        assert_eq!(bodies, [b"a", b"b", b"c"].map(|body| body.to_vec()));
    });
}

/// The connection stays, and whoever comes next waits for the answer first.
#[test]
fn a_caller_who_gives_up_leaves_the_question_open() {
    let large = pattern(1000);
    for (first, phase) in [(&b"first"[..], Phase::Reply), (&large, Phase::Call)] {
        for datagrams in [false, true] {
            for cancelled in [false, true] {
                let cancel = Cancel::new();
                let options = CallOptions::new().cancel(&cancel);
                let options = if cancelled { options } else { options.timeout(MOMENT) };
                let Set { client, server, listener, dir: _dir, .. } = Set::new(&finding_out());
                let result = submit(&client, &options, first);
                server.wait();
                if cancelled {
                    cancel.cancel();
                }
                while client.dispatch(None).unwrap() == 0 {}
                let cause = if cancelled { Cause::Cancelled } else { Cause::TimedOut };
                assert_eq!(describe(result.try_recv().unwrap()), (phase, cause));
                let short = CallOptions::new().timeout(MOMENT);
                assert_eq!(describe(client.call_with(&short, 7, 1, b"never")), (Phase::Call, Cause::TimedOut));
                let asked = server.call();
                thread::scope(|scope| {
                    let next = call_in(scope, &client, b"next");
                    server.assert_silent();
                    if datagrams {
                        server.send(NO_CALL);
                        accept(&listener).serve_bare(b"next");
                        assert_eq!(next.join().unwrap().unwrap().body, b"bare");
                    } else {
                        server.answer(&asked, b"late");
                        server.serve(b"next");
                        assert_eq!(next.join().unwrap().unwrap().body, b"next!");
                    }
                });
            }
        }
    }
}

/// A call of which the deadline passes between the two connections is not sent.
#[test]
fn a_deadline_holds_for_both_connections() {
    let Set { client, server, listener, dir: _dir, .. } = Set::new(&finding_out());
    thread::scope(|scope| {
        let options = CallOptions::new().timeout(4 * MOMENT);
        let caller = scope.spawn(|| client.call_with(&{ options }, 7, 1, b"slow"));
        server.call();
        server.send(NO_CALL);
        let server = accept(&listener);
        assert_eq!(server.receive_call(Framing::Datagram).body, b"slow");
        assert_eq!(describe(caller.join().unwrap()), (Phase::Reply, Cause::TimedOut));
    });
}

#[test]
fn the_limit_is_that_of_what_the_server_speaks() {
    let Set { client, server, listener, dir: _dir, .. } = Set::new(&finding_out().datagram_limit(500));
    thread::scope(|scope| {
        scope.spawn(|| {
            server.assert_probe();
            server.send(NO_CALL);
            accept(&listener).serve_bare(&pattern(450));
        });
        let too_big = |size| (Phase::Call, Cause::TooBig { size, limit: 500 });
        assert_eq!(describe(client.call(7, 1, &pattern(500))), too_big(509));
        client.call(7, 1, &pattern(450)).unwrap();
        let never = |_| panic!("an error has been returned");
        assert_eq!(describe(client.submit(&CallOptions::new(), 7, 1, pattern(500), never)), too_big(509));
    });
    // One that is too large for everybody is no reason to ask.
    let Set { client, server, .. } = Set::new(&finding_out().message_limit(500));
    let too_big = Cause::TooBig { size: 509, limit: 500 };
    assert_eq!(describe(client.call(7, 1, &pattern(500))), (Phase::Call, too_big));
    server.assert_silent();
}

#[test]
fn another_server_is_asked_anew() {
    let mut set = Set::new(&finding_out());
    thread::scope(|scope| {
        // Chunks, then datagrams, then chunks again.
        let first = call_in(scope, &set.client, b"first");
        set.server.serve(b"first");
        first.join().unwrap().unwrap();
        replace(&mut set);
        set.server = Peer::new(set.listener.try_clone().unwrap());
        let second = call_in(scope, &set.client, b"second");
        let server = accept(&set.listener);
        assert_eq!(server.call().body, b"second");
        server.send(NO_CALL);
        let server = accept(&set.listener);
        server.serve_bare(b"second");
        second.join().unwrap().unwrap();
        replace(&mut set);
        drop(server);
        let third = call_in(scope, &set.client, b"third");
        accept(&set.listener).serve(b"third");
        third.join().unwrap().unwrap();
    });
}

/// Between the two connections, too.
#[test]
fn another_server_in_between_is_asked_anew() {
    for first in [b"small".to_vec(), pattern(1000)] {
        let mut set = Set::new(&finding_out().retries(0));
        thread::scope(|scope| {
            let caller = call_in(scope, &set.client, &first);
            set.server.call();
            replace(&mut set);
            set.server.send(NO_CALL);
            let server = accept(&set.listener);
            if first.len() > SAFE {
                server.answer_probe();
            }
            server.serve(&first);
            assert_eq!(caller.join().unwrap().unwrap().body, [&first[..], b"!"].concat());
        });
    }
}

#[test]
fn a_server_that_keeps_changing_is_given_up() {
    for first in [b"small".to_vec(), pattern(1000)] {
        let mut set = Set::new(&finding_out().retries(1));
        thread::scope(|scope| {
            let caller = call_in(scope, &set.client, &first);
            for _ in 0..2 {
                set.server.call();
                replace(&mut set);
                set.server.send(NO_CALL);
                set.server = accept(&set.listener);
            }
            set.server.call();
            set.server.send(NO_CALL);
            assert_eq!(describe(caller.join().unwrap()), (Phase::Call, Cause::Replaced));
        });
        assert_no_connection(&set.listener);
    }
}

#[test]
fn the_log_tells_of_servers_of_datagrams() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log = Log::to(move |_, line| sink.lock().unwrap().push(line.to_string()));
    let Set { client, server, listener, path, dir: _dir } = Set::new(&finding_out().log(log));
    thread::scope(|scope| {
        let caller = call_in(scope, &client, b"first");
        server.call();
        server.send(NO_CALL);
        accept(&listener).serve_bare(b"first");
        caller.join().unwrap().unwrap();
    });
    let path = path.display();
    let datagrams = format!("{path} reads datagrams, as DAOS 0.8 to 2.6 do: connecting anew");
    assert_eq!(*lines.lock().unwrap(), [datagrams, format!("connected to {path} again")]);
}

/// In a process of its own, where no other test has an error that makes it forget.
#[test]
fn what_has_been_learnt_is_kept_until_an_error() {
    if !is_alone() {
        return run_alone("dialects::what_has_been_learnt_is_kept_until_an_error", "", Stdio::null());
    }
    let large = pattern(1000);
    for datagrams in [true, false] {
        let Set { client, server, listener, path, dir: _dir } = Set::new(&finding_out());
        // Answers what a client begins with, which does not know what the server speaks.
        let tell = |server: Peer| {
            if datagrams {
                server.assert_probe();
                server.send(NO_CALL);
                return accept(&listener);
            }
            server.answer_probe();
            server
        };
        let serve = |server: &Peer| if datagrams { server.serve_bare(&large) } else { server.serve(&large) };
        thread::scope(|scope| {
            let first = call_in(scope, &client, &large);
            let server = tell(server);
            serve(&server);
            first.join().unwrap().unwrap();
            // Closing is no error.
            client.close().unwrap();
            let second = finding_out().connect(&path).unwrap();
            let caller = call_in(scope, &second, &large);
            let server = accept(&listener);
            serve(&server);
            caller.join().unwrap().unwrap();
            // The server closing is one.
            drop(server);
            let caller = call_in(scope, &second, &large);
            let server = tell(accept(&listener));
            serve(&server);
            caller.join().unwrap().unwrap();
        });
    }
}

/// In a process of its own, which has the variable.
#[test]
fn the_environment_can_choose() {
    const TEST: &str = "dialects::the_environment_can_choose";
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
        let Set { client, server, .. } = Set::new(&builder.clone().log(log.clone()));
        let _result = submit(&client, &CallOptions::new(), &body);
        server.receive()
    };
    let call = Call { module: 7, method: 1, sequence: 1, body: body.clone() }.encode_to_vec();
    let expected = match &chosen[..] {
        "datagram" => call.clone(),
        "chunked" => chunk(call.len(), 0, 1, &call),
        _ => {
            let probe = Call { module: i32::MAX, method: 0, sequence: 1, body: Vec::new() }.encode_to_vec();
            chunk(probe.len(), 0, 1, &probe)
        }
    };
    assert_eq!(first(&Client::builder()), expected);
    let complaint = "DRPC_FRAMING is \"bare\", which is none of datagram, chunked and auto".to_owned();
    let complaints = if chosen == "bare" { vec![complaint] } else { Vec::new() };
    assert_eq!(*lines.lock().unwrap(), complaints);
    // What the program says counts.
    assert_eq!(first(&Client::builder().framing(Framing::Datagram)), call);
    assert_eq!(*lines.lock().unwrap(), complaints);
}

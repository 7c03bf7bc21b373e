//! Clients of every release on one server.

use std::sync::{Arc, Mutex};
use std::thread;

use drpc::{ErrorStats, Framing, Listener, Log, Response, Server, ServerLimits, Service, Status};
use prost::Message;

use crate::await_that;
use crate::limits::Lines;
use crate::modules::{ECHO, Echo, PATIENCE};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;

/// The status that a datagram client gets in place of an answer: -1, FAILED_UNMARSHAL_CALL.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

/// The probe with which a client asks for the framing, and the answer of a server that reads chunks.
const PROBE: &[u8; 31] = b"\x07\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x07\x07\x07\x07\x07\x07\x07";

/// Sends the probe, and expects the answer and the end.
fn probe(client: &Raw, reads: Option<Framing>) {
    client.send_record(PROBE);
    let in_a_chunk = [b"\x0d\0\0\0\0\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0", NO_CALL].concat();
    let expected = if reads == Some(Framing::Datagram) { NO_CALL } else { &in_a_chunk };
    assert_eq!(client.receive_record(), expected);
    assert_eq!(client.receive_record(), b"");
}

/// The probe reaches no module and counts as no error. Its session makes room for the client's next one.
#[test]
fn a_server_answers_the_probe() {
    for reads in [None, Some(Framing::Datagram), Some(Framing::Chunked)] {
        let (_dir, path) = socket_path();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let log = Log::to(move |_, line| sink.lock().unwrap().push(line.to_string()));
        let server = Server::builder().module(Echo).framing(reads).log(log).bind(&path).unwrap();
        server.start().unwrap();
        for _ in 0..10 {
            probe(&Raw::connect(&path, Framing::Chunked), reads);
            let client = Raw::connect(&path, reads.unwrap_or(Framing::Chunked));
            assert_eq!(client.call(ECHO, 1, 1, b"on").body, b"on");
        }
        await_that("all are counted", || server.stats().handled == 10);
        assert_eq!(server.stats().errors, ErrorStats::default());
        assert_eq!(lines.lock().unwrap().len(), 1, "it listens");
    }
}

/// The probe may come after the first record, and after calls.
#[test]
fn a_probe_ends_a_session_that_waits_for_a_call() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    assert_eq!(client.call(ECHO, 1, 1, b"first").body, b"first");
    probe(&client, Some(Framing::Chunked));
    // A message of the same bytes is no probe where the client sends datagrams.
    let client = Raw::connect(&path, Framing::Datagram);
    assert_eq!(client.call(ECHO, 1, 1, b"first").body, b"first");
    client.send_record(&PROBE[24..]);
    client.assert_reply(-1, Status::FailedUnmarshalCall);
    assert_eq!(client.call(ECHO, 1, 2, b"second").body, b"second");
    assert_eq!(server.stats().errors.unparsable, 1);
}

/// A session that ends with the probe holds no shared memory any more.
#[test]
fn a_probe_releases_the_memory_of_its_session() {
    let (_dir, path) = socket_path();
    let limits = ServerLimits { partial_memory: 600_000, unsent: 600_000, ..ServerLimits::default() };
    let server = Server::builder().module(Echo).limits(limits).bind(&path).unwrap();
    for _ in 0..20 {
        // All records are there before the server reads.
        let client = Raw::connect(&path, Framing::Chunked);
        client.send(&call(77, 1, 1, &pattern(140_000)));
        client.send_record(PROBE);
        server.dispatch(Some(PATIENCE)).unwrap();
        while server.stats().sessions > 0 {
            server.dispatch(Some(PATIENCE)).unwrap();
        }
        client.assert_reply(1, Status::UnknownModule);
        client.assert_reply(-1, Status::FailedUnmarshalCall);
    }
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    assert_eq!(client.call(ECHO, 1, 1, &pattern(140_000)).body, pattern(140_000));
}

#[test]
fn a_listener_answers_the_probe() {
    for reads in [None, Some(Framing::Datagram), Some(Framing::Chunked)] {
        let (_dir, path) = socket_path();
        let listener = Listener::builder().framing(reads).bind(&path).unwrap();
        for by_service in [true, false] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut connection = listener.accept().unwrap();
                    match by_service {
                        true => connection.serve(&Service::new()).unwrap(),
                        false => assert_eq!(connection.receive().unwrap(), None),
                    }
                });
                probe(&Raw::connect(&path, Framing::Chunked), reads);
            });
        }
    }
}

#[test]
fn each_client_is_answered_in_what_it_speaks() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let clients = [Framing::Datagram, Framing::Chunked, Framing::Datagram].map(|framing| Raw::connect(&path, framing));
    for (sequence, size) in (1..).zip([0, 1, 231, 232, 5_650, 16_000]) {
        for client in &clients {
            assert_eq!(client.call(ECHO, 1, sequence, &pattern(size)).body, pattern(size), "{size} bytes");
        }
    }
    await_that("all are counted", || server.stats().handled == 18);
}

/// The framing of a client's first record holds for the session. A bare call among chunks makes no sense, nor does a
/// chunk among datagrams.
#[test]
fn a_session_keeps_its_framing() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let chunk = crate::support::records::records(Framing::Chunked, b"\x08\x02\x10\x01\x18\x02").remove(0);
    let client = Raw::connect(&path, Framing::Datagram);
    assert_eq!(client.call(ECHO, 1, 1, b"first").body, b"first");
    client.send_record(&chunk);
    client.assert_reply(-1, Status::FailedUnmarshalCall);
    assert_eq!(client.call(ECHO, 1, 3, b"third").body, b"third");
    let client = Raw::connect(&path, Framing::Chunked);
    assert_eq!(client.call(ECHO, 1, 1, b"first").body, b"first");
    client.send_record(b"\x08\x02\x10\x01\x18\x02");
    assert_eq!(client.receive_record(), NO_CALL, "an older client would take the end for a success");
    client.assert_end();
    await_that("all are counted", || server.stats().handled == 3);
}

/// An older client takes the end of the connection for a success. An empty record from it is a call with all fields
/// zero.
#[test]
fn any_record_of_an_older_client_is_answered() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Datagram);
    client.send_record(b"no call");
    client.assert_reply(-1, Status::FailedUnmarshalCall);
    client.send_record(b"");
    client.assert_reply(0, Status::UnknownModule);
    assert_eq!(client.call(ECHO, 1, 1, b"on").body, b"on");
    // A client of today that begins with nonsense loses no answer either.
    let client = Raw::connect(&path, Framing::Chunked);
    client.send_record(&[0xff; 24]);
    assert_eq!(client.receive_record(), NO_CALL);
    assert_eq!(client.call(ECHO, 1, 1, b"on").body, b"on");
}

/// A server with a set framing reads no other.
#[test]
fn a_framing_that_is_set_holds() {
    for chosen in FRAMINGS {
        let (_dir, path) = socket_path();
        let server = Server::builder().module(Echo).framing(chosen).bind(&path).unwrap();
        server.start().unwrap();
        for framing in FRAMINGS {
            let client = Raw::connect(&path, framing);
            client.send(&call(ECHO, 1, 1, b"?"));
            match (chosen, framing) {
                (Framing::Chunked, Framing::Datagram) => {
                    client.assert_reply(-1, Status::FailedUnmarshalCall);
                    client.assert_end();
                }
                (Framing::Datagram, Framing::Chunked) => assert_eq!(client.receive_record(), NO_CALL),
                _ => client.assert_reply(1, Status::Success),
            }
        }
        await_that("it is counted", || server.stats().handled == 1);
    }
}

/// An older client takes the end of the connection for a success, whatever the server left unanswered.
#[test]
fn a_connection_that_ends_refuses_what_it_has_not_answered() {
    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let listener = Listener::builder().message_limit(1000).log(lines.log()).bind(&path).unwrap();
    for (logged, framing) in (1..).zip(FRAMINGS) {
        let client = Raw::connect(&path, framing);
        let mut connection = listener.accept().unwrap();
        for sequence in 1..4 {
            client.send(&call(ECHO, 1, sequence, b""));
            let call = connection.receive().unwrap().unwrap();
            if sequence == 2 {
                connection.reply(&Response::success(&call, pattern(2000))).unwrap_err();
                client.assert_reply(2, Status::FailedMarshal);
            }
        }
        lines.await_ending("a response cannot be sent: message of 2005 bytes, the limit is 1000", logged);
        drop(connection);
        for _ in 0..if framing == Framing::Datagram { 2 } else { 0 } {
            client.assert_reply(-1, Status::Failure);
        }
        client.assert_end();
    }
    for nonsense in [b"no call".to_vec(), call(ECHO, 1, 1, &pattern(2000)).encode_to_vec()] {
        let client = Raw::connect(&path, Framing::Datagram);
        client.send_record(&nonsense);
        listener.accept().unwrap().receive().unwrap_err();
        client.assert_reply(-1, Status::Failure);
        client.assert_end();
    }
}

/// The blocking listener tells clients apart, too.
#[test]
fn a_listener_tells_its_clients_apart() {
    let (_dir, path) = socket_path();
    let listener = Listener::bind(&path).unwrap();
    let service = Service::new();
    for framing in FRAMINGS {
        let client = Raw::connect(&path, framing);
        let mut connection = listener.accept().unwrap();
        connection.set_timeout(PATIENCE).unwrap();
        assert_eq!(connection.framing(), None);
        for sequence in 1..3 {
            client.send(&call(ECHO, 1, sequence, &pattern(5_650)));
            assert!(connection.serve_next(&service).unwrap());
            client.assert_reply(sequence, Status::UnknownModule);
            assert_eq!(connection.framing(), Some(framing));
        }
    }
    // A message in neither framing gets an answer that an older client understands.
    let client = Raw::connect(&path, Framing::Datagram);
    client.send_record(b"no call");
    listener.accept().unwrap().serve(&service).unwrap_err();
    client.assert_reply(-1, Status::FailedUnmarshalCall);
    client.assert_end();
    // The end is no call.
    drop(Raw::connect(&path, Framing::Datagram));
    assert!(!listener.accept().unwrap().serve_next(&service).unwrap());
}

//! Clients of every release on one server.

use drpc::{Framing, Listener, Response, Server, Service, Status};
use prost::Message;

use crate::limits::Lines;
use crate::modules::{ECHO, Echo, PATIENCE};
use crate::raw::{FRAMINGS, Raw, call, pattern};
use crate::{await_that, place};

/// What a datagram client gets in place of an answer: -1, FAILED_UNMARSHAL_CALL.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

#[test]
fn each_client_is_answered_in_what_it_speaks() {
    let (_dir, path) = place();
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

/// What a client said first holds: a bare call among chunks makes no sense, nor does a chunk among datagrams.
#[test]
fn a_session_keeps_its_dialect() {
    let (_dir, path) = place();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let chunk = crate::records::records(Framing::Chunked, b"\x08\x02\x10\x01\x18\x02").remove(0);
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

/// An older client takes the end of the connection for a success, and sends what has no field to ask for nothing.
#[test]
fn what_may_come_from_an_older_client_is_answered() {
    let (_dir, path) = place();
    let server = Server::builder().module(Echo).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Datagram);
    client.send_record(b"no call");
    client.assert_reply(-1, Status::FailedUnmarshalCall);
    client.send_record(b"");
    client.assert_reply(0, Status::UnknownModule);
    assert_eq!(client.call(ECHO, 1, 1, b"on").body, b"on");
    // Nor is anything lost for a client of today that begins with nonsense.
    let client = Raw::connect(&path, Framing::Chunked);
    client.send_record(&[0xff; 24]);
    assert_eq!(client.receive_record(), NO_CALL);
    assert_eq!(client.call(ECHO, 1, 1, b"on").body, b"on");
}

/// A server that is told to reads nothing else.
#[test]
fn a_framing_that_is_chosen_holds() {
    for chosen in FRAMINGS {
        let (_dir, path) = place();
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

/// An older client takes the end of the connection for a success, whatever it was that the server did not answer.
#[test]
fn a_connection_that_ends_refuses_what_it_has_not_answered() {
    let (_dir, path) = place();
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

/// A server that waits for each message itself.
#[test]
fn a_listener_tells_its_clients_apart() {
    let (_dir, path) = place();
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
    // What is neither is answered so that an older client understands it.
    let client = Raw::connect(&path, Framing::Datagram);
    client.send_record(b"no call");
    listener.accept().unwrap().serve(&service).unwrap_err();
    client.assert_reply(-1, Status::FailedUnmarshalCall);
    client.assert_end();
    // The end is no call.
    drop(Raw::connect(&path, Framing::Datagram));
    assert!(!listener.accept().unwrap().serve_next(&service).unwrap());
}

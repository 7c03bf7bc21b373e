//! The same conversations in either framing: the answers are equal.

use std::path::Path;
use std::thread;

use drpc::framing::chunked::MAX_DATA;
use drpc::wire::CallRef;
use drpc::{Client, Failure, Framing, Listener, Module, Response, Server, ServerLimits, Service, Session, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

use crate::modules::PATIENCE;
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;

/// More than any message here, and still accepted by the socket as one record.
const DATAGRAM: usize = 200_000;

const ANSWERS: i32 = 5;

/// A module that answers in every possible way.
struct Answers;

impl Module for Answers {
    fn id(&self) -> i32 {
        ANSWERS
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        match method {
            10 => Ok(body.to_vec()),
            11 => Ok(body.iter().rev().copied().collect()),
            12 => Ok(Vec::new()),
            _ => Err(Failure::new(Status::try_from(method).unwrap_or(Status::UnknownMethod))),
        }
    }
}

fn numbers() -> impl Strategy<Value = (i32, i32)> {
    let module = prop_oneof![4 => Just(ANSWERS), 1 => select(vec![0, 1, -1, i32::MAX, i32::MIN])];
    (module, prop_oneof![0..14, any::<i32>()])
}

/// Sizes around those where the length takes another byte, or the message another chunk.
fn size() -> impl Strategy<Value = usize> {
    let edge =
        (select(vec![24, 128, 16_384, MAX_DATA]), 0..40usize).prop_map(|(edge, off)| (edge + off).saturating_sub(20));
    prop_oneof![4 => 0..300usize, 4 => edge, 1 => 0..150_000usize]
}

/// A call, or bytes that a server cannot read as one.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let sequence = prop_oneof![1..200i64, any::<i64>().prop_map(|sequence| sequence.max(1) | 1)];
    let whole = (numbers(), sequence, size())
        .prop_map(|((module, method), sequence, size)| call(module, method, sequence, &pattern(size)).encode_to_vec());
    let cut = (vec(any::<u8>(), 1..40), any::<bool>())
        .prop_map(|(bytes, call)| if call { [&[0x22, 0x7f], &bytes[..]].concat() } else { bytes });
    prop_oneof![4 => whole, 1 => cut, 1 => Just(Vec::new())]
}

/// The server's answer to each message. The first message is a call, which tells the framing.
fn conversation(path: &Path, framing: Framing, messages: &[Vec<u8>]) -> Vec<Option<Response>> {
    let client = Raw::connect(path, framing);
    let first = call(ANSWERS, 10, 1, b"first").encode_to_vec();
    let answer = |message: &Vec<u8>| {
        client.send_message(message);
        client.try_reply()
    };
    std::iter::once(&first).chain(messages).map(answer).collect()
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

#[test]
fn a_server_answers_alike_in_both_framings() {
    let (_dir, path) = socket_path();
    let limits = ServerLimits { datagram: DATAGRAM, ..ServerLimits::default() };
    let server = Server::builder().module(Answers).limits(limits).bind(&path).unwrap();
    server.start().unwrap();
    proptest!(config(100), |(messages in vec(message(), 0..8))| {
        let [datagram, chunked] = FRAMINGS.map(|framing| conversation(&path, framing, &messages));
        prop_assert!(datagram.iter().all(Option::is_some), "a message without an answer");
        prop_assert_eq!(datagram, chunked);
    });
}

/// The blocking connection, which ends with the first message that it cannot read.
#[test]
fn a_connection_answers_alike_in_both_framings() {
    let (_dir, path) = socket_path();
    let listener = Listener::builder().datagram_limit(DATAGRAM).bind(&path).unwrap();
    let mut service = Service::new();
    service.register(Answers).unwrap();
    proptest!(config(50), |(mut messages in vec(message(), 0..8))| {
        let readable = messages.iter().take_while(|message| CallRef::decode(message).is_ok()).count();
        messages.truncate(readable + 1);
        let [datagram, chunked] = FRAMINGS.map(|framing| thread::scope(|scope| {
            let client = scope.spawn(|| conversation(&path, framing, &messages));
            let mut connection = listener.accept().unwrap();
            connection.set_timeout(PATIENCE).unwrap();
            let served = connection.serve(&service).map_err(|error| error.cause());
            drop(connection);
            (client.join().unwrap(), served)
        }));
        prop_assert!(datagram.0.iter().all(Option::is_some), "a message without an answer");
        prop_assert_eq!(datagram, chunked);
    });
}

#[test]
fn a_client_receives_alike_in_both_framings() {
    let (_dir, path) = socket_path();
    let limits = ServerLimits { datagram: DATAGRAM, ..ServerLimits::default() };
    let server = Server::builder().module(Answers).limits(limits).bind(&path).unwrap();
    server.start().unwrap();
    proptest!(config(50), |(calls in vec((numbers(), size()), 1..8))| {
        let [datagram, chunked] = FRAMINGS.map(|framing| {
            let builder = Client::builder().framing(framing).datagram_limit(DATAGRAM).timeout(PATIENCE);
            let client = builder.connect(&path).unwrap();
            let outcome = |&((module, method), size): &((i32, i32), usize)| client.call(module, method, &pattern(size)).unwrap();
            calls.iter().map(outcome).collect::<Vec<_>>()
        });
        prop_assert_eq!(datagram, chunked);
    });
}

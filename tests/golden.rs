//! Every recording of DAOS's own programs in `golden/wire.json`: what they sent is decoded to the fields recorded,
//! and what this library sends for the same fields is the same records, byte for byte, through real sockets.
//!
//! What is different on purpose stands in the tables below. Each entry has to be met, and the recordings are counted
//! by kind, so that none can fall out unnoticed.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so by panicking")]

#[path = "support"]
mod support {
    pub(crate) mod body;
    pub(crate) mod peer;
}

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::thread;

use drpc::framing::chunked::{self, Chunks, Reassembly};
use drpc::framing::detect::PeerFraming;
use drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing, Limits, datagram};
use drpc::transport::{self, SendHooks};
use drpc::wire::{CallRef, Encoded, ResponseRef};
use drpc::{
    Call, Cause, Client, Connection, Failure, HeaderFault, Listener, Module, Response, Service, Session, Status,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use socket2::{Domain, Socket, Type};
use support::body::pattern;
use support::peer::Peer;

const GOLDEN: &str = include_str!("golden/wire.json");

/// How many recordings there are of each kind.
const KINDS: [(&str, usize); 6] = [
    ("C client", 62),
    ("C server", 106),
    ("Go 0.8.0 client", 24),
    ("Go 2.8.0 client", 17),
    ("Go 0.8.0 server", 51),
    ("Go 2.8.0 server", 59),
];

/// Messages that the originals could not send.
const NOT_SENT: [(&str, &str); 8] = [
    ("c-v2.8.0/call-001-m0-f0-seq0-empty0", "a message of no bytes aborts the C library; ours goes out as Go's does"),
    ("c-v2.8.0/resp-037-st0-seq0-empty0", "the same"),
    ("go-v0.8.0/client/m2-207-1m", "larger than the send buffer of the socket: EMSGSIZE"),
    ("go-v0.8.0/client/packed-212961-sndbuf", "the same, by one byte"),
    ("go-v0.8.0/client/packed-212992-sndbuf", "the same"),
    ("go-v0.8.0/client/packed-212993-sndbuf", "the same"),
    ("go-v0.8.0/client/packed-262144-sndbuf", "the same"),
    ("go-v0.8.0/server/gen-300000", "the same; the server closes the connection"),
];

/// Datagrams that Go sends, but that the oldest C library cannot receive: ours does not send them unless told to.
const OVER_THE_DATAGRAM_LIMIT: [&str; 18] = [
    "go-v0.8.0/client/packed-16385",
    "go-v0.8.0/client/packed-131047",
    "go-v0.8.0/client/packed-131048",
    "go-v0.8.0/client/packed-131049",
    "go-v0.8.0/client/packed-131072",
    "go-v0.8.0/client/m2-207-100k",
    "go-v0.8.0/client/m2-207-1m",
    "go-v0.8.0/client/packed-212000-sndbuf",
    "go-v0.8.0/client/packed-212900-sndbuf",
    "go-v0.8.0/client/packed-212944-sndbuf",
    "go-v0.8.0/client/packed-212945-sndbuf",
    "go-v0.8.0/client/packed-212960-sndbuf",
    "go-v0.8.0/client/packed-212961-sndbuf",
    "go-v0.8.0/client/packed-212992-sndbuf",
    "go-v0.8.0/client/packed-212993-sndbuf",
    "go-v0.8.0/client/packed-262144-sndbuf",
    "go-v0.8.0/server/gen-16k-20000",
    "go-v0.8.0/server/gen-150000",
];

/// What a Go server accepts and we do not, or the other way round. C servers decode as we do.
const JUDGED_OTHERWISE: [(&str, Result<(), Cause>, &str); 11] = [
    ("go-v0.8.0/server/pb-wrong-wiretype-module-len", Err(Cause::Malformed), "Go passes it over as an unknown field"),
    ("go-v2.8.0/server/pb-wrong-wiretype-module-len", Err(Cause::Malformed), "the same"),
    ("go-v0.8.0/server/pb-wrong-wiretype-body-varint", Err(Cause::Malformed), "the same"),
    ("go-v2.8.0/server/pb-wrong-wiretype-body-varint", Err(Cause::Malformed), "the same"),
    ("go-v0.8.0/server/pb-wrong-wiretype-only-module", Err(Cause::Malformed), "the same"),
    ("go-v2.8.0/server/pb-wrong-wiretype-only-module", Err(Cause::Malformed), "the same"),
    ("go-v0.8.0/server/pb-varint-10th-byte-2", Ok(()), "protobuf-c drops the bits over 64"),
    ("go-v2.8.0/server/pb-varint-10th-byte-2", Ok(()), "the same"),
    ("go-v2.8.0/server/pb-field-number-too-big", Ok(()), "protobuf-c, and Go's older package, let it pass"),
    (
        "go-v2.8.0/server/split-2-small-chunks",
        Err(Cause::Header(HeaderFault::Inconsistent { total: 20, count: 2 })),
        "chunks that are not full: no sender makes them",
    ),
    (
        "go-v2.8.0/server/chunk1-zero-data",
        Err(Cause::Header(HeaderFault::Inconsistent { total: 20, count: 3 })),
        "the same",
    ),
];

/// Calls too long to be recorded in full: the end of the name, module, method, size of the body.
const LONG_CALLS: [(&str, i32, i32, usize); 7] = [
    ("ok-m2-207-14k", 2, 207, 14336),
    ("ok-m3-301-14k", 3, 301, 14336),
    ("datagram-131072", 3, 301, 131_037),
    ("ok-100k", 3, 301, 102_400),
    ("ok-packed-131048", 3, 301, 131_037),
    ("ok-packed-131049", 3, 301, 131_038),
    ("ok-1MiB", 3, 301, 1 << 20),
];

/// The tables' entries that have been met.
#[derive(Default)]
struct Met(RefCell<BTreeSet<String>>);

impl Met {
    fn note(&self, table: &str, id: &str) {
        self.0.borrow_mut().insert(format!("{table}: {id}"));
    }

    fn not_sent(&self, id: &str) -> bool {
        let found = NOT_SENT.iter().any(|(known, _)| *known == id);
        if found {
            self.note("not sent", id);
        }
        found
    }

    fn over_the_limit(&self, id: &str) -> bool {
        let found = OVER_THE_DATAGRAM_LIMIT.contains(&id);
        if found {
            self.note("over the limit", id);
        }
        found
    }

    fn judged_otherwise(&self, id: &str) -> Option<Result<(), Cause>> {
        let found = JUDGED_OTHERWISE.iter().find(|(known, _, _)| *known == id);
        found.map(|(_, judgement, _)| {
            self.note("judged otherwise", id);
            *judgement
        })
    }
}

/// Waits for nothing: the other end reads all the time.
struct Blocking;

impl SendHooks for Blocking {
    fn when_full(&mut self, _fd: i32, _begun: bool) -> Result<(), Cause> {
        Err(Cause::TimedOut)
    }
}

/// Two ends that are connected.
fn pair() -> (Peer, Peer) {
    let (one, other) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    (Peer::new(one), Peer::new(other))
}

/// The records that go out for a message.
fn sent(framing: Framing, message: &Encoded<'_>, limit: usize) -> Result<Vec<Vec<u8>>, Cause> {
    let (ours, theirs) = pair();
    let count = match framing {
        Framing::Chunked => Chunks::new(message.len()).unwrap().count(),
        _ => 1,
    };
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let records: Vec<_> = (0..count).map(|_| theirs.receive()).collect();
            (records, theirs.receive())
        });
        let sent = transport::send(ours.0.as_raw_fd(), framing, message, limit, &mut Blocking);
        drop(ours);
        let (records, rest) = reader.join().unwrap();
        assert!(rest.is_empty(), "a record too many");
        match sent {
            Ok(()) => Ok(records),
            Err(cause) => {
                assert!(records.iter().all(Vec::is_empty), "something was sent all the same");
                Err(cause)
            }
        }
    })
}

/// What a message made of these records is taken for.
fn received<T>(
    framing: Framing,
    records: &[Vec<u8>],
    mut decode: impl FnMut(&[u8]) -> Result<T, Cause>,
) -> Result<T, Cause> {
    let (ours, theirs) = pair();
    thread::scope(|scope| {
        // The writer's end stays open until the message has been read: an empty datagram is not the end.
        let theirs = &theirs;
        let writer = scope.spawn(move || records.iter().for_each(|record| theirs.send(record)));
        let mut message = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
        let fd = ours.0.as_raw_fd();
        let received = transport::receive(
            fd,
            &mut PeerFraming::known(framing),
            &mut message,
            chunked::MAX_RECORD,
            |got| decode(got.within_limit()?),
            || {},
        );
        writer.join().unwrap();
        received
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

fn number<T: TryFrom<i64>>(value: &Value, key: &str) -> T {
    let number = value[key].as_i64().and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("no number {key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

fn framing(record: &Value) -> Framing {
    match text(record, "framing") {
        "datagram" => Framing::Datagram,
        "chunked" => Framing::Chunked,
        other => panic!("framing {other}"),
    }
}

fn body(body: &Value) -> Vec<u8> {
    let len = number(body, "len");
    match text(body, "kind") {
        "empty" => Vec::new(),
        "hello" => b"hello".to_vec(),
        "seq256" => (0..=255).collect(),
        "pattern" => pattern(len),
        other => panic!("body {other}"),
    }
}

/// Verifies that the records are those recorded, by length, hash, and bytes where they are given.
fn assert_recorded(id: &str, records: &[Vec<u8>], recorded: &[Value]) {
    assert_eq!(records.len(), recorded.len(), "{id}: number of records");
    for (bytes, recorded) in records.iter().zip(recorded) {
        assert_eq!(bytes.len(), number::<usize>(recorded, "len"), "{id}");
        if let Some(all) = recorded["hex"].as_str() {
            assert_eq!(hex(bytes), all, "{id}");
        }
        if let Some(first) = recorded["first64"].as_str() {
            assert_eq!(hex(&bytes[..64]), first, "{id}");
        }
        assert_eq!(sha256(bytes), text(recorded, "sha256"), "{id}");
    }
}

/// Verifies that `message` goes out as recorded. A datagram over the limit is refused first, then sent with the
/// limit raised.
fn assert_sent(met: &Met, id: &str, framing: Framing, message: &Encoded<'_>, recorded: &[Value]) -> Vec<Vec<u8>> {
    let limit = Limits::default().send(framing);
    let refused = framing == Framing::Datagram && message.len() > datagram::MAX_0_8;
    if refused {
        assert!(met.over_the_limit(id), "{id} is not in the table");
        let too_big = Cause::TooBig { size: message.len() as u64, limit };
        assert_eq!(sent(framing, message, limit), Err(too_big), "{id}");
    }
    let records = sent(framing, message, DEFAULT_MESSAGE_LIMIT).unwrap();
    assert_recorded(id, &records, recorded);
    records
}

/// The records as their sender sent them: from the recording where that is complete, else rebuilt and known by their
/// hash to be the same.
fn originals(recorded: &[Value], rebuilt: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let bytes = |(i, recorded): (usize, &Value)| match recorded["hex"].as_str() {
        Some(hex) => unhex(hex),
        None => rebuilt[i].clone(),
    };
    recorded.iter().enumerate().map(bytes).collect()
}

fn assert_call(met: &Met, id: &str, framing: Framing, call: &CallRef<'_>, recorded: &[Value]) {
    let rebuilt = assert_sent(met, id, framing, &call.encode(&[]), recorded);
    let decoded = received(framing, &originals(recorded, &rebuilt), owned_call).unwrap();
    assert_eq!(decoded, owned(call), "{id}");
}

fn assert_response(met: &Met, id: &str, framing: Framing, response: &ResponseRef<'_>, recorded: &[Value]) {
    let rebuilt = assert_sent(met, id, framing, &response.encode(&[]), recorded);
    let decoded = received(framing, &originals(recorded, &rebuilt), owned_response).unwrap();
    let ResponseRef { sequence, status, body } = *response;
    assert_eq!(decoded, Response { sequence, status, body: body.to_vec(), detail: None }, "{id}");
}

fn owned(call: &CallRef<'_>) -> Call {
    let CallRef { module, method, sequence, body } = *call;
    Call { module, method, sequence, body: body.to_vec() }
}

fn owned_call(message: &[u8]) -> Result<Call, Cause> {
    CallRef::decode(message).map(|call| owned(&call))
}

fn owned_response(message: &[u8]) -> Result<Response, Cause> {
    let ResponseRef { sequence, status, body } = ResponseRef::decode(message)?;
    Ok(Response { sequence, status, body: body.to_vec(), detail: None })
}

/// What a chunked sender makes of a message of no bytes, as Go's does.
fn assert_empty_as_go_sends_it(framing: Framing, message: &Encoded<'_>) {
    assert_eq!(framing, Framing::Chunked);
    let records = sent(framing, message, DEFAULT_MESSAGE_LIMIT).unwrap();
    assert_eq!(
        records.iter().map(|record| hex(record)).collect::<Vec<_>>(),
        ["000000000000000000000000000000000000000001000000"]
    );
}

fn check_c(met: &Met, record: &Value) {
    let id = text(record, "id");
    let body = body(&record["body"]);
    let framing = framing(record);
    let (call, response);
    let message = if text(record, "from") == "client" {
        let (module, method, sequence) =
            (number(record, "module"), number(record, "method"), number(record, "sequence"));
        call = Some(CallRef { module, method, sequence, body: &body });
        response = None;
        call.unwrap().encode(&[])
    } else {
        let (sequence, status) = (number(record, "sequence"), number(record, "status"));
        call = None;
        response = Some(ResponseRef { sequence, status, body: &body });
        response.unwrap().encode(&[])
    };
    assert_eq!(message.len(), number::<usize>(record, "packed_len"), "{id}");
    assert_eq!(sha256(&message.pieces().concat()), text(record, "packed_sha256"), "{id}");
    let recorded = list(record, "datagrams");
    if met.not_sent(id) {
        assert!(recorded.is_empty(), "{id}");
        assert_empty_as_go_sends_it(framing, &message);
        return;
    }
    if let Some(call) = call {
        assert_call(met, id, framing, &call, recorded);
    }
    if let Some(response) = response {
        assert_response(met, id, framing, &response, recorded);
    }
}

/// A Go client counts its calls from 1; how it was called is recorded as text.
fn check_go_client(met: &Met, record: &Value) {
    let id = text(record, "id");
    let framing = framing(record);
    let (_, arguments) = text(record, "produced_by").split_once(" = ").unwrap();
    let [module, method, body, calls] = arguments.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{id}: {arguments}");
    };
    let body = match body.strip_prefix("str:") {
        Some(text) => text.as_bytes().to_vec(),
        None => pattern(body.parse().unwrap()),
    };
    let call =
        |sequence| CallRef { module: module.parse().unwrap(), method: method.parse().unwrap(), sequence, body: &body };
    let size = call(1).encode(&[]).len() as u64;
    if let Some(named) = id.split("packed-").nth(1) {
        assert_eq!(named.split('-').next(), Some(size.to_string().as_str()), "{id}");
    }
    let mut messages: BTreeMap<i64, Vec<Value>> = BTreeMap::new();
    for datagram in list(record, "datagrams") {
        messages.entry(number(datagram, "message")).or_default().push(datagram.clone());
    }
    let numbers: Vec<i64> = messages.keys().copied().collect();
    if met.not_sent(id) {
        assert!(messages.is_empty() && met.over_the_limit(id), "{id}");
        let limit = datagram::MAX_0_8;
        assert_eq!(sent(framing, &call(1).encode(&[]), limit), Err(Cause::TooBig { size, limit }), "{id}");
        return;
    }
    match calls {
        "1" => assert_eq!(numbers, [1], "{id}"),
        // Of the 300 calls, those where the sequence takes another byte have been kept.
        _ => assert_eq!(numbers, [1, 2, 127, 128, 300], "{id}"),
    }
    for (sequence, recorded) in messages {
        assert_call(met, id, framing, &call(sequence), &recorded);
    }
}

/// The handlers that the recorded Go servers had.
struct Recorded(i32);

impl Module for Recorded {
    fn id(&self) -> i32 {
        self.0
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        match (self.0, method) {
            (0, 0) | (3, 301) => Ok(body.to_vec()),
            (0, 1 | 3) | (3, 302 | 304) => Err(Failure::other()),
            (0, 4) | (3, 305) => Err(Failure::unmarshaling_payload()),
            (2, 206) => Ok(pattern(1024)),
            (3, 306) => Ok(pattern(std::str::from_utf8(body).unwrap().parse().unwrap())),
            _ => Err(Failure::unknown_method()),
        }
    }
}

fn recorded_service() -> Service {
    let mut service = Service::new();
    for module in [0, 2, 3] {
        service.register(Recorded(module)).unwrap();
    }
    service
}

/// A connection for handlers to look at, and the client that it is with.
fn connection() -> (Connection, Client) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    let listener = Listener::bind(&path).unwrap();
    let client = Client::connect(&path).unwrap();
    (listener.accept().unwrap(), client)
}

/// Records grouped into messages. Only one recording has more than one message, each in one record.
fn messages<'a>(id: &str, records: &'a [Value]) -> Vec<&'a [Value]> {
    match id.ends_with("two-calls-pipelined") {
        true => records.chunks(1).collect(),
        false => vec![records],
    }
}

fn check_go_server(met: &Met, service: &Service, session: &Session, record: &Value) {
    let id = text(record, "id");
    let framing = framing(record);
    let replies = messages(id, list(record, "reply"));
    let mut executed = list(record, "executed").iter();
    let mut count = 0;
    for (recorded, reply) in messages(id, list(record, "sent")).into_iter().zip(replies) {
        let unparsable = reply.first().is_some_and(|reply| reply["decoded"]["status"] == 5);
        let long = LONG_CALLS.iter().find(|(name, ..)| id.ends_with(&format!("/{name}")));
        let call = match long {
            Some(&(_, module, method, len)) => {
                let call = Call { module, method, sequence: 1, body: pattern(len) };
                assert_call(met, id, framing, &borrowed(&call), recorded);
                Ok(call)
            }
            None => received(framing, &originals(recorded, &[]), owned_call),
        };
        if let Some(judgement) = met.judged_otherwise(id) {
            assert_eq!(call.as_ref().map(drop), judgement.as_ref().copied(), "{id}");
            assert_eq!(judgement.is_ok(), unparsable, "{id}: judged as the recorded server does");
            check_reply(met, id, framing, None, reply);
            executed.by_ref().for_each(drop);
            continue;
        }
        assert_eq!(call.as_ref().err(), unparsable.then_some(&Cause::Malformed), "{id}");
        let Ok(call) = call else {
            check_reply(met, id, framing, Some(Response::to_unparsable()), reply);
            continue;
        };
        // Those that test the decoder are not encoded as any encoder would do it.
        if !id.contains("/pb-") {
            assert_call(met, id, framing, &borrowed(&call), recorded);
        }
        let response = service.process(session, call.clone());
        // A failure that says "unknown method" may come from the handler.
        if !matches!(response.status(), Status::UnknownModule | Status::UnknownMethod) || matches!(call.method, 2 | 303)
        {
            count += 1;
            let Call { module, method, body, .. } = &call;
            let line = format!("n={count} module={module} method={method} len={} sha256={}", body.len(), sha256(body));
            assert_eq!(executed.next().and_then(Value::as_str), Some(line.as_str()), "{id}");
        }
        if met.not_sent(id) {
            assert!(reply.is_empty(), "{id}");
            assert_eq!(text(record, "then"), "eof", "{id}");
            let response = ResponseRef { sequence: response.sequence, status: response.status, body: &response.body };
            let refused = sent(framing, &response.encode(&[]), Limits::default().send(framing));
            assert!(matches!(refused, Err(Cause::TooBig { .. })), "{id}");
        } else {
            check_reply(met, id, framing, Some(response), reply);
        }
    }
    assert_eq!(executed.next(), None, "{id}: executed by the recorded server, not by ours");
}

fn borrowed(call: &Call) -> CallRef<'_> {
    CallRef { module: call.module, method: call.method, sequence: call.sequence, body: &call.body }
}

/// Verifies a reply: against what our service answers, if it was asked, and against the fields recorded.
fn check_reply(met: &Met, id: &str, framing: Framing, ours: Option<Response>, recorded: &[Value]) {
    let response = ours.unwrap_or_else(|| received(framing, &originals(recorded, &[]), owned_response).unwrap());
    let decoded = &recorded[0]["decoded"];
    if decoded.is_object() {
        assert_eq!(response.sequence, number::<i64>(decoded, "sequence"), "{id}");
        assert_eq!(response.status, number::<i32>(decoded, "status"), "{id}");
        assert_eq!(response.status().as_str_name(), text(decoded, "status_name"), "{id}");
        assert_eq!(response.body.len(), number::<usize>(decoded, "body_len"), "{id}");
        if let Some(hash) = decoded["body_sha256"].as_str() {
            assert_eq!(sha256(&response.body), hash, "{id}");
        }
    }
    let Response { sequence, status, body, .. } = &response;
    let response = ResponseRef { sequence: *sequence, status: *status, body };
    assert_response(met, id, framing, &response, recorded);
}

#[test]
fn every_recording() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let met = Met::default();
    let service = recorded_service();
    let (connection, _client) = connection();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for record in list(&golden, "records") {
        assert!(ids.insert(text(record, "id")), "{} is there twice", text(record, "id"));
        let side = text(record, "from").split(' ').next().unwrap();
        let kind = match text(record, "implementation") {
            "C" => {
                check_c(&met, record);
                format!("C {side}")
            }
            "Go" => {
                match side {
                    "client" => check_go_client(&met, record),
                    _ => check_go_server(&met, &service, connection.session(), record),
                }
                format!("Go {} {side}", text(record, "release"))
            }
            other => panic!("an implementation in {other}"),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = KINDS.map(|(kind, count)| (kind.to_owned(), count)).into();
    assert_eq!(kinds, expected);

    let not_sent = NOT_SENT.map(|(id, _)| format!("not sent: {id}"));
    let over = OVER_THE_DATAGRAM_LIMIT.map(|id| format!("over the limit: {id}"));
    let otherwise = JUDGED_OTHERWISE.map(|(id, _, _)| format!("judged otherwise: {id}"));
    let met = met.0.into_inner();
    let entries: BTreeSet<_> = [&not_sent[..], &over[..], &otherwise[..]].concat().into_iter().collect();
    assert_eq!(met, entries, "entries of the tables that no recording needs, or the other way round");

    let total: usize = kinds.values().sum();
    println!(
        "{total} recordings checked: {kinds:?}; {} could not be sent by the originals, {} are over our datagram limit, \
         {} are judged otherwise",
        NOT_SENT.len(),
        OVER_THE_DATAGRAM_LIMIT.len(),
        JUDGED_OTHERWISE.len()
    );
}

#[test]
fn the_copy_is_the_original() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden/wire.json");
    if original.exists() {
        assert!(std::fs::read_to_string(&original).unwrap() == GOLDEN, "{} has changed", original.display());
    }
    // For where there is nothing to compare it with. Whoever adds recordings changes this and the numbers in KINDS.
    assert_eq!(sha256(GOLDEN.as_bytes()), "278aa08686d553914245fe751420223084f590eb2d5e0e5d24c50f32c512acd8");
}

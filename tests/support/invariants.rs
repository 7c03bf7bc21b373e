//! Invariants of any records at all. The fuzz target looks for records that break them; the tests run its corpus, and
//! records of their own making, through the same checks.

use drpc::framing::chunked::is_first_chunk;
use drpc::framing::chunked::{Header, MAX_DATA, MAX_RECORD, Progress, Reassembly};
use drpc::framing::detect::{PeerFraming, detect};
use drpc::framing::fallback::{self, FirstMessage, framing_from_answer, padded_call, undecodable};
use drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing};
use drpc::wire::{CallRef, Fields, MAX_FIELDS, ResponseRef, VARINT_MAX};
use drpc::{Call, Cause, Detail, Response};
use prost::Message;

use super::heap::Heap;
use super::oracle::{difference, varint};
use super::parsers::{Read, Rules, read, read_response};
use super::records::records as cut;

/// How every server says that a message is no call.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

/// The message of the probe.
const PROBE: &[u8] = &[7; 7];

/// No more records are made of one input.
const MOST: usize = 6;

/// Longer records are not shown to prost, which copies their bodies.
const ORACLE_MAX: usize = 20_000;

/// Records as a fuzzer can write them down: for each one a byte for its shape, two for the number of bytes that are
/// given, and these bytes. The shape is whether the bytes are a message, to be cut as its sender does, or a record as it
/// is, and whether zeros follow to a length that one more byte adds to.
pub(crate) fn records_in(mut input: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let (Some(([shape, low, high], rest)), true) = (input.split_first_chunk(), records.len() < MOST) {
        let (given, rest) = rest.split_at(rest.len().min(u16::from_le_bytes([*low, *high]).into()));
        input = rest;
        let mut bytes = given.to_vec();
        let padded = match shape & 7 {
            5 => Some(0),
            6 => Some(16_384 - 100),
            7 => Some(MAX_RECORD - 100),
            _ => None,
        };
        if let (Some(least), Some((more, rest))) = (padded, input.split_first()) {
            input = rest;
            let len = bytes.len().max(least + usize::from(*more));
            bytes.resize(len, 0);
        }
        if shape & 8 != 0 {
            records.extend(cut(Framing::Chunked, &bytes));
        } else {
            records.push(bytes);
        }
    }
    records
}

/// All invariants, of records that come one after the other on one connection.
pub(crate) fn check(records: &[Vec<u8>]) {
    records.iter().for_each(|record| check_first(record));
    check_session(records, PeerFraming::unknown(Framing::Datagram), detect);
    check_session(records, PeerFraming::unknown(Framing::Chunked), detect);
    check_session(records, PeerFraming::probing(FirstMessage::PaddedCall), |record| {
        framing_from_answer(FirstMessage::PaddedCall, record)
    });
    check_session(records, PeerFraming::probing(FirstMessage::Probe), |record| {
        framing_from_answer(FirstMessage::Probe, record)
    });
    check_reassembly(records);
}

/// What holds of a record that comes first on a connection.
pub(crate) fn check_first(record: &[u8]) {
    let before = (Heap::held(), Heap::made());
    let (told, chunk, fault) = (detect(record), is_first_chunk(record), undecodable(record));
    let judged = [FirstMessage::PaddedCall, FirstMessage::Probe].map(|question| framing_from_answer(question, record));
    assert_eq!((Heap::held(), Heap::made()), before, "to look at a record takes no memory");

    // A chunk is what the receiver of chunks takes, up to a size that nobody has seen; else it is a call, or nothing.
    let takes = Reassembly::new(usize::MAX).push(record).is_ok();
    assert_eq!(chunk, takes && Header::split(record).is_some_and(|(header, _)| header.total < 1 << 40));
    let expected = if chunk { Some(Framing::Chunked) } else { call_in(record).map(|_| Framing::Datagram) };
    assert_eq!(told, expected);

    // As the answer to what a client has asked.
    let is_chunked = [chunk, is_answer_to_the_probe(record)];
    let otherwise = (record == NO_CALL).then_some(Framing::Datagram);
    assert_eq!(judged, is_chunked.map(|is_chunked| if is_chunked { Some(Framing::Chunked) } else { otherwise }));

    // As a message that is no call.
    let expected = match record {
        PROBE => Cause::Probe(Framing::Chunked),
        _ if record == cut(Framing::Chunked, PROBE).concat() => Cause::Probe(Framing::Datagram),
        _ => Cause::Malformed,
    };
    assert_eq!(fault, expected);

    check_decoder(record);
    check_encoder(record, chunk);
    check_detail(record);
    if let Some(call) = call_in(record) {
        check_trial(&call, &[]);
    }
}

/// A chunk that says that the probe is no call, and has nothing else but the mark.
fn is_answer_to_the_probe(record: &[u8]) -> bool {
    let is_mark = |rest: &[u8]| {
        let (key, key_len) = varint(rest)?;
        let (_, len) = varint(&rest[key_len..])?;
        let is_varint_of_the_mark = key_len <= 5 && key == u128::from(fallback::RESERVED_FIELD) << 3;
        Some(is_varint_of_the_mark && key_len + len == rest.len())
    };
    let Some((_, message)) = Header::split(record) else { return false };
    cut(Framing::Chunked, message) == [record]
        && message.strip_prefix(NO_CALL).is_some_and(|rest| rest.is_empty() || is_mark(rest) == Some(true))
}

fn call_in(record: &[u8]) -> Option<CallRef<'_>> {
    CallRef::decode(record).ok()
}

fn response_in(record: &[u8]) -> Option<ResponseRef<'_>> {
    ResponseRef::decode(record).ok()
}

/// What is a message, and what it says: as protobuf-c has it, and with prost as the oracle. Both read any number of fields.
fn check_decoder(record: &[u8]) {
    if Fields::new(record).count() > MAX_FIELDS {
        assert_eq!((call_in(record), response_in(record)), (None, None));
        return;
    }
    let as_read = |CallRef { module, method, sequence, body }| Read { module, method, sequence, body };
    assert_eq!(call_in(record).map(as_read), read(record, Rules::C));
    let as_read = |ResponseRef { sequence, status, body }| (sequence, status, body);
    assert_eq!(response_in(record).map(as_read), read_response(record, Rules::C));
    if record.len() > ORACLE_MAX || difference(record).is_some() {
        return;
    }
    let call = call_in(record).map(|CallRef { module, method, sequence, body }| Call {
        module,
        method,
        sequence,
        body: body.to_vec(),
    });
    assert_eq!(call, Call::decode(record).ok());
    let response = response_in(record).map(|ResponseRef { sequence, status, body }| Response {
        sequence,
        status,
        body: body.to_vec(),
        detail: Detail::find_in(record).map(Box::new),
    });
    assert_eq!(response, Response::decode(record).ok());
}

/// What a server says in a response can be shown, whatever it has sent. What ours says changes nothing for any parser, and
/// no client takes it for the answer to what it has asked.
pub(crate) fn check_detail(record: &[u8]) {
    let made = Heap::made();
    let detail = Detail::find_in(record);
    assert_eq!(Heap::made(), made);
    if let Some(detail) = detail {
        let text = detail.as_str();
        assert!((1..=200).contains(&text.len()));
        assert!(
            !text.chars().any(|c| c.is_control() || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'))
        );
        assert_eq!(Detail::find_in(detail.encode().as_bytes()), Some(detail));
    }
    let Some(response) = response_in(record).filter(|_| record.len() <= ORACLE_MAX) else { return };
    let detail = detail.unwrap_or_else(|| Detail::from("why"));
    let added = [record, detail.encode().as_bytes()].concat();
    for rules in Rules::ALL.into_iter().filter(|rules| read_response(record, *rules).is_some()) {
        assert_eq!(read_response(&added, rules), read_response(record, rules), "by {rules:?}");
    }
    if response.status == 0 || response.sequence == -1 {
        return;
    }
    let sent = ResponseRef { body: &[], ..response }.encode(&[]).pieces().concat();
    let with_detail = [&sent[..], detail.encode().as_bytes()].concat();
    assert!(!is_first_chunk(&with_detail) && response_in(&with_detail) == response_in(&sent));
    for question in [FirstMessage::PaddedCall, FirstMessage::Probe] {
        let judged = |message: &[u8], framing| framing_from_answer(question, &cut(framing, message)[0]);
        for framing in [Framing::Datagram, Framing::Chunked] {
            assert_eq!(judged(&with_detail, framing), judged(&sent, framing));
        }
    }
}

/// A message that is read and written is the same message. One that is written as every known sender writes it, of
/// which one number is not zero, is no chunk.
fn check_encoder(record: &[u8], chunk: bool) {
    if let Some(call) = call_in(record) {
        let written = call.encode(&[]).pieces().concat();
        assert_eq!(call_in(&written), Some(call));
        assert!(!chunk || written != record || (call.module, call.method, call.sequence) == (0, 0, 0));
    }
    if let Some(response) = response_in(record) {
        let written = response.encode(&[]).pieces().concat();
        assert_eq!(response_in(&written), Some(response));
        assert!(!chunk || written != record || (response.sequence, response.status) == (0, 0));
    }
}

/// The call as it is sent to find out: the same call to those who read chunks, and none to those who read datagrams.
pub(crate) fn check_trial(call: &CallRef<'_>, unknown: &[u8]) {
    let before = Heap::made();
    let tried = padded_call(call, unknown);
    assert_eq!(Heap::made(), before);

    let shortest = call.encode(unknown).pieces().concat();
    let more = (0..8).find(|more| matches!((shortest.len() + more) % 8, 4 | 6 | 7)).unwrap_or_default();
    let numbers = CallRef { sequence: 0, body: &[], ..*call }.encode(&[]).len();
    let number_len = if call.sequence == 0 { 0 } else { varint(&shortest[numbers + 1..]).map_or(0, |(_, len)| len) };
    let can_be_longer = more == 0 || (call.sequence != 0 && number_len + more <= VARINT_MAX);
    let Some(tried) = tried else {
        assert!(shortest.len() + more > MAX_DATA || !can_be_longer, "{call:02x?} can be tried");
        return;
    };

    let tried = tried.pieces().concat();
    assert!(tried.len() == shortest.len() + more && tried.len() <= MAX_DATA);
    if more > 0 {
        // Nothing but the sequence is written in another way.
        let (before, rest) = shortest.split_at(numbers + number_len);
        let (last, after) = rest.split_first().unwrap_or((&0, &[]));
        let zeros = vec![0x80; more - 1];
        assert_eq!(tried, [before, &[last | 0x80], &zeros, &[0], after].concat());
    } else {
        assert_eq!(tried, shortest);
    }
    assert_eq!(call_in(&tried), Some(*call));
    let chunks = cut(Framing::Chunked, &tried);
    assert_eq!(chunks.len(), 1);
    for rules in Rules::ALL {
        assert_eq!(read(&tried, rules), read(&shortest, rules), "by {rules:?}");
        assert_eq!(read(&chunks[0], rules), None, "by {rules:?}");
        assert_eq!(read(&chunks[0][..chunks[0].len().min(16_384)], rules), None, "by {rules:?}");
    }
}

/// The first record that tells decides, for the whole session.
fn check_session(records: &[Vec<u8>], mut peer_framing: PeerFraming, tell: fn(&[u8]) -> Option<Framing>) {
    let (own, mut told) = (peer_framing.framing(), None);
    for record in records {
        told = told.or_else(|| tell(record));
        assert_eq!(peer_framing.observe(record, false), told.unwrap_or(own));
        assert_eq!(peer_framing.get(), told);
    }
}

/// Each message comes whole, and memory follows what has arrived.
fn check_reassembly(records: &[Vec<u8>]) {
    let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
    let (mut received, mut held, mut message) = (0, 0, Vec::new());
    for record in records {
        received += record.len();
        let before = Heap::held();
        let progress = reassembly.push(record);
        held += Heap::held() - before;
        assert!(held <= (2 * received + 2 * MAX_DATA) as isize, "{held} bytes for {received}");
        match (progress, Header::split(record)) {
            (Ok(progress), Some((header, data))) => {
                message.extend_from_slice(&data[..header.data as usize]);
                assert!(progress == Progress::Partial || progress == Progress::Complete(&message));
            }
            (progress, _) => assert!(progress.is_err()),
        }
        if !reassembly.is_partial() {
            message.clear();
        }
    }
}

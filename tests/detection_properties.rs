//! Properties of what tells the framings apart: no call is taken for a chunk, no chunk for a call, and no server that
//! reads datagrams takes a padded call or the probe for a call. `docs/wire.md` has the arguments; here is the attempt to prove
//! them wrong.
#![expect(clippy::indexing_slicing, reason = "a test says so by panicking")]

mod support {
    #[expect(dead_code, reason = "memory does not fail here")]
    pub(crate) mod heap;
    pub(crate) mod invariants;
    pub(crate) mod oracle;
    pub(crate) mod parsers;
    pub(crate) mod records;
}

use drpc::framing::chunked::is_first_chunk;
use drpc::framing::chunked::{HEADER_LEN, Header, MAX_DATA, MAX_RECORD, Progress, Reassembly};
use drpc::framing::detect::{PeerFraming, detect};
use drpc::framing::fallback::probe;
use drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing};
use drpc::wire::{CallRef, ResponseRef, key};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use support::invariants::{self, check, check_first, check_trial};
use support::parsers::{Rules, read};
use support::records::records as cut;

/// Numbers that take any number of bytes.
fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        select(vec![
            0,
            1,
            127,
            128,
            201,
            16383,
            16384,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
            -1,
            i64::MAX,
            i64::MIN
        ]),
        (any::<i64>(), 0..64u32).prop_map(|(value, less)| value >> less),
    ]
}

/// Module, method and sequence.
type Numbers = (i32, i32, i64);

/// The numbers of a call, not all of them zero.
fn numbers() -> impl Strategy<Value = Numbers> {
    let some = (integer(), integer(), integer())
        .prop_map(|(module, method, sequence)| (module as i32, method as i32, sequence));
    let one = integer().prop_map(|number| if number == 0 { 1 } else { number });
    let single = (one, 0..3).prop_map(|(number, place)| match place {
        0 => ((number as i32).max(1), 0, 0),
        1 => (0, (number as i32).max(1), 0),
        _ => (0, 0, number),
    });
    prop_oneof![some.prop_filter("one of them is not zero", |numbers| *numbers != (0, 0, 0)), single]
}

/// Sizes where something may change: room for a header, another byte for the length, a full chunk.
fn size() -> impl Strategy<Value = usize> {
    let edges = select(vec![0, 24, 127, 16383, MAX_DATA, MAX_RECORD, 2 * MAX_RECORD]);
    prop_oneof![
        0..300usize,
        (edges, 0..80usize).prop_map(|(edge, off)| (edge + off).saturating_sub(40)),
        0..3 * MAX_RECORD
    ]
}

/// The header that a record has to have which begins with these bytes, if any has.
fn header_of(start: [u8; 8]) -> Header {
    let total = u64::from_ne_bytes(start);
    let count = u32::try_from(total.div_ceil(MAX_DATA as u64).max(1)).unwrap_or(u32::MAX);
    Header { total, data: total.min(MAX_DATA as u64), index: 0, count }
}

/// Makes what follows the first `fixed` bytes of a record the header that these bytes are the beginning of.
fn imitate_header(record: &mut [u8], fixed: usize) {
    let Some((start, _)) = record.split_first_chunk_mut::<8>() else { return };
    start[fixed.min(8)..].fill(0);
    let header = header_of(*start).to_bytes();
    let end = record.len().min(HEADER_LEN);
    if fixed < end {
        record[fixed..end].copy_from_slice(&header[fixed..end]);
    }
}

/// A message with a body that tries to make a header of its beginning.
fn imitation(encode: impl Fn(&[u8]) -> Vec<u8>, size: usize) -> Vec<u8> {
    let mut record = encode(&vec![0; size]);
    let head = record.len() - size;
    imitate_header(&mut record, head);
    record
}

fn call_bytes(numbers: Numbers, body: &[u8]) -> Vec<u8> {
    let (module, method, sequence) = numbers;
    CallRef { module, method, sequence, body }.encode(&[]).pieces().concat()
}

/// Bytes that read as fields, in the middle of which one may land.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let keys = vec![0x00, 0x01, 0x02, 0x08, 0x0a, 0x10, 0x18, 0x22, 0x29, 0x2a, 0x48, 0x80];
    let call = (numbers(), vec(any::<u8>(), 0..20)).prop_map(|(numbers, body)| call_bytes(numbers, &body));
    let run = (select(keys.clone()), 0..30usize).prop_map(|(byte, times)| vec![byte; times]);
    vec(prop_oneof![call, run, vec(select(keys), 0..6), vec(any::<u8>(), 0..6)], 0..8)
        .prop_map(|pieces| pieces.concat())
}

/// A record of either framing, or of none.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let call = (numbers(), vec(any::<u8>(), 0..40)).prop_map(|(numbers, body)| call_bytes(numbers, &body));
    let chunk = (fields(), 0..20usize)
        .prop_map(|(message, surplus)| [cut(Framing::Chunked, &message).concat(), vec![0x08; surplus]].concat());
    prop_oneof![call, chunk, fields(), vec(any::<u8>(), 0..80)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    /// The body does its best, and then with one bit changed.
    #[test]
    fn no_call_is_taken_for_a_chunk(numbers in numbers(), size in size(), flip in any::<Option<(Index, u8)>>()) {
        let mut record = imitation(|body| call_bytes(numbers, body), size);
        if let (Some((at, bit)), true) = (flip, size > 0) {
            let from = record.len() - size;
            record[from + at.index(size.min(HEADER_LEN))] ^= 1 << (bit % 8);
        }
        prop_assert_eq!(detect(&record), Some(Framing::Datagram));
        check_first(&record);
    }

    #[test]
    fn no_call_with_a_chunk_in_it_is_taken_for_one(numbers in numbers(), inner in numbers(), size in size(), cut_off in 0..32usize) {
        let chunk = &cut(Framing::Chunked, &call_bytes(inner, &vec![0x22; size]))[0];
        let record = call_bytes(numbers, &chunk[cut_off.min(chunk.len())..]);
        prop_assert_eq!(detect(&record), Some(Framing::Datagram));
    }

    #[test]
    fn no_response_is_taken_for_a_chunk(sequence in integer(), status in 0..9i32, size in size()) {
        prop_assume!((sequence, status) != (0, 0));
        let encode = |body: &[u8]| ResponseRef { sequence, status, body }.encode(&[]).pieces().concat();
        let record = imitation(encode, size);
        prop_assert!(!is_first_chunk(&record));
        check_first(&record);
    }

    /// Whatever the message is, a call within a call included, and whatever follows it.
    #[test]
    fn no_chunk_is_taken_for_a_call(message in fields(), size in size(), surplus in 0..50usize) {
        let mut message = message;
        message.resize(size, 0x22);
        let mut record = cut(Framing::Chunked, &message).swap_remove(0);
        record.extend(vec![0x08; surplus]);
        prop_assert_eq!(detect(&record), Some(Framing::Chunked));
        check_first(&record);
    }

    #[test]
    fn nor_of_a_message_of_any_size(total in 0..1u64 << 40) {
        let header = header_of(total.to_ne_bytes());
        let record = [&header.to_bytes()[..], &vec![0x08; header.data as usize]].concat();
        prop_assert_eq!(detect(&record), Some(Framing::Chunked));
        prop_assert_ne!(detect(&record[..record.len() - 1]), Some(Framing::Chunked));
    }

    /// One byte of the header changed: the invariants say what a chunk still is.
    #[test]
    fn near_misses(total in prop_oneof![0..600u64, 131_000..131_100u64, 0..1u64 << 41], at in 0..HEADER_LEN, byte: u8, size in size()) {
        let mut record = header_of(total.to_ne_bytes()).to_bytes().to_vec();
        record[at] = byte;
        record.resize(HEADER_LEN + size.max((total as usize).min(MAX_DATA)), 0x08);
        check_first(&record);
    }

    #[test]
    fn any_records(records in vec(record(), 0..6), input in vec(any::<u8>(), 0..200)) {
        check(&records);
        check(&invariants::records_in(&input));
    }

    /// Written, sent in either way, heard, put together, read: the same.
    #[test]
    fn what_is_read_is_what_was_written(calls in vec((numbers(), size()), 1..4), datagram: bool) {
        let framing = if datagram { Framing::Datagram } else { Framing::Chunked };
        let mut peer_framing = PeerFraming::unknown(if datagram { Framing::Chunked } else { Framing::Datagram });
        let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
        for ((module, method, sequence), size) in calls {
            let body = vec![0x5a; size];
            let call = CallRef { module, method, sequence, body: &body };
            let response = ResponseRef { sequence, status: method, body: &body };
            for (message, is_call) in [(call.encode(&[]), true), (response.encode(&[]), false)] {
                let message = message.pieces().concat();
                let mut read = None;
                for record in if datagram { vec![message] } else { cut(Framing::Chunked, &message) } {
                    prop_assert_eq!(peer_framing.observe(&record, false), framing);
                    let message = match framing {
                        Framing::Datagram => Some(&record[..]),
                        _ => match reassembly.push(&record) {
                            Ok(Progress::Complete(message)) => Some(message),
                            other => { prop_assert_eq!(other, Ok(Progress::Partial)); None }
                        },
                    };
                    prop_assert_eq!(read, None);
                    read = message.map(|message| match is_call {
                        true => CallRef::decode(message) == Ok(call),
                        false => ResponseRef::decode(message) == Ok(response),
                    });
                }
                prop_assert_eq!(read, Some(true));
            }
        }
    }

    /// Of any message that ends a key in 4, 6 or 7 no chunk is read as a call: whatever the message says, whatever
    /// follows, and wherever the server cuts the record.
    #[test]
    fn no_parser_reads_a_chunk_of_a_length_that_stops_it(
        message in prop_oneof![fields(), vec(any::<u8>(), 0..300)],
        size in size(),
        wire_type in select(vec![4, 6, 7]),
        surplus in fields(),
    ) {
        let mut message = message;
        message.resize(size / 8 * 8 + wire_type, 0x48);
        for mut record in cut(Framing::Chunked, &message) {
            record.extend_from_slice(&surplus);
            for len in [record.len(), 16_384, 1000, HEADER_LEN, 8, 1] {
                let record = &record[..len.min(record.len())];
                prop_assert_eq!(Rules::ALL.map(|rules| read(record, rules)), [None; 4]);
            }
        }
    }

    /// The refusal of every server, bare or in a chunk, with marks and what might be one; and with one byte changed.
    #[test]
    fn answers_and_near_misses(
        marks in vec((select(vec![2046u32, 2047, 2047, 2047, 2048]), select(vec![0, 0, 0, 1, 2, 5]), vec(any::<u8>(), 0..3)), 0..3),
        in_a_chunk: bool,
        flip in any::<Option<(Index, u8)>>(),
        surplus in select(vec![&b""[..], b"", b"\0", b"\x08\x01"]),
    ) {
        let mut message = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05".to_vec();
        for (number, wire_type, value) in marks {
            let (key, len) = key(number, wire_type);
            message.extend_from_slice(&key[..len]);
            message.extend_from_slice(&value);
        }
        let mut record = if in_a_chunk { cut(Framing::Chunked, &message).concat() } else { message };
        record.extend_from_slice(surplus);
        check_first(&record);
        if let Some((at, byte)) = flip {
            let at = at.index(record.len());
            record[at] = byte;
            check_first(&record);
        }
    }

    #[test]
    fn a_trial_is_the_call_to_some_and_nothing_to_others(
        numbers in numbers(),
        sequence in prop_oneof![1..=i64::from(i32::MAX), 1..300i64],
        body in fields(),
        len in size(),
        unknown in select(vec![&b""[..], b"\x28\x01", b"\xfa\x7f\x03abc"]),
    ) {
        let mut body = body;
        body.resize(len, 0x48);
        let (module, method, other) = numbers;
        for sequence in [sequence, other] {
            check_trial(&CallRef { module, method, sequence, body: &body }, unknown);
        }
    }
}

/// Every length in turn, up to messages of three chunks. What is read of other lengths is in `tests/support/parsers.txt`.
#[test]
fn no_length_that_stops_a_parser_is_left_out() {
    let content = [0x48; 1000];
    for total in (0..3 * MAX_DATA).filter(|total| matches!(total % 8, 4 | 6 | 7)) {
        let record = [&header_of((total as u64).to_ne_bytes()).to_bytes()[..], &content].concat();
        for len in [record.len(), record.len() - 1] {
            assert_eq!(Rules::ALL.map(|rules| read(&record[..len], rules)), [None; 4], "{total}");
        }
    }
}

/// The smallest messages of which a parser reads a call, of lengths that begin a group and of others: the numbers of
/// `docs/wire.md`. Bytes 0x48 read as fields wherever one lands among them, or among one more. A call of module 4 has a
/// byte 0x04, which ends a group.
#[test]
fn from_which_length_on_the_message_decides() {
    let contents = [vec![0x48; 1000], vec![0x48; 1001], call_bytes((4, 200, 1), b"xx")];
    let smallest = |rules, of_groups| {
        (1..6000).filter(|total| (total % 8 == 3) == of_groups).find(|total| {
            let header = header_of((*total as u64).to_ne_bytes()).to_bytes();
            let is_read = |content: &Vec<u8>| {
                read(&[&header[..], &content[..content.len().min(*total)]].concat(), rules).is_some()
            };
            contents.iter().any(is_read)
        })
    };
    assert_eq!(Rules::ALL.map(|rules| smallest(rules, false)), [Some(1), Some(5666), Some(5642), Some(5642)]);
    assert_eq!(Rules::ALL.map(|rules| smallest(rules, true)), [None, None, Some(11), None]);
}

/// Neither by those who read datagrams nor by those who read chunks, and nothing that a record holds behind it helps.
#[test]
fn no_parser_reads_the_probe() {
    let message = probe().pieces().concat();
    let record = cut(Framing::Chunked, &message).concat();
    assert_eq!((message.len(), record.len()), (7, 31));
    for bytes in [message, record] {
        check_first(&bytes);
        for surplus in [&[][..], &[0], &[0x48; 100], b"\x08\x01\x10\x01"] {
            let bytes = [&bytes, surplus].concat();
            assert_eq!(Rules::ALL.map(|rules| read(&bytes, rules)), [None; 4], "{bytes:02x?}");
        }
    }
}

/// Every call that can begin like a chunk at all: no byte of the numbers and of the body's length is zero, so that the
/// body has to begin at byte 5 at the latest. Each with the only header that fits what is fixed, and each with the only
/// bytes of the size that the body can still choose.
#[test]
fn every_call_whose_body_begins_in_time() {
    let two = |value: usize| [0x80 | value as u8, (value >> 7) as u8];
    let one_byte = (1..0x80usize)
        .flat_map(|number| (1..0x80usize).map(move |len| (vec![0x08, number as u8, 0x22, len as u8], len)));
    let two_bytes = (0x80..0x4000usize).flat_map(|value| (1..0x80usize).map(move |other| (value, other)));
    let (mut tried, mut buffer) = (0, vec![0; 5 + 0x4000]);
    let mut attempt = |head: &[u8], len: usize, fourth: u8| {
        let record = &mut buffer[..head.len() + len];
        record[..head.len()].copy_from_slice(head);
        if head.len() == 4 && len > 0 {
            record[4] = fourth;
        }
        imitate_header(record, 5);
        assert!(!is_first_chunk(record), "{:02x?}", &record[..record.len().min(HEADER_LEN)]);
        tried += 1;
    };
    for (head, len) in one_byte {
        (0..=255).for_each(|fourth| attempt(&head, len, fourth));
    }
    for (value, other) in two_bytes {
        let [low, high] = two(value);
        attempt(&[0x08, other as u8, 0x22, low, high], value, 0);
        attempt(&[0x08, low, high, 0x22, other as u8], other, 0);
    }
    assert_eq!(tried, 127 * 127 * 256 + 2 * (0x4000 - 0x80) * 127);
}

/// What is not covered: a call whose every number is zero, so that its body's length is all that stands before the
/// body. It takes a body of a full chunk, made for it.
#[test]
fn a_call_without_numbers_can_be_a_chunk() {
    let call = |size| imitation(|body| call_bytes((0, 0, 0), body), size);
    let record = call(MAX_RECORD - 4);
    assert_eq!(CallRef::decode(&record).map(|call| call.body.len()), Ok(MAX_RECORD - 4));
    assert_eq!(detect(&record), Some(Framing::Chunked));
    assert_eq!(detect(&call(MAX_RECORD - 5)), Some(Framing::Datagram));
    assert_eq!(Reassembly::new(1 << 40).push(&record), Ok(Progress::Partial));
}

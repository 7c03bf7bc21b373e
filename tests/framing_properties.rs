//! Properties of the framing: what is cut is put together again, and nothing else ever is.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so by panicking")]

mod support {
    pub(crate) mod heap;
}

use std::sync::OnceLock;

use drpc::framing::chunked::{Chunks, HEADER_LEN, Header, MAX_DATA, MAX_RECORD, Progress, Reassembly};
use drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing, Limits};
use drpc::wire::{CallRef, ResponseRef};
use drpc::{Cause, HeaderFault};
use proptest::prelude::*;
use proptest::sample::Index;
use support::heap::Heap;

/// Bytes without a period, so that no two chunks are alike.
fn noise() -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        };
        (0..6 * MAX_DATA / 8).flat_map(|_| next()).collect()
    })
}

/// A message of any size, often next to where the number of chunks changes.
fn message() -> impl Strategy<Value = &'static [u8]> {
    let boundary = (1..=4usize, 0..=4usize).prop_map(|(chunks, off)| chunks * MAX_DATA + off - 2);
    let size = prop_oneof![0..300usize, boundary, 0..5 * MAX_DATA];
    (size, 0..1000usize).prop_map(|(size, start)| &noise()[start..start + size])
}

/// A message of several chunks.
fn long_message() -> impl Strategy<Value = &'static [u8]> {
    (MAX_DATA + 1..4 * MAX_DATA, 0..1000usize).prop_map(|(size, start)| &noise()[start..start + size])
}

/// The records that a sender makes of a message.
fn cut(message: &[u8]) -> Vec<Vec<u8>> {
    let chunks = Chunks::new(message.len()).unwrap();
    chunks.map(|(header, range)| [&header.to_bytes(), &message[range]].concat()).collect()
}

/// What a receiver makes of any records, going on after errors as a new message may begin there.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    messages: Vec<Vec<u8>>,
    errors: Vec<Cause>,
    partial: bool,
}

fn put_together<'a>(records: impl IntoIterator<Item = &'a Vec<u8>>) -> Outcome {
    let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
    let mut outcome = Outcome::default();
    for record in records {
        match reassembly.push(record) {
            Ok(Progress::Partial) => {}
            Ok(Progress::Complete(message)) => outcome.messages.push(message.to_vec()),
            Err(cause) => outcome.errors.push(cause),
        }
    }
    outcome.partial = reassembly.is_partial();
    outcome
}

fn only(message: &[u8]) -> Outcome {
    Outcome { messages: vec![message.to_vec()], ..Outcome::default() }
}

/// The fields of a header by number, as the places where they stand in a record.
fn field(record: &mut [u8], number: usize) -> &mut [u8] {
    &mut record[[0..8, 8..16, 16..20, 20..24][number].clone()]
}

fn read(bytes: &[u8]) -> u64 {
    let mut value = [0; 8];
    match bytes.len() {
        8 => value.copy_from_slice(bytes),
        4 => return u32::from_ne_bytes(bytes.try_into().unwrap()).into(),
        other => panic!("no field has {other} bytes"),
    }
    u64::from_ne_bytes(value)
}

fn write(bytes: &mut [u8], value: u64) {
    match bytes.len() {
        8 => bytes.copy_from_slice(&value.to_ne_bytes()),
        _ => bytes.copy_from_slice(&(value as u32).to_ne_bytes()),
    }
}

/// A new value for a field: near the old one, with a bit changed, one that means something elsewhere, or any.
fn change() -> impl Strategy<Value = (u64, bool)> {
    let limits = [0, 1, 2, MAX_DATA as u64, MAX_DATA as u64 + 1, u32::MAX.into(), u64::MAX, 1 << 40];
    prop_oneof![
        (1..4u64).prop_map(|by| (by, true)),
        (1..4u64).prop_map(|by| (by.wrapping_neg(), true)),
        (0..64u32).prop_map(|bit| (1 << bit, true)),
        (1..9u64).prop_map(|chunks| (chunks * MAX_DATA as u64, true)),
        proptest::sample::select(limits.to_vec()).prop_map(|value| (value, false)),
        any::<u64>().prop_map(|value| (value, false)),
    ]
}

/// A record that is not made by a sender, though its header may look like it.
fn any_record() -> impl Strategy<Value = Vec<u8>> {
    let total = prop_oneof![0..5u64, 0..4 * MAX_DATA as u64, any::<u64>(), Just(DEFAULT_MESSAGE_LIMIT as u64)];
    let plausible = (total, 0..5u32, 0..3u64, 0..40usize).prop_map(|(total, index, less, more)| {
        let count = u32::try_from(total.div_ceil(MAX_DATA as u64).max(1)).unwrap_or(u32::MAX);
        let left = total.saturating_sub(u64::from(index) * MAX_DATA as u64);
        let data = left.min(MAX_DATA as u64).saturating_sub(less / 2);
        let record = Header { total, data, index, count }.to_bytes();
        [&record[..], &noise()[..data as usize + more]].concat()
    });
    prop_oneof![4 => plausible, 1 => proptest::collection::vec(any::<u8>(), 0..64)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn round_trip(message in message()) {
        prop_assert_eq!(put_together(&cut(message)), only(message));
    }

    /// The whole way of a call and of a response: encoded, cut, put together, decoded.
    #[test]
    fn round_trip_of_messages(numbers in any::<(i32, i32, i64)>(), body in message()) {
        let (module, method, sequence) = numbers;
        let call = CallRef { module, method, sequence, body };
        let response = ResponseRef { sequence, status: module, body };
        let call_records = cut(&call.encode(&[]).pieces().concat());
        let response_records = cut(&response.encode(&[]).pieces().concat());
        let outcome = put_together(call_records.iter().chain(&response_records));
        prop_assert_eq!(&outcome.errors, &[]);
        prop_assert_eq!(CallRef::decode(&outcome.messages[0]), Ok(call));
        prop_assert_eq!(ResponseRef::decode(&outcome.messages[1]), Ok(response));
    }

    /// The cut that a sender makes is the only one that is legal, surplus bytes of the records aside: all records
    /// but the last are full, the pieces are in order and without a gap.
    #[test]
    fn cutting(total in 0..6 * MAX_DATA) {
        let mut end = 0;
        let mut seen = 0;
        let count = total.div_ceil(MAX_DATA).max(1);
        for (header, range) in Chunks::new(total).unwrap() {
            prop_assert_eq!(header.total, total as u64);
            prop_assert_eq!(header.count as usize, count);
            prop_assert_eq!(header.index as usize, seen);
            prop_assert_eq!(header.data as usize, range.len());
            prop_assert_eq!(range.start, end);
            seen += 1;
            prop_assert!(range.len() == MAX_DATA || seen == count);
            prop_assert!(HEADER_LEN + range.len() <= MAX_RECORD);
            end = range.end;
        }
        prop_assert_eq!(end, total);
        prop_assert_eq!(seen, count);
    }

    #[test]
    fn a_size_is_cut_or_refused(total in any::<usize>()) {
        let chunks = Chunks::new(total);
        let limit = u32::MAX as usize * MAX_DATA;
        if total > limit {
            prop_assert_eq!(chunks.err(), Some(Cause::TooBig { size: total as u64, limit }));
        } else {
            let (header, range) = chunks.unwrap().next().unwrap();
            prop_assert_eq!(header.count as usize, total.div_ceil(MAX_DATA).max(1));
            prop_assert_eq!(range, 0..total.min(MAX_DATA));
        }
    }

    #[test]
    fn surplus_bytes_change_nothing(message in message(), surplus in proptest::collection::vec(0..64usize, 5)) {
        let mut records = cut(message);
        for (record, surplus) in records.iter_mut().zip(surplus) {
            record.extend(&noise()[..surplus]);
        }
        prop_assert_eq!(put_together(&records), only(message));
    }

    #[test]
    fn a_cut_record_is_an_error(message in message(), which in any::<Index>(), keep in any::<Index>()) {
        let mut records = cut(message);
        let which = which.index(records.len());
        let announced = records[which].len();
        let len = keep.index(announced);
        records[which].truncate(len);
        let outcome = put_together(&records);
        prop_assert_eq!(&outcome.messages, &Vec::<Vec<u8>>::new());
        let fault = match len {
            0..HEADER_LEN => HeaderFault::Missing { len },
            _ => HeaderFault::Stub { len, announced },
        };
        let expected = Cause::Header(fault);
        prop_assert_eq!(outcome.errors.first(), Some(&expected));
    }

    /// Another value in any one field of any one header: either it was the old one, or it is an error.
    #[test]
    fn a_changed_header_is_an_error(
        message in message(),
        which in any::<Index>(),
        number in 0..4usize,
        (value, relative) in change(),
    ) {
        let mut records = cut(message);
        let which = which.index(records.len());
        let record = &mut records[which];
        let before = record.clone();
        let field = field(record, number);
        let old = read(field);
        write(field, if relative { old.wrapping_add(value) } else { value });
        let unchanged = before == *record;
        let outcome = put_together(&records);
        if unchanged {
            prop_assert_eq!(outcome, only(message));
        } else {
            prop_assert_eq!(&outcome.messages, &Vec::<Vec<u8>>::new());
            prop_assert!(!outcome.errors.is_empty());
        }
    }

    /// Records in any order, any of them dropped or doubled: only the right order makes the message, and only it.
    #[test]
    fn order_matters(message in long_message(), order in proptest::collection::vec(any::<Index>(), 0..12)) {
        let records = cut(message);
        let order: Vec<_> = order.iter().map(|index| index.index(records.len())).collect();
        let outcome = put_together(order.iter().map(|index| &records[*index]));
        let (mut next, mut complete, mut errors) = (0, 0, 0);
        for index in order {
            next = if index == next { next + 1 } else { 0 };
            errors += usize::from(index + 1 != next);
            if next == records.len() {
                (next, complete) = (0, complete + 1);
            }
        }
        prop_assert_eq!(outcome.messages.len(), complete);
        prop_assert!(outcome.messages.iter().all(|found| found == message));
        prop_assert_eq!(outcome.errors.len(), errors);
        prop_assert_eq!(outcome.partial, next > 0);
    }

    /// One record of two messages dropped, doubled, or changed round with the next. (Chunks do not say to which
    /// message they belong: several such faults at once could make one out of two.)
    #[test]
    fn messages_do_not_mix(
        one in message(),
        other in message(),
        which in any::<Index>(),
        fault in 0..3,
    ) {
        let mut records = [cut(one), cut(other)].concat();
        let which = which.index(records.len());
        match fault {
            0 => drop(records.remove(which)),
            1 => records.insert(which, records[which].clone()),
            _ if which + 1 < records.len() => records.swap(which, which + 1),
            _ => {}
        }
        for found in put_together(&records).messages {
            prop_assert!(found == one || found == other);
        }
    }

    /// Any records at all: no panic, and never more memory than for what has arrived, twice over, and two chunks.
    #[test]
    fn any_records_are_harmless(records in proptest::collection::vec(any_record(), 0..12)) {
        drpc::large_block::release_idle();
        let before = Heap::held();
        let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
        let mut received = 0;
        for record in &records {
            let _ = reassembly.push(record);
            received += record.len();
            let held = Heap::held() - before;
            prop_assert!(held <= (2 * received + 2 * MAX_DATA) as isize, "{held} bytes for {received}");
        }
    }

    /// The largest claims, with as few records as there need be for each.
    #[test]
    fn memory_follows_what_arrives(total in MAX_DATA as u64 + 1..=u64::from(u32::MAX) * MAX_DATA as u64, chunks in 1..6u32) {
        let count = u32::try_from(total.div_ceil(MAX_DATA as u64)).unwrap();
        drpc::large_block::release_idle();
        let before = Heap::held();
        let mut reassembly = Reassembly::new(usize::MAX);
        for index in 0..chunks.min(count - 1) {
            let header = Header { total, data: MAX_DATA as u64, index, count }.to_bytes();
            let record = [&header[..], &noise()[..MAX_DATA]].concat();
            let held_by_test = record.capacity() as isize;
            prop_assert_eq!(reassembly.push(&record), Ok(Progress::Partial));
            let held = Heap::held() - before - held_by_test;
            let received = (index as usize + 1) * MAX_DATA;
            prop_assert!(held <= (2 * received).max(2 * MAX_DATA) as isize, "{held} bytes for {received}");
            prop_assert!(held >= received as isize, "this test measures nothing: {held} bytes for {received}");
        }
        drop(reassembly);
        prop_assert_eq!(Heap::held(), before);
    }

    #[test]
    fn limits(message in message(), off in -2..=2isize) {
        let limit = message.len().saturating_add_signed(off);
        let mut reassembly = Reassembly::new(limit);
        let records = cut(message);
        let before = (Heap::held(), Heap::made());
        let first = reassembly.push(&records[0]);
        if message.len() > limit {
            let too_big = Cause::TooBig { size: message.len() as u64, limit };
            prop_assert_eq!(first, Err(too_big));
            prop_assert_eq!((Heap::held(), Heap::made()), before);
            prop_assert!(!reassembly.is_partial());
        } else {
            prop_assert!(first.is_ok());
            prop_assert_eq!(reassembly.limit(), limit);
        }
    }

    /// Wherever memory runs out, the message is read to its end, and the next one is found.
    #[test]
    fn a_message_without_memory_is_read_to_its_end(message in long_message(), first in 0..6usize, count in 1..6usize) {
        let records = cut(message);
        let (last, rest) = records.split_last().unwrap();
        let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
        let before = Heap::made();
        let outcome = Heap::failing(first, count, || {
            for record in rest {
                assert_eq!(reassembly.push(record), Ok(Progress::Partial));
            }
            reassembly.push(last).map(|progress| progress == Progress::Complete(message))
        });
        let failed = Heap::made() - before > first;
        prop_assert_eq!(outcome, if failed { Err(Cause::NoMemory) } else { Ok(true) });
        prop_assert!(!reassembly.is_partial());
        for record in rest {
            prop_assert_eq!(reassembly.push(record), Ok(Progress::Partial));
        }
        prop_assert_eq!(reassembly.push(last), Ok(Progress::Complete(message)));
    }

    /// The place and the size of every field; the golden records say the same of the byte order.
    #[test]
    fn headers(total in any::<u64>(), data in any::<u64>(), index in any::<u32>(), count in any::<u32>()) {
        let header = Header { total, data, index, count };
        let mut bytes = header.to_bytes();
        prop_assert_eq!(bytes.len(), HEADER_LEN);
        let fields = [0, 1, 2, 3].map(|number| read(field(&mut bytes, number)));
        prop_assert_eq!(fields, [total, data, index.into(), count.into()]);
        prop_assert_eq!(Header::split(&bytes), Some((header, &[][..])));
        let record = [&bytes[..], b"data"].concat();
        prop_assert_eq!(Header::split(&record), Some((header, &b"data"[..])));
        prop_assert_eq!(Header::split(&bytes[1..]), None);
    }
}

#[test]
fn limits_of_a_program_and_without_one() {
    let sent = |limits: Limits| [Framing::Datagram, Framing::Chunked].map(|framing| limits.send(framing));
    assert_eq!(Limits::default().message, 128 << 20);
    assert_eq!(sent(Limits::default()), [16 << 10, 128 << 20]);
    assert_eq!(sent(Limits { message: 5, ..Limits::default() }), [5, 5]);
    assert_eq!(sent(Limits { message: 5, datagram: 6 }), [5, 5]);
    assert_eq!(sent(Limits { message: 6, datagram: 5 }), [5, 6]);
}

//! Properties of the encoding, with prost as the oracle: it encodes the same bytes, and decodes the same fields from
//! whatever both accept.
//!
//! The decoder follows protobuf-c, not prost, where the two differ; [`support::oracle::Difference`] lists where, and each has a
//! test of its own.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "a test says so by panicking")]

mod support {
    pub(crate) mod oracle;
}

use drpc::wire::{CallRef, Encoded, Field, Fields, MAX_FIELDS, ResponseRef, key};
use drpc::{Call, Cause, Detail, Response};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use prost::Message;
use prost::encoding::{encode_key, encode_varint};
use support::oracle::{Difference, difference, varint};

fn ours(message: &[u8]) -> Result<Call, Cause> {
    let CallRef { module, method, sequence, body } = CallRef::decode(message)?;
    Ok(Call { module, method, sequence, body: body.to_vec() })
}

fn our_response(message: &[u8]) -> Result<Response, Cause> {
    let ResponseRef { sequence, status, body } = ResponseRef::decode(message)?;
    Ok(Response { sequence, status, body: body.to_vec(), detail: Detail::find_in(message).map(Box::new) })
}

fn whole(message: &Encoded<'_>) -> Vec<u8> {
    message.pieces().concat()
}

/// A field that has been decoded, encoded again.
fn again(known: Field<'_>) -> Vec<u8> {
    field(known.number, known.wire_type, known.value)
}

/// A field as it is encoded.
fn field(number: u32, wire_type: u8, value: &[u8]) -> Vec<u8> {
    let (key, len) = key(number, wire_type);
    [&key[..len], value].concat()
}

fn encoded_varint(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_varint(value, &mut bytes);
    bytes
}

fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&encoded_varint(bytes.len() as u64)[..], bytes].concat()
}

/// Numbers that take any number of bytes.
fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![
        select(vec![0, 1, 127, 128, 16383, 16384, i64::from(i32::MAX), i64::from(i32::MIN), -1, i64::MAX, i64::MIN]),
        any::<i64>(),
        (any::<i64>(), 0..64u32).prop_map(|(value, less)| value >> less),
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![8 => vec(any::<u8>(), 0..200), 1 => vec(any::<u8>(), 16380..16400)]
}

/// A value by its wire type.
fn value(wire_type: u8) -> BoxedStrategy<Vec<u8>> {
    match wire_type {
        0 => integer().prop_map(|value| encoded_varint(value as u64)).boxed(),
        1 => vec(any::<u8>(), 8).boxed(),
        2 => body().prop_map(|body| with_length(&body)).boxed(),
        5 => vec(any::<u8>(), 4).boxed(),
        other => panic!("no value has wire type {other}"),
    }
}

/// A field that a message does not know; numbers up to the largest that Protocol Buffers allow.
fn unknown_field(first: u32) -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![first..20, first..1 << 29, Just((1 << 29) - 1)];
    (number, select(vec![0, 1, 2, 5]))
        .prop_flat_map(|(number, wire_type)| value(wire_type).prop_map(move |value| field(number, wire_type, &value)))
}

/// A field that messages know, mostly with the wire type that it should have.
fn known_field() -> impl Strategy<Value = Vec<u8>> {
    let wire_type = |number: u32| match number {
        3 => select(vec![0, 0, 2]).boxed(),
        4 => Just(2).boxed(),
        _ => prop_oneof![20 => Just(0), 1 => select(vec![1, 2, 5])].boxed(),
    };
    (1..=4u32).prop_flat_map(move |number| {
        wire_type(number)
            .prop_flat_map(move |wire_type| value(wire_type).prop_map(move |value| field(number, wire_type, &value)))
    })
}

/// A message that may well be one, in any order, with fields repeated and unknown.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![3 => known_field(), 1 => unknown_field(4)], 0..10).prop_map(|fields| fields.concat())
}

/// Bytes that often go far into the decoder.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let keys = vec![0x00, 0x02, 0x08, 0x0a, 0x10, 0x18, 0x1a, 0x20, 0x22, 0x28, 0x2b, 0x2c, 0x2d, 0x29, 0x80, 0xff];
    prop_oneof![
        vec(prop_oneof![2 => select(keys), 1 => 0..8u8, 1 => any::<u8>()], 0..24),
        (fields(), vec((any::<Index>(), any::<u8>()), 0..3), any::<Index>()).prop_map(|(mut bytes, changes, cut)| {
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
            bytes
        }),
        vec(any::<u8>(), 0..64),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    /// Wherever a call is cut, its sequence is told, or nothing; once the body has begun it is told.
    #[test]
    fn the_sequence_is_told_by_a_part_of_a_call(module: i32, sequence in integer(), body in body(), cut: prop::sample::Index) {
        let call = CallRef { module, method: 1, sequence, body: &body };
        let encoded = whole(&call.encode(&[]));
        let cut = cut.index(encoded.len());
        let told = CallRef::sequence_in(&encoded[..cut]);
        prop_assert!(told.is_none_or(|told| told == sequence));
        let head = whole(&CallRef { body: &[], ..call }.encode(&[])).len();
        prop_assert_eq!(told.is_some(), cut > head || cut == head && sequence != 0);
    }

    #[test]
    fn calls_are_encoded_as_prost_does(module: i32, method in integer(), sequence in integer(), body in body()) {
        let method = method as i32;
        let call = CallRef { module, method, sequence, body: &body };
        let encoded = call.encode(&[]);
        let expected = Call { module, method, sequence, body: body.clone() }.encode_to_vec();
        prop_assert_eq!(encoded.len(), expected.len());
        prop_assert_eq!(&whole(&encoded), &expected);
        prop_assert_eq!(CallRef::decode(&expected), Ok(call));
    }

    #[test]
    fn responses_are_encoded_as_prost_does(sequence in integer(), status in integer(), body in body()) {
        let status = status as i32;
        let response = ResponseRef { sequence, status, body: &body };
        let encoded = response.encode(&[]);
        let expected = Response { sequence, status, body: body.clone(), detail: None }.encode_to_vec();
        prop_assert_eq!(encoded.len(), expected.len());
        prop_assert_eq!(&whole(&encoded), &expected);
        prop_assert_eq!(ResponseRef::decode(&expected), Ok(response));
    }

    /// Whatever fields in whatever order: the same fields as prost's, or an error where prost has one.
    #[test]
    fn fields_are_decoded_as_prost_does(message in fields()) {
        prop_assert_eq!(difference(&message), None);
        prop_assert_eq!(ours(&message).ok(), Call::decode(&message[..]).ok());
        prop_assert_eq!(our_response(&message).ok(), Response::decode(&message[..]).ok());
    }

    /// Any bytes: no panic, and the judgement of prost except for the differences listed.
    #[test]
    fn any_bytes_are_judged_as_prost_does(message in likely_bytes()) {
        let (call, response) = (ours(&message), our_response(&message));
        if difference(&message).is_none() {
            prop_assert_eq!(call.ok(), Call::decode(&message[..]).ok());
            prop_assert_eq!(response.ok(), Response::decode(&message[..]).ok());
        } else if let (Ok(ours), Ok(theirs)) = (call, Call::decode(&message[..])) {
            // What both accept they read alike.
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn unknown_fields_are_passed_over(
        numbers in any::<(i32, i32, i64)>(),
        body in body(),
        unknown in vec((unknown_field(5), any::<Index>()), 0..6),
    ) {
        let (module, method, sequence) = numbers;
        let call = CallRef { module, method, sequence, body: &body };
        let known = whole(&call.encode(&[]));
        let mut fields: Vec<_> = Fields::new(&known).map(|known| again(known.unwrap())).collect();
        for (field, at) in &unknown {
            fields.insert(at.index(fields.len() + 1), field.clone());
        }
        let mixed = fields.concat();
        prop_assert_eq!(CallRef::decode_counting(&mixed, MAX_FIELDS), Ok((call, unknown.len())));
        // Packed again they follow the known ones.
        let tail = unknown.iter().map(|(field, _)| &field[..]).collect::<Vec<_>>().concat();
        let packed = whole(&call.encode(&tail));
        prop_assert_eq!(&packed, &[whole(&call.encode(&[])), tail.clone()].concat());
        prop_assert_eq!(CallRef::decode_counting(&packed, MAX_FIELDS), Ok((call, unknown.len())));
        let response = ResponseRef { sequence, status: method, body: &body };
        let packed = whole(&response.encode(&tail));
        prop_assert_eq!(ResponseRef::decode_counting(&packed, MAX_FIELDS), Ok((response, unknown.len())));
    }

    #[test]
    fn the_last_of_repeated_fields_counts(first in any::<(i32, i32, i64)>(), last in 1..i32::MAX, body in body()) {
        let (module, method, sequence) = first;
        let before = whole(&CallRef { module, method, sequence, body: b"first" }.encode(&[]));
        let call = CallRef { module: last, method: -last, sequence: -1, body: &body };
        let repeated = [before, whole(&call.encode(&[])), field(4, 2, &with_length(&body))].concat();
        prop_assert_eq!(CallRef::decode(&repeated), Ok(call));
        let before = whole(&ResponseRef { sequence, status: method, body: b"first" }.encode(&[]));
        let response = ResponseRef { sequence: -1, status: last, body: &body };
        let repeated = [before, whole(&response.encode(&[])), field(3, 2, &with_length(&body))].concat();
        prop_assert_eq!(ResponseRef::decode(&repeated), Ok(response));
    }

    #[test]
    fn slices_are_a_part_of_the_whole(
        numbers in any::<(i32, i32, i64)>(),
        body in body(),
        unknown in vec(any::<u8>(), 0..50),
        range in any::<(Index, Index)>(),
    ) {
        let (module, method, sequence) = numbers;
        let call = CallRef { module, method, sequence, body: &body };
        let encoded = call.encode(&unknown);
        let all = whole(&encoded);
        prop_assert_eq!(encoded.len(), all.len());
        let (one, other) = (range.0.index(all.len() + 1), range.1.index(all.len() + 1));
        let range = one.min(other)..one.max(other);
        let slices = encoded.slices(range.clone()).map(|slice| slice.to_vec()).concat();
        prop_assert_eq!(&slices, &all[range]);
    }

    /// The fields of a message are all of it; after a malformed one there are no more.
    #[test]
    fn fields_cover_the_message(message in likely_bytes()) {
        let mut covered = 0;
        let mut rest = Fields::new(&message);
        for field in rest.by_ref() {
            match field {
                Ok(field) => {
                    let (_, key) = varint(&message[covered..]).unwrap();
                    covered += key;
                    prop_assert_eq!(&message[covered..covered + field.value.len()], field.value);
                    covered += field.value.len();
                }
                Err(cause) => {
                    prop_assert_eq!(cause, Cause::Malformed);
                    prop_assert!(covered < message.len());
                    covered = message.len();
                }
            }
        }
        prop_assert_eq!(covered, message.len());
        prop_assert!(rest.next().is_none());
    }

    #[test]
    fn keys_are_encoded_as_prost_does(number in 1..1u32 << 29, wire_type in select(vec![0, 1, 2, 5])) {
        let (bytes, len) = key(number, wire_type);
        let mut expected = Vec::new();
        encode_key(number, u64::from(wire_type).try_into().unwrap(), &mut expected);
        prop_assert_eq!(&bytes[..len], &expected[..]);
    }
}

/// Decoding takes as long as there are fields, whatever they are.
#[test]
fn a_message_has_a_bounded_number_of_fields() {
    for tiny in [[0x08, 0x01], [0x28, 0x01], [0x18, 0x01]] {
        let mut fields = tiny.repeat(MAX_FIELDS - 1);
        fields.extend([0x10, 0x05]);
        assert_eq!(CallRef::decode(&fields).map(|call| call.method), Ok(5));
        fields.extend([0x18, 0x07]);
        assert_eq!(CallRef::decode(&fields), Err(Cause::Malformed));
        // An unbounded decoder reads the same.
        assert_eq!(
            CallRef::decode_counting(&fields, usize::MAX).map(|(call, _)| (call.method, call.sequence)),
            Ok((5, 7))
        );
    }
    for tiny in [[0x08, 0x01], [0x20, 0x01]] {
        let mut fields = tiny.repeat(MAX_FIELDS - 1);
        fields.extend([0x10, 0x05]);
        assert_eq!(ResponseRef::decode(&fields).map(|response| response.status), Ok(5));
        fields.extend([0x10, 0x05]);
        assert_eq!(ResponseRef::decode(&fields), Err(Cause::Malformed));
    }
    // Of a part of a call no more is looked at.
    let sequence_behind =
        |fields: usize| CallRef::sequence_in(&[[0x10, 0x01].repeat(fields), vec![0x18, 0x07]].concat());
    assert_eq!([sequence_behind(MAX_FIELDS - 1), sequence_behind(MAX_FIELDS)], [Some(7), None]);
}

/// Each difference from prost as protobuf-c has it: whether prost takes the message, and what we make of it.
#[test]
fn differences_from_prost() {
    let call = |module, method, sequence| Ok(Call { module, method, sequence, body: Vec::new() });
    type Case<'a> = (&'a [u8], Difference, bool, Result<Call, Cause>);
    let cases: [Case<'_>; 10] = [
        (&[0x2b, 0x08, 0x01, 0x2c], Difference::Group, true, Err(Cause::Malformed)),
        (&[0x2c], Difference::Group, false, Err(Cause::Malformed)),
        (&[0x88, 0x80, 0x80, 0x80, 0x80, 0x00, 0x01], Difference::LongKey, true, Err(Cause::Malformed)),
        (&[0xa8, 0x80, 0x80, 0x80, 0x10, 0x07], Difference::LargeKey, false, call(0, 0, 0)),
        (&[0x80, 0x00, 0x07, 0x08, 0x05], Difference::NumberZero, false, call(5, 0, 0)),
        (&[0x22, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], Difference::LongLength, true, Err(Cause::Malformed)),
        (
            &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            Difference::LargeVarint,
            false,
            call(0, 0, i64::MAX),
        ),
        (
            &[0x08, 0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e],
            Difference::LargeVarint,
            false,
            call(3, 0, 0),
        ),
        (
            &[0x28, 0x83, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e],
            Difference::LargeVarint,
            false,
            call(0, 0, 0),
        ),
        // Both refuse it, for reasons of their own.
        (
            &[0x22, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            Difference::LongLength,
            false,
            Err(Cause::Malformed),
        ),
    ];
    for (message, found, prost_takes_it, expected) in cases {
        assert_eq!(difference(message), Some(found), "{message:02x?}");
        assert_eq!(Call::decode(message).is_ok(), prost_takes_it, "{message:02x?}");
        assert_eq!(ours(message), expected, "{message:02x?}");
    }
}

/// What both refuse, and where it is easy to be off by one.
#[test]
fn malformed_messages() {
    let eleven = [&[0x18][..], &[0x80; 10], &[0x00]].concat();
    let cases: [&[u8]; 12] = [
        &[0x00],
        &[0x02, 0x01, 0x61],
        &[0x08],
        &[0x08, 0x80],
        &[0x80],
        &[0x22, 0x05, 0x68],
        &[0x22, 0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x29, 0, 0, 0, 0, 0, 0, 0],
        &[0x2d, 0, 0, 0],
        &[0x0e, 0x00],
        &[0x0f, 0x00],
        &eleven,
    ];
    for message in cases {
        assert_eq!(difference(message), None, "{message:02x?}");
        assert_eq!(ours(message), Err(Cause::Malformed), "{message:02x?}");
        assert!(Call::decode(message).is_err(), "{message:02x?}");
    }
    // A field known, but not like this.
    for wire_type in [1, 2, 5] {
        let message = field(1, wire_type, &[0; 8]);
        assert_eq!(ours(&message), Err(Cause::Malformed));
        assert_eq!(our_response(&message), Err(Cause::Malformed));
    }
    for wire_type in [0, 1, 5] {
        assert_eq!(ours(&field(4, wire_type, &[0; 8])), Err(Cause::Malformed));
        assert_eq!(our_response(&field(3, wire_type, &[0; 8])), Err(Cause::Malformed));
    }
}

/// The numbers of the known fields, on which unknown ones are told from them.
#[test]
fn last_fields() {
    assert_eq!((CallRef::LAST_FIELD, ResponseRef::LAST_FIELD), (4, 3));
    let fifth = field(5, 0, &[1]);
    assert_eq!(CallRef::decode_counting(&fifth, MAX_FIELDS), Ok((CallRef::default(), 1)));
    let fourth = field(4, 0, &[1]);
    assert_eq!(ResponseRef::decode_counting(&fourth, MAX_FIELDS), Ok((ResponseRef::default(), 1)));
}

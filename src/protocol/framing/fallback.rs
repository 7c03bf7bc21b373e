//! The first message of a client that does not know its server's framing, and the meaning of the answer. Free of I/O.
//!
//! A server that reads chunks closes the connection after anything else, so the first message goes out in chunks. A server
//! that reads datagrams takes a chunk's first bytes, the length of the message, for a key. If that is 4, 6 or 7 modulo 8,
//! no parser of any release reads beyond the key. `docs/wire.md` has the proofs.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use super::Framing;
use super::chunked::{Header, MAX_DATA, is_first_chunk};
use crate::cause::Cause;
use crate::protocol::wire::{CallRef, Encoded, Fields};

/// The kind of a client's first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstMessage {
    /// The call itself, as a [`padded_call`].
    PaddedCall,
    /// The [`probe`], a message that is no call.
    Probe,
}

/// The message of the probe: keys of field 0 and of wire type 7, neither of which exists.
const PROBE: &[u8; 7] = &[7; 7];

/// The answer of every server to a message that is no call: `Response { sequence: -1, FAILED_UNMARSHAL_CALL }`.
const REFUSAL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

/// The number of a varint field that a later release of this library may add to its answer to the probe.
pub const RESERVED_FIELD: u32 = 2047;

/// The message to send first, in chunks: the call as a [`padded_call`] if that is possible, else the probe.
pub fn first_message<'a>(call: &CallRef<'a>, unknown: &'a [u8]) -> (FirstMessage, Encoded<'a>) {
    match padded_call(call, unknown) {
        Some(call) => (FirstMessage::PaddedCall, call),
        None => (FirstMessage::Probe, probe()),
    }
}

/// The probe. In chunks it is a record of 31 bytes that no server takes for a call.
pub fn probe() -> Encoded<'static> {
    Encoded::whole(PROBE)
}

/// The cause to report for a message that is no call: [`Cause::Probe`] if it is the probe, else [`Cause::Malformed`]. Where
/// datagrams are read, the probe comes with the header of its chunk.
#[cold]
pub fn undecodable(message: &[u8]) -> Cause {
    if message == PROBE {
        Cause::Probe(Framing::Chunked)
    } else if Header::only_data(message).is_some_and(|data| data == PROBE) {
        Cause::Probe(Framing::Datagram)
    } else {
        Cause::Malformed
    }
}

/// The call with a sequence written longer than needed, so that the length of the message is 4, 6 or 7 modulo 8. A server
/// that reads datagrams takes the length for a key, and refuses it. `None` if the call takes more than one chunk, or its
/// sequence cannot be written longer.
pub fn padded_call<'a>(call: &CallRef<'a>, unknown: &'a [u8]) -> Option<Encoded<'a>> {
    let len = call.encode(unknown).len();
    let more = match len % 8 {
        wire_type @ 0..=3 => 4 - wire_type,
        5 => 1,
        _ => 0,
    };
    if len + more > MAX_DATA { None } else { call.encode_longer(unknown, more) }
}

/// The framing of the server that has answered. `None` if the answer does not tell it: the call may have been executed or
/// not.
pub fn framing_from_answer(sent: FirstMessage, record: &[u8]) -> Option<Framing> {
    let is_chunked = match sent {
        // Any chunk is a response to the call, the refusal included.
        FirstMessage::PaddedCall => is_first_chunk(record),
        FirstMessage::Probe => Header::only_data(record).is_some_and(is_refusal),
    };
    match is_chunked {
        true => Some(Framing::Chunked),
        false => (record == REFUSAL).then_some(Framing::Datagram),
    }
}

/// The cause to report where reading the answer failed with `cause`: [`Cause::Unclear`] if the message itself is at fault.
pub fn unreadable_answer(cause: Cause) -> Cause {
    if cause == Cause::NoMemory || !cause.is_about_a_message() { cause } else { Cause::Unclear }
}

/// True if the message is the refusal of the probe, alone or with the [reserved field](RESERVED_FIELD) behind it.
fn is_refusal(message: &[u8]) -> bool {
    let Some(rest) = message.strip_prefix(REFUSAL) else { return false };
    let mut fields = Fields::new(rest);
    fields.next().is_none_or(|field| field.is_ok_and(|field| field.number == RESERVED_FIELD && field.wire_type == 0))
        && fields.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::framing::chunked::{Chunks, HEADER_LEN};
    use crate::protocol::message::Status;
    use crate::protocol::wire::{ResponseRef, key};

    fn bytes(sequence: i64, status: Status, body: &[u8]) -> Vec<u8> {
        ResponseRef { sequence, status: status.into(), body }.encode(&[]).pieces().concat()
    }

    fn in_a_chunk(message: &[u8]) -> Vec<u8> {
        let (header, range) = Chunks::new(message.len()).unwrap().next().unwrap();
        [&header.to_bytes(), &message[range]].concat()
    }

    fn marked(number: u32, wire_type: u8, value: &[u8]) -> Vec<u8> {
        let (key, len) = key(number, wire_type);
        [&bytes(-1, Status::FailedUnmarshalCall, b"")[..], &key[..len], value].concat()
    }

    #[test]
    fn the_bare_refusal_answers_both_questions() {
        let refusal = bytes(-1, Status::FailedUnmarshalCall, b"");
        assert_eq!(refusal, REFUSAL);
        let unclear = [
            bytes(0, Status::Success, b""),
            bytes(1, Status::Success, b"done"),
            bytes(0, Status::UnknownModule, b""),
            bytes(1, Status::UnknownModule, b""),
            bytes(1, Status::FailedUnmarshalCall, b""),
            bytes(-1, Status::FailedUnmarshalCall, b"why"),
            bytes(-1, Status::Failure, b""),
            [&refusal[..], &[0]].concat(),
            marked(RESERVED_FIELD, 0, &[1]),
            refusal[..12].to_vec(),
            vec![0xff; 100],
        ];
        for sent in [FirstMessage::PaddedCall, FirstMessage::Probe] {
            assert_eq!(framing_from_answer(sent, &refusal), Some(Framing::Datagram));
            for record in &unclear {
                assert_eq!(framing_from_answer(sent, record), None, "{record:02x?}");
            }
        }
    }

    #[test]
    fn any_chunk_answers_a_trial_and_one_the_probe() {
        let refusal = in_a_chunk(REFUSAL);
        let with_mark = in_a_chunk(&marked(RESERVED_FIELD, 0, &[0x81, 1]));
        for record in [&refusal, &with_mark] {
            assert_eq!(framing_from_answer(FirstMessage::PaddedCall, record), Some(Framing::Chunked));
            assert_eq!(framing_from_answer(FirstMessage::Probe, record), Some(Framing::Chunked));
        }
        let others = [
            bytes(1, Status::Success, &[7; 1000]),
            bytes(1, Status::UnknownModule, b""),
            bytes(0, Status::FailedUnmarshalCall, b""),
            marked(RESERVED_FIELD, 2, &[1, 1]),
            marked(RESERVED_FIELD - 1, 0, &[1]),
            [&marked(RESERVED_FIELD, 0, &[1])[..], &marked(RESERVED_FIELD, 0, &[1])[REFUSAL.len()..]].concat(),
            Vec::new(),
        ];
        for message in others {
            let record = in_a_chunk(&message);
            assert_eq!(
                framing_from_answer(FirstMessage::PaddedCall, &record),
                Some(Framing::Chunked),
                "{message:02x?}"
            );
            assert_eq!(framing_from_answer(FirstMessage::Probe, &record), None, "{message:02x?}");
        }
        // A longer record is no answer that a known server gives to the probe.
        assert_eq!(framing_from_answer(FirstMessage::Probe, &[&refusal[..], b"!"].concat()), None);
    }

    #[test]
    fn the_probe_is_known_by_its_bytes() {
        let message = probe().pieces().concat();
        let record = in_a_chunk(&message);
        assert_eq!(record.len(), 31);
        let framings = [Framing::Chunked, Framing::Datagram];
        assert_eq!([&message, &record].map(|bytes| undecodable(bytes)), framings.map(Cause::Probe));
        for other in [&record[..30], &message[..6], &[7; 8], b"", &record[HEADER_LEN - 1..]] {
            assert_eq!(undecodable(other), Cause::Malformed, "{other:02x?}");
        }
    }

    #[test]
    fn a_trial_is_the_call_with_a_longer_sequence() {
        for sequence in [1, 127, 128, i64::from(i32::MAX)] {
            for len in 0..64 {
                let call = CallRef { module: 2, method: 207, sequence, body: &[7; 64][..len] };
                let message = padded_call(&call, b"\x28\x01").unwrap().pieces().concat();
                assert!(matches!(message.len() % 8, 4 | 6 | 7) && message.len() <= call.encode(b"\x28\x01").len() + 4);
                assert_eq!(CallRef::decode(&message), Ok(call));
            }
        }
    }

    #[test]
    fn a_call_without_a_number_or_of_two_chunks_is_no_trial() {
        let body = vec![0; MAX_DATA];
        let of_len = |len: usize| CallRef { module: 2, method: 207, sequence: 1, body: &body[..len] };
        let largest = (0..MAX_DATA).rev().find(|len| padded_call(&of_len(*len), &[]).is_some()).unwrap();
        assert_eq!(padded_call(&of_len(largest), &[]).unwrap().len(), MAX_DATA - 1);
        assert_eq!(padded_call(&CallRef { sequence: 0, ..of_len(1) }, &[]).map(|call| call.len()), None);
        assert_eq!(padded_call(&CallRef { sequence: -1, ..of_len(1) }, &[]).map(|call| call.len()), None);
    }
}

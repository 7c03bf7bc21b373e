//! What a client that does not know its server's framing may send first, and what the answer tells. Free of I/O.
//!
//! It speaks in chunks, as a server that reads chunks closes the connection when it hears anything else, and older
//! clients took that for success. A server that reads datagrams rejects a small chunk as no call, and executes nothing;
//! `docs/wire.md` has the details.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use super::Framing;
use super::chunked::Chunks;
use super::dialect::is_first_chunk;
use crate::wire::{CallRef, Encoded};

/// Records up to this size are no call to Go and to protobuf-c from 1.3.2 on, whatever follows the header. Larger ones,
/// of some sizes, are the very call, or another.
const SAFE_RECORD: usize = 255;

/// A call that no server executes: nobody has this module.
pub const PROBE: CallRef<'static> = CallRef { module: i32::MAX, method: 0, sequence: 1, body: &[] };

/// How a server that reads datagrams says that a chunk is no call: `Response { sequence: -1, FAILED_UNMARSHAL_CALL }`.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

/// How one says it that reads a call of nothing from the chunk: `Response { sequence: 0, UNKNOWN_MODULE }`. No server
/// is known that answers a safe call so.
const NO_MODULE: &[u8] = b"\x10\x03";

/// No server that reads datagrams takes this call for one when it comes in a chunk.
///
/// protobuf-c before 1.3.2 passes over some headers and goes on in the middle of the message, so for it one has to look.
pub fn is_safe(call: &Encoded<'_>) -> bool {
    let Some((header, _)) = Chunks::new(call.len()).ok().and_then(|mut chunks| chunks.next()) else { return false };
    let [head, body, unknown] = call.pieces();
    let mut record = [0; SAFE_RECORD];
    let mut len = 0;
    for piece in [&header.to_bytes(), head, body, unknown] {
        let Some(room) = record.get_mut(len..len + piece.len()) else { return false };
        room.copy_from_slice(piece);
        len += piece.len();
    }
    record.get(..len).is_some_and(|record| CallRef::decode_with_number_zero(record).is_err())
}

/// What the answer to the first chunk, that of a [safe](is_safe) call or of the [probe](PROBE), says about the
/// server. `None` when it is no answer that is known, so that nobody can tell whether a call has been executed.
#[inline]
pub fn judge(record: &[u8]) -> Option<Framing> {
    if record == NO_CALL || record == NO_MODULE {
        // Nothing has been executed.
        Some(Framing::Datagram)
    } else if is_first_chunk(record) {
        Some(Framing::Chunked)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::chunked::Chunks;
    use crate::message::Status;
    use crate::wire::ResponseRef;

    fn bytes(sequence: i64, status: Status, body: &[u8]) -> Vec<u8> {
        ResponseRef { sequence, status: status.into(), body }.encode(&[]).pieces().concat()
    }

    fn in_a_chunk(message: &[u8]) -> Vec<u8> {
        let (header, range) = Chunks::new(message.len()).unwrap().next().unwrap();
        [&header.to_bytes(), &message[range]].concat()
    }

    #[test]
    fn only_what_says_that_nothing_was_executed_is_a_datagram() {
        let rejected = bytes(-1, Status::FailedUnmarshalCall, b"");
        let unknown = bytes(0, Status::UnknownModule, b"");
        assert_eq!(judge(&rejected), Some(Framing::Datagram));
        assert_eq!(judge(&unknown), Some(Framing::Datagram));
        let unclear = [
            bytes(0, Status::Success, b""),
            bytes(1, Status::Success, b"done"),
            bytes(1, Status::UnknownModule, b""),
            bytes(0, Status::UnknownMethod, b""),
            bytes(1, Status::FailedUnmarshalCall, b""),
            bytes(-1, Status::FailedUnmarshalCall, b"why"),
            bytes(-1, Status::Failure, b""),
            [&rejected[..], &[0]].concat(),
            rejected[..12].to_vec(),
            vec![0xff; 100],
        ];
        for record in unclear {
            assert_eq!(judge(&record), None, "{record:02x?}");
        }
        for message in [&rejected[..], &unknown, &bytes(1, Status::Success, &[7; 1000]), b""] {
            assert_eq!(judge(&in_a_chunk(message)), Some(Framing::Chunked), "{message:02x?}");
        }
    }

    /// What protobuf-c before 1.3.2 makes of a chunk that begins with these bytes.
    #[test]
    fn a_call_is_safe_if_an_old_server_refuses_its_chunk() {
        let safe = |call: CallRef<'_>| is_safe(&call.encode(&[]));
        let small = CallRef { module: 2, method: 201, sequence: 1, body: b"" };
        assert!(safe(small));
        assert!(safe(CallRef { body: &[7; 8], ..small }));
        // Read from the sequence on, as `Call { 0, 0, 1 }`.
        assert!(!safe(CallRef { body: &[7; 7], ..small }));
        // Read from the middle of the body on.
        let body = b"HHHHHHHHHHHHHHHHHHHHHHHHHH\x08\x03\x10\xad\x02\x18\x09";
        let another = CallRef { module: 1, method: 101, sequence: 1, body };
        let record = in_a_chunk(&another.encode(&[]).pieces().concat());
        let read = CallRef { module: 3, method: 301, sequence: 9, body: b"" };
        assert_eq!(CallRef::decode_with_number_zero(&record), Ok(read));
        assert!(!safe(another));
        assert!(CallRef::decode(&record).is_err());
        // The same in an unknown field.
        let unknown = [b"\x2a\x21", &body[..]].concat();
        assert!(is_safe(&CallRef { body: b"", ..another }.encode(&[])));
        assert!(!is_safe(&CallRef { body: b"", ..another }.encode(&unknown)));
        // The largest.
        assert!(safe(CallRef { body: &[0x0f; 231 - 9 - 1], ..small }));
        assert!(!safe(CallRef { body: &[0x0f; 231 - 9], ..small }));
    }

    #[test]
    fn the_probe_is_safe() {
        assert!(is_safe(&PROBE.encode(&[])));
    }
}

//! What a client that does not know its server's framing may send first, and what the answer tells. Free of I/O.
//!
//! It speaks in chunks, as a server that reads chunks closes the connection when it hears anything else, and older
//! clients took that for success. A server that reads datagrams rejects a small chunk as no call, and executes nothing;
//! `docs/wire.md` has the details.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use super::Framing;
use super::chunked::HEADER_LEN;
use super::dialect::is_first_chunk;
use crate::wire::CallRef;

/// The largest message whose chunk no server that reads datagrams takes for a call. Larger ones, of some sizes, parse
/// as the very call, or as another.
pub const SAFE_MESSAGE: usize = 255 - HEADER_LEN;

/// A call that no server executes: nobody has this module.
pub const PROBE: CallRef<'static> = CallRef { module: i32::MAX, method: 0, sequence: 1, body: &[] };

/// How a server that reads datagrams says that a chunk is no call: `Response { sequence: -1, FAILED_UNMARSHAL_CALL }`.
const NO_CALL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";

/// How one says it that was built with an old libprotobuf-c and reads a call of nothing from the chunk:
/// `Response { sequence: 0, UNKNOWN_MODULE }`.
const NO_MODULE: &[u8] = b"\x10\x03";

/// What the answer to the first chunk, that of a [safe](SAFE_MESSAGE) call or of the [probe](PROBE), says about the
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

    #[test]
    fn the_probe_is_safe() {
        assert!(PROBE.encode(&[]).len() <= SAFE_MESSAGE);
    }
}

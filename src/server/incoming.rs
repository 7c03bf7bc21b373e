//! Reading a record from a client, and what it completes.

use std::mem;
use std::os::fd::RawFd;

use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::{HEADER_LEN, Header, Message, Reassembly};
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::framing::fallback;
use crate::protocol::message::Call;
use crate::protocol::wire::{CallRef, MAX_FIELDS};
use crate::sys::{self, Record, RecordBuffer};
use crate::transport::{self, ReceivedRecord};

/// The outcome of reading one record.
#[derive(Debug)]
pub(super) enum Incoming {
    /// No record was there.
    Nothing,
    /// A part of a call.
    Part,
    /// A whole call.
    Call(Call),
    /// A record or message that is no call.
    NotACall(NotACall),
}

/// A record or message that is neither a call nor a part of one.
#[derive(Debug)]
pub(super) enum NotACall {
    /// A message that is no call. The next one can be read.
    Unparsable(Cause),
    /// A call that cannot be taken. The rest of a chunked one is still to come, so that no other can be read after it.
    Refused {
        /// The call's sequence, if that can be told.
        sequence: Option<i64>,
        /// The reason.
        cause: Cause,
    },
    /// A record that makes no sense here, so that later ones do not either.
    OutOfStep {
        /// The fault of the record.
        cause: Cause,
        /// True for a call of a client that sends datagrams, and takes the end of the connection for a success.
        bare: bool,
    },
    /// A client's question which framing the server reads, not meant as a call.
    Probe,
    /// The end: no more will come.
    End,
}

/// Reads one record, if there is one, and returns the bytes of messages in it, too. The first record tells the client's
/// framing.
#[inline]
pub(super) fn receive(fd: RawFd, peer_framing: &mut PeerFraming, message: &mut Reassembly) -> (Incoming, usize) {
    let received = sys::with_record_buffer(|buffer| {
        if transport::expects_large(*peer_framing, message, buffer) {
            let record = transport::read_record(fd, *peer_framing, message, sys::RECORD_ROOM, buffer)?;
            return take_in(fd, peer_framing, message, buffer, record);
        }
        let record = sys::receive(fd.into(), &mut buffer.bytes, sys::RECORD_ROOM)?;
        match transport::whole_small_message(*peer_framing, record, &buffer.bytes, message.limit()) {
            Some(bytes) => Ok((decode_message(bytes, None, peer_framing.framing()), bytes.len())),
            None => take_in(fd, peer_framing, message, buffer, ReceivedRecord::Raw { record, in_place: false }),
        }
    });
    received.unwrap_or_else(|cause| match cause.is_would_block() {
        true => (Incoming::Nothing, 0),
        // No other error goes away by waiting.
        false => (Incoming::NotACall(NotACall::End), 0),
    })
}

/// Takes in a record that may be any.
#[inline(never)]
fn take_in(
    fd: RawFd,
    peer_framing: &mut PeerFraming,
    message: &mut Reassembly,
    buffer: &mut RecordBuffer,
    record: ReceivedRecord,
) -> Result<(Incoming, usize), Cause> {
    let was_partial = message.is_partial();
    let (bytes, body, size) = match record {
        ReceivedRecord::Message { record, fields } => {
            let size = record.len.saturating_sub(fields.start);
            (buffer.bytes.get(fields).unwrap_or_default(), Some(mem::take(message.body_mut())), size)
        }
        ReceivedRecord::Raw { record, in_place } => {
            let bytes = buffer.bytes.get(..record.len).unwrap_or_default();
            let framing = transport::framing_of(fd, peer_framing, bytes, record.truncated)?;
            if !in_place {
                buffer.last = transport::layout(bytes, framing, message.body_field());
            }
            match framing {
                Framing::Datagram => match check_datagram(record, bytes, message.limit()) {
                    Some(rejected) => return Ok((Incoming::NotACall(rejected), record.len)),
                    None => (bytes, None, record.len),
                },
                Framing::Chunked if bytes.is_empty() => return Ok((Incoming::NotACall(NotACall::End), 0)),
                Framing::Chunked => {
                    let size = record.len.saturating_sub(HEADER_LEN);
                    match message.accept(bytes, in_place) {
                        Ok(Some(Message { bytes, body })) => (bytes, body.map(mem::take), size),
                        Ok(None) => return Ok((Incoming::Part, size)),
                        Err(cause) => {
                            return Ok((Incoming::NotACall(reject_chunk(bytes, !was_partial, cause)), size));
                        }
                    }
                }
            }
        }
    };
    let call = decode_message(bytes, body, peer_framing.framing());
    if was_partial {
        // Frees the memory of a large call.
        message.reset();
    }
    Ok((call, size))
}

/// The reason why a datagram is not taken, or `None`.
#[inline]
fn check_datagram(record: Record, bytes: &[u8], limit: usize) -> Option<NotACall> {
    match bytes.len() {
        _ if record.truncated => Some(NotACall::Unparsable(Cause::Truncated { room: sys::RECORD_ROOM })),
        size if size > limit => {
            let cause = Cause::TooBig { size: size as u64, limit };
            Some(NotACall::Refused { sequence: CallRef::sequence_in(bytes), cause })
        }
        _ => None,
    }
}

/// The reason why a chunk is not taken.
#[cold]
fn reject_chunk(record: &[u8], first: bool, cause: Cause) -> NotACall {
    match cause {
        Cause::TooBig { .. } => {
            let beginning = Header::split(record).map(|(_, data)| data).unwrap_or_default();
            NotACall::Refused { sequence: CallRef::sequence_in(beginning), cause }
        }
        Cause::NoMemory => NotACall::Refused { sequence: None, cause },
        cause => NotACall::OutOfStep { cause, bare: first && CallRef::decode(record).is_ok() },
    }
}

/// Decodes a whole message, whose body may be in a block of its own.
#[inline(always)]
fn decode_message(bytes: &[u8], body: Option<Vec<u8>>, framing: Framing) -> Incoming {
    let Ok((call, _)) = CallRef::decode_counting(bytes, MAX_FIELDS) else {
        return Incoming::NotACall(match fallback::undecodable(bytes) {
            Cause::Probe(asked) if asked == framing => NotACall::Probe,
            _ => NotACall::Unparsable(Cause::Malformed),
        });
    };
    match body.map_or_else(|| call.try_to_owned(), |body| Ok(call.with_body(body))) {
        Ok(call) => Incoming::Call(call),
        Err(cause) => Incoming::NotACall(NotACall::Refused { sequence: Some(call.sequence), cause }),
    }
}

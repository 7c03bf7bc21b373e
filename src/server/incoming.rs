//! What one record that a client sent amounts to.

use std::mem;
use std::os::fd::RawFd;

use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::{HEADER_LEN, Header, Message, Reassembly};
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::framing::fallback;
use crate::protocol::message::Call;
use crate::protocol::wire::CallRef;
use crate::sys::{self, Record};
use crate::transport::{self, ReceivedRecord};

/// What there was to read.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Nothing yet.
    Nothing,
    /// A part of a call.
    Part,
    /// A call.
    Call(Call),
    /// What is neither.
    NotACall(NotACall),
}

/// What is no call, and no part of one.
#[derive(Debug)]
pub(super) enum NotACall {
    /// A message that is no call. The next one can be read.
    Unparsable(Cause),
    /// A call that cannot be taken. Of one in chunks the rest is to come, so that none can be read after it.
    Refused {
        /// Its sequence, if that can be told.
        sequence: Option<i64>,
        /// What is in the way.
        cause: Cause,
    },
    /// A record that makes no sense here, so that others do not either.
    OutOfStep {
        /// What is wrong with it.
        cause: Cause,
        /// It is a call of a client that sends datagrams, and takes the end of the connection for a success.
        bare: bool,
    },
    /// What a client asks with which framing is read; no call is meant by it.
    Probe,
    /// No more will come.
    End,
}

/// Reads one record, if there is one; says how many bytes of messages it held. The first one tells what the client
/// speaks.
#[inline]
pub(super) fn receive(fd: RawFd, peer_framing: &mut PeerFraming, message: &mut Reassembly) -> (Incoming, usize) {
    let (mut size, mut was_partial) = (0, false);
    let received = sys::with_record_buffer(|buffer| {
        let (bytes, body) = match transport::read_record(fd, *peer_framing, message, sys::RECORD_ROOM, buffer)? {
            ReceivedRecord::Message { record, fields } => {
                size = record.len.saturating_sub(fields.start);
                (buffer.bytes.get(fields).unwrap_or_default(), Some(mem::take(message.body_mut())))
            }
            ReceivedRecord::Raw { record, in_place } => {
                let bytes = buffer.bytes.get(..record.len).unwrap_or_default();
                let framing = transport::framing_of(fd, peer_framing, bytes, record.truncated)?;
                if !in_place {
                    buffer.last = transport::layout(bytes, framing, message.body_field());
                }
                match framing {
                    Framing::Datagram => {
                        size = record.len;
                        match check_datagram(record, bytes, message.limit()) {
                            Some(check_datagram) => return Ok(Incoming::NotACall(check_datagram)),
                            None => (bytes, None),
                        }
                    }
                    Framing::Chunked if bytes.is_empty() => return Ok(Incoming::NotACall(NotACall::End)),
                    Framing::Chunked => {
                        size = record.len.saturating_sub(HEADER_LEN);
                        was_partial = message.is_partial();
                        match message.accept(bytes, in_place) {
                            Ok(Some(Message { bytes, body })) => (bytes, body.map(mem::take)),
                            Ok(None) => return Ok(Incoming::Part),
                            Err(cause) => return Ok(Incoming::NotACall(refused(bytes, !was_partial, cause))),
                        }
                    }
                }
            }
        };
        let call = whole(bytes, body, peer_framing.framing());
        if was_partial {
            // Whatever memory a large call took.
            message.reset();
        }
        Ok(call)
    });
    let incoming = received.unwrap_or_else(|cause| match cause.is_would_block() {
        true => Incoming::Nothing,
        // Whatever it is, it will not go away.
        false => Incoming::NotACall(NotACall::End),
    });
    (incoming, size)
}

/// Why a datagram is not taken, if it is not.
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

/// A chunk that is not taken.
#[cold]
fn refused(record: &[u8], first: bool, cause: Cause) -> NotACall {
    match cause {
        Cause::TooBig { .. } => {
            let beginning = Header::split(record).map(|(_, data)| data).unwrap_or_default();
            NotACall::Refused { sequence: CallRef::sequence_in(beginning), cause }
        }
        Cause::NoMemory => NotACall::Refused { sequence: None, cause },
        cause => NotACall::OutOfStep { cause, bare: first && CallRef::decode(record).is_ok() },
    }
}

/// A whole message, of which the body may be in a block of its own.
#[inline(always)]
fn whole(bytes: &[u8], body: Option<Vec<u8>>, framing: Framing) -> Incoming {
    let Ok((call, _)) = CallRef::decode_counting(bytes) else {
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

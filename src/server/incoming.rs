//! What one record that a client sent amounts to.

use std::mem;
use std::os::fd::RawFd;

use crate::error::Cause;
use crate::framing::Framing;
use crate::framing::chunked::{HEADER_LEN, Header, MAX_RECORD, Message, Reassembly};
use crate::framing::dialect::Dialect;
use crate::message::Call;
use crate::sys;
use crate::transport::{self, Taken};
use crate::wire::CallRef;

/// What there was to read.
#[derive(Debug)]
pub(super) enum Incoming {
    /// Nothing yet.
    Nothing,
    /// A part of a call.
    Part,
    /// A call.
    Call(Call),
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
    /// No more will come.
    End,
}

/// Reads one record, if there is one; says how many bytes of messages it held. The first one tells what the client
/// speaks.
pub(super) fn receive(fd: RawFd, dialect: &mut Dialect, message: &mut Reassembly) -> (Incoming, usize) {
    let received = sys::with_record(|buffer| {
        let (record, in_place) = match transport::take_record(fd, *dialect, message, MAX_RECORD, buffer)? {
            Taken::Record(record, in_place) => (record, in_place),
            Taken::Body(record, fields) => {
                let header = fields.start;
                let bytes = buffer.bytes.get(fields).unwrap_or_default();
                let body = Some(mem::take(message.body_mut()));
                return Ok((whole(bytes, body), record.len.saturating_sub(header)));
            }
        };
        let bytes = buffer.bytes.get(..record.len).unwrap_or_default();
        let framing = transport::framing_of(fd, dialect, bytes, record.truncated)?;
        if !in_place {
            buffer.last = transport::layout(bytes, framing, message.body());
        }
        Ok(match framing {
            Framing::Datagram if record.truncated => {
                (Incoming::Unparsable(Cause::Truncated { room: sys::RECORD_ROOM }), record.len)
            }
            Framing::Datagram => (datagram(bytes, message.limit()), record.len),
            Framing::Chunked if bytes.is_empty() => (Incoming::End, 0),
            Framing::Chunked => (chunk(bytes, in_place, message), record.len.saturating_sub(HEADER_LEN)),
        })
    });
    match received {
        Ok(received) => received,
        Err(cause) if cause.is_would_block() => (Incoming::Nothing, 0),
        // Whatever it is, it will not go away.
        Err(_) => (Incoming::End, 0),
    }
}

fn datagram(bytes: &[u8], limit: usize) -> Incoming {
    match bytes.len() {
        size if size > limit => {
            let cause = Cause::TooBig { size: size as u64, limit };
            Incoming::Refused { sequence: CallRef::sequence_in(bytes), cause }
        }
        _ => whole(bytes, None),
    }
}

fn chunk(record: &[u8], in_place: bool, message: &mut Reassembly) -> Incoming {
    let first = !message.is_partial();
    match message.accept(record, in_place) {
        Ok(None) => Incoming::Part,
        Ok(Some(Message { bytes, body })) => {
            let call = whole(bytes, body.map(mem::take));
            // Whatever memory a large call took.
            message.reset();
            call
        }
        Err(cause @ Cause::TooBig { .. }) => {
            let beginning = Header::split(record).map(|(_, data)| data).unwrap_or_default();
            Incoming::Refused { sequence: CallRef::sequence_in(beginning), cause }
        }
        Err(cause @ Cause::NoMemory) => Incoming::Refused { sequence: None, cause },
        Err(cause) => Incoming::OutOfStep { cause, bare: first && CallRef::decode(record).is_ok() },
    }
}

/// A whole message, of which the body may be in a block of its own.
fn whole(bytes: &[u8], body: Option<Vec<u8>>) -> Incoming {
    let Ok(call) = CallRef::decode(bytes) else { return Incoming::Unparsable(Cause::Malformed) };
    match body.map_or_else(|| call.try_to_owned(), |body| Ok(call.with_body(body))) {
        Ok(call) => Incoming::Call(call),
        Err(cause) => Incoming::Refused { sequence: Some(call.sequence), cause },
    }
}

//! Receiving whole messages, or single records of them.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::mem;
use std::ops::Range;
use std::os::fd::RawFd;

use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::{BodyBuffer, Chunks, HEADER_LEN, Header, MAX_DATA, Message, Reassembly};
use crate::protocol::framing::detect::{PeerFraming, unreadable_chunk};
use crate::protocol::wire::{BodyPlace, ResponseRef};
use crate::sys::{self, Deadline, Peeked, Record, RecordBuffer, RecordLayout, SocketRef};

/// The size from which on bodies are received in place: in the block where they are going to stay.
const IN_PLACE_MIN: usize = 4 << 10;

/// The size up to which a block is reserved for a body before its first record comes.
const IN_PLACE_MAX: usize = 16 * MAX_DATA;

/// A message as received. Its bytes are still in the record buffer. A body in a buffer of its own is not among them.
#[derive(Debug)]
pub struct Received<'a> {
    bytes: &'a [u8],
    body: Option<&'a mut Vec<u8>>,
    limit: usize,
}

impl<'a> Received<'a> {
    /// The bytes of the message; an error if the message is too large. (A message in chunks was measured before it was
    /// stored.)
    #[inline]
    pub fn within_limit(&self) -> Result<&'a [u8], Cause> {
        match self.bytes.len() + self.body.as_ref().map_or(0, |body| body.len()) {
            size if size > self.limit => Err(Cause::TooBig { size: size as u64, limit: self.limit }),
            _ => Ok(self.bytes),
        }
    }

    /// The bytes of the message, whatever its size.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The body, if it has a buffer of its own.
    #[inline]
    pub fn take_body(&mut self) -> Option<Vec<u8>> {
        self.body.take().map(mem::take)
    }
}

/// The framing to read a record in, which the record may be the first to tell. [`Cause::Closed`] if the record is empty
/// because the connection has ended; a datagram may be empty, too.
#[inline(always)]
pub fn framing_of(fd: RawFd, peer_framing: &mut PeerFraming, record: &[u8], truncated: bool) -> Result<Framing, Cause> {
    if record.is_empty() {
        check_empty(fd, *peer_framing)?;
    }
    Ok(peer_framing.observe(record, truncated))
}

/// Asks the socket whether an empty record is the end of the connection, which is [`Cause::Closed`].
#[cold]
fn check_empty(fd: RawFd, peer_framing: PeerFraming) -> Result<(), Cause> {
    if peer_framing.get() == Some(Framing::Chunked) {
        // No chunk is empty, so that the reader of the record sees the end.
        return Ok(());
    }
    match sys::peek(fd) {
        Peeked::End => Err(Cause::Closed),
        // Not a socket: the program has replaced recvmsg. A peer that speaks in chunks sends no empty record.
        Peeked::Unknown if peer_framing.framing() == Framing::Chunked => Err(Cause::Closed),
        _ => Ok(()),
    }
}

/// Receives one record, and learns the peer's framing from the first one. If the record completes a message, `decode` reads
/// it while the bytes are still in the buffer. `None` means that more records are to come.
#[inline(always)]
pub fn receive_record<'f, T>(
    fd: impl Into<SocketRef<'f>>,
    peer_framing: &mut PeerFraming,
    message: &mut Reassembly,
    first_buffer: usize,
    decode: impl FnOnce(Received<'_>) -> Result<T, Cause>,
) -> Result<Option<T>, Cause> {
    let fd = fd.into();
    sys::with_record_buffer(|buffer| {
        let limit = message.limit();
        let heard = if buffer.last.body > 0 || message.is_partial() {
            receive_large(fd, peer_framing, message, first_buffer, buffer)?
        } else {
            let record = sys::receive(fd, &mut buffer.bytes, first_buffer)?;
            match whole_small_message(*peer_framing, record, &buffer.bytes, limit) {
                Some(bytes) => Some(Message { bytes, body: None }),
                None => accept_record(fd.raw(), peer_framing, message, buffer, record, false)?,
            }
        };
        match heard {
            Some(Message { bytes, body }) => decode(Received { bytes, body, limit }).map(Some),
            None => Ok(None),
        }
    })
}

/// The message in a record that holds all of it, if the message is small and the peer's framing known. Nearly all messages
/// are such, and nothing is to be learned from them.
#[inline(always)]
pub(crate) fn whole_small_message(
    peer_framing: PeerFraming,
    record: Record,
    buffer: &[u8],
    limit: usize,
) -> Option<&[u8]> {
    if record.truncated || record.len == 0 || record.len > IN_PLACE_MIN {
        return None;
    }
    let bytes = buffer.get(..record.len)?;
    let message = match peer_framing.get()? {
        Framing::Datagram => bytes,
        Framing::Chunked => Header::only_data(bytes)?,
    };
    (message.len() <= limit).then_some(message)
}

/// Receives one record that may be large, or belong to a message begun.
#[inline(never)]
fn receive_large<'a>(
    fd: SocketRef<'_>,
    peer_framing: &mut PeerFraming,
    message: &'a mut Reassembly,
    first_buffer: usize,
    buffer: &'a mut RecordBuffer,
) -> Result<Option<Message<'a>>, Cause> {
    match read_record(fd, *peer_framing, message, first_buffer, buffer)? {
        ReceivedRecord::Raw { record, in_place } => {
            accept_record(fd.raw(), peer_framing, message, buffer, record, in_place)
        }
        ReceivedRecord::Message { fields, .. } => {
            let bytes = buffer.bytes.get(fields).unwrap_or_default();
            Ok(Some(Message { bytes, body: Some(message.body_mut()) }))
        }
    }
}

/// Takes a record in, and learns the peer's framing and the layout of its records. `None` if more records are to come.
#[inline(never)]
fn accept_record<'a>(
    fd: RawFd,
    peer_framing: &mut PeerFraming,
    message: &'a mut Reassembly,
    buffer: &'a mut RecordBuffer,
    record: Record,
    in_place: bool,
) -> Result<Option<Message<'a>>, Cause> {
    let bytes = buffer.bytes.get(..record.len).unwrap_or_default();
    let framing = framing_of(fd, peer_framing, bytes, record.truncated)?;
    if record.truncated {
        return Err(Cause::Truncated { room: sys::RECORD_ROOM });
    }
    if buffer.last.body == 0 && bytes.len() > IN_PLACE_MIN && !message.is_partial() && !sys::is_socket(fd) {
        // The program has replaced recvmsg, perhaps by a function that fills one buffer only.
        message.disable_body_buffer();
    }
    if !in_place && (bytes.len() > IN_PLACE_MIN || buffer.last.body > 0) {
        buffer.last = layout(bytes, framing, message.body_field());
    }
    match framing {
        Framing::Datagram => Ok(Some(Message { bytes, body: None })),
        Framing::Chunked if bytes.is_empty() && message.is_partial() => Err(Cause::Cut),
        Framing::Chunked if bytes.is_empty() => Err(Cause::Closed),
        Framing::Chunked => {
            let (is_answer, known) = (message.body_field() == ResponseRef::BODY, peer_framing.get().is_some());
            message.accept(bytes, in_place).map_err(|cause| match is_answer && known {
                true => unreadable_chunk(bytes, cause),
                false => cause,
            })
        }
    }
}

/// A record that has been received.
pub(crate) enum ReceivedRecord {
    /// A record that has not been parsed yet. Its data is in the message being put together if `in_place` is true, else in
    /// the record buffer. The rest is in the record buffer in either case.
    Raw { record: Record, in_place: bool },
    /// A whole message. Its body is in the [body buffer](Reassembly::body_mut), and the fields before it at `fields` in the
    /// record buffer.
    Message { record: Record, fields: Range<usize> },
}

/// Receives one record, in place if its layout can be told beforehand.
#[inline(always)]
pub(crate) fn read_record<'f>(
    fd: impl Into<SocketRef<'f>>,
    peer_framing: PeerFraming,
    message: &mut Reassembly,
    first_buffer: usize,
    buffer: &mut RecordBuffer,
) -> Result<ReceivedRecord, Cause> {
    let fd = fd.into();
    if expects_large(peer_framing, message, buffer)
        && let Some(taken) = read_in_place(fd, peer_framing.framing(), message, buffer)?
    {
        return Ok(taken);
    }
    sys::receive(fd, &mut buffer.bytes, first_buffer).map(|record| ReceivedRecord::Raw { record, in_place: false })
}

/// True if the next record is a chunk of a message begun, or may be as large as the last record.
#[inline]
pub(crate) fn expects_large(peer_framing: PeerFraming, message: &Reassembly, buffer: &RecordBuffer) -> bool {
    let expected = match peer_framing.get() {
        // A datagram does not belong to a message in chunks that is left over.
        Some(Framing::Datagram) if message.is_partial() => false,
        Some(_) => message.is_partial() || buffer.last.body > 0,
        None => false,
    };
    expected && message.body_field() > 0
}

/// Receives a record in place, if its layout follows from the chunks before it or may be that of the last record. A record
/// with another layout is put in the record buffer.
#[inline(always)]
fn read_in_place(
    fd: SocketRef<'_>,
    framing: Framing,
    message: &mut Reassembly,
    buffer: &mut RecordBuffer,
) -> Result<Option<ReceivedRecord>, Cause> {
    if message.is_partial() {
        let Some(BodyBuffer { bytes, due, newly_mapped }) = message.body_buffer() else { return Ok(None) };
        if newly_mapped {
            sys::advise_huge_pages(bytes);
        }
        let record = sys::receive_scattered(fd, &mut buffer.bytes, HEADER_LEN, bytes, due)?;
        return Ok(Some(ReceivedRecord::Raw { record, in_place: true }));
    }
    let taken = read_like_last(fd, framing, message, buffer);
    if !matches!(taken, Ok(Some(ReceivedRecord::Message { .. } | ReceivedRecord::Raw { in_place: true, .. }))) {
        message.reset();
    }
    taken
}

/// Receives a record that may have the layout of the last one.
#[inline(always)]
fn read_like_last(
    fd: SocketRef<'_>,
    framing: Framing,
    message: &mut Reassembly,
    buffer: &mut RecordBuffer,
) -> Result<Option<ReceivedRecord>, Cause> {
    let (expected, limit, number) = (buffer.last, message.limit(), message.body_field());
    // No new memory is reserved but what this record needs, because it may be long in coming.
    let Some(body) = message.reserve_body(expected.body, expected.whole_body) else { return Ok(None) };
    let record = sys::receive_scattered(fd, &mut buffer.bytes, expected.head, body, expected.body)?;
    let fits = record.len == expected.head + expected.body && !record.truncated;
    let head = buffer.bytes.get(..expected.head).filter(|_| fits && record.len <= limit);
    let found = head.and_then(|head| locate_body(head, record.len, framing, number));
    Ok(Some(match found.filter(|(_, layout)| *layout == expected) {
        Some((_, layout)) if layout.body < layout.whole_body => ReceivedRecord::Raw { record, in_place: true },
        Some((fields, _)) => ReceivedRecord::Message { record, fields },
        None => {
            if let Some(to) = buffer.bytes.get_mut(expected.head..).and_then(|rest| rest.get_mut(..body.len())) {
                to.copy_from_slice(body);
            }
            ReceivedRecord::Raw { record, in_place: false }
        }
    }))
}

/// The layout of the first record of a message, which the next one may have, too.
#[inline(always)]
pub(crate) fn layout(record: &[u8], framing: Framing, number: u8) -> RecordLayout {
    if record.len() <= IN_PLACE_MIN || number == 0 {
        return RecordLayout::default();
    }
    let found = locate_body(record, record.len(), framing, number).map(|(_, layout)| layout);
    found.filter(|layout| layout.whole_body <= IN_PLACE_MAX).unwrap_or_default()
}

/// The fields and the layout of a record of `len` bytes that begins with `head`. `None` unless the record is the first one
/// of a message that ends with its body.
#[inline(always)]
fn locate_body(head: &[u8], len: usize, framing: Framing, number: u8) -> Option<(Range<usize>, RecordLayout)> {
    let (before, message_len) = match framing {
        Framing::Datagram => (0, len),
        Framing::Chunked => {
            let (header, _) = Header::split(head)?;
            let total = usize::try_from(header.total).ok()?;
            let (first, range) = Chunks::new(total).ok()?.next()?;
            (HEADER_LEN, (header == first && len == HEADER_LEN + range.len()).then_some(total)?)
        }
    };
    let BodyPlace { fields, start } = BodyPlace::find(head.get(before..)?, number, message_len)?;
    let head = before + start;
    let layout = RecordLayout { head, body: len.checked_sub(head)?, whole_body: message_len - start };
    Some((before..before + fields, layout))
}

/// Receives one message, whatever the number of its records. After a failure with `message` partial, the next call goes on
/// where this one stopped.
#[inline(always)]
pub fn receive<'f, T>(
    fd: impl Into<SocketRef<'f>>,
    peer_framing: &mut PeerFraming,
    message: &mut Reassembly,
    first_buffer: usize,
    decode: impl FnMut(Received<'_>) -> Result<T, Cause>,
    after_record: impl FnMut(),
) -> Result<T, Cause> {
    let deadline = &mut Deadline::receiving();
    receive_until(fd, peer_framing, message, first_buffer, decode, after_record, deadline)
}

/// Receives one message before a deadline, which several messages may share.
#[inline(always)]
pub fn receive_until<'f, T>(
    fd: impl Into<SocketRef<'f>>,
    peer_framing: &mut PeerFraming,
    message: &mut Reassembly,
    first_buffer: usize,
    mut decode: impl FnMut(Received<'_>) -> Result<T, Cause>,
    mut after_record: impl FnMut(),
    deadline: &mut Deadline,
) -> Result<T, Cause> {
    let fd = fd.into();
    loop {
        let received = receive_record(fd, peer_framing, message, first_buffer, &mut decode)?;
        after_record();
        if let Some(received) = received {
            return Ok(received);
        }
        deadline.check(fd.raw())?;
    }
}

/// The state of a connection after waiting for a reply has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    /// The reply has been read to its end. The next one follows.
    InSync,
    /// The reply, or the rest of it, is still to come.
    ReplyOwed,
    /// The beginning of the next reply cannot be found, if one comes at all.
    Lost,
}

impl SyncState {
    /// The state after a failure with `cause`.
    pub fn after(cause: Cause, framing: Framing) -> Self {
        match cause {
            Cause::TimedOut | Cause::Os(_) => Self::ReplyOwed,
            // The reply has been read to its end. After the peer has closed its side, there is none to read.
            Cause::Malformed | Cause::NoMemory | Cause::Closed => Self::InSync,
            Cause::OtherFraming { .. } if framing == Framing::Datagram => Self::InSync,
            Cause::TooBig { .. } | Cause::Truncated { .. } if framing == Framing::Datagram => Self::InSync,
            _ => Self::Lost,
        }
    }
}

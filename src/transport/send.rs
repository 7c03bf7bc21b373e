//! Sending whole messages, or one record of a message.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::io::IoSlice;
use std::ops::Range;
use std::os::fd::RawFd;

use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::{Chunks, HEADER_LEN, Header, MAX_DATA};
use crate::protocol::wire::{Encoded, HEAD_CAPACITY};
use crate::sys::{self, Deadline, SocketRef};

/// The largest record that is copied into the record buffer and sent in one piece. Larger records are sent from where they
/// lie.
const COPY_MAX: usize = 4 << 10;

/// The size of the stack buffer for a small record. (The compiler clears so much without a call.)
const SMALL_ROOM: usize = 256;

/// The largest small message. The buffer has to hold its header, and a whole head is copied whatever its length.
const SMALL: usize = SMALL_ROOM - HEADER_LEN - HEAD_CAPACITY;

/// Hooks between the system calls that one message takes.
pub trait SendHooks {
    /// Called after each record sent.
    fn after_record(&mut self) {}

    /// Called while the socket takes no more. The hook waits, or gives up with an error. `begun` is true if a part of the
    /// message is out, so that giving up costs the connection.
    fn when_full(&mut self, fd: RawFd, begun: bool) -> Result<(), Cause>;
}

/// Sends a message. A message larger than `limit` is an error before any part of it is sent. A part that is out cannot be
/// taken back, so that the connection is shut down if the rest does not go out.
#[inline(always)]
pub fn send<'f>(
    fd: impl Into<SocketRef<'f>>,
    framing: Framing,
    message: &Encoded<'_>,
    limit: usize,
    hooks: &mut impl SendHooks,
) -> Result<(), Cause> {
    let (fd, len) = (fd.into(), message.len());
    if len > limit {
        return Err(Cause::TooBig { size: len as u64, limit });
    }
    if len > SMALL {
        return if len <= COPY_MAX {
            send_copied(fd, framing, message, hooks)
        } else {
            send_larger(fd, framing, message, hooks)
        };
    }
    let mut room = [0; SMALL_ROOM];
    let record = whole_record(&mut room, framing, message)?;
    while !is_out(framing, record.len(), sys::send(fd, &[IoSlice::new(record)]))? {
        hooks.when_full(fd.raw(), false)?;
    }
    hooks.after_record();
    Ok(())
}

/// Sends a message that is not small, copied into one piece.
#[inline(never)]
fn send_copied(
    fd: SocketRef<'_>,
    framing: Framing,
    message: &Encoded<'_>,
    hooks: &mut impl SendHooks,
) -> Result<(), Cause> {
    let send = || {
        sys::with_record_buffer(|buffer| {
            let record = whole_record(&mut buffer.bytes, framing, message)?;
            is_out(framing, record.len(), sys::send(fd, &[IoSlice::new(record)]))
        })
    };
    while !send()? {
        hooks.when_full(fd.raw(), false)?;
    }
    hooks.after_record();
    Ok(())
}

/// Sends a message from where it lies.
#[inline(never)]
fn send_larger(
    fd: SocketRef<'_>,
    framing: Framing,
    message: &Encoded<'_>,
    hooks: &mut impl SendHooks,
) -> Result<(), Cause> {
    let [_, body, unknown] = message.pieces();
    let mut room = [0; HEADER_LEN + HEAD_CAPACITY];
    let is_one = unknown.is_empty() && (framing == Framing::Datagram || message.len() <= MAX_DATA);
    let Some(front) = front(&mut room, framing, message).filter(|_| is_one) else {
        return send_records(fd, framing, message, hooks);
    };
    let pieces = [IoSlice::new(front), IoSlice::new(body)];
    while !is_out(framing, front.len() + body.len(), send_slices(fd, &pieces))? {
        hooks.when_full(fd.raw(), false)?;
    }
    hooks.after_record();
    Ok(())
}

/// True if a record of `size` bytes is out; false if the socket takes no more.
#[inline(always)]
fn is_out(framing: Framing, size: usize, sent: Result<usize, Cause>) -> Result<bool, Cause> {
    match sent {
        // A mocked sendmsg may report anything here, and no kernel sends half a datagram.
        Ok(sent) if sent < size && framing == Framing::Chunked => Err(Cause::SentShort { sent, size }),
        Ok(_) => Ok(true),
        Err(cause) if cause.is_would_block() => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// The bytes before the body in the only record of a message.
#[inline(always)]
fn front<'a>(room: &'a mut [u8], framing: Framing, message: &Encoded<'_>) -> Option<&'a [u8]> {
    let (header, data) = room.split_first_chunk_mut()?;
    let len = message.copy_head_to(data)?;
    let start = put_header(header, framing, message);
    room.get(start..HEADER_LEN + len)
}

/// The only record of a message.
#[inline(always)]
fn whole_record<'a>(room: &'a mut [u8], framing: Framing, message: &Encoded<'_>) -> Result<&'a [u8], Cause> {
    let (len, limit) = (message.len(), room.len());
    let put = |room: &'a mut [u8]| {
        let (header, data) = room.split_first_chunk_mut()?;
        message.copy_to(data)?;
        let start = put_header(header, framing, message);
        room.get(start..HEADER_LEN + len)
    };
    put(room).ok_or(Cause::TooBig { size: len as u64, limit })
}

/// Writes the header, if the framing has one, before the message in its only record. Returns the start of the record.
#[inline(always)]
fn put_header(header: &mut [u8; HEADER_LEN], framing: Framing, message: &Encoded<'_>) -> usize {
    match framing {
        Framing::Datagram => HEADER_LEN,
        Framing::Chunked => {
            *header = Header::only(message.len()).to_bytes();
            0
        }
    }
}

fn send_records(
    fd: SocketRef<'_>,
    framing: Framing,
    message: &Encoded<'_>,
    hooks: &mut impl SendHooks,
) -> Result<(), Cause> {
    let len = message.len();
    match framing {
        Framing::Datagram => {
            // A mocked sendmsg may report anything here, and no kernel sends half a datagram.
            send_record(fd, &[], message, 0..len, false, hooks)?;
            hooks.after_record();
        }
        Framing::Chunked => {
            let chunks = Chunks::new(len)?;
            if len > MAX_DATA {
                sys::grow_send_buffer(fd.raw());
            }
            let mut deadline = Deadline::sending();
            for (header, range) in chunks {
                let size = HEADER_LEN + range.len();
                let begun = header.index > 0;
                let in_time = if begun { deadline.check(fd.raw()) } else { Ok(()) };
                let sent = in_time.and_then(|()| send_record(fd, &header.to_bytes(), message, range, begun, hooks));
                let sent =
                    sent.and_then(|sent| if sent < size { Err(Cause::SentShort { sent, size }) } else { Ok(()) });
                if begun && sent.is_err() {
                    sys::shut_down(fd.raw());
                }
                sent?;
                hooks.after_record();
            }
        }
    }
    Ok(())
}

/// Hooks of a sender that gives up instead of waiting.
struct NeverWait;

impl SendHooks for NeverWait {
    fn when_full(&mut self, _fd: RawFd, _begun: bool) -> Result<(), Cause> {
        Err(Cause::Os(libc::EAGAIN))
    }
}

/// Sends one record of a message, if the nonblocking socket takes it. Returns the index of the record to go on with, which
/// is the same one if the socket is full; `None` if the message is out. The message may lack its first `before` bytes, which
/// are out.
pub fn send_one<'f>(
    fd: impl Into<SocketRef<'f>>,
    framing: Framing,
    message: &Encoded<'_>,
    before: usize,
    index: u32,
) -> Result<Option<u32>, Cause> {
    let (fd, total) = (fd.into(), before + message.len());
    if total <= SMALL {
        let mut room = [0; SMALL_ROOM];
        let record = whole_record(&mut room, framing, message)?;
        return Ok((!is_out(framing, record.len(), sys::send_piece(fd, record))?).then_some(index));
    }
    let send = |header: &[u8], range: Range<usize>| {
        is_out(framing, header.len() + range.len(), send_record(fd, header, message, range, false, &mut NeverWait))
    };
    match framing {
        Framing::Datagram => Ok((!send(&[], 0..total)?).then_some(index)),
        Framing::Chunked => {
            let mut chunks = Chunks::new(total)?.from(index);
            let Some((header, range)) = chunks.next() else { return Ok(None) };
            let here = range.start.saturating_sub(before)..range.end.saturating_sub(before);
            match send(&header.to_bytes(), here)? {
                false => Ok(Some(index)),
                true => Ok(chunks.next().map(|(next, _)| next.index)),
            }
        }
    }
}

/// Sends records of a message from index `next` on, as [`send_one`] does, until the socket is full or no more are `left`.
/// True if the message is out.
pub fn send_some<'f>(
    fd: impl Into<SocketRef<'f>>,
    framing: Framing,
    message: &Encoded<'_>,
    before: usize,
    next: &mut u32,
    left: &mut usize,
) -> Result<bool, Cause> {
    let fd = fd.into();
    while *left > 0 {
        let stopped = send_one(fd, framing, message, before, *next)?;
        *left -= usize::from(stopped != Some(*next));
        match stopped {
            None => return Ok(true),
            Some(same) if same == *next => return Ok(false),
            Some(following) => *next = following,
        }
    }
    Ok(false)
}

/// Sends one record: a header and a part of the message.
#[inline]
fn send_record(
    fd: SocketRef<'_>,
    header: &[u8],
    message: &Encoded<'_>,
    range: Range<usize>,
    begun: bool,
    hooks: &mut impl SendHooks,
) -> Result<usize, Cause> {
    loop {
        let [head, body, unknown] = message.slices(range.clone());
        let slices = [IoSlice::new(header), head, body, unknown];
        match send_slices(fd, &slices) {
            Err(cause) if cause.is_would_block() => hooks.when_full(fd.raw(), begun)?,
            done => return done,
        }
    }
}

/// Sends a record from where it lies, or from the record buffer if that is quicker.
#[inline]
fn send_slices(fd: SocketRef<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Cause> {
    let size: usize = slices.iter().map(|slice| slice.len()).sum();
    let is_copied = size <= COPY_MAX || size <= sys::RECORD_ROOM && sys::is_slow_record(slices);
    // Without memory for a buffer the record goes out from where it lies.
    if is_copied && sys::ensure_record_buffer().is_ok() {
        return sys::with_record_buffer(|buffer| sys::send(fd, &[IoSlice::new(gather(&mut buffer.bytes, slices))]));
    }
    sys::send(fd, slices)
}

/// Copies the slices into the buffer, one after the other.
#[inline]
fn gather<'a>(buffer: &'a mut [u8], slices: &[IoSlice<'_>]) -> &'a [u8] {
    let mut len = 0;
    for slice in slices {
        if let Some(to) = buffer.get_mut(len..len + slice.len()) {
            to.copy_from_slice(slice);
            len += slice.len();
        }
    }
    buffer.get(..len).unwrap_or_default()
}

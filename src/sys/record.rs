//! Sending and receiving one record.

use std::ffi::{c_int, c_long, c_short};
use std::io::IoSlice;
use std::os::fd::RawFd;
use std::time::Instant;
use std::{mem, ptr};

use super::clock::{nanoseconds, whole_ms};
use super::errno::{self, KeepErrno};
use super::placement;
use super::poll::{self, PollFd};
use super::spin::{look_or_sleep, looks, may_look};
use super::thread::{CancelDisabled, SocketRef};
use crate::adaptive_spin::{Look, Wait};
use crate::cause::Cause;

/// A received record.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The length of the record, as far as there was room.
    pub len: usize,
    /// True if there was not enough room.
    pub truncated: bool,
}

/// The next record of a socket, seen without receiving it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peeked {
    /// The end, or an empty record.
    End,
    /// A record.
    Data,
    /// None yet.
    Nothing,
    /// Unknown, as the socket does not tell.
    Unknown,
}

/// The timeout and the poll event of one direction of a socket.
#[derive(Clone, Copy)]
struct Direction {
    timeout: c_int,
    events: c_short,
}

const SENDING: Direction = Direction { timeout: libc::SO_SNDTIMEO, events: libc::POLLOUT };
const RECEIVING: Direction = Direction { timeout: libc::SO_RCVTIMEO, events: libc::POLLIN };

/// Sends the slices as one record, and returns the number of bytes that the kernel took.
#[inline(always)]
pub fn send(fd: SocketRef<'_>, slices: &[IoSlice<'_>]) -> Result<usize, Cause> {
    let mut message = header();
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    // SAFETY: IoSlice has the layout of iovec, and sendmsg reads the memory that `slices` borrows, no more.
    retried(fd, SENDING, || unsafe { libc::sendmsg(fd.raw(), &message, 0) })
}

/// Sends a record that is in one piece. No message header is needed, which takes the kernel time. (The C functions of
/// DAOS have one: see `docs/architecture.md`.)
#[inline(always)]
pub fn send_piece(fd: SocketRef<'_>, record: &[u8]) -> Result<usize, Cause> {
    // SAFETY: the pointer and the length describe `record`, which is only read.
    in_one_piece(fd, SENDING, move || unsafe {
        one_piece(libc::SYS_sendto, fd.raw(), record.as_ptr().cast_mut(), record.len(), 0)
    })
}

/// Calls `sendto` or `recvfrom` without an address, and without libc. libc's functions are cancellation points: to
/// disable cancellation, and their own handling of it, takes longer than all that is done here.
///
/// # Safety
/// The pointer and the length describe memory that is valid for what the system call does with it.
#[inline(always)]
unsafe fn one_piece(number: c_long, fd: RawFd, at: *mut u8, len: usize, flags: c_int) -> isize {
    let none = ptr::null_mut::<u8>();
    // SAFETY: the caller's promise; null means no address, and no length of one.
    unsafe { libc::syscall(number, c_long::from(fd), at, len, c_long::from(flags), none, none) as isize }
}

/// The same as [`retried`], for a call that is no cancellation point.
#[inline(always)]
fn in_one_piece(fd: SocketRef<'_>, direction: Direction, call: impl Fn() -> isize + Copy) -> Result<usize, Cause> {
    match usize::try_from(call()) {
        Ok(len) => Ok(len),
        Err(_) => {
            let _uncancelled = fd.uncancelled();
            // A copy, so that the first call is made from registers.
            retry(fd.raw(), direction, &mut { call })
        }
    }
}

/// Receives one record into `buffer`. Its first part is `first` bytes long, and the rest is for records that no peer of
/// this release should send. Without a rest there is no message header, as in [`send_piece`].
#[inline(always)]
pub fn receive(fd: SocketRef<'_>, buffer: &mut [u8], first: usize) -> Result<Record, Cause> {
    let room = buffer.len();
    if first >= room {
        let at = buffer.as_mut_ptr();
        // SAFETY: the pointer and the length describe `buffer`, which is borrowed exclusively. With MSG_TRUNC the
        // result is the length of the whole record, of which no more than `room` bytes are written.
        let len = in_one_piece(fd, RECEIVING, move || unsafe {
            one_piece(libc::SYS_recvfrom, fd.raw(), at, room, libc::MSG_TRUNC)
        })?;
        return Ok(Record { len: len.min(room), truncated: len > room });
    }
    let (first, rest) = buffer.split_at_mut(first.min(buffer.len()));
    // SAFETY: the parts describe the two halves of `buffer`, which is borrowed exclusively.
    unsafe { receive_parts(fd, &mut [first, rest].map(|part| part_at(part.as_mut_ptr(), part.len()))) }
}

/// Receives one record in pieces: `due` bytes from offset `before` on go behind the content of `block`, as far as it
/// has capacity. All other bytes go to their own offset in `buffer`; all bytes do if that is quicker.
#[inline(always)]
pub fn receive_scattered(
    fd: SocketRef<'_>,
    buffer: &mut [u8],
    before: usize,
    block: &mut Vec<u8>,
    due: usize,
) -> Result<Record, Cause> {
    let room = block.spare_capacity_mut();
    let due = due.min(room.len());
    if placement::is_slow(room.as_ptr().addr(), before, due) {
        return receive_and_copy(fd, buffer, before, block, due);
    }
    let (head, rest) = buffer.split_at_mut(before.min(buffer.len()));
    let behind = rest.get_mut(due..).unwrap_or_default();
    let before = head.len();
    let mut parts = [
        part_at(head.as_mut_ptr(), before),
        part_at(room.as_mut_ptr().cast(), due),
        part_at(behind.as_mut_ptr(), behind.len()),
    ];
    // SAFETY: the parts describe pieces of `buffer` and the spare capacity of `block`, which are borrowed exclusively.
    let record = unsafe { receive_parts(fd, &mut parts) }?;
    let filled = block.len() + record.len.saturating_sub(before).min(due);
    // SAFETY: so many bytes of the block have been written, and no more than its capacity.
    unsafe { block.set_len(filled) };
    Ok(record)
}

/// Receives one record into `buffer`, and copies `due` bytes from offset `before` on behind the content of `block`, which has
/// the capacity.
#[inline(never)]
fn receive_and_copy(
    fd: SocketRef<'_>,
    buffer: &mut [u8],
    before: usize,
    block: &mut Vec<u8>,
    due: usize,
) -> Result<Record, Cause> {
    // SAFETY: the part describes `buffer`, which is borrowed exclusively.
    let record = unsafe { receive_parts(fd, &mut [part_at(buffer.as_mut_ptr(), buffer.len())]) }?;
    let end = record.len.min(before + due);
    block.extend_from_slice(buffer.get(before..end).unwrap_or_default());
    Ok(record)
}

#[inline]
fn part_at(at: *mut u8, len: usize) -> libc::iovec {
    libc::iovec { iov_base: at.cast(), iov_len: len }
}

/// Receives one record into several parts.
///
/// # Safety
/// The parts describe memory that is valid for writing.
#[inline(always)]
unsafe fn receive_parts(fd: SocketRef<'_>, parts: &mut [libc::iovec]) -> Result<Record, Cause> {
    let room = parts.iter().map(|part| part.iov_len).sum();
    let mut message = header();
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: recvmsg writes to `message` and to the parts, the caller's promise.
    let mut call = |flags| unsafe { libc::recvmsg(fd.raw(), &mut message, flags) };
    let len = match fd.looks().and_then(looks) {
        Some(look) if may_look(look) => look_and_receive(fd, look, &mut call)?,
        _ => retried(fd, RECEIVING, || call(0))?,
    };
    Ok(Record { len: len.min(room), truncated: message.msg_flags & libc::MSG_TRUNC != 0 })
}

/// Looks for a record before it waits. A non-blocking socket is tried once.
#[inline(never)]
fn look_and_receive(fd: SocketRef<'_>, look: Look, call: &mut dyn FnMut(c_int) -> isize) -> Result<usize, Cause> {
    let (_keep, _uncancelled) = (KeepErrno::new(), fd.uncancelled());
    look_or_sleep(look, fd.raw(), &mut Receive { fd, call, blocks: None })
}

/// A receive that may wait.
struct Receive<'a, 'f> {
    fd: SocketRef<'f>,
    call: &'a mut dyn FnMut(c_int) -> isize,
    /// False for a non-blocking socket; `None` while that is not known.
    blocks: Option<bool>,
}

impl Wait for Receive<'_, '_> {
    type Found = Result<usize, Cause>;

    fn now(&self) -> u64 {
        nanoseconds()
    }

    fn look(&mut self) -> Option<Self::Found> {
        let Self { fd, call, blocks } = self;
        match usize::try_from(call(libc::MSG_DONTWAIT)) {
            Ok(len) => Some(Ok(len)),
            Err(_) if errno::last() != Cause::Os(libc::EAGAIN) => Some(retry(fd.raw(), RECEIVING, &mut || call(0))),
            Err(_) if *blocks.get_or_insert_with(|| !poll::is_nonblocking(fd.raw())) => None,
            Err(_) => Some(Err(Cause::Os(libc::EAGAIN))),
        }
    }

    fn sleep(&mut self, _looked: u64) -> Self::Found {
        retried(self.fd, RECEIVING, || (self.call)(0))
    }
}

/// Peeks at the next record, without waiting.
pub fn peek(fd: RawFd) -> Peeked {
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    let mut reset = false;
    loop {
        let mut byte = 0u8;
        // SAFETY: the pointer and the length describe `byte`.
        let rc = unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, flags) };
        match (rc, errno::last()) {
            (0, _) => return Peeked::End,
            (1.., _) => return Peeked::Data,
            (_, Cause::Os(libc::EINTR)) => {}
            // A reset is reported once, before the records that came earlier.
            (_, Cause::Os(libc::ECONNRESET)) if !reset => reset = true,
            (_, Cause::Os(libc::EAGAIN)) => return Peeked::Nothing,
            _ => return Peeked::Unknown,
        }
    }
}

/// True once the peer has closed the connection with nothing left to receive, except for an empty record.
pub fn has_gone(fd: RawFd) -> bool {
    let mut fds = [PollFd { fd, events: 0, revents: 0 }];
    peek(fd) == Peeked::End && poll::poll(&mut fds, 0).is_ok() && fds.iter().all(|fd| fd.revents & libc::POLLHUP != 0)
}

/// Ends the connection in both directions. The descriptor stays open, as it is the caller's.
#[cold]
pub fn shut_down(fd: RawFd) {
    let _keep = KeepErrno::new();
    // SAFETY: the function takes numbers only.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

/// Ends the receiving direction: the peer cannot send any more records. Those that it has sent can still be received,
/// and the end follows them.
pub fn shutdown_read(fd: RawFd) {
    let _keep = KeepErrno::new();
    // SAFETY: the function takes numbers only.
    unsafe { libc::shutdown(fd, libc::SHUT_RD) };
}

#[inline]
fn header() -> libc::msghdr {
    // SAFETY: msghdr is plain data for which zero means "none".
    unsafe { mem::zeroed() }
}

/// Repeats a call that a signal interrupted, until the socket's timeout has passed since the first signal. The kernel
/// restarts the timeout each time, so that a timer of the program could repeat the call without end.
#[inline(always)]
fn retried(fd: SocketRef<'_>, direction: Direction, mut call: impl FnMut() -> isize) -> Result<usize, Cause> {
    let _uncancelled = fd.uncancelled();
    match usize::try_from(call()) {
        Ok(len) => Ok(len),
        Err(_) => retry(fd.raw(), direction, &mut call),
    }
}

/// Continues after a first error.
#[cold]
fn retry(fd: RawFd, direction: Direction, call: &mut dyn FnMut() -> isize) -> Result<usize, Cause> {
    let mut interrupted = None;
    let mut reset = false;
    loop {
        match errno::last() {
            Cause::Os(libc::EINTR) => wait_again(fd, direction, *interrupted.get_or_insert_with(Instant::now))?,
            Cause::Os(libc::EAGAIN) => return Err(poll::would_block(fd, direction.timeout)),
            // A reset is reported once, before the records that came earlier: a reply may be among them.
            Cause::Os(libc::ECONNRESET) if !reset && direction.events == libc::POLLIN && peek(fd) == Peeked::Data => {
                reset = true;
            }
            cause => return Err(cause),
        }
        if let Ok(len) = usize::try_from(call()) {
            return Ok(len);
        }
    }
}

/// Waits after a signal, until the socket's timeout has passed since `began`. Without a timeout there is no wait.
#[cold]
fn wait_again(fd: RawFd, direction: Direction, began: Instant) -> Result<(), Cause> {
    let Some(timeout) = poll::timeout(fd, direction.timeout) else { return Ok(()) };
    loop {
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(Cause::TimedOut);
        }
        let mut fds = [PollFd { fd, events: direction.events, revents: 0 }];
        match poll::poll(&mut fds, whole_ms(left)) {
            Ok(0) | Err(Cause::Os(libc::EINTR)) => {}
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// The record is received with a message header, and without.
    #[test]
    fn what_there_is_no_room_for_is_told() {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        for first in [2, 4, 9] {
            for (record, len, truncated) in [(&b"abc"[..], 3, false), (b"abcd", 4, false), (b"abcde", 4, true)] {
                assert_eq!(send_piece(theirs.as_raw_fd().into(), record), Ok(record.len()));
                let mut buffer = [0; 4];
                let received = receive(ours.as_raw_fd().into(), &mut buffer, first).unwrap();
                assert_eq!((received.len, received.truncated), (len, truncated), "{first}, {record:?}");
                assert_eq!(buffer[..len], record[..len]);
            }
        }
        drop(theirs);
        assert_eq!(receive(ours.as_raw_fd().into(), &mut [0; 4], 4).unwrap().len, 0);
    }

    /// Wherever the block lies, and however far the record's bytes go.
    #[test]
    fn a_record_is_received_in_pieces_at_any_place() {
        const BEFORE: usize = 30;
        const DUE: usize = 6000;
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        for (ahead, more) in [0, 1, 15, 16].into_iter().flat_map(|ahead| [(ahead, 0), (ahead, 500)]) {
            let mut block: Vec<u8> = Vec::with_capacity(4 * 4096);
            let shift = (BEFORE + ahead).wrapping_sub(block.as_ptr().addr()) % 4096;
            block.resize(shift, 9);
            for len in [10, BEFORE, 3000, BEFORE + DUE, BEFORE + DUE + more] {
                let record: Vec<u8> = (0..len).map(|at| at as u8).collect();
                send_piece(theirs.as_raw_fd().into(), &record).unwrap();
                let mut buffer = [0; 8192];
                let received =
                    receive_scattered(ours.as_raw_fd().into(), &mut buffer, BEFORE, &mut block, DUE).unwrap();
                assert_eq!((received.len, received.truncated), (len, false));
                let body = record.get(BEFORE..len.min(BEFORE + DUE)).unwrap_or_default();
                assert_eq!(block[shift..], *body, "{len} bytes, {ahead} ahead");
                assert_eq!(buffer[..len.min(BEFORE)], record[..len.min(BEFORE)]);
                let behind = (BEFORE + DUE).min(len)..len;
                assert_eq!(buffer[behind.clone()], record[behind]);
                block.truncate(shift);
            }
        }
    }
}

//! Sending and receiving one record.

use std::ffi::c_int;
use std::io::IoSlice;
use std::mem;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::errno::{self, KeepErrno};
use super::poll;
use crate::error::Cause;

/// A record that has been received.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its length, as far as there was room.
    pub len: usize,
    /// There was not enough room.
    pub truncated: bool,
}

/// What lies ahead in a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peeked {
    /// The end, or an empty record.
    End,
    /// A record.
    Data,
    /// Nothing yet, or nothing that can be told.
    Nothing,
}

/// Sends the slices as one record and says how many bytes the kernel took.
#[inline]
pub fn send(fd: RawFd, slices: &[IoSlice<'_>]) -> Result<usize, Cause> {
    let mut message = header();
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    // SAFETY: IoSlice has the layout of iovec, and sendmsg reads the memory that `slices` borrows, no more.
    retried(fd, libc::SO_SNDTIMEO, || unsafe { libc::sendmsg(fd, &message, 0) })
}

/// Receives one record into `buffer`, of which the first part is `first` bytes long and the rest is for records
/// that no peer of this release should send.
#[inline]
pub fn receive(fd: RawFd, buffer: &mut [u8], first: usize) -> Result<Record, Cause> {
    let room = buffer.len();
    let (first, rest) = buffer.split_at_mut(first.min(room));
    let mut parts = [first, rest].map(|part| libc::iovec { iov_base: part.as_mut_ptr().cast(), iov_len: part.len() });
    let mut message = header();
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: recvmsg writes to `message` and to the two halves of `buffer`, which is borrowed exclusively.
    let len = retried(fd, libc::SO_RCVTIMEO, || unsafe { libc::recvmsg(fd, &mut message, 0) })?;
    Ok(Record { len: len.min(room), truncated: message.msg_flags & libc::MSG_TRUNC != 0 })
}

/// Looks at what lies ahead without taking it and without waiting.
pub fn peek(fd: RawFd) -> Peeked {
    let _keep = KeepErrno::new();
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    loop {
        let mut byte = 0u8;
        // SAFETY: the pointer and the length describe `byte`.
        let rc = unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, flags) };
        match (rc, errno::last()) {
            (0, _) => return Peeked::End,
            (1.., _) => return Peeked::Data,
            // A reset is told once, before the records that came earlier.
            (_, Cause::Os(libc::EINTR | libc::ECONNRESET)) => {}
            _ => return Peeked::Nothing,
        }
    }
}

/// Ends the connection without giving up the descriptor, which is the caller's.
#[cold]
pub fn shut_down(fd: RawFd) {
    let _keep = KeepErrno::new();
    // SAFETY: the function takes numbers only.
    unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

#[inline]
fn header() -> libc::msghdr {
    // SAFETY: msghdr is plain data for which zero means "none".
    unsafe { mem::zeroed() }
}

/// Repeats a call that a signal interrupted, but not beyond the timeout of the socket: the kernel begins a new one
/// each time, and a timer of the program may be faster.
#[inline]
fn retried(fd: RawFd, timeout: c_int, mut call: impl FnMut() -> isize) -> Result<usize, Cause> {
    let mut interrupted_at = None;
    loop {
        if let Ok(len) = usize::try_from(call()) {
            return Ok(len);
        }
        match errno::last() {
            Cause::Os(libc::EINTR) => {
                let since = *interrupted_at.get_or_insert_with(Instant::now);
                let limit = poll::timeout_ms(fd, timeout);
                if limit.is_some_and(|ms| since.elapsed() >= Duration::from_millis(ms.unsigned_abs().into())) {
                    return Err(Cause::TimedOut);
                }
            }
            Cause::Os(libc::EAGAIN) => return Err(poll::would_block(fd, timeout)),
            cause => return Err(cause),
        }
    }
}

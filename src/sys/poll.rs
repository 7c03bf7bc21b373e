//! Waiting.

use std::ffi::c_int;
use std::mem;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::errno;
use crate::error::Cause;

/// A descriptor to wait for.
pub type PollFd = libc::pollfd;

/// `poll`, as it is: 0 when the time is over, an error when a signal came.
pub fn poll(fds: &mut [PollFd], timeout_ms: c_int) -> Result<usize, Cause> {
    // SAFETY: pointer and length describe `fds`.
    let rc = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
    usize::try_from(rc).map_err(|_| errno::last())
}

/// Waits until a socket that said EAGAIN takes more, for as long as its send timeout allows. With `meanwhile` the
/// thread is not put to sleep for long, and what is given is run again and again.
pub fn wait_writable(fd: RawFd, mut meanwhile: Option<&mut dyn FnMut()>) -> Result<(), Cause> {
    if !is_nonblocking(fd) {
        // A socket that waits says EAGAIN only when its timeout has run out.
        return Err(Cause::TimedOut);
    }
    let began = Instant::now();
    let limit = timeout_ms(fd, libc::SO_SNDTIMEO).map(|ms| Duration::from_millis(ms.unsigned_abs().into()));
    let mut fds = [PollFd { fd, events: libc::POLLOUT, revents: 0 }];
    loop {
        let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let timeout = match (&meanwhile, left) {
            (_, Some(Duration::ZERO)) => return Err(Cause::TimedOut),
            (Some(_), _) => 1,
            (None, Some(left)) => c_int::try_from(left.as_millis()).unwrap_or(c_int::MAX).saturating_add(1),
            (None, None) => -1,
        };
        match poll(&mut fds, timeout) {
            Ok(0) | Err(Cause::Os(libc::EINTR)) => {}
            done => return done.map(drop),
        }
        if let Some(meanwhile) = &mut meanwhile {
            meanwhile();
        }
    }
}

/// What EAGAIN meant: that the socket's timeout ran out, if it has one and waits.
pub(super) fn would_block(fd: RawFd, option: c_int) -> Cause {
    match timeout_ms(fd, option) {
        Some(_) if !is_nonblocking(fd) => Cause::TimedOut,
        _ => Cause::Os(libc::EAGAIN),
    }
}

fn is_nonblocking(fd: RawFd) -> bool {
    // SAFETY: F_GETFL takes no argument and changes nothing.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// A timeout of a socket in milliseconds; `None` when it has none.
pub(super) fn timeout_ms(fd: RawFd, option: c_int) -> Option<c_int> {
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = mem::size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the pointers describe `time`, which any bytes make valid, and its length.
    let rc = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut time).cast(), &mut len) };
    let ms = time.tv_sec.saturating_mul(1000).saturating_add((time.tv_usec + 999) / 1000);
    (rc == 0 && ms > 0).then_some(c_int::try_from(ms).unwrap_or(c_int::MAX))
}

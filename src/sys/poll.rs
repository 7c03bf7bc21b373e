//! Waiting.

use std::ffi::c_int;
use std::mem;
use std::os::fd::RawFd;
use std::time::{Duration, Instant};

use super::clock::whole_ms;
use super::errno::{self, KeepErrno, check};
use super::spin::spin_before;
use super::thread::CancelDisabled;
use crate::cause::Cause;

/// A descriptor to wait for.
pub type PollFd = libc::pollfd;

/// `poll`, as it is: 0 when the time is over, an error when a signal came. It spins before, where the program wants
/// that and there is time.
pub fn poll(fds: &mut [PollFd], timeout_ms: c_int) -> Result<usize, Cause> {
    poll_with_guard(fds, timeout_ms, None)
}

/// The same, where the caller may have seen to it already that the thread is not cancelled.
pub fn poll_with_guard(
    fds: &mut [PollFd],
    timeout_ms: c_int,
    uncancelled: Option<&CancelDisabled>,
) -> Result<usize, Cause> {
    let _own = uncancelled.is_none().then(CancelDisabled::new);
    let rc = spin_before(timeout_ms, |timeout_ms| {
        // SAFETY: pointer and length describe `fds`.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) }
    });
    usize::try_from(rc).map_err(|_| errno::last())
}

/// Waits until a socket that said EAGAIN takes more, for as long as its send timeout allows. With `meanwhile` the
/// thread is not put to sleep for long, and what is given is run again and again.
pub fn wait_writable(fd: RawFd, mut meanwhile: Option<&mut dyn FnMut()>) -> Result<(), Cause> {
    let limit = timeout(fd, libc::SO_SNDTIMEO);
    if !is_nonblocking(fd) {
        // A socket that waits by itself says so only when its timeout has run out.
        return Err(if limit.is_some() { Cause::TimedOut } else { Cause::Os(libc::EAGAIN) });
    }
    let began = Instant::now();
    let mut fds = [PollFd { fd, events: libc::POLLOUT, revents: 0 }];
    loop {
        let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let pause = match (&meanwhile, left) {
            (_, Some(Duration::ZERO)) => return Err(Cause::TimedOut),
            (Some(_), _) => 1,
            (None, Some(left)) => whole_ms(left),
            (None, None) => -1,
        };
        match poll(&mut fds, pause) {
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
    match timeout(fd, option) {
        Some(_) if !is_nonblocking(fd) => Cause::TimedOut,
        _ => Cause::Os(libc::EAGAIN),
    }
}

/// Calls on the descriptor do not wait.
pub fn is_nonblocking(fd: RawFd) -> bool {
    let _keep = KeepErrno::new();
    // SAFETY: F_GETFL takes no argument and changes nothing.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// The timeout of `poll` until a point in time, or for ever.
pub fn ms_until(end: Option<Instant>) -> c_int {
    end.map_or(-1, |end| whole_ms(end.saturating_duration_since(Instant::now())))
}

/// The send timeout of a socket, if it has one.
pub fn send_timeout(fd: RawFd) -> Option<Duration> {
    timeout(fd, libc::SO_SNDTIMEO)
}

/// The receive timeout of a socket, if it has one.
pub fn receive_timeout(fd: RawFd) -> Option<Duration> {
    timeout(fd, libc::SO_RCVTIMEO)
}

/// One of the timeouts of a socket; `None` when it has none.
pub(super) fn timeout(fd: RawFd, option: c_int) -> Option<Duration> {
    let time = timeval(fd, option).ok()?;
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    let timeout = seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0));
    (!timeout.is_zero()).then_some(timeout)
}

/// The same as the kernel has it.
pub(super) fn timeval(fd: RawFd, option: c_int) -> Result<libc::timeval, Cause> {
    let _keep = KeepErrno::new();
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = mem::size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the pointers describe `time`, which any bytes make valid, and its length.
    let rc = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut time).cast(), &mut len) };
    check(rc).map(|_| time)
}

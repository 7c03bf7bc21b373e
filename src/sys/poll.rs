//! Waiting with `poll`, and the timeouts of sockets.

use std::ffi::{c_int, c_long};
use std::os::fd::RawFd;
use std::time::{Duration, Instant};
use std::{mem, ptr};

use super::clock::whole_ms;
use super::errno::{self, KeepErrno, check};
use super::spin::{look_before, looks};
use super::thread::CancelDisabled;
use crate::adaptive_spin::{Look, Side};
use crate::cause::Cause;

/// A descriptor with the events to wait for.
pub type PollFd = libc::pollfd;

/// Calls `poll`. The result is 0 after the timeout, and an error after a signal.
pub fn poll(fds: &mut [PollFd], timeout_ms: c_int) -> Result<usize, Cause> {
    poll_after(None, -1, fds, timeout_ms, None)
}

/// Calls `poll` to wait for messages, after [looks](super::set_spin) where the program wants them and the timeout is not 0.
/// The last descriptor stands for all. The guard is that of a caller that has disabled cancellation already, if it has.
pub fn poll_looking(
    side: Side,
    fds: &mut [PollFd],
    timeout_ms: c_int,
    uncancelled: Option<&CancelDisabled>,
) -> Result<usize, Cause> {
    let last = fds.last().map_or(-1, |last| last.fd);
    poll_after(looks(side), last, fds, timeout_ms, uncancelled)
}

/// The same without libc, whose function is a cancellation point: to disable cancellation, and its own handling of it,
/// takes longer than all else. (The plain C API goes through libc: see `docs/architecture.md`.) The thread looks before it
/// sleeps, and the first descriptor stands for all.
pub(crate) fn poll_uncancelled(look: Option<Look>, fds: &mut [PollFd], timeout_ms: c_int) -> Result<usize, Cause> {
    let first = fds.first().map_or(-1, |first| first.fd);
    let rc = look_before(look, first, timeout_ms, |timeout_ms| {
        let mut time = libc::timespec { tv_sec: libc::time_t::from(timeout_ms / 1000), tv_nsec: 0 };
        time.tv_nsec = c_long::from(timeout_ms % 1000) * 1_000_000;
        let limit = if timeout_ms < 0 { ptr::null_mut() } else { &raw mut time };
        let (none, size) = (ptr::null::<libc::sigset_t>(), 0usize);
        // SAFETY: pointer and length describe `fds`; null means without end, and no signal mask.
        unsafe { libc::syscall(libc::SYS_ppoll, fds.as_mut_ptr(), fds.len(), limit, none, size) as c_int }
    });
    usize::try_from(rc).map_err(|_| errno::last())
}

fn poll_after(
    look: Option<Look>,
    last: RawFd,
    fds: &mut [PollFd],
    timeout_ms: c_int,
    uncancelled: Option<&CancelDisabled>,
) -> Result<usize, Cause> {
    let _own = uncancelled.is_none().then(CancelDisabled::new);
    let rc = look_before(look, last, timeout_ms, |timeout_ms| {
        // SAFETY: pointer and length describe `fds`.
        unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) }
    });
    usize::try_from(rc).map_err(|_| errno::last())
}

/// Waits until a socket that returned EAGAIN takes more, for as long as its send timeout allows. With `meanwhile` the
/// thread sleeps for a millisecond at most, and runs that after each sleep.
pub fn wait_writable(fd: RawFd, mut meanwhile: Option<&mut dyn FnMut()>) -> Result<(), Cause> {
    let limit = timeout(fd, libc::SO_SNDTIMEO);
    if !is_nonblocking(fd) {
        // A blocking socket returns EAGAIN only once its timeout has passed.
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

/// The meaning of EAGAIN: `TimedOut` for a blocking socket with a timeout.
pub(super) fn would_block(fd: RawFd, option: c_int) -> Cause {
    match timeout(fd, option) {
        Some(_) if !is_nonblocking(fd) => Cause::TimedOut,
        _ => Cause::Os(libc::EAGAIN),
    }
}

/// True while the descriptor is non-blocking.
pub fn is_nonblocking(fd: RawFd) -> bool {
    let _keep = KeepErrno::new();
    // SAFETY: F_GETFL takes no argument and changes nothing.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags >= 0 && flags & libc::O_NONBLOCK != 0
}

/// The timeout for `poll` until a point in time; -1 without one.
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

/// One of a socket's timeouts; `None` where it has none.
pub(super) fn timeout(fd: RawFd, option: c_int) -> Option<Duration> {
    let time = timeval(fd, option).ok()?;
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    let timeout = seconds + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0));
    (!timeout.is_zero()).then_some(timeout)
}

/// The timeout as the kernel stores it: zero where there is none.
pub(super) fn timeval(fd: RawFd, option: c_int) -> Result<libc::timeval, Cause> {
    let _keep = KeepErrno::new();
    let mut time = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let mut len = mem::size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the pointers describe `time`, which any bytes make valid, and its length.
    let rc = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut time).cast(), &mut len) };
    check(rc).map(|_| time)
}

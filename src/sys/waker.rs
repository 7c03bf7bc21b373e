//! Descriptors that wake a thread which waits for others: an eventfd and a timerfd.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use super::descriptor;
use super::errno::{KeepErrno, check};
use super::socket::replace_fd;
use crate::cause::Cause;

/// An eventfd that wakes a waiting thread. The descriptor becomes readable when raised, by any thread or signal
/// handler.
#[derive(Debug)]
pub struct Waker(OwnedFd);

impl Waker {
    /// A waker that has not been raised.
    pub fn new() -> Result<Self, Cause> {
        // SAFETY: the function takes numbers only, and makes a descriptor.
        unsafe { descriptor::owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK)) }.map(Self)
    }

    /// Replaces the waker by another one, under the same descriptor number.
    pub fn replace(&self, other: Self) -> Result<(), Cause> {
        replace_fd(self.0.as_raw_fd(), other.0)
    }

    /// Makes the descriptor readable. Async-signal-safe.
    pub fn raise(&self) {
        let _keep = KeepErrno::new();
        let one = 1u64;
        // SAFETY: the pointer and the length describe `one`. The write fails only while the waker is raised already.
        unsafe { libc::write(self.0.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }

    /// Makes the descriptor unreadable.
    pub fn clear(&self) {
        drain(&self.0);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Reads the count of an eventfd or a timerfd, which is non-blocking.
fn drain(fd: &OwnedFd) {
    let _keep = KeepErrno::new();
    let mut count = 0u64;
    // SAFETY: the pointer and the length describe `count`.
    unsafe { libc::read(fd.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
}

/// A timerfd: a descriptor that becomes readable at a point in time.
#[derive(Debug)]
pub struct Timer(OwnedFd);

impl Timer {
    /// A timer that is not set.
    pub fn new() -> Result<Self, Cause> {
        let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
        // SAFETY: the function takes numbers only, and makes a descriptor.
        unsafe { descriptor::owned(libc::timerfd_create(libc::CLOCK_MONOTONIC, flags)) }.map(Self)
    }

    /// Replaces the timer by another one, under the same descriptor number.
    pub fn replace(&self, other: Self) -> Result<(), Cause> {
        replace_fd(self.0.as_raw_fd(), other.0)
    }

    /// Sets the timer to fire after a duration, or stops it.
    pub fn set(&self, after: Option<Duration>) -> Result<(), Cause> {
        let time = after.map_or(libc::timespec { tv_sec: 0, tv_nsec: 0 }, |after| libc::timespec {
            tv_sec: libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX),
            // Zero would stop the timer.
            tv_nsec: libc::c_long::from(after.subsec_nanos().max(1) as i32),
        });
        let spec = libc::itimerspec { it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 }, it_value: time };
        // SAFETY: the pointer is to `spec`; null means that the setting before is not asked for.
        check(unsafe { libc::timerfd_settime(self.0.as_raw_fd(), 0, &spec, ptr::null_mut()) }).map(drop)
    }

    /// Makes the descriptor unreadable until the timer fires again.
    pub fn clear(&self) {
        drain(&self.0);
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Epoll, Interest, Watch};
    use super::*;

    /// The token of a pending event, without waiting.
    fn now(epoll: &Epoll) -> Option<u64> {
        epoll.wait(0).unwrap().map(|event| event.token)
    }

    #[test]
    fn a_waker_is_raised_until_it_is_cleared() {
        let (epoll, waker) = (Epoll::new().unwrap(), Waker::new().unwrap());
        epoll.add(waker.as_fd(), 7, Watch::Always(Interest::READ)).unwrap();
        assert_eq!(now(&epoll), None);
        waker.raise();
        waker.raise();
        assert_eq!((now(&epoll), now(&epoll)), (Some(7), Some(7)));
        waker.clear();
        assert_eq!(now(&epoll), None);
    }

    #[test]
    fn a_timer_fires_when_it_is_due_and_not_when_it_is_stopped() {
        let (epoll, timer) = (Epoll::new().unwrap(), Timer::new().unwrap());
        epoll.add(timer.as_fd(), 3, Watch::Always(Interest::READ)).unwrap();
        timer.set(Some(Duration::from_secs(1000))).unwrap();
        assert_eq!(now(&epoll), None);
        timer.set(Some(Duration::ZERO)).unwrap();
        assert_eq!(epoll.wait(-1).unwrap().map(|event| event.token), Some(3));
        timer.clear();
        assert_eq!(now(&epoll), None);
        timer.set(Some(Duration::from_nanos(1))).unwrap();
        timer.set(None).unwrap();
        assert_eq!(now(&epoll), None);
    }

    #[test]
    fn once_means_until_the_next_event() {
        let (epoll, waker) = (Epoll::new().unwrap(), Waker::new().unwrap());
        epoll.add(waker.as_fd(), 1, Watch::Once(Interest::READ)).unwrap();
        waker.raise();
        assert_eq!((now(&epoll), now(&epoll)), (Some(1), None));
        epoll.set(waker.as_fd(), 1, Watch::Once(Interest::READ)).unwrap();
        assert_eq!(now(&epoll), Some(1));
        epoll.remove(waker.as_fd()).unwrap();
        assert_eq!(now(&epoll), None);
    }
}

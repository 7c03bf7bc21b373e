//! How long the records may take that one function sends or receives.
//!
//! The kernel begins a socket's timeout anew for each record, so that a peer that is just in time for each could hold a
//! caller for as long as it has records.

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::poll;
use crate::cause::Cause;

/// Some socket has been given a timeout. Until then no clock is read, and no socket asked.
static TIMEOUTS: AtomicBool = AtomicBool::new(false);

/// Some socket has a timeout from now on.
pub(super) fn timeouts_exist() {
    TIMEOUTS.store(true, Ordering::Relaxed);
}

/// The end of the time for all records after the first: the socket's timeout after that one.
#[derive(Debug)]
pub struct Deadline {
    timeout: c_int,
    /// Once there has been a record.
    end: Option<Option<Instant>>,
}

impl Deadline {
    /// For what is received.
    #[inline]
    pub const fn receiving() -> Self {
        Self { timeout: libc::SO_RCVTIMEO, end: None }
    }

    /// For what is sent.
    #[inline]
    pub const fn sending() -> Self {
        Self { timeout: libc::SO_SNDTIMEO, end: None }
    }

    /// After a record that another one has to follow: `TimedOut` if it must not be waited for any more.
    #[inline]
    pub fn check(&mut self, fd: RawFd) -> Result<(), Cause> {
        if TIMEOUTS.load(Ordering::Relaxed) { self.check_time(fd) } else { Ok(()) }
    }

    #[cold]
    fn check_time(&mut self, fd: RawFd) -> Result<(), Cause> {
        let begin = || poll::timeout(fd, self.timeout).and_then(|timeout| Instant::now().checked_add(timeout));
        match self.end.get_or_insert_with(begin) {
            Some(end) if Instant::now() >= *end => Err(Cause::TimedOut),
            _ => Ok(()),
        }
    }
}

//! A limit on the time for all records of one send or receive.
//!
//! The kernel restarts a socket's timeout with each record. So a peer that is just in time for each record could hold a
//! caller for as many timeouts as there are records.

use std::ffi::c_int;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::poll;
use crate::cause::Cause;

/// True once a socket has been given a timeout. Before that no clock is read, and no socket asked.
static TIMEOUTS: AtomicBool = AtomicBool::new(false);

/// Notes that a socket has a timeout.
pub(super) fn timeouts_exist() {
    TIMEOUTS.store(true, Ordering::Relaxed);
}

/// The end of the time for all records after the first: one timeout of the socket after the first record.
#[derive(Debug)]
pub struct Deadline {
    timeout: c_int,
    /// Set after the first record; `Some(None)` where the socket has no timeout.
    end: Option<Option<Instant>>,
}

impl Deadline {
    /// A deadline for receiving.
    #[inline]
    pub const fn receiving() -> Self {
        Self { timeout: libc::SO_RCVTIMEO, end: None }
    }

    /// A deadline for sending.
    #[inline]
    pub const fn sending() -> Self {
        Self { timeout: libc::SO_SNDTIMEO, end: None }
    }

    /// Checks the deadline after a record that another one has to follow; `TimedOut` once it has passed.
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

//! Points in time, and who waits for them.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::error::Cause;
use crate::sync::{Mutex, lock};
use crate::sys;

/// The alarms of a server behind one timer. An alarm that is no longer wanted may stay: whoever gets it looks whether
/// it is time.
#[derive(Debug)]
pub(super) struct Timers {
    timer: sys::Timer,
    alarms: Mutex<BTreeSet<(Instant, u64)>>,
}

impl Timers {
    pub(super) fn new() -> Result<Self, Cause> {
        Ok(Self { timer: sys::Timer::new()?, alarms: Mutex::default() })
    }

    /// Has `id` told at a point in time.
    pub(super) fn set(&self, at: Instant, id: u64) {
        let mut alarms = lock(&self.alarms);
        alarms.insert((at, id));
        if alarms.first() == Some(&(at, id)) {
            self.start(at);
        }
    }

    /// Takes an alarm away.
    pub(super) fn remove(&self, at: Instant, id: u64) {
        lock(&self.alarms).remove(&(at, id));
    }

    /// Takes the next alarm whose time has come. When there is none, the timer is set for the next one.
    pub(super) fn due(&self, now: Instant) -> Option<u64> {
        let mut alarms = lock(&self.alarms);
        match alarms.first().copied() {
            Some((at, id)) if at <= now => {
                alarms.pop_first();
                Some(id)
            }
            next => {
                self.timer.clear();
                if let Some((at, _)) = next {
                    self.start(at);
                }
                None
            }
        }
    }

    /// That it cannot be set has no cause that could occur.
    fn start(&self, at: Instant) {
        let _ = self.timer.set(Some(at.saturating_duration_since(Instant::now())));
    }
}

impl AsFd for Timers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

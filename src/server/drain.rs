//! The flags and the deadline of a shutdown, on which `shutdown.rs` acts.

use std::time::{Duration, Instant};

use crate::sync::atomic::AtomicBool;
use crate::sync::{Mutex, lock};

/// The progress of a shutdown.
#[derive(Debug)]
pub(super) struct DrainState {
    /// The time until which calls may be answered; `None` until the shutdown begins.
    pub(super) deadline: Mutex<Option<Instant>>,
    /// The time for a shutdown whose caller sets none.
    pub(super) grace: Duration,
    pub(super) draining: AtomicBool,
    pub(super) ended: AtomicBool,
    /// True once the deadline has passed before the end.
    pub(super) overdue: AtomicBool,
    /// True once a call or a response has been aborted.
    pub(super) calls_aborted: AtomicBool,
}

impl DrainState {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            deadline: Mutex::new(None),
            grace,
            draining: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            calls_aborted: AtomicBool::new(false),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        *lock(&self.deadline)
    }
}

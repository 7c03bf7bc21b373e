//! How a server ends.

use std::time::{Duration, Instant};

use crate::sync::atomic::AtomicBool;
use crate::sync::{Mutex, lock};

/// How far a server has come on its way to its end.
#[derive(Debug)]
pub(super) struct DrainState {
    /// Until when calls may be answered, once the server is shutting down.
    pub(super) deadline: Mutex<Option<Instant>>,
    /// The time that there is when the program does not say.
    pub(super) grace: Duration,
    pub(super) draining: AtomicBool,
    pub(super) ended: AtomicBool,
    /// The deadline has passed before all was done.
    pub(super) overdue: AtomicBool,
    /// Something was cut off.
    pub(super) calls_cut: AtomicBool,
}

impl DrainState {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            deadline: Mutex::new(None),
            grace,
            draining: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            calls_cut: AtomicBool::new(false),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        *lock(&self.deadline)
    }
}

//! The time that a module's handlers take.

use std::cell::Cell;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use crate::sync::thread_local;
use crate::sys;

/// Nanoseconds from which a handler is slow, so that waking another thread for the next event pays.
const SLOW: u64 = 50_000;

/// The most nanoseconds counted for one call, as its thread may have waited for a CPU.
const MAX: u64 = 1_000_000;

/// The number of calls that the mean covers, roughly; later calls count for more.
const CALLS: u64 = 64;

/// True for the time of a slow handler.
pub(super) fn is_slow(ns: u64) -> bool {
    ns >= SLOW
}

thread_local! {
    /// Nanoseconds for which this thread has sent large responses.
    static SENDING: Cell<u64> = const { Cell::new(0) };
}

/// Sends a large response. A handler that answers with one is not slow for that: another thread would have to wait for the
/// processor, too.
#[cold]
pub(super) fn while_sending<T>(send: impl FnOnce() -> T) -> T {
    let began = sys::nanoseconds();
    let sent = send();
    SENDING.with(|sending| sending.set(sending.get() + sys::nanoseconds().saturating_sub(began)));
    sent
}

/// The part of a slow handler's time in which it did not send.
#[cold]
pub(super) fn without_sending(ns: u64) -> u64 {
    ns.saturating_sub(SENDING.with(Cell::take))
}

/// The mean time of a call, in nanoseconds. If two threads update it at once, one update may be lost, which does not
/// matter.
#[derive(Debug)]
pub(super) struct HandlerTime(AtomicU64);

impl HandlerTime {
    /// Nothing is known yet, so handlers count as slow.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(SLOW))
    }

    pub(super) fn is_slow(&self) -> bool {
        is_slow(self.0.load(Relaxed))
    }

    /// Adds the time of a call to the mean.
    pub(super) fn record(&self, ns: u64) {
        let time = ns.min(MAX);
        let mean = self.0.load(Relaxed);
        self.0.store(mean - mean / CALLS + time / CALLS, Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn after(calls: &[(usize, u64)]) -> bool {
        let handler_time = HandlerTime::new();
        for (count, time) in calls {
            (0..*count).for_each(|_| handler_time.record(*time));
        }
        handler_time.is_slow()
    }

    #[test]
    fn slowness_follows_the_latest_calls() {
        let (quick, slow) = (5_000, 1_000_000);
        assert!(after(&[]));
        assert!(!after(&[(1, quick)]));
        assert!(!after(&[(200, quick), (1, u64::MAX)]), "once may be chance");
        assert!(after(&[(200, quick), (4, slow)]));
        assert!(!after(&[(1000, u64::MAX), (300, quick)]));
        assert!(after(&[(90, quick), (10, slow), (90, quick), (10, slow)]));
    }

    #[test]
    fn sending_does_not_count() {
        while_sending(|| {
            let began = sys::nanoseconds();
            while sys::nanoseconds() < began + SLOW {}
        });
        assert_eq!(without_sending(SLOW), 0);
        assert_eq!(without_sending(SLOW), SLOW, "it is taken away once");
    }
}

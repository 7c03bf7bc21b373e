//! How long the handlers of a module take.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Handlers that take longer are worth waking another thread for, in nanoseconds.
const SLOW: u64 = 50_000;

/// More than this does not count: a thread may have had to wait for a CPU.
const MOST: u64 = 1_000_000;

/// Of how many calls it is the mean, roughly: later calls count for more.
const CALLS: u64 = 64;

/// What a call takes by experience, in nanoseconds. Of two threads that learn at once one may be overheard, which does
/// not matter.
#[derive(Debug)]
pub(super) struct HandlerTime(AtomicU64);

impl HandlerTime {
    /// Nothing is known yet, so that it may be slow.
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(SLOW))
    }

    pub(super) fn is_slow(&self) -> bool {
        self.0.load(Relaxed) >= SLOW
    }

    /// Learns from a call, which took so many nanoseconds.
    pub(super) fn took(&self, ns: u64) {
        let time = ns.min(MOST);
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
            (0..*count).for_each(|_| handler_time.took(*time));
        }
        handler_time.is_slow()
    }

    #[test]
    fn it_goes_by_what_has_been() {
        let (quick, slow) = (5_000, 1_000_000);
        assert!(after(&[]));
        assert!(!after(&[(1, quick)]));
        assert!(!after(&[(200, quick), (1, u64::MAX)]), "once may be chance");
        assert!(after(&[(200, quick), (4, slow)]));
        assert!(!after(&[(1000, u64::MAX), (300, quick)]));
        assert!(after(&[(90, quick), (10, slow), (90, quick), (10, slow)]));
    }
}

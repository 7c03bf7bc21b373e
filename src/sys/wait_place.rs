//! The memory of a thread's waits: see `adaptive_spin.rs`.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::adaptive_spin::WaitHistory;

/// Room for the waits for one descriptor. Zero bytes are a valid value: they are of no descriptor. The thread alone uses
/// the place, and a signal handler that interrupts it.
#[repr(C)]
#[derive(Debug, Default)]
pub(super) struct WaitPlace {
    last: AtomicU64,
    period: AtomicU64,
    until: AtomicU64,
    misses: AtomicU32,
    dear: AtomicU32,
    quick: AtomicU32,
    shared: AtomicBool,
    blind: AtomicBool,
    unread: AtomicU32,
    slow: AtomicU32,
    /// The descriptor, in a form that is never 0.
    owner: AtomicU64,
}

impl WaitPlace {
    /// The waits for a descriptor so far.
    pub(super) fn load(&self, fd: RawFd) -> WaitHistory {
        if self.owner.load(Relaxed) != owner(fd) {
            return WaitHistory::default();
        }
        WaitHistory {
            last: self.last.load(Relaxed),
            period: self.period.load(Relaxed),
            misses: self.misses.load(Relaxed),
            dear: self.dear.load(Relaxed),
            quick: self.quick.load(Relaxed),
            shared: self.shared.load(Relaxed),
            blind: self.blind.load(Relaxed),
            unread: self.unread.load(Relaxed),
            slow: self.slow.load(Relaxed),
            until: self.until.load(Relaxed),
        }
    }

    /// Keeps the waits for a descriptor, in place of those for another one.
    pub(super) fn store(&self, fd: RawFd, history: WaitHistory) {
        self.owner.store(owner(fd), Relaxed);
        self.last.store(history.last, Relaxed);
        self.period.store(history.period, Relaxed);
        self.misses.store(history.misses, Relaxed);
        self.dear.store(history.dear, Relaxed);
        self.quick.store(history.quick, Relaxed);
        self.shared.store(history.shared, Relaxed);
        self.blind.store(history.blind, Relaxed);
        self.unread.store(history.unread, Relaxed);
        self.slow.store(history.slow, Relaxed);
        self.until.store(history.until, Relaxed);
    }
}

fn owner(fd: RawFd) -> u64 {
    u64::from(fd.cast_unsigned()) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_of_one_descriptor() {
        let place = WaitPlace::default();
        let history = WaitHistory {
            last: 1,
            period: 2,
            misses: 3,
            dear: 5,
            quick: 6,
            until: 4,
            shared: true,
            blind: true,
            unread: 7,
            slow: 8,
        };
        assert_eq!([0, -1, 7].map(|fd| place.load(fd)), [WaitHistory::default(); 3]);
        place.store(7, history);
        assert_eq!([7, 8].map(|fd| place.load(fd)), [history, WaitHistory::default()]);
        place.store(8, WaitHistory::default());
        assert_eq!(place.load(7), WaitHistory::default());
    }
}

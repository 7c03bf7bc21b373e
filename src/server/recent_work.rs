//! Notes on the latest work of a server, by which its threads look for more.

// Hints do not synchronise threads, so shuttle need not model them.
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// Of so many looks one is for all sessions, and the others are for the one that was active last.
const ALL: u32 = 4;

/// No session's token.
const NONE: u64 = u64::MAX;

/// Notes on the latest work.
#[derive(Debug)]
pub(super) struct RecentWork {
    /// The token of the session that was active last, or [`NONE`].
    session: AtomicU64,
    /// True if it was the one before, too.
    is_again: AtomicBool,
    /// The looks so far.
    looks: AtomicU32,
    /// Threads asleep in the epoll set.
    sleepers: AtomicU32,
}

impl RecentWork {
    pub(super) const fn new() -> Self {
        Self {
            session: AtomicU64::new(NONE),
            is_again: AtomicBool::new(false),
            looks: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
        }
    }

    /// Notes that one session has been active, or others as well (`None`).
    pub(super) fn note(&self, session: Option<u64>) {
        let token = session.unwrap_or(NONE);
        self.is_again.store(session.is_some() && token == self.session.load(Relaxed), Relaxed);
        self.session.store(token, Relaxed);
    }

    /// The token of the session that alone has been active of late.
    pub(super) fn only_session(&self) -> Option<u64> {
        self.is_again.load(Relaxed).then(|| self.session.load(Relaxed))
    }

    /// Counts a look. True if it is for the session that was active last, which would otherwise keep others waiting.
    pub(super) fn is_for_one(&self) -> bool {
        let looks = self.looks.load(Relaxed);
        self.looks.store(looks.wrapping_add(1), Relaxed);
        !looks.is_multiple_of(ALL)
    }

    /// True while threads sleep in the epoll set. The kernel wakes one of them for each event, so that a look saves
    /// nothing.
    pub(super) fn has_sleepers(&self) -> bool {
        self.sleepers.load(Relaxed) > 0
    }

    /// Counts this thread among those that sleep, until the guard is dropped.
    pub(super) fn sleep(&self) -> Sleeper<'_> {
        self.sleepers.fetch_add(1, Relaxed);
        Sleeper(self)
    }
}

/// A thread asleep in the epoll set.
pub(super) struct Sleeper<'a>(&'a RecentWork);

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.sleepers.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_alone_once_it_was_active_twice_in_a_row() {
        let work = RecentWork::new();
        let notes = [Some(7), Some(7), Some(7), Some(8), Some(7), Some(7), None, None, Some(7)];
        let seen = notes.map(|session| {
            work.note(session);
            work.only_session()
        });
        assert_eq!(seen, [None, Some(7), Some(7), None, None, Some(7), None, None, None]);
    }

    #[test]
    fn one_of_four_looks_is_for_all() {
        let work = RecentWork::new();
        assert_eq!((0..400).filter(|_| !work.is_for_one()).count(), 100);
    }

    #[test]
    fn sleepers_are_counted() {
        let work = RecentWork::new();
        let (one, two) = (work.sleep(), work.sleep());
        assert!(work.has_sleepers());
        drop(one);
        assert!(work.has_sleepers());
        drop(two);
        assert!(!work.has_sleepers());
    }
}

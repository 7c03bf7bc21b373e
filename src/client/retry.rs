//! When to connect again.

use std::time::{Duration, Instant};

use crate::backoff;

/// The pauses between attempts to connect.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// The last one, until an attempt has worked.
    pause: Option<Duration>,
    at: Option<Instant>,
}

impl Retry {
    /// Not before this time; `None` when at once.
    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// It may be tried now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }

    /// It did not work.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = backoff::after(self.pause);
        self.pause = Some(pause);
        self.at = now.checked_add(pause);
    }

    /// The pause is over, or nobody wants to wait for its end.
    pub(super) fn at_once(&mut self) {
        self.at = None;
    }

    /// It worked: the next failure is a first one.
    pub(super) fn worked(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let now = Instant::now();
        let mut retry = Retry::default();
        assert!(retry.is_due(now));
        let mut pause = || {
            retry.failed(now);
            retry.at().map(|at| (at - now).as_millis())
        };
        assert_eq!([(); 9].map(|()| pause()), [10, 20, 40, 80, 160, 320, 640, 1000, 1000].map(Some));
        assert!(!retry.is_due(now));
        assert!(retry.is_due(now + backoff::LONGEST));
        retry.worked();
        assert!(retry.is_due(now));
        retry.failed(now);
        assert_eq!(retry.at(), Some(now + backoff::FIRST));
    }
}

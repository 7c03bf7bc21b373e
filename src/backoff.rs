//! Pauses between failed attempts: of a shared client to connect, and of a managed server or `drpc_progress` to accept.
//! 10 ms after the first failure, twice as long after each further one, a second at most.

use std::time::{Duration, Instant};

/// The pause after a first failure.
const FIRST: Duration = Duration::from_millis(10);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(1);

/// The pause after a failure, where `previous` is the pause before the failed attempt.
pub fn after(previous: Option<Duration>) -> Duration {
    previous.map_or(FIRST, |previous| previous.saturating_mul(2).min(LONGEST))
}

/// A pause that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    until: Instant,
    length: Duration,
}

impl Rest {
    /// A pause that begins now, where `previous` is the one before the failed attempt.
    pub fn after(previous: Option<Self>) -> Self {
        let length = after(previous.map(|previous| previous.length));
        Self { until: Instant::now() + length, length }
    }

    /// The time that is left of the pause.
    pub fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

/// The pauses between attempts, until one works.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    last: Option<Rest>,
    skipped: bool,
}

impl Backoff {
    /// The end of the pause; `None` if the next attempt has nothing to wait for.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.last.filter(|_| !self.skipped).map(|rest| rest.until)
    }

    /// True once the next attempt may be made.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.until().is_none_or(|until| until <= now)
    }

    /// Begins the pause after another failure.
    pub(crate) fn begin(&mut self) {
        *self = Self { last: Some(Rest::after(self.last)), skipped: false };
    }

    /// Ends the pause early. The next failure still makes a longer one.
    pub(crate) fn skip(&mut self) {
        self.skipped = true;
    }

    /// Forgets all failures, after an attempt that worked.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let began = Instant::now();
        let mut previous = None;
        let mut length = || {
            let rest = Rest::after(previous);
            previous = Some(rest);
            assert!(rest.until >= began + rest.length && rest.left() <= rest.length);
            rest.length.as_millis()
        };
        assert_eq!([(); 9].map(|()| length()), [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn a_pause_can_be_skipped_and_the_next_one_is_longer() {
        let began = Instant::now();
        let mut backoff = Backoff::default();
        assert!(backoff.is_over(began));
        let begin = |backoff: &mut Backoff| {
            backoff.begin();
            let until = backoff.until().unwrap();
            assert!(!backoff.is_over(began) && backoff.is_over(until));
            backoff.last.unwrap().length.as_millis()
        };
        assert_eq!(begin(&mut backoff), 10);
        backoff.skip();
        assert!(backoff.is_over(began) && backoff.until().is_none());
        assert_eq!(begin(&mut backoff), 20);
        backoff.reset();
        assert!(backoff.is_over(began));
        assert_eq!(begin(&mut backoff), 10);
    }
}

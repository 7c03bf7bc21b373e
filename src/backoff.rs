//! Pauses between attempts that fail.

use std::time::{Duration, Instant};

/// The pause after a first failure.
pub const FIRST: Duration = Duration::from_millis(10);

/// The longest pause.
pub const LONGEST: Duration = Duration::from_secs(1);

/// The pause after a failure that followed another one and its pause, or none.
pub fn after(previous: Option<Duration>) -> Duration {
    previous.map_or(FIRST, |previous| previous.saturating_mul(2).min(LONGEST))
}

/// A pause between attempts that is longer each time.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    until: Instant,
    length: Duration,
}

impl Rest {
    /// The pause after an attempt failed, where the one before it followed `previous`.
    pub fn after(previous: Option<Self>) -> Self {
        let length = after(previous.map(|previous| previous.length));
        Self { until: Instant::now() + length, length }
    }

    /// What is left of it.
    pub fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut rest = Rest::after(None);
        assert_eq!(rest.length, Duration::from_millis(10));
        for _ in 0..10 {
            rest = Rest::after(Some(rest));
        }
        assert_eq!(rest.length, LONGEST);
        let now = Instant::now();
        let rest = Rest::after(Some(rest));
        assert!(rest.until >= now + LONGEST);
        assert!(rest.left() <= LONGEST);
    }
}

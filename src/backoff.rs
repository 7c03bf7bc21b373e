//! Pauses between attempts that fail.

use std::time::Duration;

/// The pause after a first failure.
pub const FIRST: Duration = Duration::from_millis(10);

/// The longest pause.
pub const LONGEST: Duration = Duration::from_secs(1);

/// The pause after a failure that followed another one and its pause, or none.
pub fn after(previous: Option<Duration>) -> Duration {
    previous.map_or(FIRST, |previous| previous.saturating_mul(2).min(LONGEST))
}

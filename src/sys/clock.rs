//! The monotonic clock, and the timeouts of `poll`.

use std::ffi::c_int;
use std::time::Duration;

/// Nanoseconds since an unspecified moment in the past. Comparing and adding them takes a fraction of the steps of
/// [`Instant`](std::time::Instant).
#[inline]
pub fn nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing. Every Linux has this clock; without it the time would be 0.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// The rest of a timeout of `poll` after so many nanoseconds. A negative timeout never ends.
pub fn ms_after(timeout_ms: c_int, ns: u64) -> c_int {
    let left = |ms| whole_ms(Duration::from_millis(ms).saturating_sub(Duration::from_nanos(ns)));
    u64::try_from(timeout_ms).map_or(timeout_ms, left)
}

/// A duration in milliseconds, rounded up, as `poll` takes its timeout.
pub fn whole_ms(duration: Duration) -> c_int {
    c_int::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}

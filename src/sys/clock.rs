//! The time, and timeouts.

use std::ffi::c_int;
use std::time::Duration;

/// Nanoseconds since some moment in the past. (As [`Instant`](std::time::Instant), but that it is compared, and does
/// sums, in a fraction of the steps.)
#[inline]
pub fn nanoseconds() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing. The clock is there on every Linux; without it no time would pass.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// A duration as the timeout of `poll`, rounded up.
pub fn whole_ms(duration: Duration) -> c_int {
    c_int::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(c_int::MAX)
}

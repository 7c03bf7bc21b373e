//! Spinning: trying a call again and again before a thread goes to sleep, for programs that ask for it.
//!
//! Spinning occupies a CPU and saves the time of a wake-up, which is most of the time of a small call between two CPUs.

use std::ffi::{CStr, c_int};
use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::clock::whole_ms;
use super::environment::secure_variable;

/// The limit in microseconds. One that the program has not set is read from the environment at first use.
static LIMIT_US: AtomicU32 = AtomicU32::new(NOT_SET);
const NOT_SET: u32 = u32::MAX;

/// The longest limit in microseconds, so that no CPU is occupied for longer by oversight.
const MAX_US: u32 = 1_000_000;

/// Sets how long every thread of the process spins before it sleeps, when it waits for a message. Zero means not at
/// all. `None` means the value of the environment variable `DRPC_SPIN_US`, in microseconds.
///
/// The limit is at most a second. On a machine with one CPU no thread spins, as no peer could answer meanwhile.
///
/// ```
/// use std::time::Duration;
///
/// drpc::set_spin(Some(Duration::from_micros(20)));
/// drpc::set_spin(None);
/// ```
pub fn set_spin(limit: Option<Duration>) {
    let us = limit.map(|limit| effective_us(u32::try_from(limit.as_micros()).unwrap_or(MAX_US)));
    LIMIT_US.store(us.unwrap_or(NOT_SET), Ordering::Relaxed);
}

fn effective_us(us: u32) -> u32 {
    // SAFETY: the function takes a number only.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    if cpus == 1 { 0 } else { us.min(MAX_US) }
}

#[inline]
fn limit_us() -> u32 {
    match LIMIT_US.load(Ordering::Relaxed) {
        NOT_SET => from_environment(),
        us => us,
    }
}

#[cold]
fn from_environment() -> u32 {
    let number = |value: &CStr| value.to_str().ok().and_then(|value| value.parse::<u32>().ok());
    let us = secure_variable(c"DRPC_SPIN_US", number).flatten().map_or(0, effective_us);
    // A limit that the program sets at this moment wins.
    LIMIT_US.compare_exchange(NOT_SET, us, Ordering::Relaxed, Ordering::Relaxed).err().unwrap_or(us)
}

/// The time to spin before a thread goes to sleep; `None` while spinning is off.
#[inline]
pub(super) fn spin_limit() -> Option<Duration> {
    match limit_us() {
        0 => None,
        us => Some(Duration::from_micros(us.into())),
    }
}

/// Repeats a system call with timeout 0 until the [limit](spin_limit) has passed, and then lets it sleep. The call
/// returns 0 once its timeout has passed. A negative timeout never passes.
#[inline]
pub(super) fn spin_before(timeout_ms: c_int, mut call: impl FnMut(c_int) -> c_int) -> c_int {
    match spin_limit() {
        Some(limit) if timeout_ms != 0 => spin_and_call(limit, timeout_ms, call),
        _ => call(timeout_ms),
    }
}

#[cold]
fn spin_and_call(spin: Duration, timeout_ms: c_int, mut call: impl FnMut(c_int) -> c_int) -> c_int {
    let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let began = Instant::now();
    let found = spin_for(limit.map_or(spin, |limit| limit.min(spin)), || Some(call(0)).filter(|rc| *rc != 0));
    let left = |limit: Duration| whole_ms(limit.saturating_sub(began.elapsed()));
    found.unwrap_or_else(|| call(limit.map_or(timeout_ms, left)))
}

/// Repeats `attempt` until it has a result; `None` once the limit has passed.
#[cold]
pub(super) fn spin_for<T>(limit: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(result) = attempt() {
            return Some(result);
        }
        if began.elapsed() >= limit {
            return None;
        }
        hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_a_result_or_with_the_time() {
        let mut looks = 0;
        let third = |looks: &mut u32| {
            *looks += 1;
            (*looks == 3).then_some("there")
        };
        assert_eq!(spin_for(Duration::MAX, || third(&mut looks)), Some("there"));
        assert_eq!(looks, 3);
        let began = Instant::now();
        assert_eq!(spin_for(Duration::from_millis(2), || None::<()>), None);
        assert!(began.elapsed() >= Duration::from_millis(2));
    }
}

//! Looking for a message before a thread goes to sleep, as `adaptive_spin.rs` says: who looks, and for how long.

use std::ffi::{CStr, c_int};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::buffer::with_wait_place;
use super::clock::{ms_after, nanoseconds};
use super::environment::secure_variable;
use super::fork::process;
use super::processors::processors;
use crate::adaptive_spin::{Look, Side, Spin, SpinBudget, Wait};

/// The setting of the process: a limit in microseconds, 0 for none, or one of the constants below.
static SETTING: AtomicU32 = AtomicU32::new(NOT_SET);
/// To be read from the environment, which may have none.
const NOT_SET: u32 = u32::MAX;
const ADAPTIVE: u32 = u32::MAX - 1;
/// Each kind of server and client has its own default.
const DEFAULT: u32 = u32::MAX - 2;

/// The longest limit in microseconds, so that no CPU is occupied for longer by oversight.
const MAX_US: u32 = 1_000_000;

static BUDGET: SpinBudget = SpinBudget::new();

/// Sets whether the threads of the process look for a message before they sleep. A [`Server`](crate::Server) or a
/// [`Client`](crate::Client) may have [a](crate::ServerBuilder::spin) [setting](crate::ClientBuilder::spin) of its own.
///
/// `None`, the default, is the value of the environment variable `DRPC_SPIN_US`: a number of microseconds or `auto`. Without
/// one it is [`Spin::Adaptive`] in servers and clients, and [`Spin::Off`] in a [`Listener`](crate::Listener) and a
/// [`Connection`](crate::Connection).
///
/// ```
/// use std::time::Duration;
/// use drpc::Spin;
///
/// drpc::set_spin(Some(Spin::Adaptive));
/// drpc::set_spin(Some(Spin::AtMost(Duration::from_micros(20))));
/// drpc::set_spin(None);
/// ```
pub fn set_spin(spin: Option<Spin>) {
    SETTING.store(spin.map_or(NOT_SET, encoded), Ordering::Relaxed);
}

fn encoded(spin: Spin) -> u32 {
    match spin {
        Spin::Off => 0,
        Spin::Adaptive => ADAPTIVE,
        Spin::AtMost(limit) => effective_us(u32::try_from(limit.as_micros()).unwrap_or(MAX_US)),
    }
}

fn effective_us(us: u32) -> u32 {
    // SAFETY: the function takes a number only.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    if cpus == 1 { 0 } else { us.min(MAX_US) }
}

#[cold]
fn from_environment() -> u32 {
    let setting = |value: &CStr| match value.to_bytes() {
        b"auto" => Some(ADAPTIVE),
        _ => value.to_str().ok().and_then(|value| value.parse().ok()).map(effective_us),
    };
    let setting = secure_variable(c"DRPC_SPIN_US", setting).flatten().unwrap_or(DEFAULT);
    // A setting that the program makes at this moment wins.
    SETTING.compare_exchange(NOT_SET, setting, Ordering::Relaxed, Ordering::Relaxed).err().unwrap_or(setting)
}

/// The setting of the process.
#[inline]
fn setting() -> u32 {
    match SETTING.load(Ordering::Relaxed) {
        NOT_SET => from_environment(),
        setting => setting,
    }
}

fn look(setting: u32, side: Side) -> Option<Look> {
    match setting {
        0 => None,
        ADAPTIVE => Some(Look::adaptive(side)),
        us => Some(Look::Asked(u64::from(us) * 1000)),
    }
}

/// The looks of threads at one side of a connection where only those look that are asked to; `None` if there are to be none.
#[inline]
pub(super) fn looks(side: Side) -> Option<Look> {
    match setting() {
        DEFAULT => None,
        setting => look(setting, side),
    }
}

/// The setting of a server or a client, whose threads look also without being asked.
#[derive(Clone, Copy, Debug)]
pub struct SpinSetting(u32);

impl SpinSetting {
    /// A setting; `None` is that of the process.
    pub fn new(spin: Option<Spin>) -> Self {
        Self(spin.map_or(DEFAULT, encoded))
    }

    /// The looks of threads at one side of a connection; `None` if there are to be none.
    #[inline]
    pub(crate) fn look(self, side: Side) -> Option<Look> {
        // shuttle runs all threads in one, which must not wait.
        if cfg!(all(test, shuttle)) {
            return None;
        }
        let setting = if self.0 == DEFAULT { setting() } else { self.0 };
        look(if setting == DEFAULT { ADAPTIVE } else { setting }, side)
    }
}

/// True while a thread may look, as the process is not known to have too few processors.
#[inline]
pub(crate) fn may_look(look: Look) -> bool {
    BUDGET.has_processors(look, nanoseconds, processors)
}

/// Waits for a message of a descriptor, which stands for all that the thread waits for at once.
#[inline]
pub(crate) fn look_or_sleep<W: Wait>(look: Look, fd: RawFd, wait: &mut W) -> W::Found {
    let waited = with_wait_place(fd, |place| {
        let mut history = place.load(fd);
        let found = history.wait(look, |now| BUDGET.turn(look, now, process, processors), wait);
        place.store(fd, history);
        found
    });
    waited.unwrap_or_else(|| wait.sleep(0))
}

/// Makes a system call that returns 0 once its timeout has passed; a negative timeout never passes. With looks the call is
/// made with timeout 0 before.
#[inline]
pub(super) fn look_before(
    look: Option<Look>,
    fd: RawFd,
    timeout_ms: c_int,
    mut call: impl FnMut(c_int) -> c_int,
) -> c_int {
    match look {
        Some(look) if timeout_ms != 0 && may_look(look) => look_and_call(look, fd, timeout_ms, call),
        _ => call(timeout_ms),
    }
}

#[inline(never)]
fn look_and_call(look: Look, fd: RawFd, timeout_ms: c_int, call: impl FnMut(c_int) -> c_int) -> c_int {
    let look = look.within(|| u64::try_from(timeout_ms).ok().map(Duration::from_millis));
    look_or_sleep(look, fd, &mut TimedCall { call, timeout_ms })
}

/// A system call with a timeout, which waits for events.
struct TimedCall<C> {
    call: C,
    timeout_ms: c_int,
}

impl<C: FnMut(c_int) -> c_int> Wait for TimedCall<C> {
    type Found = c_int;

    fn now(&self) -> u64 {
        nanoseconds()
    }

    fn look(&mut self) -> Option<c_int> {
        Some((self.call)(0)).filter(|rc| *rc != 0)
    }

    fn sleep(&mut self, looked: u64) -> c_int {
        (self.call)(ms_after(self.timeout_ms, looked))
    }
}

//! The log lines of the library: none unless the program or the environment asks for them.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::io::IoSlice;
use std::mem;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use ::drpc::bounded_text::BoundedText;
use ::drpc::log::Rate;
use ::drpc::sys;
use once_cell::race::OnceNonZeroUsize;

/// The importance of a log line.
#[repr(C)]
pub enum drpc_log_level {
    /// An operation failed.
    DRPC_LOG_ERROR = 1,
    /// A state that needs attention.
    DRPC_LOG_WARN = 2,
    /// Sessions of the progress loop, as they come and go.
    DRPC_LOG_INFO = 3,
    /// Everything else.
    DRPC_LOG_DEBUG = 4,
}

/// The program's function for log lines. `line` has no line break at its end and is valid during the call only. Any
/// thread that uses the library may call the function, from inside the library's functions.
pub type drpc_log_fn = Option<unsafe extern "C" fn(level: c_int, line: *const c_char, arg: *mut c_void)>;

/// The importance of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(crate) enum Level {
    Error = drpc_log_level::DRPC_LOG_ERROR as i32,
    Warn = drpc_log_level::DRPC_LOG_WARN as i32,
    Info = drpc_log_level::DRPC_LOG_INFO as i32,
    Debug = drpc_log_level::DRPC_LOG_DEBUG as i32,
}

/// The names of the levels, from the first.
const NAMES: [&str; 4] = ["error", "warn", "info", "debug"];

/// The program's log function and its argument. Logging takes no lock, because a lock held in another thread would stay
/// locked in a forked child.
struct Sink {
    /// Twice the number of changes of the function; odd during a change.
    changes: AtomicU64,
    /// A `drpc_log_fn`.
    log: AtomicPtr<()>,
    arg: AtomicPtr<c_void>,
}

static SINK: Sink =
    Sink { changes: AtomicU64::new(0), log: AtomicPtr::new(ptr::null_mut()), arg: AtomicPtr::new(ptr::null_mut()) };

/// The number of looks after which an unfinished change counts as lost in a fork.
const ATTEMPTS: usize = 1000;

impl Sink {
    fn set(&self, log: drpc_log_fn, arg: *mut c_void) {
        let begin = |changes: u64| changes.is_multiple_of(2).then_some(changes + 1);
        // The next change also ends one that was lost in a fork.
        let _ = (0..ATTEMPTS).find(|_| {
            let begun = self.changes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, begin).is_ok();
            if !begun {
                std::thread::yield_now();
            }
            begun
        });
        self.log.store(log.map_or(ptr::null_mut(), |log| log as *mut ()), Ordering::SeqCst);
        self.arg.store(arg, Ordering::SeqCst);
        self.changes.fetch_or(1, Ordering::SeqCst);
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the function; `None` also after a change that was lost in a fork.
    fn get(&self) -> (drpc_log_fn, *mut c_void) {
        for _ in 0..ATTEMPTS {
            let before = self.changes.load(Ordering::SeqCst);
            let (log, arg) = (self.log.load(Ordering::SeqCst), self.arg.load(Ordering::SeqCst));
            if before.is_multiple_of(2) && self.changes.load(Ordering::SeqCst) == before {
                // SAFETY: only null and functions of this type are stored, and a null pointer is None.
                return (unsafe { mem::transmute::<*mut (), drpc_log_fn>(log) }, arg);
            }
            std::thread::yield_now();
        }
        (None, ptr::null_mut())
    }
}

pub(crate) fn set_sink(log: drpc_log_fn, arg: *mut c_void) {
    SINK.set(log, arg);
}

/// The level of `DRPC_LOG`, up to which lines go to standard error, read once. Stored plus one, because the cell cannot
/// hold zero.
static STDERR_LEVEL: OnceNonZeroUsize = OnceNonZeroUsize::new();

fn stderr_level() -> usize {
    let read = || {
        let named = |value: &CStr| NAMES.iter().position(|name| name.as_bytes() == value.to_bytes());
        let level = sys::secure_variable(c"DRPC_LOG", named).flatten();
        NonZeroUsize::MIN.saturating_add(level.map_or(0, |index| index + 1))
    };
    STDERR_LEVEL.get_or_init(read).get() - 1
}

/// Passes a line to the program's function, or writes it to standard error if the environment asks for that.
pub(crate) fn write(level: Level, text: &BoundedText) {
    let (log, arg) = SINK.get();
    if let Some(log) = log {
        let (_keep, _uncancelled) = (sys::KeepErrno::new(), sys::CancelDisabled::new());
        // SAFETY: the program gave the function for this purpose, with this argument; the text is a C string.
        unsafe { log(level as c_int, text.as_c_str().as_ptr(), arg) };
    } else if stderr_level() >= level as usize {
        let name = NAMES.get(level as usize - 1).copied().unwrap_or_default();
        let [library, name, colon] = ["libdrpc: ", name, ": "].map(|part| IoSlice::new(part.as_bytes()));
        sys::write_stderr(&[library, name, colon, IoSlice::new(text.as_bytes()), IoSlice::new(b"\n")]);
    }
}

/// Passes on a line of the managed server or the shared client. The core has already limited lines that peers can
/// provoke.
pub(crate) fn from_core(level: ::drpc::Level, text: fmt::Arguments<'_>) {
    let level = match level {
        ::drpc::Level::Error => Level::Error,
        ::drpc::Level::Warn => Level::Warn,
        _ => Level::Info,
    };
    print(level, text);
}

/// Writes a line that a peer can provoke. Beyond a number per second such lines are counted and left out.
pub(crate) fn write_limited(level: Level, text: &BoundedText) {
    static RATE: Rate = Rate::new();
    let (written, left_out) = RATE.count();
    if left_out > 0 {
        write(Level::Warn, &BoundedText::new(format_args!("{left_out} lines about peers were left out")));
    }
    if written {
        write(level, text);
    }
}

/// True if lines of the level go anywhere. Otherwise their text need not be made.
pub(crate) fn is_enabled(level: Level) -> bool {
    SINK.get().0.is_some() || stderr_level() >= level as usize
}

/// Writes a line about something that the program has asked for and may not get. Such lines are never left out.
pub(crate) fn print(level: Level, text: fmt::Arguments<'_>) {
    if is_enabled(level) {
        write(level, &BoundedText::new(text));
    }
}

/// Writes a line about ordinary events, which peers can provoke.
pub(crate) fn print_limited(level: Level, text: fmt::Arguments<'_>) {
    if is_enabled(level) {
        write_limited(level, &BoundedText::new(text));
    }
}

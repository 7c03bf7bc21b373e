//! Log lines: none, unless the program or the environment asks for them.

use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::io::IoSlice;
use std::num::NonZeroUsize;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use ::drpc::bounded_text::BoundedText;
use ::drpc::log::Rate;
use ::drpc::sys;
use once_cell::race::OnceNonZeroUsize;

use crate::library::{drpc_log_fn, drpc_log_level};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub(crate) enum Level {
    Error = drpc_log_level::DRPC_LOG_ERROR as i32,
    Warn = drpc_log_level::DRPC_LOG_WARN as i32,
    Info = drpc_log_level::DRPC_LOG_INFO as i32,
    Debug = drpc_log_level::DRPC_LOG_DEBUG as i32,
}

/// The levels by name, from the first.
const NAMES: [&str; 4] = ["error", "warn", "info", "debug"];

struct Sink {
    log: drpc_log_fn,
    arg: *mut c_void,
}

// SAFETY: `arg` is only ever passed back to the program, which has promised that `log` may be called by any thread.
unsafe impl Send for Sink {}

static SINK: Mutex<Sink> = Mutex::new(Sink { log: None, arg: std::ptr::null_mut() });

pub(crate) fn set_sink(log: drpc_log_fn, arg: *mut c_void) {
    *SINK.lock().unwrap_or_else(PoisonError::into_inner) = Sink { log, arg };
}

/// The level up to which lines go to standard error: `DRPC_LOG`, read once. One more than the level, as the cell
/// cannot hold zero.
static STDERR_LEVEL: OnceNonZeroUsize = OnceNonZeroUsize::new();

fn stderr_level() -> usize {
    let read = || {
        let named = |value: &CStr| NAMES.iter().position(|name| name.as_bytes() == value.to_bytes());
        let level = sys::secure_variable(c"DRPC_LOG", named).flatten();
        NonZeroUsize::MIN.saturating_add(level.map_or(0, |index| index + 1))
    };
    STDERR_LEVEL.get_or_init(read).get() - 1
}

/// Hands a line to the program's function, or writes it to standard error if the environment asks for it.
pub(crate) fn line(level: Level, text: &BoundedText) {
    let (log, arg) = {
        let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
        (sink.log, sink.arg)
    };
    if let Some(log) = log {
        let (_keep, _uncancelled) = (sys::KeepErrno::new(), sys::UncancelledCall::new());
        // SAFETY: the program gave the function for this purpose, with this argument; the text is a C string.
        unsafe { log(level as c_int, text.as_c_str().as_ptr(), arg) };
    } else if stderr_level() >= level as usize {
        let name = NAMES.get(level as usize - 1).copied().unwrap_or_default();
        let [library, name, colon] = ["libdrpc: ", name, ": "].map(|part| IoSlice::new(part.as_bytes()));
        sys::write_stderr(&[library, name, colon, IoSlice::new(text.as_bytes()), IoSlice::new(b"\n")]);
    }
}

/// A line of the managed server or the shared client, which has been counted there if a peer can provoke it.
pub(crate) fn from_core(level: ::drpc::Level, text: fmt::Arguments<'_>) {
    let level = match level {
        ::drpc::Level::Error => Level::Error,
        ::drpc::Level::Warn => Level::Warn,
        _ => Level::Info,
    };
    notice(level, text);
}

/// A line that a peer can provoke; beyond some a second they are counted and left out.
pub(crate) fn provoked(level: Level, text: &BoundedText) {
    static RATE: Mutex<Rate> = Mutex::new(Rate::new());
    static START: OnceLock<Instant> = OnceLock::new();
    let second = START.get_or_init(Instant::now).elapsed().as_secs();
    let (written, left_out) = RATE.lock().unwrap_or_else(PoisonError::into_inner).count(second);
    if left_out > 0 {
        line(Level::Warn, &BoundedText::new(format_args!("{left_out} lines about peers were left out")));
    }
    if written {
        line(level, text);
    }
}

/// Where lines go nobody asks for, the text need not be made.
pub(crate) fn wanted(level: Level) -> bool {
    let sink = SINK.lock().unwrap_or_else(PoisonError::into_inner);
    sink.log.is_some() || stderr_level() >= level as usize
}

/// A line about what the program has asked for and may not get, which is never left out.
pub(crate) fn notice(level: Level, text: fmt::Arguments<'_>) {
    if wanted(level) {
        line(level, &BoundedText::new(text));
    }
}

/// A line about the course of things.
pub(crate) fn note(level: Level, text: fmt::Arguments<'_>) {
    if wanted(level) {
        provoked(level, &BoundedText::new(text));
    }
}

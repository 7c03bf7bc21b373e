//! The log lines of the library: none unless the program or the environment asks for them.

use std::ffi::{c_char, c_int, c_void};
use std::fmt;
use std::mem;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};

pub(crate) use ::drpc::Level;
use ::drpc::bounded_text::LogLine;
use ::drpc::log::{LEFT_OUT, Rate, level_of_environment};
use ::drpc::log_field::Value;
use ::drpc::{Cause, Framing, Log, log_stderr, sys};

/// The importance of a log line.
#[repr(C)]
pub enum drpc_log_level {
    /// An operation failed.
    DRPC_LOG_ERROR = 1,
    /// A state that needs attention.
    DRPC_LOG_WARN = 2,
    /// A server begins to listen, refuses a client, meets a limit or ends; a client has connected again.
    DRPC_LOG_INFO = 3,
    /// A session begins or ends, its wire format is found out, or a call has another status than SUCCESS.
    DRPC_LOG_DEBUG = 4,
    /// A call was made or answered.
    DRPC_LOG_TRACE = 5,
}

/// The program's function for log lines. `line` has no line break at its end and is valid during the call only. Any
/// thread that uses the library may call the function, from inside the library's functions.
pub type drpc_log_fn = Option<unsafe extern "C" fn(level: c_int, line: *const c_char, arg: *mut c_void)>;

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

/// The last level that is written, as its number; 0 is none.
static LEVEL: AtomicU8 = AtomicU8::new(UNREAD);

/// The level before the environment has been read.
const UNREAD: u8 = u8::MAX;

/// The level that the program has chosen; 0: none.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// The level in the environment, once it has been read; 0: none.
static ASKED_FOR: AtomicU8 = AtomicU8::new(UNREAD);

pub(crate) fn set_sink(log: drpc_log_fn, arg: *mut c_void) {
    SINK.set(log, arg);
    LEVEL.store(level(), Ordering::SeqCst);
}

/// Chooses the last level that is written; 0 leaves it to the environment.
pub(crate) fn set_level(level: c_int) -> Result<(), Cause> {
    let chosen = u8::try_from(level).ok().filter(|level| *level <= Level::Trace as u8);
    CHOSEN.store(chosen.ok_or(Cause::Invalid("the level is none of DRPC_LOG_..."))?, Ordering::SeqCst);
    LEVEL.store(self::level(), Ordering::SeqCst);
    Ok(())
}

/// The last level that is written now: as the program has chosen, as its user asks for in the environment, or for a function
/// of the program up to "info".
fn level() -> u8 {
    let default = SINK.get().0.map_or(0, |_| Level::Info as u8);
    [CHOSEN.load(Ordering::SeqCst), asked_for(), default].into_iter().find(|level| *level != 0).unwrap_or(0)
}

/// The level in `DRPC_LOG`, which is read once. A value that is none is told of, even where nothing else is.
fn asked_for() -> u8 {
    static TOLD: AtomicBool = AtomicBool::new(false);
    let known = ASKED_FOR.load(Ordering::SeqCst);
    if known != UNREAD {
        return known;
    }
    let tell = |line: fmt::Arguments<'_>| {
        if !TOLD.swap(true, Ordering::Relaxed) {
            deliver(Level::Warn, &LogLine::new(line));
        }
    };
    let level = level_of_environment(tell).map_or(0, |level| level as u8);
    ASKED_FOR.store(level, Ordering::SeqCst);
    level
}

/// True if lines of the level go anywhere. Otherwise neither their text nor what stands in it is needed.
#[inline(always)]
pub(crate) fn is_on(level: Level) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u8 && is_known_to_be_on(level)
}

#[cold]
fn is_known_to_be_on(level: Level) -> bool {
    if LEVEL.load(Ordering::Relaxed) == UNREAD {
        // A program that sets the level at the same time is right.
        let _ = LEVEL.compare_exchange(UNREAD, self::level(), Ordering::SeqCst, Ordering::SeqCst);
    }
    LEVEL.load(Ordering::Relaxed) >= level as u8
}

static RATE: Rate = Rate::new();

/// Passes a line to the program's function, or writes it to standard error.
fn deliver(level: Level, line: &LogLine) {
    let (log, arg) = SINK.get();
    if let Some(log) = log {
        let (_keep, _uncancelled) = (sys::KeepErrno::new(), sys::CancelDisabled::new());
        // SAFETY: the program gave the function for this purpose, with this argument; the text is a C string.
        unsafe { log(level as c_int, line.as_c_str().as_ptr(), arg) };
    } else {
        log_stderr::write(level, line.as_bytes());
    }
}

fn tell_left_out(left_out: u32) {
    if left_out > 0 {
        deliver(Level::Warn, &LogLine::new(format_args!("{LEFT_OUT} left_out={left_out}")));
    }
}

/// The log of a managed server or a shared client. It limits lines that peers can provoke itself.
pub(crate) fn of_core() -> Result<Log, Cause> {
    // The level is read before the core looks at it.
    let _ = is_on(Level::Error);
    Ok(Log::try_to(|level, line| deliver(level, &LogLine::new(line)))?.following(&LEVEL))
}

/// Writes a line about something that the program has asked for and may not get, or a line that has been asked for. Such
/// lines are never left out.
pub(crate) fn print(level: Level, line: fmt::Arguments<'_>) {
    if is_on(level) {
        tell_left_out(RATE.take_left_out());
        deliver(level, &LogLine::new(line));
    }
}

/// Writes a line about ordinary events, which peers can provoke. Beyond a number per second such lines are counted and left
/// out.
pub(crate) fn print_limited(level: Level, line: fmt::Arguments<'_>) {
    if is_on(level) {
        let (written, left_out) = RATE.count();
        tell_left_out(left_out);
        if written {
            deliver(level, &LogLine::new(line));
        }
    }
}

/// What a line is about: a socket's path, and its peer.
pub(crate) struct About(pub(crate) RawFd);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(peer) = sys::peer(self.0) {
            write!(f, " pid={} uid={}", peer.pid, peer.uid)?;
        }
        let mut written = |path: &Path| write!(f, " path={}", Value(path.as_os_str().as_bytes()));
        let path = sys::peer_path(self.0, &mut written).or_else(|| sys::local_path(self.0, &mut written));
        path.unwrap_or(Ok(()))
    }
}

/// Says that the framing of a socket's peer, "client" or "server", has been found out.
#[cold]
pub(crate) fn print_framing(peer: &str, framing: Framing, fd: RawFd) {
    let framing = framing.setting();
    print(Level::Debug, format_args!("the {peer}'s framing is found out framing={framing}{}", About(fd)));
}

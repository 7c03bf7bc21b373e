//! The log: lines for a function of the program, limited in rate where peers provoke them.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::CStr;
use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::bounded_text::LogLine;
use crate::cause::Cause;
use crate::log_field::Value;
pub use crate::log_level::{Level, UnknownLevel};
use crate::log_stderr;
use crate::sys::{self, TryArc, out_of_memory, try_box};

/// The most lines a second of those that peers can provoke.
const PROVOKED_PER_SECOND: u32 = 10;

type Sink = dyn Fn(Level, fmt::Arguments<'_>) + Send + Sync;

/// The destination of log lines: nowhere, or a function of the program, which any thread may run.
///
/// ```
/// let log = drpc::Log::to(|level, line| eprintln!("{level}: {line}")).up_to(drpc::Level::Debug);
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let server = drpc::Server::builder().log(log).bind(path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
///
/// A line is a sentence, and then what it is about as `key=value`. What a peer has chosen, such as the name of its program, is
/// escaped. Of lines up to [`Level::Info`] that peers can provoke, ten are written in a second, and then how many were left
/// out. Those of [`Level::Debug`] and [`Level::Trace`] have been asked for, and none is left out.
#[derive(Clone)]
pub struct Log {
    /// The last level that is written, as its number; 0 is none. It is at an address of its own, so that one look tells
    /// whether a line is worth its text.
    level: &'static AtomicU8,
    lines: Option<TryArc<Limited>>,
}

/// Levels that do not change, each at the index of its number.
static FIXED: [AtomicU8; Level::ALL.len() + 1] = [
    AtomicU8::new(0),
    AtomicU8::new(Level::Error as u8),
    AtomicU8::new(Level::Warn as u8),
    AtomicU8::new(Level::Info as u8),
    AtomicU8::new(Level::Debug as u8),
    AtomicU8::new(Level::Trace as u8),
];

/// Where a level that does not change is found.
fn fixed(level: Option<Level>) -> &'static AtomicU8 {
    level.and_then(|level| FIXED.get(usize::from(level as u8))).unwrap_or(&FIXED[0])
}

struct Limited {
    sink: Box<Sink>,
    rate: Rate,
    /// Lines for which there was no room, of which no line has told.
    no_room: AtomicU32,
}

/// A counter of the provoked lines of the current second. There is no lock, because a fork could leave one locked.
#[derive(Debug, Default)]
pub struct Rate(
    /// The second in the upper half, its lines in the lower half.
    AtomicU64,
);

impl Rate {
    /// No lines yet.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Counts a line. True if the line may be written; the number is that of lines left out before, of which no line has
    /// told.
    pub fn count(&self) -> (bool, u32) {
        self.count_in((sys::nanoseconds() / 1_000_000_000) as u32)
    }

    fn count_in(&self, second: u32) -> (bool, u32) {
        let next = |word| match halves(word) {
            (same, lines) if same == second => lines.saturating_add(1),
            _ => 1,
        };
        let count = |word| Some(whole(second, next(word)));
        let (Ok(before) | Err(before)) = self.0.fetch_update(Relaxed, Relaxed, count);
        let left_out = match halves(before) {
            (same, _) if same == second => 0,
            (_, lines) => lines.saturating_sub(PROVOKED_PER_SECOND),
        };
        (next(before) <= PROVOKED_PER_SECOND, left_out)
    }

    /// The number of lines left out of which no line has told. The caller tells.
    pub fn take_left_out(&self) -> u32 {
        let taken = |word| {
            let (second, lines) = halves(word);
            (lines > PROVOKED_PER_SECOND).then(|| whole(second, PROVOKED_PER_SECOND))
        };
        self.0.fetch_update(Relaxed, Relaxed, taken).map_or(0, |before| halves(before).1 - PROVOKED_PER_SECOND)
    }
}

fn halves(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

fn whole(second: u32, lines: u32) -> u64 {
    u64::from(second) << 32 | u64::from(lines)
}

impl Log {
    /// A log whose lines go to a function, up to [`Level::Info`]. The function must not call the server or client that the
    /// line comes from.
    pub fn to(sink: impl Fn(Level, fmt::Arguments<'_>) + Send + Sync + 'static) -> Self {
        Self::try_to(sink).unwrap_or_else(out_of_memory)
    }

    /// A log whose lines go to a function; [`Cause::NoMemory`] if memory has run out.
    #[doc(hidden)]
    pub fn try_to(sink: impl Fn(Level, fmt::Arguments<'_>) + Send + Sync + 'static) -> Result<Self, Cause> {
        let sink: Box<Sink> = try_box(sink)?;
        let lines = Some(TryArc::new(Limited { sink, rate: Rate::new(), no_room: AtomicU32::new(0) })?);
        Ok(Self { level: fixed(Some(Level::Info)), lines })
    }

    /// The log that the environment asks for: lines up to the level in `DRPC_LOG` go to standard error, none if it is not
    /// set or the program has more rights than its user. If it is none of the levels, a line there says so.
    ///
    /// ```
    /// let client = drpc::Client::builder().log(drpc::Log::from_env());
    /// ```
    pub fn from_env() -> Self {
        let level = level_of_environment(|line| log_stderr::write(Level::Warn, LogLine::new(line).as_bytes()));
        match level {
            None => Self::default(),
            Some(level) => Self::to(|level, line| log_stderr::write(level, LogLine::new(line).as_bytes())).up_to(level),
        }
    }

    /// A log whose lines go to the crate [`log`](https://docs.rs/log) with the target `drpc`, up to the level that is that
    /// crate's greatest at this moment.
    #[cfg(feature = "log")]
    pub fn to_log_crate() -> Self {
        let sink = |level, line: fmt::Arguments<'_>| ::log::log!(target: "drpc", level_of_log_crate(level), "{line}");
        let up_to = Level::ALL.into_iter().rfind(|level| level_of_log_crate(*level) <= ::log::max_level());
        Self { level: fixed(up_to), ..Self::to(sink) }
    }

    /// The same log with lines up to this level.
    #[must_use]
    pub fn up_to(self, level: Level) -> Self {
        Self { level: fixed(Some(level)), ..self }
    }

    /// The same log with lines up to a level that may change.
    #[doc(hidden)]
    #[must_use]
    pub fn following(self, level: &'static AtomicU8) -> Self {
        Self { level, ..self }
    }

    /// True if lines of the level go anywhere. Otherwise neither their text nor what stands in it is needed.
    #[inline(always)]
    pub(crate) fn is_on(&self, level: Level) -> bool {
        self.level.load(Relaxed) >= level as u8
    }

    /// Writes a line. If lines of peers were left out, one that says so comes before it.
    pub(crate) fn line(&self, level: Level, line: fmt::Arguments<'_>) {
        let Some(limited) = self.lines_of(level) else { return };
        limited.tell_left_out(limited.rate.take_left_out());
        (limited.sink)(level, line);
    }

    /// Writes a line that a peer can provoke. Lines beyond the limit of a second are counted and left out.
    pub(crate) fn provoked(&self, level: Level, line: fmt::Arguments<'_>) {
        let Some(limited) = self.lines_of(level) else { return };
        let (written, left_out) = limited.rate.count();
        limited.tell_left_out(left_out);
        if written {
            (limited.sink)(level, line);
        }
    }

    /// Counts lines for which there was no room. The next line is preceded by their number.
    pub(crate) fn leave_out(&self, lines: u32) {
        if let Some(limited) = &self.lines {
            limited.no_room.fetch_add(lines, Relaxed);
        }
    }

    fn lines_of(&self, level: Level) -> Option<&Limited> {
        self.lines.as_deref().filter(|_| self.is_on(level))
    }
}

impl Limited {
    fn tell_left_out(&self, lines: u32) {
        let left_out = lines.saturating_add(self.no_room.swap(0, Relaxed));
        if left_out > 0 {
            (self.sink)(Level::Warn, format_args!("{LEFT_OUT} left_out={left_out}"));
        }
    }
}

/// What a line says of lines that were left out.
#[doc(hidden)]
pub const LEFT_OUT: &str = "lines about peers were left out";

/// The level in `DRPC_LOG`. A value that is none is told of.
#[doc(hidden)]
pub fn level_of_environment(tell: impl FnOnce(fmt::Arguments<'_>)) -> Option<Level> {
    sys::secure_variable(c"DRPC_LOG", |value: &CStr| {
        let level = value.to_str().map_or(Err(UnknownLevel::default()), str::parse);
        match level {
            Err(unknown) if !value.is_empty() => {
                let value = Value(value.to_bytes());
                tell(format_args!("DRPC_LOG has no effect, because it is {unknown} DRPC_LOG={value}"));
                None
            }
            level => level.ok(),
        }
    })
    .flatten()
}

#[cfg(feature = "log")]
fn level_of_log_crate(level: Level) -> ::log::Level {
    match level {
        Level::Error => ::log::Level::Error,
        Level::Warn => ::log::Level::Warn,
        Level::Info => ::log::Level::Info,
        Level::Debug => ::log::Level::Debug,
        Level::Trace => ::log::Level::Trace,
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: fixed(None), lines: None }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.lines.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{Arc, Mutex, lock};

    #[test]
    fn lines_beyond_some_a_second_are_counted() {
        let rate = Rate::default();
        for _ in 0..PROVOKED_PER_SECOND {
            assert_eq!(rate.count_in(0), (true, 0));
        }
        assert_eq!(rate.count_in(0), (false, 0));
        assert_eq!(rate.count_in(0), (false, 0));
        assert_eq!(rate.count_in(1), (true, 2));
        assert_eq!(rate.count_in(2), (true, 0));
        for _ in 0..PROVOKED_PER_SECOND {
            rate.count_in(3);
        }
        assert_eq!(rate.take_left_out(), 0);
        rate.count_in(3);
        assert_eq!((rate.take_left_out(), rate.take_left_out()), (1, 0));
        assert_eq!(rate.count_in(3), (false, 0));
        assert_eq!(rate.count_in(4), (true, 1));
    }

    fn kept() -> (Arc<Mutex<Vec<String>>>, Log) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        (lines, Log::to(move |level, line| lock(&sink).push(format!("{level}: {line}"))))
    }

    #[test]
    fn a_line_goes_to_the_function() {
        let (lines, log) = kept();
        log.line(Level::Info, format_args!("one"));
        log.provoked(Level::Error, format_args!("two"));
        log.line(Level::Debug, format_args!("not asked for"));
        log.clone().up_to(Level::Trace).line(Level::Trace, format_args!("three"));
        log.up_to(Level::Error).line(Level::Warn, format_args!("not asked for"));
        assert_eq!(*lock(&lines), ["info: one", "error: two", "trace: three"]);
        Log::default().line(Level::Error, format_args!("nowhere"));
        assert!(!Log::default().is_on(Level::Error));
    }

    #[test]
    fn the_next_line_of_any_kind_tells_of_those_left_out() {
        let (lines, log) = kept();
        // The lines may fall into two seconds or more.
        let provoked = 2 * PROVOKED_PER_SECOND;
        (0..provoked).for_each(|_| log.provoked(Level::Warn, format_args!("provoked")));
        log.leave_out(5);
        log.line(Level::Info, format_args!("the end"));
        let lines = lock(&lines);
        let told = lines.iter().filter_map(|line| line.rsplit_once("left_out=")?.1.parse::<u32>().ok());
        let written = lines.iter().filter(|line| *line == "warn: provoked").count() as u32;
        assert_eq!(written + told.sum::<u32>(), provoked + 5);
    }

    /// The logger of the crate `log`, which a process has once.
    #[cfg(feature = "log")]
    struct Logger(Mutex<Vec<String>>);

    #[cfg(feature = "log")]
    impl ::log::Log for Logger {
        fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &::log::Record<'_>) {
            lock(&self.0).push(format!("{} {} {}", record.target(), record.level(), record.args()));
        }

        fn flush(&self) {}
    }

    #[cfg(feature = "log")]
    #[test]
    fn a_line_goes_to_the_log_crate() {
        static LOGGER: Logger = Logger(Mutex::new(Vec::new()));
        ::log::set_logger(&LOGGER).unwrap();
        assert!(!Log::to_log_crate().is_on(Level::Error));
        ::log::set_max_level(::log::LevelFilter::Debug);
        let log = Log::to_log_crate();
        for level in Level::ALL {
            log.line(level, format_args!("{level}"));
        }
        let lines = std::mem::take(&mut *lock(&LOGGER.0));
        assert_eq!(lines, ["drpc ERROR error", "drpc WARN warn", "drpc INFO info", "drpc DEBUG debug"]);
    }
}

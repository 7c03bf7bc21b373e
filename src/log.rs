//! The log: lines for a function of the program, limited in rate where peers provoke them.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::cause::Cause;
use crate::sys::{self, TryArc, out_of_memory, try_box};

/// The importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Level {
    /// An operation failed.
    Error,
    /// A peer, or the system, does not behave as expected.
    Warn,
    /// A server begins to serve, or ends.
    Info,
}

/// The most lines a second of those that peers can provoke.
const PROVOKED_PER_SECOND: u32 = 10;

type Sink = dyn Fn(Level, fmt::Arguments<'_>) + Send + Sync;

/// The destination of log lines: nowhere, or a function of the program, which any thread may run.
///
/// ```
/// let log = drpc::Log::to(|level, line| eprintln!("{level:?}: {line}"));
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let server = drpc::Server::builder().log(log).bind(path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Log(Option<TryArc<Limited>>);

struct Limited {
    sink: Box<Sink>,
    rate: Rate,
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

    /// Counts a line. True if the line may be written; the number is that of lines left out in an earlier second.
    pub fn count(&self) -> (bool, u32) {
        self.count_in((sys::nanoseconds() / 1_000_000_000) as u32)
    }

    fn count_in(&self, second: u32) -> (bool, u32) {
        let halves = |word: u64| ((word >> 32) as u32, word as u32);
        let next = |word| match halves(word) {
            (same, lines) if same == second => lines.saturating_add(1),
            _ => 1,
        };
        let count = |word| Some(u64::from(second) << 32 | u64::from(next(word)));
        let (Ok(before) | Err(before)) = self.0.fetch_update(Relaxed, Relaxed, count);
        let left_out = match halves(before) {
            (same, _) if same == second => 0,
            (_, lines) => lines.saturating_sub(PROVOKED_PER_SECOND),
        };
        (next(before) <= PROVOKED_PER_SECOND, left_out)
    }
}

impl Log {
    /// A log whose lines go to a function. The function must not call the server or client that the line comes from.
    pub fn to(sink: impl Fn(Level, fmt::Arguments<'_>) + Send + Sync + 'static) -> Self {
        Self::try_to(sink).unwrap_or_else(out_of_memory)
    }

    /// A log whose lines go to a function; [`Cause::NoMemory`] if memory has run out.
    #[doc(hidden)]
    pub fn try_to(sink: impl Fn(Level, fmt::Arguments<'_>) + Send + Sync + 'static) -> Result<Self, Cause> {
        let sink: Box<Sink> = try_box(sink)?;
        Ok(Self(Some(TryArc::new(Limited { sink, rate: Rate::new() })?)))
    }

    /// Writes a line.
    pub(crate) fn line(&self, level: Level, line: fmt::Arguments<'_>) {
        if let Some(limited) = &self.0 {
            (limited.sink)(level, line);
        }
    }

    /// Writes a line that a peer can provoke. Lines beyond the limit of a second are counted and left out.
    pub(crate) fn provoked(&self, level: Level, line: fmt::Arguments<'_>) {
        let Some(limited) = &self.0 else { return };
        let (written, left_out) = limited.rate.count();
        if left_out > 0 {
            (limited.sink)(Level::Warn, format_args!("{left_out} lines about peers were left out"));
        }
        if written {
            (limited.sink)(level, line);
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.0.is_some()).finish()
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
    }

    #[test]
    fn a_line_goes_to_the_function() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let log = Log::to(move |level, line| lock(&sink).push((level, line.to_string())));
        log.line(Level::Info, format_args!("one"));
        log.provoked(Level::Error, format_args!("two"));
        assert_eq!(*lock(&lines), [(Level::Info, "one".to_owned()), (Level::Error, "two".to_owned())]);
        Log::default().line(Level::Error, format_args!("nowhere"));
    }
}

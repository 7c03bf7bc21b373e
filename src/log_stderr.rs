//! Log lines on standard error: what stands before a line, and the count of lines that could not be written.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::CStr;
use std::fmt;
use std::io::IoSlice;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use once_cell::race::OnceNonZeroUsize;

use crate::bounded_text::Bounded;
use crate::log_level::Level;
use crate::sys::{self, StderrFile};

/// What stands before a line. Who reads the lines decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    /// A priority, from which systemd's journal takes its own.
    Priority,
    /// The time, for a terminal or a file.
    Time(Duration),
    /// Nothing: another program may add the time.
    Nothing,
}

impl Prefix {
    fn now() -> Self {
        let Some(file) = sys::stderr_file() else { return Self::Nothing };
        if is_journal(&file) {
            Self::Priority
        } else if file.is_regular || file.is_terminal {
            Self::Time(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
        } else {
            Self::Nothing
        }
    }
}

/// True if JOURNAL_STREAM names the device and the inode of standard error. The program may have put another file there.
fn is_journal(file: &StderrFile) -> bool {
    static DEVICE: OnceNonZeroUsize = OnceNonZeroUsize::new();
    static INODE: OnceNonZeroUsize = OnceNonZeroUsize::new();
    // One more than the number, as the cells cannot hold zero.
    let read = |part| move || NonZeroUsize::MIN.saturating_add(journal_stream(part).unwrap_or(0));
    let named = |part: u64| usize::try_from(part).ok().and_then(|part| part.checked_add(1));
    named(file.device) == Some(DEVICE.get_or_init(read(0)).get())
        && named(file.inode) == Some(INODE.get_or_init(read(1)).get())
}

/// The device or the inode in JOURNAL_STREAM.
fn journal_stream(part: usize) -> Option<usize> {
    sys::secure_variable(c"JOURNAL_STREAM", |value: &CStr| value.to_str().ok()?.split(':').nth(part)?.parse().ok())
        .flatten()
}

/// A line's prefix and level.
struct Head(Prefix, Level);

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(prefix, level) = self;
        match prefix {
            Prefix::Priority => write!(f, "<{}>", priority(*level))?,
            Prefix::Time(since_epoch) => write!(f, "{} ", Timestamp(*since_epoch))?,
            Prefix::Nothing => {}
        }
        write!(f, "libdrpc: {level}: ")
    }
}

/// The priority of a level (syslog(3)).
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// A time as RFC 3339 has it, in UTC: what local time is takes a lock to find out. It is given as the time since 1970.
struct Timestamp(Duration);

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, seconds) = (self.0.as_secs() / 86_400, self.0.as_secs() % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:06}Z", self.0.subsec_micros())
    }
}

/// Year, month and day of a number of days since 1970. Counted from a March 1, so that a leap day is the last of its year;
/// 400 years have 146,097 days, and five months from March on 153.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day_of_month)
}

/// The lines that standard error has not taken, and of which no line has told yet.
static LOST: AtomicU32 = AtomicU32::new(0);

/// True while the last line stands there in part.
static IS_CUT: AtomicBool = AtomicBool::new(false);

/// Writes a line in one system call. It waits no longer than standard error has its writers wait. A line that could not be
/// written is counted, and the next one that can be is preceded by their number.
pub fn write(level: Level, text: &[u8]) {
    let lost = LOST.swap(0, Relaxed);
    if lost > 0 {
        let told = Bounded::<128>::new(format_args!("lines before this one could not be written lost={lost}"));
        if !write_line(Level::Warn, told.as_bytes()) {
            LOST.fetch_add(lost, Relaxed);
        }
    }
    if !write_line(level, text) {
        LOST.fetch_add(1, Relaxed);
    }
}

/// Writes a line; false if not all of it could be written.
fn write_line(level: Level, text: &[u8]) -> bool {
    let head = Bounded::<64>::new(format_args!("{}", Head(Prefix::now(), level)));
    let was_cut = IS_CUT.load(Relaxed);
    let break_before: &[u8] = if was_cut { b"\n" } else { b"" };
    let parts = [break_before, head.as_bytes(), text, b"\n"];
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let written = sys::write_stderr(&parts.map(IoSlice::new));
    if was_cut || written != len {
        IS_CUT.store(written != len && (was_cut || written != 0), Relaxed);
    }
    written == len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_rfc_3339() {
        let text =
            |seconds, micros| Timestamp(Duration::from_secs(seconds) + Duration::from_micros(micros)).to_string();
        assert_eq!(text(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(text(951_782_400, 7), "2000-02-29T00:00:00.000007Z");
        assert_eq!(text(951_868_800, 0), "2000-03-01T00:00:00.000000Z");
        assert_eq!(text(1_735_689_599, 999_999), "2024-12-31T23:59:59.999999Z");
        assert_eq!(text(4_107_542_400, 0), "2100-03-01T00:00:00.000000Z");
    }

    #[test]
    fn the_head_says_for_whom_a_line_is() {
        let head = |prefix, level| Head(prefix, level).to_string();
        assert_eq!(head(Prefix::Nothing, Level::Warn), "libdrpc: warn: ");
        assert_eq!(head(Prefix::Priority, Level::Error), "<3>libdrpc: error: ");
        assert_eq!(head(Prefix::Priority, Level::Trace), "<7>libdrpc: trace: ");
        let time = Prefix::Time(Duration::from_millis(1500));
        assert_eq!(head(time, Level::Info), "1970-01-01T00:00:01.500000Z libdrpc: info: ");
    }
}

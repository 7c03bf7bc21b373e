//! The levels of the log, and their names.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::str::FromStr;

/// The importance of a log line. A log of one level has the lines of all those above it, too.
///
/// ```
/// use drpc::Level;
///
/// assert_eq!("Debug".parse(), Ok(Level::Debug));
/// assert_eq!(Level::Warn.to_string(), "warn");
/// assert!(Level::Error < Level::Trace);
/// assert_eq!("loud".parse::<Level>().unwrap_err().to_string(), "none of error, warn, info, debug, trace");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(u8)]
pub enum Level {
    /// An operation failed.
    Error = 1,
    /// A peer, or the system, does not behave as expected.
    Warn = 2,
    /// A server begins to serve, or ends; a client has connected again.
    Info = 3,
    /// A session begins or ends, its framing is found out, or a call has another status than `SUCCESS`.
    Debug = 4,
    /// A call was made or answered.
    Trace = 5,
}

impl Level {
    /// All levels, the most important first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name of the level, as `DRPC_LOG` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error of a name that no level has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownLevel(());

impl fmt::Display for UnknownLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("none of error, warn, info, debug, trace")
    }
}

impl std::error::Error for UnknownLevel {}

/// A level by its name, in small or capital letters.
impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(name: &str) -> Result<Self, UnknownLevel> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name)).ok_or(UnknownLevel(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_in_any_case_and_nothing_else_is() {
        for level in Level::ALL {
            assert_eq!(level.name().to_uppercase().parse(), Ok(level));
        }
        for text in ["", "none", " info", "ERRORS", "4"] {
            let unknown = text.parse::<Level>().unwrap_err().to_string();
            assert!(Level::ALL.iter().all(|level| unknown.contains(level.name())), "{unknown}");
        }
    }
}

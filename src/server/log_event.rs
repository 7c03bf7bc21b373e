//! Events that are counted and logged.

use std::fmt;

use crate::cause::Cause;
use crate::log::{Level, Log};

/// One of [`ServerLimits`](crate::ServerLimits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Sessions,
    SessionsPerUid,
    Message,
    PartialMemory,
    MessageTime,
    ReplyTime,
    CallsPerSession,
    Unsent,
    IdleTime,
}

impl Limit {
    pub(super) const COUNT: usize = Self::IdleTime as usize + 1;

    fn text(self) -> &'static str {
        match self {
            Self::Sessions => "no further client is accepted until a session ends",
            Self::SessionsPerUid => "refused, the user has too many sessions",
            Self::Message => "closed, the call is too large",
            Self::PartialMemory => "closed, incomplete calls of the user take too much memory",
            Self::MessageTime => "closed, the rest of a call did not come in time",
            Self::ReplyTime => "closed, a response was not taken in time",
            Self::CallsPerSession => "closed, too many calls at once",
            Self::Unsent => "a call fails, responses that the user has not taken use too much memory",
            Self::IdleTime => "closed, nothing was called for too long",
        }
    }
}

/// A kind of error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Accept,
    Refused,
    Unparsable,
    OutOfStep,
    Cut,
    Unsendable,
    Forbidden,
    NoMemory,
    Panic,
}

impl Fault {
    pub(super) const COUNT: usize = Self::Panic as usize + 1;

    fn text(self) -> &'static str {
        match self {
            Self::Accept => "no client can be accepted for now",
            Self::Refused => "refused",
            Self::Unparsable => "a message is no call",
            Self::OutOfStep => "closed, a record makes no sense",
            Self::Cut => "ended in the middle of a call",
            Self::Unsendable => "a response cannot be sent",
            Self::Forbidden => "the user may not call the module",
            Self::NoMemory => "no memory for a call or its response",
            Self::Panic => "a handler panicked",
        }
    }
}

/// An event to be counted and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogEvent {
    /// A limit was met.
    Limit(Limit),
    /// An error, and its cause if that says more.
    Fault(Fault, Option<Cause>),
}

impl LogEvent {
    /// The event of a refused call: a lack of memory if that is the cause, and otherwise a limit that was met.
    pub(super) fn no_memory_or(limit: Limit, cause: Cause) -> Self {
        match cause {
            Cause::NoMemory => Self::Fault(Fault::NoMemory, None),
            _ => Self::Limit(limit),
        }
    }

    /// Writes a line. No lock may be held, as the program's sink runs here.
    pub(super) fn log(self, log: &Log, about: fmt::Arguments<'_>) {
        match self {
            Self::Limit(limit) => log.provoked(Level::Warn, format_args!("{about}: {}", limit.text())),
            Self::Fault(fault, cause) => {
                let level = match fault {
                    Fault::Accept | Fault::Panic => Level::Error,
                    _ => Level::Warn,
                };
                match cause {
                    Some(cause) => log.provoked(level, format_args!("{about}: {}: {cause}", fault.text())),
                    None => log.provoked(level, format_args!("{about}: {}", fault.text())),
                }
            }
        }
    }
}

/// The first events while a session is locked, in order. Others are counted but not logged.
#[derive(Debug, Default)]
pub(super) struct LogEvents(Option<[Option<LogEvent>; 4]>);

impl LogEvents {
    pub(super) fn add(&mut self, event: LogEvent) {
        let places = self.0.get_or_insert_default();
        if let Some(place) = places.iter_mut().find(|place| place.is_none()) {
            *place = Some(event);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = LogEvent> {
        self.0.iter().flatten().flatten().copied()
    }
}

//! Events that are counted and logged. `reason.rs` has the words.

use crate::cause::Cause;

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

    pub(super) fn text(self) -> &'static str {
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
    /// A call of this size is over [`Limit::Message`].
    LargeCall(u64),
    /// The user may not call this module: [`Fault::Forbidden`].
    Forbidden(i32),
    /// An error, and its cause if that says more.
    Fault(Fault, Option<Cause>),
}

impl LogEvent {
    /// The event of a call that cannot be taken: its size, or else a lack of memory.
    pub(super) fn of_refused(cause: Cause) -> Self {
        match cause {
            Cause::TooBig { size, .. } => Self::LargeCall(size),
            _ => Self::Fault(Fault::NoMemory, None),
        }
    }
}

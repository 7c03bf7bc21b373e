//! An operation that a caller waits for, its stages and its outcome.

use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::message::Response;
use crate::sync::ThreadId;

/// The number of an operation, in order of arrival. Each is used once in the life of a client.
pub(super) type Ticket = u64;

/// The result of an operation.
pub(super) type Outcome = Result<Response, (Phase, Cause)>;

/// An operation that a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A call.
    Call {
        /// True if the server may execute the call twice.
        idempotent: bool,
    },
    /// Keeping all other threads than this one from calling.
    Lock(ThreadId),
    /// Connecting.
    Connect {
        /// True if the caller also waits for a server that does not listen yet.
        until_ready: bool,
    },
}

/// The stage of an operation.
#[derive(Debug)]
pub(super) enum Stage {
    /// Waiting for its turn.
    Waiting,
    /// Granted its turn to be sent.
    Granted,
    /// The probe has been given to the connection in place of the call.
    Probing(i32),
    /// Given to the connection, and not yet sent as a whole.
    Sending(i32),
    /// Sent as a whole.
    Sent(i32),
    /// Ended, with an outcome that has not been taken yet.
    Ended(Outcome),
}

//! What a caller asks of the client, and how far it has come.

use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::message::Response;
use crate::sync::ThreadId;

/// The place in line, which no other call of the client has, or has had.
pub(super) type Ticket = u64;

/// How it ended.
pub(super) type Outcome = Result<Response, (Phase, Cause)>;

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A reply.
    Call {
        /// The server may execute it twice.
        idempotent: bool,
    },
    /// That no other thread than this one calls.
    Lock(ThreadId),
    /// A connection.
    Connect {
        /// Also if it takes the server some time to begin to listen.
        until_ready: bool,
    },
}

/// How far it has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It is not its turn yet.
    Waiting,
    /// It can be sent.
    Granted,
    /// The probe has been handed to the connection in its place, to find out what the server speaks.
    Probing(i32),
    /// It has been handed to the connection, which has not sent all of it.
    Sending(i32),
    /// It has been sent to its end.
    Sent(i32),
    /// Its owner has not taken the result yet.
    Ended(Outcome),
}

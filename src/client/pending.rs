//! A pending operation, with everything needed to finish it.

use std::time::{Duration, Instant};

use super::cancel::Hook;
use super::operation::{Operation, Stage};
use super::parker::Parker;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::noted_call::NotedCall;
use crate::protocol::message::Response;
use crate::protocol::wire::{CallRef, HEAD_CAPACITY};
use crate::sync::ThreadId;
use crate::sys::TryArc;

/// The program's function for the result of a submitted call.
pub(super) type Completion = Box<dyn FnOnce(Result<Response, Error>) + Send>;

/// The receiver of an outcome.
pub(super) enum CompletionTarget {
    /// A thread that waits for it.
    Blocked,
    /// A completion.
    Submitted(Submission),
}

/// A submitted call, with everything needed to make it without its caller.
pub(super) struct Submission {
    pub(super) module: i32,
    pub(super) method: i32,
    pub(super) body: Vec<u8>,
    pub(super) deadline: Option<Instant>,
    /// The time that the call has, where it is known as such.
    pub(super) limit: Option<Duration>,
    pub(super) hook: Option<Hook>,
    pub(super) completion: Completion,
    /// For the log.
    pub(super) noted: Option<NotedCall>,
}

impl Submission {
    /// The length of the message, if it exceeds a limit, asked before a call is submitted. Calculated with the shortest
    /// sequence: if only a longer one makes the call too large, sending fails.
    pub(super) fn size_over(&self, limit: usize) -> Option<usize> {
        if self.body.len().saturating_add(HEAD_CAPACITY) <= limit {
            return None;
        }
        let Self { module, method, body, .. } = self;
        let size = CallRef { module: *module, method: *method, sequence: 1, body }.encode(&[]).len();
        (size > limit).then_some(size)
    }
}

/// A pending operation.
pub(super) struct Pending {
    pub(super) operation: Operation,
    pub(super) stage: Stage,
    /// The number of retries that are left.
    pub(super) retries: u32,
    /// True once a server has rejected its first message and thereby revealed its framing.
    pub(super) rejected: bool,
    /// The thread that asked for the operation.
    pub(super) thread: ThreadId,
    pub(super) target: CompletionTarget,
    /// The parker on which its caller sleeps.
    pub(super) parker: Option<TryArc<Parker>>,
    /// True while its caller is on the list of those to be woken.
    pub(super) notified: bool,
    /// True while the connection waits for its caller to go on sending it.
    pub(super) summoned: bool,
    /// True once it has ended while it was being sent.
    pub(super) may_owe: bool,
}

impl Pending {
    /// An operation that the calling thread asks for.
    pub(super) fn new(operation: Operation, retries: u32, target: CompletionTarget) -> Self {
        let thread = ThreadId::current();
        Self {
            operation,
            stage: Stage::Waiting,
            retries,
            rejected: false,
            thread,
            target,
            notified: false,
            summoned: false,
            may_owe: false,
            parker: None,
        }
    }

    /// Marks the caller as one to be woken. True if the caller sleeps and was not marked before.
    pub(super) fn notify(&mut self) -> bool {
        self.parker.is_some() && !std::mem::replace(&mut self.notified, true)
    }

    /// True if the operation cannot be done without a connection.
    pub(super) fn needs_connection(&self) -> bool {
        !matches!(self.operation, Operation::Lock(_))
    }

    /// Uses up one retry; false if none is left.
    pub(super) fn take_retry(&mut self) -> bool {
        let left = self.retries > 0;
        self.retries = self.retries.saturating_sub(1);
        left
    }

    /// True if the operation goes on waiting after an attempt to connect has failed. A call uses up a retry.
    pub(super) fn keeps_waiting_after(&mut self, cause: Cause) -> bool {
        match (self.operation, cause) {
            // The server exists, but is busy.
            (Operation::Lock(_), _) | (_, Cause::Os(libc::EAGAIN)) => true,
            // The server does not listen yet, or its socket file does not have its mode and owner yet.
            (Operation::Connect { until_ready: true }, Cause::Os(libc::ENOENT | libc::ECONNREFUSED | libc::EACCES)) => {
                true
            }
            (Operation::Call { .. }, Cause::Os(libc::ENOENT | libc::ECONNREFUSED)) => self.take_retry(),
            _ => false,
        }
    }

    /// The phase of the operation, for error messages.
    pub(super) fn phase(&self, connected: bool) -> Phase {
        match self.stage {
            Stage::Sent(_) => Phase::Reply,
            Stage::Waiting if !connected && self.needs_connection() => Phase::Connect,
            _ => Phase::Call,
        }
    }
}

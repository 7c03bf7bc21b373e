//! One call, or somebody else who waits for the connection.

use std::time::Instant;

use super::cancel::Hook;
use super::operation::{Operation, Stage};
use super::parker::Parker;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::protocol::message::Response;
use crate::protocol::wire::{CallRef, HEAD_CAPACITY};
use crate::sync::ThreadId;
use crate::sys::TryArc;

/// What to do with the result of a submitted call.
pub(super) type Completion = Box<dyn FnOnce(Result<Response, Error>) + Send>;

/// Who is told of the end.
pub(super) enum CompletionTarget {
    /// A thread that waits for it.
    Blocked,
    /// A function.
    Submitted(Submission),
}

/// A call with everything that it takes to make it without its caller.
pub(super) struct Submission {
    pub(super) module: i32,
    pub(super) method: i32,
    pub(super) body: Vec<u8>,
    pub(super) deadline: Option<Instant>,
    pub(super) hook: Option<Hook>,
    pub(super) completion: Completion,
}

impl Submission {
    /// The length of the message, if it is over a limit. With the shortest sequence: one that is too large with its own
    /// only is told so later.
    pub(super) fn size_over(&self, limit: usize) -> Option<usize> {
        if self.body.len().saturating_add(HEAD_CAPACITY) <= limit {
            return None;
        }
        let Self { module, method, body, .. } = self;
        let size = CallRef { module: *module, method: *method, sequence: 1, body }.encode(&[]).len();
        (size > limit).then_some(size)
    }
}

/// One call, or somebody else who waits for the connection.
pub(super) struct Pending {
    pub(super) operation: Operation,
    pub(super) stage: Stage,
    /// How often it may be tried again.
    pub(super) retries: u32,
    /// A server that reads datagrams has rejected what was sent first for it.
    pub(super) rejected: bool,
    /// The thread that it comes from.
    pub(super) thread: ThreadId,
    pub(super) target: CompletionTarget,
    /// Where its caller sleeps.
    pub(super) parker: Option<TryArc<Parker>>,
    /// It is to be woken.
    pub(super) notified: bool,
}

impl Pending {
    /// Somebody who waits, in the calling thread or for it.
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
            parker: None,
        }
    }

    /// Something has happened to it. True if its caller sleeps, and is not to be woken yet.
    pub(super) fn notify(&mut self) -> bool {
        self.parker.is_some() && !std::mem::replace(&mut self.notified, true)
    }

    /// It is nothing without a connection.
    pub(super) fn needs_connection(&self) -> bool {
        !matches!(self.operation, Operation::Lock(_))
    }

    /// Uses up one of the retries that are left; false when none is.
    pub(super) fn take_retry(&mut self) -> bool {
        let left = self.retries > 0;
        self.retries = self.retries.saturating_sub(1);
        left
    }

    /// It goes on waiting although connecting failed.
    pub(super) fn keeps_waiting_after(&mut self, cause: Cause) -> bool {
        match (self.operation, cause) {
            // The server is there, and busy.
            (Operation::Lock(_), _) | (_, Cause::Os(libc::EAGAIN)) => true,
            // It does not listen yet, or its file has not got its mode and its owner yet.
            (Operation::Connect { until_ready: true }, Cause::Os(libc::ENOENT | libc::ECONNREFUSED | libc::EACCES)) => {
                true
            }
            (Operation::Call { .. }, Cause::Os(libc::ENOENT | libc::ECONNREFUSED)) => self.take_retry(),
            _ => false,
        }
    }

    /// What is being done for it, for messages.
    pub(super) fn phase(&self, connected: bool) -> Phase {
        match self.stage {
            Stage::Sent(_) => Phase::Reply,
            Stage::Waiting if !connected && self.needs_connection() => Phase::Connect,
            _ => Phase::Call,
        }
    }
}

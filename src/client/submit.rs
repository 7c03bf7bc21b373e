//! Calls whose callers do not wait.

use super::operation::{Operation, Ticket};
use super::options::CallOptions;
use super::pending::{Completion, CompletionTarget, Pending, Submission};
use super::shared::Shared;
use crate::cause::Cause;
use crate::sys::TryArc;

impl Shared {
    /// Makes a call without waiting for the reply. The ticket serves to [withdraw](Self::withdraw) the call.
    pub(super) fn submit(
        this: &TryArc<Self>,
        options: &CallOptions,
        (module, method, body): (i32, i32, Vec<u8>),
        completion: Completion,
    ) -> Result<Ticket, Cause> {
        this.check_process()?;
        if options.token().is_some_and(|cancel| cancel.is_cancelled()) {
            return Err(Cause::Cancelled);
        }
        let hook = options.token().map(|cancel| Self::hook(this, cancel)).transpose()?;
        let allowed = this.settings.timeout;
        let (deadline, limit) = (options.deadline_or(allowed), options.limit_or(allowed));
        let operation = Operation::Call { idempotent: options.is_idempotent() };
        // A submission that is not accepted is dropped after the lock is released: its completion is the program's
        // code.
        let noted = this.note_call(module, method, &body);
        let mut submission = Some(Submission { module, method, body, deadline, limit, hook, completion, noted });
        this.with(|state| {
            let limit = state.call_limit();
            if let Some(size) = submission.as_ref().and_then(|submission| submission.size_over(limit)) {
                return Err(Cause::TooBig { size: size as u64, limit });
            }
            state.calls.make_room_to_submit()?;
            let submission = submission.take_if(|_| state.is_open).ok_or(Cause::NotConnected)?;
            let ticket = state.add(operation, CompletionTarget::Submitted(submission));
            let cancelled = match state.calls.pending(ticket) {
                Some(Pending { target: CompletionTarget::Submitted(Submission { hook: Some(hook), .. }), .. }) => {
                    hook.bind(ticket)
                }
                _ => false,
            };
            if cancelled {
                state.abandon(ticket, Cause::Cancelled);
            }
            state.advance();
            Ok(ticket)
        })
    }

    /// Ends a submitted call whose completion is of no use any more. Does nothing to one that has ended.
    pub(super) fn withdraw(&self, ticket: Ticket) {
        // What is left of the call is dropped after the lock is released: it is the program's.
        let _withdrawn = self.with(|state| {
            let withdrawn = state.withdraw(ticket);
            state.advance();
            withdrawn
        });
    }
}

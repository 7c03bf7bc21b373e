//! Calls whose callers do not wait.

use super::entry::{Completion, Entry, Owner, Submission, Wish};
use super::options::CallOptions;
use super::shared::Shared;
use crate::error::{Cause, Error, Phase};
use crate::sync::Arc;

impl Shared {
    /// Makes a call without waiting for the reply.
    pub(super) fn submit(
        self: &Arc<Self>,
        options: &CallOptions,
        (module, method, body): (i32, i32, Vec<u8>),
        done: Completion,
    ) -> Result<(), Error> {
        let refuse = |cause| Err(self.error((Phase::Call, cause)));
        if !self.is_ours() {
            return refuse(Cause::Forked);
        }
        if options.token().is_some_and(|cancel| cancel.is_cancelled()) {
            return refuse(Cause::Cancelled);
        }
        let end = options.end(self.settings.timeout);
        let wish = Wish::Call { idempotent: options.is_idempotent() };
        // What is not taken is dropped outside the lock: it is the program's.
        let mut submission = Some(Submission { module, method, body, end, hook: None, done });
        let ticket = self.with(|state| {
            let limit = state.limit();
            if let Some(size) = submission.as_ref().and_then(|submission| submission.size_over(limit)) {
                return Err(Cause::TooBig { size: size as u64, limit });
            }
            let submission = submission.take_if(|_| state.wanted).ok_or(Cause::NotConnected)?;
            let ticket = state.add(wish, Owner::Submitted(submission));
            state.advance();
            Ok(ticket)
        });
        let ticket = match ticket {
            Ok(ticket) => ticket,
            Err(cause) => return refuse(cause),
        };
        if let Some(cancel) = options.token() {
            let hook = self.on_cancel(cancel, ticket);
            // A call that has ended needs none any more.
            let _unneeded = self.with(|state| match state.calls.entry(ticket) {
                Some(Entry { owner: Owner::Submitted(submission), .. }) => submission.hook.replace(hook),
                _ => Some(hook),
            });
        }
        Ok(())
    }
}

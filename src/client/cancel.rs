//! Ending a call by a token.

use super::pending::Ticket;
use super::shared::Shared;
use crate::cancel::{Cancel, CancelHook};
use crate::cause::Cause;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sys::TryArc;

/// No call.
const NONE: Ticket = 0;

/// Has a token end a call, until this is dropped. It is made before the call is added, which cannot be taken back when
/// memory turns out to be lacking.
pub(super) struct Hook {
    target: TryArc<Target>,
    hook: CancelHook,
}

/// What is to be ended. It keeps the client, which drops every hook when it ends.
struct Target {
    client: TryArc<Shared>,
    /// The call, once it has been added. It is looked at and changed with the state locked.
    ticket: AtomicU64,
}

impl Hook {
    /// A hook for a call of this client.
    pub(super) fn new(cancel: &Cancel, client: &TryArc<Shared>) -> Result<Self, Cause> {
        let target = TryArc::new(Target { client: client.clone(), ticket: AtomicU64::new(NONE) })?;
        let cancelled = target.clone();
        Ok(Self { target, hook: cancel.try_on_cancel(move || cancelled.cancel())? })
    }

    /// The call has been added. True if the token has been cancelled by then, which may not have ended the call.
    pub(super) fn is_late_for(&self, ticket: Ticket) -> bool {
        self.target.ticket.store(ticket, Ordering::Relaxed);
        self.is_cancelled()
    }

    /// The token has been cancelled, also if the hook has not been run yet: one runs after the other.
    pub(super) fn is_cancelled(&self) -> bool {
        self.hook.is_cancelled()
    }
}

impl Target {
    fn cancel(&self) {
        if self.client.is_ours() {
            self.client.with(|state| {
                state.abandon(self.ticket.load(Ordering::Relaxed), Cause::Cancelled);
                state.advance();
            });
        }
    }
}

//! Ending a call by a token.

use super::operation::Ticket;
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

/// The call to be ended, once it has been added. It is looked at and changed with the state locked.
pub(super) struct Target(AtomicU64);

impl Hook {
    /// A hook that runs `end` when the token is cancelled.
    pub(super) fn new(cancel: &Cancel, end: impl Fn(&Target) + Send + Sync + 'static) -> Result<Self, Cause> {
        let target = TryArc::new(Target(AtomicU64::new(NONE)))?;
        let cancelled = target.clone();
        Ok(Self { target, hook: cancel.try_on_cancel(move || end(&cancelled))? })
    }

    /// The call has been added. True if the token has been cancelled by then, which may not have ended the call.
    pub(super) fn bind(&self, ticket: Ticket) -> bool {
        self.target.0.store(ticket, Ordering::Relaxed);
        self.is_cancelled()
    }

    /// The token has been cancelled, also if the hook has not been run yet: one runs after the other.
    pub(super) fn is_cancelled(&self) -> bool {
        self.hook.is_cancelled()
    }
}

impl Target {
    pub(super) fn ticket(&self) -> Ticket {
        self.0.load(Ordering::Relaxed)
    }
}

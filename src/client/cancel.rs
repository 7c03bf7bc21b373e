//! Ending a call by a token.

use super::operation::Ticket;
use crate::cancel::{Cancel, CancelHook};
use crate::cause::Cause;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sys::TryArc;

/// The ticket of no call.
const NONE: Ticket = 0;

/// A registration by which a token ends a call, until it is dropped. The hook is made before the call is added, since
/// it may lack memory and an added call cannot be taken back.
pub(super) struct Hook {
    target: TryArc<Target>,
    hook: CancelHook,
}

/// The call that a hook ends, once that call has been added. Read and written with the state locked.
pub(super) struct Target(AtomicU64);

impl Hook {
    /// A hook that runs `end` when the token is cancelled.
    pub(super) fn new(cancel: &Cancel, end: impl Fn(&Target) + Send + Sync + 'static) -> Result<Self, Cause> {
        let target = TryArc::new(Target(AtomicU64::new(NONE)))?;
        let cancelled = target.clone();
        Ok(Self { target, hook: cancel.try_on_cancel(move || end(&cancelled))? })
    }

    /// Binds the hook to a call that has been added. True if the token is cancelled already: the hook may then have run
    /// before it knew the call.
    pub(super) fn bind(&self, ticket: Ticket) -> bool {
        self.target.0.store(ticket, Ordering::Relaxed);
        self.is_cancelled()
    }

    /// True once the token has been cancelled. The hook itself may run later, as hooks run one after the other.
    pub(super) fn is_cancelled(&self) -> bool {
        self.hook.is_cancelled()
    }
}

impl Target {
    pub(super) fn ticket(&self) -> Ticket {
        self.0.load(Ordering::Relaxed)
    }
}

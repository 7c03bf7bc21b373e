//! A token that cancels calls and shuts servers down.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;

use crate::cause::Cause;
use crate::slot_map::SlotMap;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, lock, lock_after_fork};
use crate::sys::{self, TryArc, out_of_memory, try_box};

/// A token that tells calls and servers to stop. Any number of calls of a [`Client`](crate::Client) can have the same
/// token, and a [`Server`](crate::Server) shuts down with it. Clones are the same token. (The context of the Go
/// package.)
///
/// ```
/// let cancel = drpc::Cancel::new();
/// let token = cancel.clone();
/// cancel.cancel();
/// assert!(token.is_cancelled());
/// ```
#[derive(Clone)]
pub struct Cancel(TryArc<Shared>);

/// The number of no hook.
const NO_HOOK: u64 = 0;

impl Default for Cancel {
    fn default() -> Self {
        Self::new()
    }
}

struct Shared {
    /// The process that made the token.
    process: u64,
    cancelled: AtomicBool,
    hooks: Mutex<Hooks>,
}

type Hook = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Hooks {
    last: u64,
    registered: SlotMap<Hook>,
}

impl Hooks {
    /// The next number under which there is room.
    fn next(&mut self) -> Result<u64, Cause> {
        self.registered.make_room(self.registered.len() + 1)?;
        self.last += 1;
        while !self.registered.is_free(self.last) {
            self.last += 1;
        }
        Ok(self.last)
    }
}

impl Cancel {
    /// A token that has not been cancelled.
    pub fn new() -> Self {
        Self::try_new().unwrap_or_else(out_of_memory)
    }

    /// A token that has not been cancelled; fails if there is no memory.
    #[doc(hidden)]
    pub fn try_new() -> Result<Self, Cause> {
        let process = sys::process();
        TryArc::new(Shared { process, cancelled: AtomicBool::new(false), hooks: Mutex::default() }).map(Self)
    }

    /// Cancels the token, for good. In the child of a fork this cancels only the child's own calls and servers.
    pub fn cancel(&self) {
        if self.0.cancelled.swap(true, Ordering::AcqRel) {
            return;
        }
        let hooks = self.0.hooks().map(|mut hooks| std::mem::take(&mut hooks.registered)).unwrap_or_default();
        hooks.iter().for_each(|(_, hook)| hook());
    }

    /// True once the token has been cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Has `hook` run when the token is cancelled, by the thread that cancels; at once if that has happened. `hook`
    /// must not wait. Dropping the result removes the hook, which may still be running at that moment.
    pub fn on_cancel(&self, hook: impl Fn() + Send + Sync + 'static) -> CancelHook {
        self.try_on_cancel(hook).unwrap_or_else(out_of_memory)
    }

    /// Has `hook` run when the token is cancelled; fails if there is no memory.
    #[doc(hidden)]
    pub fn try_on_cancel(&self, hook: impl Fn() + Send + Sync + 'static) -> Result<CancelHook, Cause> {
        // A hook that is not registered is dropped after the lock is released: it is the program's code.
        let mut hook: Option<Hook> = Some(try_box(hook)?);
        let add = |mut hooks: MutexGuard<'_, Hooks>| {
            let id = hooks.next()?;
            hook.take().into_iter().for_each(|hook| hooks.registered.insert(id, hook));
            Ok(id)
        };
        let id = self.0.hooks().map_or(Ok(NO_HOOK), add)?;
        // If the token was cancelled meanwhile, the cancelling thread may have looked for hooks before this one was
        // there.
        if self.is_cancelled()
            && let Some(hook) = self.0.take(id)
        {
            hook();
        }
        Ok(CancelHook { shared: self.0.clone(), id })
    }
}

impl Shared {
    /// The hooks; `None` if a thread that was lost in a fork holds their lock.
    fn hooks(&self) -> Option<MutexGuard<'_, Hooks>> {
        if self.process == sys::process() { Some(lock(&self.hooks)) } else { lock_after_fork(&self.hooks) }
    }

    fn take(&self, id: u64) -> Option<Hook> {
        let mut hooks = self.hooks()?;
        let hook = hooks.registered.remove(id);
        hooks.registered.shrink();
        hook
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

/// A registration of a hook at a [`Cancel`], until it is dropped.
#[must_use = "the hook is gone when this is dropped"]
pub struct CancelHook {
    shared: TryArc<Shared>,
    id: u64,
}

impl CancelHook {
    /// True once the token has been cancelled. The hook itself may run later, as hooks run one after the other.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }
}

impl Drop for CancelHook {
    fn drop(&mut self) {
        // The hook is dropped after the lock is released: it is the program's code.
        let _hook = self.shared.take(self.id);
    }
}

impl fmt::Debug for CancelHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelHook").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::atomic::AtomicUsize;
    use crate::sync::{Arc, thread};

    /// A token, and a hook that counts how often it runs.
    fn counted() -> (Cancel, Arc<AtomicUsize>, impl Fn() + Send + Sync + 'static) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let hook = move || {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        (Cancel::new(), count, hook)
    }

    fn a_hook_runs_once_in_any_order() {
        let (cancel, count, hook) = counted();
        let token = cancel.clone();
        let canceller = thread::spawn(move || token.cancel());
        let hook = cancel.on_cancel(hook);
        canceller.join().unwrap();
        cancel.cancel();
        assert!(cancel.is_cancelled());
        assert_eq!(count.load(Ordering::SeqCst), 1);
        drop(hook);
    }

    #[cfg(not(shuttle))]
    #[test]
    fn a_hook_runs_once() {
        a_hook_runs_once_in_any_order();
    }

    #[cfg(not(shuttle))]
    #[test]
    fn a_hook_that_is_gone_does_not_run() {
        let (cancel, count, hook) = counted();
        drop(cancel.on_cancel(hook));
        cancel.cancel();
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }

    /// Dropping a hook runs the program's code, which may use the token.
    #[cfg(not(shuttle))]
    #[test]
    fn a_hook_goes_with_no_lock_held() {
        struct Owned(Cancel);
        impl Drop for Owned {
            fn drop(&mut self) {
                if self.0.0.hooks.try_lock().is_ok() {
                    self.0.cancel();
                }
            }
        }
        let cancel = Cancel::new();
        let owned = Owned(cancel.clone());
        drop(cancel.on_cancel(move || {
            let _owned = &owned;
        }));
        assert!(cancel.is_cancelled());
    }

    #[cfg(shuttle)]
    #[test]
    fn shuttle_a_hook_runs_once() {
        shuttle::check_random(a_hook_runs_once_in_any_order, 10_000);
    }
}

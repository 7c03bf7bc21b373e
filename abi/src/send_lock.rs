//! One sender at a time: the records of two messages on one connection must not mix.

use std::sync::atomic::{AtomicU32, Ordering};

use ::drpc::sys;

use crate::abi::Abi;
use crate::context::Context;
use crate::flags::{SEND_AWAITED, SENDING};

/// Where those sleep who wait, of all connections: it happens too rarely for a place of their own. It counts how often they
/// have been woken. There is no lock, which a fork could leave locked.
static WOKEN: AtomicU32 = AtomicU32::new(0);

/// The right to send on a connection.
pub(crate) struct SendGuard<A: Abi>(Context<A>);

impl<A: Abi> SendGuard<A> {
    /// Waits for the right to send: in the program's yield function if it has one, else asleep.
    #[inline]
    pub(crate) fn wait(context: Context<A>) -> Self {
        if context.flags().set(SENDING) {
            wait_longer(context);
        }
        Self(context)
    }

    /// The right to send, unless it is taken.
    pub(crate) fn now(context: Context<A>) -> Option<Self> {
        // Not made unless it is had: dropping it would give back another thread's.
        (!context.flags().set(SENDING)).then(|| Self(context))
    }
}

impl<A: Abi> Drop for SendGuard<A> {
    #[inline]
    fn drop(&mut self) {
        if self.0.flags().clear(SENDING | SEND_AWAITED) & SEND_AWAITED != 0 {
            wake_all();
        }
    }
}

#[cold]
fn wake_all() {
    WOKEN.fetch_add(1, Ordering::SeqCst);
    sys::wake_sleepers(&WOKEN);
}

#[cold]
fn wait_longer<A: Abi>(context: Context<A>) {
    loop {
        match context.yielder() {
            // SAFETY: the program gave the function for this purpose.
            Some(yielder) => drop(unsafe { yielder() }),
            None => sleep(context),
        }
        if !context.flags().set(SENDING) {
            return;
        }
    }
}

fn sleep<A: Abi>(context: Context<A>) {
    let seen = WOKEN.load(Ordering::SeqCst);
    context.flags().set(SEND_AWAITED);
    // The sender may have finished in between. If not, it will see the flag, and count before it wakes.
    if context.flags().has(SENDING) {
        sys::sleep_while(&WOKEN, seen);
    }
}

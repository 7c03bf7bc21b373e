//! The right to send on a connection, held by one thread at a time: the records of two messages must not mix.

use std::sync::atomic::{AtomicU32, Ordering};

use ::drpc::sys;

use crate::abi::Abi;
use crate::context::Context;
use crate::flags::{SEND_AWAITED, SENDING};

/// The futex on which waiting senders of all connections sleep; its value counts wake-ups. Waiting is too rare for a
/// futex per connection. A lock would stay locked after a fork.
static WOKEN: AtomicU32 = AtomicU32::new(0);

/// The right to send on a connection.
pub(crate) struct SendGuard<A: Abi>(Context<A>);

impl<A: Abi> SendGuard<A> {
    /// Waits for the right to send, running the program's yield function if there is one, else asleep.
    #[inline]
    pub(crate) fn wait(context: Context<A>) -> Self {
        if context.flags().set(SENDING) {
            wait_longer(context);
        }
        Self(context)
    }

    /// Returns the right to send, or `None` while another thread has it.
    pub(crate) fn now(context: Context<A>) -> Option<Self> {
        // The guard is made only with the right: dropping it would give back another thread's right.
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
    // The sender may have finished before the flag was set. A sender that finishes later sees the flag, and counts
    // before it wakes.
    if context.flags().has(SENDING) {
        sys::sleep_while(&WOKEN, seen);
    }
}

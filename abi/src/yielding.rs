//! The program's yield function, run between the system calls of one message, and the waits of a sender. The mark of a call
//! under way stands here, too: it makes a call from the yield function `-DER_BUSY`.

use std::os::fd::RawFd;

use ::drpc::{Cause, sys, transport};

use crate::abi::Abi;
use crate::context::Context;
use crate::flags::UNDER_WAY;

/// Runs the program's yield function, if there is one.
pub(crate) fn run_yield<A: Abi>(context: Context<A>) {
    if let Some(yielder) = context.yielder() {
        // SAFETY: the program gave the function for this purpose. As in DAOS its result is ignored.
        unsafe { yielder() };
    }
}

/// Proof that the thread cannot be cancelled; with `None` each system call protects itself.
pub(crate) type CancelGuard<'a> = Option<&'a sys::CancelDisabled>;

/// Keeps the thread from being cancelled for a whole function instead of for each system call. Returns `None` for a
/// context with a yield function, because its other work in the thread may be cancellable.
pub(crate) fn uncancelled<A: Abi>(context: Context<A>) -> Option<sys::CancelDisabled> {
    context.yielder().is_none().then(sys::CancelDisabled::new)
}

/// A call in progress on a context, whose yield function must not begin another one there.
pub(crate) struct UnderWay<A: Abi>(Context<A>);

impl<A: Abi> UnderWay<A> {
    /// Marks the context, if it has a yield function.
    ///
    /// `Cause::Busy` if the context is marked already, by the yield function or by another thread: a context is for one
    /// call at a time.
    #[inline]
    pub(crate) fn begin(context: Context<A>) -> Result<Option<Self>, Cause> {
        match context.yielder() {
            None => Ok(None),
            Some(_) if context.flags().set(UNDER_WAY) => Err(Cause::Busy),
            Some(_) => Ok(Some(Self(context))),
        }
    }
}

impl<A: Abi> Drop for UnderWay<A> {
    fn drop(&mut self) {
        self.0.flags().clear(UNDER_WAY);
    }
}

/// The waits and yields of a sender on a context.
pub(crate) struct YieldingHooks<A: Abi> {
    pub(crate) context: Context<A>,
    /// True: a full socket is waited for even if non-blocking, as for a response. False: a call on a non-blocking
    /// socket fails with EAGAIN.
    pub(crate) waits: bool,
}

impl<A: Abi> transport::SendHooks for YieldingHooks<A> {
    fn after_record(&mut self) {
        run_yield(self.context);
    }

    fn when_full(&mut self, fd: RawFd, begun: bool) -> Result<(), Cause> {
        if !begun && !self.waits {
            return Err(Cause::Os(libc::EAGAIN));
        }
        match self.context.yielder() {
            Some(_) => sys::wait_writable(fd, Some(&mut || run_yield(self.context))),
            None => sys::wait_writable(fd, None),
        }
    }
}

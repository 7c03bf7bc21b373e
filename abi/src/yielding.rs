//! What happens between the system calls of one message: the program's yield function, and waiting.

use std::os::fd::RawFd;

use ::drpc::{Cause, sys, transport};

use crate::abi::Abi;
use crate::context::Context;
use crate::flags::UNDER_WAY;

/// Lets the program's other threads of execution run, if it has said how.
pub(crate) fn run_yield<A: Abi>(context: Context<A>) {
    if let Some(yielder) = context.yielder() {
        // SAFETY: the program gave the function for this purpose. Like the original we do not look at its result.
        unsafe { yielder() };
    }
}

/// What says that the thread cannot be cancelled meanwhile; nothing: each system call has to see to it.
pub(crate) type CancelGuard<'a> = Option<&'a sys::CancelDisabled>;

/// Keeps the thread from being cancelled for a whole function, instead of for each system call, unless the program's
/// yield function does other work in it meanwhile: whether that may be cancelled is not for us to say.
pub(crate) fn uncancelled<A: Abi>(context: Context<A>) -> Option<sys::CancelDisabled> {
    context.yielder().is_none().then(sys::CancelDisabled::new)
}

/// A call is being made or received on a context; its yield function must not begin another one there.
pub(crate) struct UnderWay<A: Abi>(Context<A>);

impl<A: Abi> UnderWay<A> {
    /// Begins one, which the program's yield function finds under way. Without such a function nothing has to be noted.
    ///
    /// Another thread of execution that comes meanwhile is told the same: a context is for one call at a time.
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

/// The pace at which a context's messages are sent.
pub(crate) struct YieldingHooks<A: Abi> {
    pub(crate) context: Context<A>,
    /// Whether to wait for room where the socket itself does not. A response has to go out; who calls on a socket
    /// made non-blocking wants to know.
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

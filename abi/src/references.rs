//! The references to a context, and the end of a context with its last reference.

use std::ffi::c_int;

use ::drpc::peer::reconnect_paths::RECONNECT_PATHS;
use ::drpc::{Cause, Phase, sys};

use crate::abi::{Abi, Head};
use crate::context::Context;
use crate::log::{self, Level};
use crate::{boundary, framing_detection, reply};

/// Gives a reference back. The last one closes the socket and frees the context.
///
/// # Safety
/// `context` is null or points to a context; the reference is the caller's, who does not use it any more.
pub unsafe fn close<A: Abi>(context: *mut A::Context) -> c_int {
    boundary::bare::code::<A>(Phase::Close, |_| {
        // SAFETY: the caller's promise.
        unsafe { release(Context::<A>::new(context)?) }
    })
}

/// Takes another reference.
///
/// # Safety
/// `context` is null or points to a context.
pub unsafe fn add_ref<A: Abi>(context: *mut A::Context) -> c_int {
    boundary::code::<A>(Phase::Close, |_| {
        // SAFETY: the caller's promise.
        unsafe { Head::add_ref(context.cast()) }
    })
}

/// Gives a reference back. The last one closes the socket and frees the context.
///
/// # Safety
/// The reference is the caller's, who does not use it any more.
pub(crate) unsafe fn release<A: Abi>(context: Context<A>) -> Result<(), Cause> {
    if !context.subtract_ref()? {
        return Ok(());
    }
    let _keep = sys::KeepErrno::new();
    framing_detection::finish(context);
    drop(context.take_partial(0));
    context.take_backoff();
    if context.handler().is_none() {
        RECONNECT_PATHS.forget(context.comm_address());
    }
    let is_ours = context.has_not_forked();
    if is_ours && context.may_have_datagram_client() && context.flags().owes_replies() {
        reply::fail_unanswered_calls(context);
    }
    let fd = context.fd();
    // A forgotten socket is not closed. After a failed close the descriptor is gone all the same.
    if let Some(cause) = (fd >= 0).then(|| sys::close(fd)).and_then(Result::err) {
        log::print_limited(Level::Warn, format_args!("close of descriptor {fd}: {cause}"));
    }
    // SAFETY: that was the last reference.
    unsafe { context.free() };
    Ok(())
}

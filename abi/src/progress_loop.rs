//! The functions of the progress context: a listener and its sessions, served from a loop of the program's.

use std::ffi::c_int;

use ::drpc::{Cause, Phase, sys};

use crate::abi::Abi;
use crate::boundary;
use crate::context::Context;
use crate::drpc_progress::{self, drpc_progress_context};
use crate::flags::{CLOSE_ASKED, IN_PROGRESS};
use crate::memory::{self, Owned};
use crate::{list, poll_cycle, references, yielding};

/// Makes a progress context for a listener, and takes the listener over.
///
/// # Safety
/// `listener` is null or points to a context.
pub unsafe fn create<A: Abi>(listener: *mut A::Context) -> *mut drpc_progress_context {
    boundary::pointer::<A, _>(Phase::Progress, |_| {
        // SAFETY: the caller's promise.
        let listener = unsafe { Context::<A>::listener(listener) }?;
        let context = Owned::new(drpc_progress_context {
            listener_ctx: listener.as_ptr().cast(),
            session_ctx_list: list::UNLINKED,
        })?
        .into_raw();
        // SAFETY: the block is new.
        unsafe { list::init(&raw mut (*context).session_ctx_list) };
        Ok(context)
    })
}

/// Closes a progress context with its sessions and its listener, or asks drpc_progress to do so if it runs.
///
/// # Safety
/// `context` is null or a progress context that is not used any more.
pub unsafe fn close<A: Abi>(context: *mut drpc_progress_context) {
    // An error of a session's or listener's close has been reported there.
    let _ = boundary::bare::run::<A, ()>(Phase::Close, |_| {
        if context.is_null() {
            return Err(Cause::Invalid("the progress context is NULL"));
        }
        // SAFETY: not null, and the caller's promise.
        unsafe {
            let listener = Context::<A>::new((*context).listener_ctx.cast());
            if !listener.is_ok_and(|listener| listener.flags().ask_to_close()) {
                close_now::<A>(context);
            }
        }
        Ok(())
    });
}

/// # Safety
/// `context` points to a progress context that is not used any more.
unsafe fn close_now<A: Abi>(context: *mut drpc_progress_context) {
    // SAFETY: the caller's promise; every node is freed once, after it was taken out of the list.
    unsafe {
        for node in drpc_progress::nodes(&raw mut (*context).session_ctx_list) {
            references::close::<A>((*node).ctx.cast());
            list::remove(&raw mut (*node).link);
            memory::free(node);
        }
        references::close::<A>((*context).listener_ctx.cast());
        memory::free(context);
    }
}

/// Runs one cycle of the loop.
///
/// # Safety
/// `context` is null or points to a progress context.
pub unsafe fn progress<A: Abi>(context: *mut drpc_progress_context, timeout_ms: c_int) -> c_int {
    let done = boundary::bare::run::<A, c_int>(Phase::Progress, |site| {
        if context.is_null() {
            return Err(Cause::Invalid("the progress context is NULL"));
        }
        // SAFETY: not null, and the caller's promise.
        unsafe {
            let listener = Context::<A>::listener((*context).listener_ctx.cast())?;
            if listener.flags().set(IN_PROGRESS) {
                return Err(Cause::Busy);
            }
            let _at_work = AtWork(context, listener);
            poll_cycle::run(site, context, listener, timeout_ms, &mut yielding::uncancelled(listener))
        }
    });
    done.unwrap_or_else(|code| code)
}

/// Proof that drpc_progress runs on a context. Dropping it closes the context if that has been asked for meanwhile.
struct AtWork<A: Abi>(*mut drpc_progress_context, Context<A>);

impl<A: Abi> Drop for AtWork<A> {
    fn drop(&mut self) {
        if self.1.flags().clear(IN_PROGRESS | CLOSE_ASKED) & CLOSE_ASKED != 0 {
            let _keep = sys::KeepErrno::new();
            // SAFETY: the context is alive, and the caller of its close does not use it any more.
            unsafe { close_now::<A>(self.0) };
        }
    }
}

//! The functions of `daos/drpc_progress.h`.

use std::ffi::{c_int, c_void};

use drpc_abi::drpc_progress::drpc_progress_context;
use drpc_abi::{dispatch, progress_loop};

use crate::V2_8;
use crate::connection::drpc;

/// Makes a progress context for a listener, and takes the listener over.
///
/// Returns the context, to be closed with drpc_progress_context_close. NULL if `listener` is no listener or memory is
/// out; the listener then stays the caller's.
///
/// (DAOS: src/engine/drpc_progress.c.)
///
/// # Safety
/// `listener` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_progress_context_create(listener: *mut drpc) -> *mut drpc_progress_context {
    // SAFETY: the caller's promise.
    unsafe { progress_loop::create::<V2_8>(listener) }
}

/// Closes the sessions and the listener of a progress context, and frees it. A handler that still runs keeps its
/// session until it has answered. NULL is ignored.
///
/// A call from a handler that drpc_progress runs takes effect before drpc_progress returns, which serves no further
/// session. The context must not be used after that. Another thread must not close a context while drpc_progress may
/// run on it: end the loop first.
///
/// (DAOS: src/engine/drpc_progress.c.)
///
/// # Safety
/// `ctx` is null or points to a progress context that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_progress_context_close(ctx: *mut drpc_progress_context) {
    // SAFETY: the caller's promise.
    unsafe { progress_loop::close::<V2_8>(ctx) };
}

/// Runs one cycle of the loop. Waits up to `timeout` milliseconds (negative: for ever) for events, then handles each
/// ready session and the listener once: receives, runs handlers, sends their responses, accepts, closes. Only one
/// thread at a time may run a context. A session whose peer sends only part of a message does not delay the others.
///
/// Returns 0 when something was done. A session with an error is closed, and the result is not affected by it.
/// * -DER_TIMEDOUT: nothing happened in that time.
/// * -DER_INVAL: `ctx` or something in it is NULL. -DER_BUSY: the caller is a handler that drpc_progress runs on this
///   context.
/// * -DER_AGAIN: a session was reported ready, but had no message.
/// * -DER_MISC: the listener is broken, or a signal came. If accepting a connection fails, the number of that error.
/// * -DER_NOMEM: there is no memory for another session, whose client waits until there is. The other sessions are
///   served. Otherwise the number of poll's error.
///
/// (DAOS: src/engine/drpc_progress.c.)
///
/// # Safety
/// `ctx` is null or points to a progress context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_progress(ctx: *mut drpc_progress_context, timeout: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { progress_loop::progress::<V2_8>(ctx, timeout) }
}

/// Sets the way in which handlers are run, in the whole process. `spawn` either starts `fn(arg)` in another thread of
/// execution, once, and returns 0. Or it returns another number and never runs `fn`, which closes the session. `arg` is
/// a struct drpc_call_ctx, which `fn` consumes: it runs the handler, sends the response, and frees everything. With
/// NULL, the default, drpc_progress runs handlers itself.
///
/// (DAOS: src/engine/drpc_progress.c creates Argobots threads.)
#[unsafe(no_mangle)]
pub extern "C" fn drpc_progress_set_spawner(
    spawn: Option<unsafe extern "C" fn(r#fn: Option<unsafe extern "C" fn(*mut c_void)>, arg: *mut c_void) -> c_int>,
) {
    dispatch::set_spawner(spawn);
}

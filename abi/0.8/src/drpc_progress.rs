//! `daos/drpc_progress.h`, the functions.

use std::ffi::{c_int, c_void};

use drpc_abi::drpc_progress::drpc_progress_context;
use drpc_abi::{dispatch, progress_loop};

use crate::V0_8;
use crate::connection::drpc;

/// Makes a progress context for a listener, which belongs to it from then on.
///
/// Returns the context, to be given back with drpc_progress_context_close; NULL if `listener` is no listener or
/// memory is out: the listener stays the caller's then.
///
/// (DAOS: src/iosrv/drpc_progress.c.)
///
/// # Safety
/// `listener` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_progress_context_create(listener: *mut drpc) -> *mut drpc_progress_context {
    // SAFETY: the caller's promise.
    unsafe { progress_loop::create::<V0_8>(listener) }
}

/// Closes the sessions and the listener of a progress context and frees it; NULL has no effect. A handler that still runs keeps its
/// session until it has answered. From within a handler that drpc_progress runs, this is carried out before that
/// returns, which serves no further session; the context must not be used after that. Another thread must not close a
/// context while drpc_progress may be at work on it: end the loop first.
///
/// (DAOS: src/iosrv/drpc_progress.c.)
///
/// # Safety
/// `ctx` is null or points to a progress context that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_progress_context_close(ctx: *mut drpc_progress_context) {
    // SAFETY: the caller's promise.
    unsafe { progress_loop::close::<V0_8>(ctx) };
}

/// Waits up to `timeout` milliseconds (negative: for ever) until there is something to do, then does it once for
/// every session and for the listener: receives, runs handlers, sends their responses, accepts, closes. One thread at
/// a time for each context. A session whose peer sends only part of a message does not delay the others.
///
/// Returns 0 when something was done. A session in trouble is closed, and nothing else happens.
/// * -DER_TIMEDOUT: there was nothing to do.
/// * -DER_INVAL: `ctx` or something in it is NULL. -DER_BUSY: called from a handler that it runs.
/// * -DER_AGAIN: a session was ready and had nothing after all.
/// * -DER_UNKNOWN: the listener is broken, or accepting a connection failed.
/// * -DER_MISC: a signal came.
/// * -DER_NOMEM: there is no memory for another session, whose client waits until there is; the others are served. Else
///   what the error of poll translates to.
///
/// (DAOS: src/iosrv/drpc_progress.c.)
///
/// # Safety
/// `ctx` is null or points to a progress context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_progress(ctx: *mut drpc_progress_context, timeout: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { progress_loop::progress::<V0_8>(ctx, timeout) }
}

/// Sets how handlers are run, in the whole process. `spawn` starts `fn(arg)` in another thread of execution, once, and
/// returns 0; or it returns something else and never runs it, which closes the session. `arg` is a struct
/// drpc_call_ctx, which `fn` consumes: it runs the handler, sends the response, and frees everything. NULL, as at the
/// beginning: drpc_progress runs handlers itself.
///
/// (DAOS: src/iosrv/drpc_progress.c creates Argobots threads.)
#[unsafe(no_mangle)]
pub extern "C" fn drpc_progress_set_spawner(
    spawn: Option<unsafe extern "C" fn(r#fn: Option<unsafe extern "C" fn(*mut c_void)>, arg: *mut c_void) -> c_int>,
) {
    dispatch::set_spawner(spawn);
}

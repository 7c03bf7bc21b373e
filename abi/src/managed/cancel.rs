//! Cancellation of calls from another thread, for `drpc/client.h`.

use ::drpc::{Cancel, Phase};

use super::object;
use crate::boundary;

/// A cancel token. Calls that are given it can be cancelled from another thread.
pub struct drpc_cancel(pub(crate) Cancel);

/// Makes a cancel token. It may be given to any number of calls, one after the other or at once.
///
/// Returns the token, to be freed with drpc_cancel_destroy; NULL without memory.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_cancel_create() -> *mut drpc_cancel {
    boundary::common_pointer(Phase::Configure, || object::into_raw(drpc_cancel(Cancel::try_new()?)))
}

/// Cancels all calls that have been or will be given the token: they end with -DER_CANCELED. Any thread may call this,
/// but no signal handler. NULL is ignored.
///
/// # Safety
/// `cancel` is null or a token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_cancel_trigger(cancel: *mut drpc_cancel) {
    // SAFETY: the caller's promise.
    boundary::infallible((), || unsafe { cancel.as_ref() }.map_or((), |cancel| cancel.0.cancel()));
}

/// Frees a token. Calls that were given the token go on. NULL is ignored.
///
/// # Safety
/// `cancel` is null or a token that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_cancel_destroy(cancel: *mut drpc_cancel) {
    // SAFETY: the caller's promise.
    boundary::infallible((), || drop(unsafe { object::from_raw(cancel) }));
}

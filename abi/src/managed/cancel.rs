//! `drpc/client.h`: giving up calls from another thread.

use ::drpc::{Cancel, Phase};

use super::object;
use crate::boundary;

/// A token that calls can be given, to be given up from another thread.
pub struct drpc_cancel(pub(crate) Cancel);

/// Makes a token. It may be given to any number of calls, one after the other or at once.
///
/// Returns NULL without memory. Free it with drpc_cancel_destroy.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_cancel_create() -> *mut drpc_cancel {
    boundary::common_pointer(Phase::Configure, || object::into_raw(drpc_cancel(Cancel::try_new()?)))
}

/// Gives up the calls that have been given the token, and those that will be: they end with -DER_CANCELED. May be
/// called by any thread, but by no signal handler. NULL is ignored.
///
/// # Safety
/// `cancel` is null or a token.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_cancel_trigger(cancel: *mut drpc_cancel) {
    // SAFETY: the caller's promise.
    boundary::infallible((), || unsafe { cancel.as_ref() }.map_or((), |cancel| cancel.0.cancel()));
}

/// Frees a token. Calls that were given it go on. NULL is ignored.
///
/// # Safety
/// `cancel` is null or a token that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_cancel_destroy(cancel: *mut drpc_cancel) {
    // SAFETY: the caller's promise.
    boundary::infallible((), || drop(unsafe { object::from_raw(cancel) }));
}

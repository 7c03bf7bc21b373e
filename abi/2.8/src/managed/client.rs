//! `drpc/client.h`, the function that depends on the line.

use std::ffi::{c_char, c_int};

use drpc_abi::managed::client::{self, drpc_client};

use crate::V2_8;

/// Makes a client for the server at `path`, which is copied; a relative one is meant in the directory
/// in which the process works now. Nothing happens yet: see drpc_client_connect.
///
/// The functions of this header may be called by any thread, but for drpc_client_destroy. In the child of a fork those
/// that use the connection give -DER_NO_HDL: make a client of its own there.
///
/// Returns 0 and the client in `*client`, to be freed with drpc_client_destroy. Otherwise `*client` is NULL and the
/// result -DER_INVAL if an argument is NULL, or -DER_NOMEM.
///
/// # Safety
/// `path` is null or a C string, `client` is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_create(path: *const c_char, client: *mut *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { client::create::<V2_8>(path, client) }
}

//! The function of `drpc/client.h` that depends on the line.

use std::ffi::{c_char, c_int};

use drpc_abi::managed::client::{self, drpc_client};

use crate::V0_8;

/// Makes a client for the server at `path`, which is copied. A relative path is resolved in the current directory of
/// this call. Nothing happens yet: see drpc_client_connect.
///
/// Any thread may call the functions of this header, except drpc_client_destroy. In the child of a fork those that use
/// the connection return -DER_NO_HDL: make another client there.
///
/// Returns 0 and the client in `*client`, to be freed with drpc_client_destroy. After an error `*client` is NULL:
/// -DER_INVAL if an argument is NULL, or -DER_NOMEM.
///
/// # Safety
/// `path` is null or a C string, `client` is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_create(path: *const c_char, client: *mut *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { client::create::<V0_8>(path, client) }
}

//! The function of `drpc/server.h` that depends on the line.

use std::ffi::{c_char, c_int};

use drpc_abi::managed::server::{self, drpc_server};

use crate::V0_8;

/// Makes a server that is to listen at `path`, which is copied. A relative path is resolved in the current directory of
/// this call. Nothing happens yet: register modules, then call drpc_server_run, drpc_server_start or
/// drpc_server_dispatch. Any thread may call the functions of this header.
///
/// Returns 0 and the server in `*server`, to be freed with drpc_server_destroy. After an error `*server` is NULL:
/// -DER_INVAL if an argument is NULL, or -DER_NOMEM.
///
/// # Safety
/// `path` is null or a C string, `server` is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_create(path: *const c_char, server: *mut *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { server::create::<V0_8>(path, server) }
}

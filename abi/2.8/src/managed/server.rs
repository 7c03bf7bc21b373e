//! `drpc/server.h`, the function that depends on the line.

use std::ffi::{c_char, c_int};

use drpc_abi::managed::server::{self, drpc_server};

use crate::V2_8;

/// Makes a server that is to listen at `path`, which is copied; a relative one is
/// meant in the directory in which the process works now. Nothing happens yet: register modules, then call
/// drpc_server_run, drpc_server_start or drpc_server_dispatch. The functions of this header may be called by any
/// thread.
///
/// Returns 0 and the server in `*server`, to be freed with drpc_server_destroy. Otherwise `*server` is NULL and the
/// result -DER_INVAL if an argument is NULL, or -DER_NOMEM.
///
/// # Safety
/// `path` is null or a C string, `server` is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_create(path: *const c_char, server: *mut *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { server::create::<V2_8>(path, server) }
}

//! The functions of `drpc/library.h` that depend on the line.

use std::ffi::{c_char, c_int};

use drpc_abi::{Abi, library};

use crate::V0_8;
use crate::connection::drpc;

/// Returns the version of the library as pkg-config has it, three numbers with dots between. The text is constant.
/// DRPC_VERSION_MAJOR, DRPC_VERSION_MINOR and DRPC_VERSION_PATCH are those of the headers.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Returns the name of a module in DAOS 0.8 to 1.0, as in "mgmt" for DRPC_MODULE_MGMT: what DAOS's constant says behind its
/// prefix, in small letters. NULL if DAOS has no such module.
///
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_module_name(module: i32) -> *const c_char {
    library::text(V0_8::NAMES.c_module(module))
}

/// Returns the name of a method in DAOS 0.8 to 1.0, as in "get_attach_info" for DRPC_METHOD_MGMT_GET_ATTACH_INFO. NULL if
/// the module has no such method. drpc_last_error() joins the two with a dot: "mgmt.get_attach_info".
///
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_method_name(module: i32, method: i32) -> *const c_char {
    library::text(V0_8::NAMES.c_method(module, method))
}

/// Limits the time in milliseconds that sending or receiving on a context may wait; 0 is no limit. After that time
/// functions return -DER_TIMEDOUT. A late reply is dropped by the next call. The next drpc_recv_call continues a call
/// received in part.
///
/// The limit holds for the first record of a message. After that record it counts once more for all the rest: the other
/// records of a large message, and the reply behind others that are dropped. No wait begins after that, so that a peer
/// cannot stretch the waits beyond three times the limit. While signals arrive a wait may take twice as long. Choose
/// the limit for the largest message: a response sent in part costs the connection.
///
/// On a listener the limit holds for responses of sessions accepted from then on. drpc_progress, or the function that
/// it passed to the spawner, waits no longer for a client to take its response.
///
/// Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `ms` is negative; else the number of the socket's error.
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_set_timeout(ctx: *mut drpc, ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { library::set_timeout::<V0_8>(ctx, ms) }
}

/// Chooses the framing of a context: one of enum drpc_framing. Set a client's framing before its first call. The
/// default of a client is the environment variable DRPC_FRAMING ("datagram", "chunked" or "auto"), or else
/// DRPC_FRAMING_DATAGRAM. A listener passes its framing to the sessions accepted from then on. By default each session
/// detects the framing from its client's first call, and answers alike.
///
/// A client detects the framing with its first call. A call of up to 131 KB is sent as DAOS 2.8 expects it, in a way
/// that no older server takes for a call. Before a larger call goes a probe, which is no call to any server. A server
/// of DAOS 0.8 to 2.6 rejects both, so that nothing is executed.
///
/// After a rejection the client reconnects. The socket keeps its descriptor, file descriptor flags, status flags and
/// timeouts, but leaves an epoll set. The detected framing holds for the process's next connections to that server,
/// until one of them fails. A server that cannot be reconnected to, as at the other end of a socketpair, is not asked:
/// it gets the framing of this library's line.
///
/// Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `framing` is not in the enum; -DER_BUSY while the server has
/// not answered the first call.
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_set_framing(ctx: *mut drpc, framing: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { library::set_framing::<V0_8>(ctx, framing) }
}

//! `drpc/library.h`, the functions that depend on the line.

use std::ffi::{c_char, c_int};

use drpc_abi::library;

use crate::V0_8;
use crate::connection::drpc;

/// Version of the library, as pkg-config has it: "0.1.0". The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Limits how long sending or receiving on a context may wait, in milliseconds; 0 takes the limit away. What takes longer
/// gives -DER_TIMEDOUT. A reply that comes later is dropped by the next call, and the next drpc_recv_call goes on with a call
/// that has come in part.
///
/// It holds for the first record. When that is there or out, it counts anew, once, for everything else: the other
/// records of a large message, and the reply that is behind others that are dropped. No wait begins after that, so that a
/// peer cannot stretch them to more than three times this. While signals arrive a wait may take twice as long. Choose it for
/// the largest message: a response that is out in part costs the connection.
///
/// On a listener it is how long drpc_progress, or the function that it gave to the spawner, may wait for a client to take its
/// response, for the sessions accepted from then on.
///
/// Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `ms` is negative; else what the error of the socket
/// translates to.
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_set_timeout(ctx: *mut drpc, ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { library::set_timeout::<V0_8>(ctx, ms) }
}

/// Chooses how messages are sent and read on a context: one of enum drpc_framing. A client is told before its first call;
/// unless it is, it does what the environment variable DRPC_FRAMING says ("datagram", "chunked" or "auto"), or else
/// DRPC_FRAMING_DATAGRAM. A listener hands it on to the sessions that are accepted from then on; unless told otherwise each
/// finds out from its client's first call, and answers alike.
///
/// A client finds out with its first call. One of up to 131 KB is sent as DAOS 2.8 expects it, and in a way that no older
/// server takes for a call; before a larger one goes a message that is no call to any server. A server of DAOS 0.8 to 2.6
/// rejects both, so that nothing is executed. After a rejection the client connects anew: the socket has the same
/// descriptor, file descriptor flags, status flags and timeouts, but leaves an epoll set. What has been learnt holds for the
/// next connections of the process to that server, until one of them fails. A server that cannot be connected to again, as
/// at the other end of a socketpair, is not asked: it is sent what the releases of this library's line expect.
///
/// Returns 0; -DER_INVAL if `ctx` or its socket is NULL or `framing` is none of the enum; -DER_BUSY while the server has not answered
/// the first call.
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_set_framing(ctx: *mut drpc, framing: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { library::set_framing::<V0_8>(ctx, framing) }
}

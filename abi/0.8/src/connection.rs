//! `daos/drpc.h` as in DAOS 0.8.

use std::ffi::{c_char, c_int};

use drpc_abi::abi::{drpc_handler_t, unixcomm};
use drpc_abi::drpc_pb_c::{Drpc__Call, Drpc__Response};
use drpc_abi::{client, message, references, session};

use crate::V0_8;

/// The largest message that a peer of this line receives, in bytes.
pub const UNIXCOMM_MAXMSGSIZE: usize = 16384;

/// Flags of drpc_call.
#[repr(C)]
pub enum rpcflags {
    /// Wait for the reply.
    R_SYNC = 1,
}

/// A connection or a listener. Made by drpc_connect, drpc_listen or drpc_accept, or by hand; given back with
/// drpc_close.
#[repr(C)]
pub struct drpc {
    /// The socket.
    pub comm: *mut unixcomm,
    /// Number of the next call.
    pub sequence: c_int,
    /// References to this struct; drpc_close gives one back.
    pub ref_count: u32,
    /// Of a listener and its sessions: what serves calls.
    pub handler: drpc_handler_t,
}

/// Makes a call to a method of a module, to be sent on `ctx`, with the context's next number and an empty body. What
/// is put into the body comes from malloc and belongs to the call.
///
/// Returns the call, to be freed with drpc_call_free; NULL if `ctx` is NULL or memory is out.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_call_create(ctx: *mut drpc, module: i32, method: i32) -> *mut Drpc__Call {
    // SAFETY: the caller's promise.
    unsafe { client::call_create::<V0_8>(ctx, module, method) }.unwrap_or(std::ptr::null_mut())
}

/// Frees a call with its body. NULL is fine.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `call` is null or a call from malloc that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_call_free(call: *mut Drpc__Call) {
    // SAFETY: the caller's promise.
    unsafe { message::call_free(call) };
}

/// Makes the response to a call: its number, DRPC__STATUS__SUCCESS, an empty body. Without a call the number is -1.
/// What is put into the body comes from malloc and belongs to the response.
///
/// Returns the response, to be freed with drpc_response_free; NULL if memory is out.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `call` is null or points to a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_response_create(call: *mut Drpc__Call) -> *mut Drpc__Response {
    // SAFETY: the caller's promise.
    unsafe { message::response_create::<V0_8>(call) }
}

/// Frees a response with its body. NULL is fine.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `resp` is null or a response from malloc that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_response_free(resp: *mut Drpc__Response) {
    // SAFETY: the caller's promise.
    unsafe { message::response_free(resp) };
}

/// Sends a call and, with R_SYNC in `flags`, waits for the reply. The number of the call is set here: that of the
/// context, but not below 1. Without R_SYNC the response has the status DRPC__STATUS__SUBMITTED, and the reply is
/// dropped when it comes. One call at a time on a context.
///
/// Where the context finds out how its server expects messages (drpc_set_framing), a call without R_SYNC does not wait for
/// the answer to that either. The first one goes out at once. Up to 16 later ones, of 1 MiB together, are kept until the
/// server has answered; further ones give -DER_AGAIN. The next call with R_SYNC, or drpc_close, waits for the answer. A
/// call of more than 131 KB cannot go out first: it waits for as long as the context's timeout, or a second.
///
/// Returns 0 and the response in `*resp`, to be freed with drpc_response_free; `msg` stays the caller's. On an error
/// `*resp` is left as it was.
/// * Nothing is sent: -DER_INVAL, an argument is NULL or a body has a length but no data; -DER_OVERFLOW, the call is
///   too large.
/// * No reply came in time, and is dropped by the next call should it come: -DER_TIMEDOUT (drpc_set_timeout),
///   -DER_AGAIN (a socket made non-blocking). Without R_SYNC both mean that the call has not been sent.
/// * The peer closed the connection instead of replying: -DER_NOREPLY. A server that closes the connection over the first
///   call may be of DAOS 2.6 or before, with a loop of its own: set DRPC_FRAMING=datagram, or drpc_set_framing.
/// * In the child of a fork, while calls of its parent wait for the server's first answer: -DER_NO_HDL.
/// * The server does not expect messages as the client has sent the first one, and no new connection to it can be made:
///   -DER_PROTO, or what the error of connecting translates to. See drpc_set_framing.
/// * What came is no response: -DER_PROTO, -DER_TRUNC, -DER_MISMATCH; or it is too large: -DER_OVERFLOW. If records
///   are missing or do not fit together, the connection is ended, and later calls fail.
/// * -DER_NOMEM, or what the error of the socket translates to.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context, `msg` is null or points to a call, `resp` is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_call(
    ctx: *mut drpc,
    flags: c_int,
    msg: *mut Drpc__Call,
    resp: *mut *mut Drpc__Response,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { client::call::<V0_8>(ctx, flags, msg, resp) }
}

/// Connects to the server that listens at the path `sockaddr`. The socket is blocking. The first call may connect again,
/// see drpc_set_framing.
///
/// Returns the context, to be given back with drpc_close; or close its descriptor and free its two parts. NULL if
/// that fails: errno and drpc_last_error say why.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `sockaddr` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_connect(sockaddr: *mut c_char) -> *mut drpc {
    // SAFETY: the caller's promise.
    unsafe { client::connect::<V0_8>(sockaddr) }.unwrap_or(std::ptr::null_mut())
}

/// Listens at the path `sockaddr`, where the socket file is made; there must be no file yet, and it is not removed
/// later. Its mode is what the umask leaves of 0777, unless drpc_set_socket_mode says otherwise. The socket is
/// non-blocking. `handler` is given to every session.
///
/// Returns the context, to be given back with drpc_close. NULL if that fails: errno and drpc_last_error say why.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `sockaddr` is null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_listen(sockaddr: *mut c_char, handler: drpc_handler_t) -> *mut drpc {
    // SAFETY: the caller's promise.
    unsafe { session::listen::<V0_8>(sockaddr, handler) }
}

/// Whether a context can accept connections or receive calls: it, its socket and its handler are not NULL.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_is_valid_listener(ctx: *mut drpc) -> bool {
    // SAFETY: the caller's promise.
    unsafe { session::is_valid_listener::<V0_8>(ctx) }
}

/// Takes the next connection of a listener. The session has the listener's handler; its socket is blocking.
///
/// Returns the session, to be given back with drpc_close. NULL if that fails: errno, which is EAGAIN if no connection
/// is there, and drpc_last_error say why.
///
/// (DAOS: src/common/drpc.c, 0.8 to 2.4.)
///
/// # Safety
/// `listener_ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_accept(listener_ctx: *mut drpc) -> *mut drpc {
    // SAFETY: the caller's promise.
    unsafe { session::accept::<V0_8>(listener_ctx) }.unwrap_or(std::ptr::null_mut())
}

/// Waits for the next call of a session.
///
/// Returns 0 and the call in `*call`, to be freed with drpc_call_free. On an error `*call` is NULL or as it was.
/// * -DER_INVAL: `call` is NULL or `ctx` is no session.
/// * -DER_AGAIN: the socket is non-blocking, and no whole call is there yet. -DER_TIMEDOUT: none came in time
///   (drpc_set_timeout).
/// * -DER_TRUNC: the peer has closed the connection, or is about to, as it has only asked how messages are read here
///   (which has been answered); or a record is cut short.
/// * -DER_PROTO, -DER_MISMATCH: what came is no call. -DER_OVERFLOW: it is too large.
/// * -DER_NOMEM, or what the error of the socket translates to.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context, `call` is null or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_recv_call(ctx: *mut drpc, call: *mut *mut Drpc__Call) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { session::recv_call::<V0_8>(ctx, call) }
}

/// Sends the response to a call. Several threads may do so on one session: the messages do not mix. Where the socket
/// has no room, this waits for it, also on a socket made non-blocking. It goes out as the client speaks, which its first
/// call has told (drpc_set_framing).
///
/// Returns 0; `resp` stays the caller's. Otherwise -DER_INVAL if `resp` is NULL, `ctx` is no session, or the body has
/// a length but no data; -DER_OVERFLOW if the message is too large (drpc_set_max_message, drpc_set_max_datagram), and the
/// client is sent DRPC__STATUS__FAILED_MARSHAL in its place; -DER_NOMEM; -DER_TIMEDOUT (drpc_set_timeout); else what
/// the error of the socket translates to.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context, `resp` is null or points to a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_send_response(ctx: *mut drpc, resp: *mut Drpc__Response) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { session::send_response::<V0_8>(ctx, resp) }
}

/// Gives a reference to a context back. The last one closes the socket and frees the context. A socket file stays.
/// References may be given back by any thread. A client up to DAOS 2.6, which takes the end of a session for a success, is
/// sent DRPC__STATUS__FAILURE for each call, up to 15, that drpc_recv_call has received and nobody has answered.
///
/// Calls without R_SYNC that wait for the server's first answer (drpc_call) are seen to before the socket is closed. That
/// takes no longer than the context's timeout, or 100 ms; then they may be lost, which is logged. In a forked child nothing
/// is done about them.
///
/// Returns 0, also if closing the socket fails; -DER_INVAL if `ctx` or its socket is NULL or it has no references.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context; the reference is the caller's, who does not use it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_close(ctx: *mut drpc) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { references::close::<V0_8>(ctx) }
}

/// Takes another reference to a context, to be given back with drpc_close. Any thread that has one may do so.
///
/// Returns 0; -DER_INVAL if `ctx` is NULL or has UINT32_MAX references.
///
/// (DAOS: src/common/drpc.c, 0.8 to 1.0.)
///
/// # Safety
/// `ctx` is null or points to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_add_ref(ctx: *mut drpc) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { references::add_ref::<V0_8>(ctx) }
}

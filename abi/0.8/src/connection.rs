//! `daos/drpc.h` as in DAOS 0.8.

use std::ffi::{c_char, c_int};

use drpc_abi::abi::{drpc_handler_t, unixcomm};
use drpc_abi::drpc_pb_c::{Drpc__Call, Drpc__Response};
use drpc_abi::{client, message, references, session};

use crate::V0_8;

/// The size in bytes of the largest message that a peer of this line receives.
pub const UNIXCOMM_MAXMSGSIZE: usize = 16384;

/// Flags of drpc_call.
#[repr(C)]
pub enum rpcflags {
    /// The call waits for the reply.
    R_SYNC = 1,
}

/// A connection or a listener, made by drpc_connect, drpc_listen or drpc_accept, or by hand. Give it back with
/// drpc_close.
#[repr(C)]
pub struct drpc {
    /// The socket.
    pub comm: *mut unixcomm,
    /// The number of the next call.
    pub sequence: c_int,
    /// The number of references to this struct; drpc_close gives one back.
    pub ref_count: u32,
    /// The function that serves calls, for a listener and its sessions.
    pub handler: drpc_handler_t,
}

/// Makes a call to a method of a module, to be sent on `ctx`. The call has the context's next number and an empty body.
/// Data put into the body must come from malloc, and belongs to the call.
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

/// Frees a call with its body. NULL is ignored.
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

/// Makes the response to a call, with the call's number, DRPC__STATUS__SUCCESS and an empty body. Without a call the
/// number is -1. Data put into the body must come from malloc, and belongs to the response.
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

/// Frees a response with its body. NULL is ignored.
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

/// Sends a call and, with R_SYNC in `flags`, waits for the reply. The function sets the number of the call: that of the
/// context, but at least 1. Without R_SYNC the response has the status DRPC__STATUS__SUBMITTED, and a later call drops
/// the reply when it comes. One call at a time on a context.
///
/// While the context detects its server's framing (drpc_set_framing), the first call without R_SYNC goes out at once.
/// Up to 16 later ones, of 1 MiB together, are queued until the server has answered; further ones return -DER_AGAIN.
/// The next call with R_SYNC, or drpc_close, waits for the answer. A first call of more than 131 KB waits for the
/// answer to a probe, for as long as the context's timeout, or a second.
///
/// Returns 0 and the response in `*resp`, to be freed with drpc_response_free; `msg` stays the caller's. After an error
/// `*resp` is unchanged.
/// * Nothing is sent: -DER_INVAL, an argument is NULL or a body has a length but no data; -DER_OVERFLOW, the call is
///   too large.
/// * No reply came in time: -DER_TIMEDOUT (drpc_set_timeout), -DER_AGAIN (a socket made non-blocking). The next call
///   drops a late reply. Without R_SYNC both mean that the call has not been sent.
/// * The peer closed the connection instead of replying: -DER_NOREPLY. If a server closes the connection at the first
///   call, it may be of DAOS 2.6 or before, with a loop of its own. Then set DRPC_FRAMING=datagram, or call
///   drpc_set_framing.
/// * The context is used in the child of a fork, while calls of the parent wait for the server's first answer:
///   -DER_NO_HDL.
/// * The server does not read the framing of the first call, and a new connection to it cannot be made: -DER_PROTO, or
///   the number of the connection's error. See drpc_set_framing.
/// * The received message is no response: -DER_PROTO, -DER_TRUNC, -DER_MISMATCH; or it is too large: -DER_OVERFLOW. If
///   records are missing or do not fit together, the connection is ended, and later calls fail.
/// * -DER_NOMEM, or the number of the socket's error.
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

/// Connects to the server that listens at the path `sockaddr`. The socket is blocking. The first call may reconnect,
/// see drpc_set_framing.
///
/// Returns the context. Give it back with drpc_close, or close its descriptor and free its two parts. NULL after an
/// error, which errno and drpc_last_error tell.
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

/// Listens at the path `sockaddr`, where it makes the socket file. There must be no file at the path yet, and the
/// socket file is not removed later. Its mode is 0777 minus the umask, unless drpc_set_socket_mode sets another. The
/// socket is non-blocking. Every session gets `handler`.
///
/// Returns the context, to be given back with drpc_close. NULL after an error, which errno and drpc_last_error tell.
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

/// Returns true if a context can accept connections or receive calls: the context, its socket and its handler are not
/// NULL.
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

/// Accepts the next connection of a listener. The session has the listener's handler; its socket is blocking.
///
/// Returns the session, to be given back with drpc_close. NULL after an error, which errno and drpc_last_error tell;
/// errno is EAGAIN if no connection is there.
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
/// Returns 0 and the call in `*call`, to be freed with drpc_call_free. After an error `*call` is NULL or unchanged.
/// * -DER_INVAL: `call` is NULL or `ctx` is no session.
/// * -DER_AGAIN: the socket is non-blocking, and no whole call has come yet. -DER_TIMEDOUT: no whole call came in time
///   (drpc_set_timeout).
/// * -DER_TRUNC: the peer has closed the connection, or a record is cut short. Or the peer has sent a probe for the
///   framing, which has been answered, and is about to close the connection.
/// * -DER_PROTO, -DER_MISMATCH: the received message is no call. -DER_OVERFLOW: it is too large.
/// * -DER_NOMEM, or the number of the socket's error.
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

/// Sends the response to a call, in the framing of the client's first call (drpc_set_framing). Several threads may send
/// on one session: the messages do not mix. Where the socket has no room the function waits, even if the socket was
/// made non-blocking.
///
/// Returns 0; `resp` stays the caller's. Errors:
/// * -DER_INVAL: `resp` is NULL, `ctx` is no session, or the body has a length but no data.
/// * -DER_OVERFLOW: the message is too large (drpc_set_max_message, drpc_set_max_datagram). The client is sent
///   DRPC__STATUS__FAILED_MARSHAL in its place.
/// * -DER_TIMEDOUT (drpc_set_timeout), -DER_NOMEM, or the number of the socket's error.
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

/// Gives a reference to a context back; any thread may do so. The last one closes the socket and frees the context. A
/// socket file stays. A client up to DAOS 2.6 takes the end of a session for success. Such a client is sent
/// DRPC__STATUS__FAILURE for each received call without an answer, up to 15.
///
/// Queued calls without R_SYNC (drpc_call) are sent before the socket is closed. Sending takes no longer than the
/// context's timeout, or 100 ms; after that the calls may be lost, which is logged. A forked child does not send them.
///
/// Returns 0, also if closing the socket fails; -DER_INVAL if `ctx` or its socket is NULL or the context has no
/// references.
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

/// Takes another reference to a context, to be given back with drpc_close. Any thread that has a reference may do so.
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

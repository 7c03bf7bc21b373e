//! The serving side: listens, accepts, receives calls and sends responses.

use std::ffi::{c_char, c_int};

use ::drpc::sys::SocketRef;
use ::drpc::transport::{self, Received};
use ::drpc::wire::CallRef;
use ::drpc::{Cause, Phase, Side, sys};

use crate::abi::{Abi, drpc_handler_t};
use crate::boundary::{self, Subject};
use crate::context::Context;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::memory::socket_path;
use crate::yielding::{self, UnderWay};
use crate::{message, references, reply, settings};

/// Creates a socket at `path` and listens.
///
/// # Safety
/// `path` is null or a C string.
pub unsafe fn listen<A: Abi>(path: *const c_char, handler: drpc_handler_t) -> *mut A::Context {
    boundary::pointer::<A, _>(Phase::Listen, |site| {
        // SAFETY: the caller's promise.
        let path = unsafe { socket_path(path) }?;
        site.subject(Subject::of_path(path));
        if handler.is_none() {
            return Err(Cause::Invalid("the handler is NULL"));
        }
        let context = Context::<A>::unopened(handler, None)?;
        let chosen = settings::socket_mode();
        let socket = sys::open(true, chosen.or(A::SOCKET_MODE))?;
        sys::listen(&socket, path.to_bytes(), chosen)?;
        Ok(context.opened(socket, libc::O_NONBLOCK))
    })
}

/// True if a context can accept connections or receive calls.
///
/// # Safety
/// `context` is null or points to a context.
pub unsafe fn is_valid_listener<A: Abi>(context: *mut A::Context) -> bool {
    // SAFETY: the caller's promise.
    unsafe { Context::<A>::listener(context) }.is_ok()
}

/// Accepts the next connection of a listener.
///
/// # Safety
/// `listener` is null or points to a context.
pub unsafe fn accept<A: Abi>(listener: *mut A::Context) -> Result<*mut A::Context, c_int> {
    boundary::run::<A, _>(Phase::Accept, |site| {
        // SAFETY: the caller's promise.
        let listener = unsafe { Context::<A>::listener(listener) }?;
        site.subject(Subject::Socket(listener.fd()));
        accept_session(listener)
    })
}

/// Accepts the next connection of a listener as a session with the listener's handler and yield function.
pub(crate) fn accept_session<A: Abi>(listener: Context<A>) -> Result<*mut A::Context, Cause> {
    let session = Context::<A>::unopened(listener.handler(), listener.yielder())?;
    let socket = sys::accept(listener.fd())?;
    let session = session.opened(socket, 0);
    if let Some(framing) = listener.flags().framing() {
        // SAFETY: the session is new and not shared.
        unsafe { Context::<A>::new(session) }?.flags().set_framing(Some(framing));
    }
    Ok(session)
}

/// Accepts and stores the session in `*session`.
///
/// # Safety
/// `listener` is null or points to a context, `session` is null or valid for writing.
pub unsafe fn accept_into<A: Abi>(listener: *mut A::Context, session: *mut *mut A::Context) -> c_int {
    // SAFETY: the caller's promise.
    let accepted = match unsafe { accept::<A>(listener) } {
        Ok(accepted) => accepted,
        Err(code) => return code,
    };
    // Checked after accepting, because callers that expect a failure pass NULL.
    if session.is_null() {
        // SAFETY: the session is new and not shared.
        unsafe { references::close::<A>(accepted) };
        return boundary::null_output::<A>(Phase::Accept);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { *session = accepted };
    0
}

/// Waits for the next call of a session.
///
/// # Safety
/// `session` is null or points to a context, `call` is null or valid for writing.
pub unsafe fn recv_call<A: Abi>(session: *mut A::Context, call: *mut *mut Drpc__Call) -> c_int {
    boundary::bare::code::<A>(Phase::Receive, |site| {
        if call.is_null() {
            return Err(Cause::Invalid("the place for the call is NULL"));
        }
        // SAFETY: the caller's promise.
        let session = unsafe { Context::<A>::listener(session) }?;
        site.subject(Subject::Socket(session.fd()));
        let _under_way = UnderWay::begin(session)?;
        let mut partial = session.take_partial(CallRef::BODY);
        let limit = partial.limit();
        let unpack =
            |mut message: Received<'_>| message::unpack_call(message.within_limit()?, message.take_body(), limit);
        let uncancelled = yielding::uncancelled(session);
        let fd = SocketRef::with_guard(session.fd(), uncancelled.as_ref()).looking(Side::Server);
        let yielding = || yielding::run_yield(session);
        let known = session.peer_framing();
        let mut peer_framing = known;
        let received = transport::receive(fd, &mut peer_framing, &mut partial, A::RECORD, unpack, yielding);
        let received = received.map_err(|cause| peer_framing.check_probe(cause));
        session.keep_partial(partial);
        session.keep_peer_framing(known, peer_framing);
        match received {
            // SAFETY: not null, and the caller's promise.
            Ok(received) => unsafe { *call = received },
            Err(cause) => {
                if let Cause::Malformed | Cause::NoMemory | Cause::Probe(_) = cause {
                    // SAFETY: as above.
                    unsafe { *call = std::ptr::null_mut() };
                }
                if let Cause::Probe(_) = cause {
                    reply::answer_probe(session);
                }
                if !cause.is_about_a_message() {
                    return Err(cause);
                }
            }
        }
        session.count_call();
        received.map(drop)
    })
}

/// Sends the response to a call.
///
/// # Safety
/// `session` is null or points to a context, `response` is null or points to a response.
pub unsafe fn send_response<A: Abi>(session: *mut A::Context, response: *const Drpc__Response) -> c_int {
    boundary::bare::code::<A>(Phase::Respond, |site| {
        // SAFETY: the caller's promise.
        if !unsafe { message::is_a(response) } {
            return Err(Cause::Invalid("the response is NULL or not initialised"));
        }
        // SAFETY: the caller's promise.
        let session = unsafe { Context::<A>::listener(session) }?;
        site.subject(Subject::Socket(session.fd()));
        // SAFETY: `is_a` says that there is a response.
        unsafe { reply::respond(session, session.fd().into(), response) }
    })
}

//! `drpc/server.h`: calls that are answered later.

use std::cell::Cell;
use std::ffi::c_int;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use ::drpc::der::Release;
use ::drpc::{Cause, Phase, Request};

use super::message::with_body;
use super::object;
use super::session::drpc_session;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::entry;
use crate::memory;
use crate::message::{self, Message};
use crate::protobuf_c::Heap;

/// A call that its handler has taken, to answer it later.
pub struct drpc_request {
    _opaque: [u8; 0],
}

/// What a pointer to a drpc_request leads to: a call being handled.
#[repr(C)]
pub(crate) struct Turn {
    /// First, so that the pointer to it that a handler gets leads to the rest.
    session: drpc_session,
    request: Request,
    call: CallBlock,
    release: Release,
    deferred: AtomicBool,
    /// Where the thread that runs the handler sees that the request is not its own any more. Valid until then.
    taken: *const Cell<bool>,
}

/// A call in malloc blocks.
struct CallBlock(*mut Drpc__Call);

impl Drop for CallBlock {
    fn drop(&mut self) {
        // SAFETY: the call came from malloc with all it owns, and is not used any more.
        unsafe { message::free(self.0, Heap::SYSTEM) };
    }
}

impl Turn {
    /// Puts a request into a block that C can have a pointer to.
    pub(crate) fn give(mut request: Request, release: Release, taken: &Cell<bool>) -> Result<*mut Self, Cause> {
        let body = request.take_body();
        let call = request.call();
        let (module, method, sequence) = (call.module, call.method, call.sequence);
        let call = with_body(Drpc__Call { module, method, sequence, ..Drpc__Call::empty() }, body)?;
        let session = drpc_session { session: request.session().clone(), in_turn: true };
        let (call, deferred) = (CallBlock(call), AtomicBool::new(false));
        object::give(Self { session, request, call, release, deferred, taken })
    }

    /// The call, as the handler gets it.
    pub(crate) fn call(&self) -> *mut Drpc__Call {
        self.call.0
    }

    /// Answers with what a handler has written into a response.
    ///
    /// # Safety
    /// `response` points to a response.
    pub(crate) unsafe fn answer(self, response: *const Drpc__Response) -> Result<(), Cause> {
        // SAFETY: the caller's promise; a body has as many bytes as it says.
        let (status, body) =
            unsafe { ((*response).status, memory::bytes((*response).body.data, (*response).body.len)) };
        // Without a body that can be read the request is dropped, which answers it.
        self.request.respond(status, body?).map_err(|error| error.cause())
    }
}

/// Takes the call that a handler is being run for: what the handler leaves in its response is not sent, and the call
/// and its body stay until drpc_request_respond or drpc_request_drop is called, by any thread.
///
/// A session whose client has gone stays, with its descriptor, until the call is answered or dropped.
///
/// Returns NULL if the call has been taken, or if there is none because the session is being authorised.
///
/// # Safety
/// `session` is null or the one that the handler was given, which has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_defer(session: *mut drpc_session) -> *mut drpc_request {
    // SAFETY: the caller's promise.
    match unsafe { session.as_ref() } {
        Some(session) if session.in_turn => {}
        _ => return ptr::null_mut(),
    }
    let request = session.cast::<Turn>();
    // SAFETY: `in_turn` says that the session is the first field of a turn.
    let (deferred, taken) = unsafe { (&(*request).deferred, (*request).taken) };
    if deferred.swap(true, Ordering::AcqRel) {
        return ptr::null_mut();
    }
    // SAFETY: nobody has taken the request yet, so that its handler runs and waits for this one to return.
    unsafe { (*taken).set(true) };
    request.cast()
}

/// The session that the call came on; valid as long as the request. NULL for NULL.
///
/// # Safety
/// `request` is null or one that has been taken and not been answered or dropped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_session(request: *mut drpc_request) -> *mut drpc_session {
    request.cast()
}

/// The call, which is the request's. NULL for NULL.
///
/// # Safety
/// As for drpc_request_session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_call(request: *const drpc_request) -> *const Drpc__Call {
    // SAFETY: the caller's promise.
    unsafe { request.cast::<Turn>().as_ref() }.map_or(ptr::null(), |turn| turn.call().cast_const())
}

/// Answers a call with the status and, if that is DRPC__STATUS__SUCCESS, the body of a response, which stays the
/// caller's. Nobody is waited for: what the client does not take at once is copied. The request is gone, whatever is
/// returned.
///
/// Returns 0; -DER_UNREACH if the session has ended, which no request prevents; -DER_INVAL if an argument is NULL, and
/// if it is the response the call is answered with DRPC__STATUS__FAILURE.
///
/// # Safety
/// `request` is as for drpc_request_session, `response` is null or points to a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_respond(request: *mut drpc_request, response: *const Drpc__Response) -> c_int {
    // SAFETY: the caller's promise.
    let request = unsafe { object::take_back(request.cast::<Turn>()) };
    let release = request.as_ref().map_or(Release::V2_8, |request| request.release);
    entry::run_for(release, Phase::Respond, |_| {
        let request = request.ok_or(Cause::Invalid("the request is NULL"))?;
        // SAFETY: the caller's promise.
        if !unsafe { message::is_a(response) } {
            return Err(Cause::Invalid("the response is NULL or not initialised"));
        }
        // SAFETY: as above.
        unsafe { request.answer(response) }
    })
    .err()
    .unwrap_or(0)
}

/// Answers a call with DRPC__STATUS__FAILURE, if its session is still there. NULL is ignored.
///
/// # Safety
/// As for drpc_request_session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_drop(request: *mut drpc_request) {
    // SAFETY: the caller's promise.
    entry::infallible((), || drop(unsafe { object::take_back(request.cast::<Turn>()) }));
}

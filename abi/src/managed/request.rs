//! Requests of `drpc/server.h`: calls that are answered later.

use std::ffi::{c_char, c_int};
use std::ptr;
use std::sync::atomic::Ordering;

use ::drpc::der::Release;
use ::drpc::{Cause, Phase, Status};

use super::call_block::{CallBlock, drpc_session};
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::{boundary, detail, message};

const SUCCESS: c_int = Status::Success as c_int;

/// A call that its handler has taken, to be answered later.
pub struct drpc_request {
    _opaque: [u8; 0],
}

/// Takes the call of the running handler, whose response is then not sent. Call and body stay valid until
/// drpc_request_respond or drpc_request_drop is called, by any thread.
///
/// The session stays, with its descriptor, until the call is answered or dropped, even if its client has gone.
///
/// Returns the request. NULL if the call has been taken already, or if there is no call because the session is being
/// authorised.
///
/// # Safety
/// `session` is null or the one that the handler was given, which has not returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_defer(session: *mut drpc_session) -> *mut drpc_request {
    // SAFETY: the caller's promise.
    match unsafe { session.as_ref() } {
        Some(session) if session.session.is_null() => {}
        _ => return ptr::null_mut(),
    }
    let request = session.cast::<CallBlock>();
    // SAFETY: a session without a pointer is the first field of a block.
    let (deferred, taken) = unsafe { (&(*request).deferred, (*request).taken) };
    if deferred.swap(true, Ordering::AcqRel) {
        return ptr::null_mut();
    }
    // SAFETY: the request is taken here for the first time, so that the thread of its handler waits for the handler to
    // return.
    unsafe { (*taken).set(true) };
    request.cast()
}

/// Returns the session of the call, valid as long as the request; NULL for NULL.
///
/// # Safety
/// `request` is null or one that has been taken and not been answered or dropped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_session(request: *mut drpc_request) -> *mut drpc_session {
    request.cast()
}

/// Returns the call, which belongs to the request; NULL for NULL.
///
/// # Safety
/// As for drpc_request_session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_call(request: *const drpc_request) -> *const Drpc__Call {
    // SAFETY: the caller's promise.
    if request.is_null() { ptr::null() } else { unsafe { &raw const (*request.cast::<CallBlock>()).call } }
}

/// Answers a call with the status of a response and, if that is DRPC__STATUS__SUCCESS, with its body. The response
/// stays the caller's. A text that the response has (drpc_response_detail) goes with another status. The function does not
/// wait: bytes that the client does not take at once are copied. The request is freed, also after an error.
///
/// Returns 0; -DER_UNREACH if the session has ended, which a request does not prevent; -DER_NO_HDL in the child of a
/// fork, where the call is not answered; -DER_INVAL if an argument is NULL. If the response is NULL the call is
/// answered with DRPC__STATUS__FAILURE.
///
/// # Safety
/// `request` is as for drpc_request_session, `response` is null or points to a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_respond(request: *mut drpc_request, response: *const Drpc__Response) -> c_int {
    // SAFETY: the caller's promise, by which the block has no other owner.
    unsafe {
        answer(request, |block| match message::is_a(response) {
            true => CallBlock::answer(block, response),
            false => Err(Cause::Invalid("the response is NULL or not initialised")),
        })
    }
}

/// Answers a call with another status than DRPC__STATUS__SUCCESS and a text for the client, as drpc_session_fail does. The
/// text may be NULL. The request is freed, also after an error.
///
/// Returns 0; -DER_INVAL if the request is NULL, or if the status is DRPC__STATUS__SUCCESS, in whose place
/// DRPC__STATUS__FAILURE is sent; else as drpc_request_respond.
///
/// # Safety
/// `request` is as for drpc_request_session, `text` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_fail(request: *mut drpc_request, status: c_int, text: *const c_char) -> c_int {
    // SAFETY: the caller's promise, by which the block has no other owner.
    unsafe {
        answer(request, |block| match status {
            SUCCESS => Err(Cause::Invalid("the status of a failure is DRPC__STATUS__SUCCESS")),
            status => CallBlock::fail(block, status, detail::from_c(text)),
        })
    }
}

/// Answers a call, and frees the request. One without an answer is answered with DRPC__STATUS__FAILURE.
///
/// # Safety
/// `request` is as for drpc_request_session.
unsafe fn answer(request: *mut drpc_request, give: impl FnOnce(*mut CallBlock) -> Result<(), Cause>) -> c_int {
    let block = request.cast::<CallBlock>();
    // SAFETY: the caller's promise.
    let release = unsafe { block.as_ref() }.map_or(Release::V2_8, |block| block.release);
    boundary::run_for(release, Phase::Respond, |_| {
        if block.is_null() {
            return Err(Cause::Invalid("the request is NULL"));
        }
        let answered = give(block);
        // SAFETY: the caller's promise, by which the block has no other owner.
        unsafe { CallBlock::end_taken(block) };
        answered
    })
    .err()
    .unwrap_or(0)
}

/// Answers a call with DRPC__STATUS__FAILURE, if its session still exists, and frees the request. NULL is ignored.
///
/// # Safety
/// As for drpc_request_session.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_drop(request: *mut drpc_request) {
    if !request.is_null() {
        // SAFETY: not null, and the caller's promise, by which the block has no other owner.
        boundary::infallible((), || unsafe { CallBlock::end_taken(request.cast::<CallBlock>()) });
    }
}

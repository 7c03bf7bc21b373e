//! `drpc/server.h`: calls that are answered later.

use std::cell::Cell;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ::drpc::der::Release;
use ::drpc::{Cause, Phase, Request, Session};

use super::message::binary;
use super::session::drpc_session;
use crate::boundary;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::memory::{self, Owned};
use crate::message::{self, Message};
use crate::protobuf_c::Heap;

/// A call that its handler has taken, to answer it later.
pub struct drpc_request {
    _opaque: [u8; 0],
}

/// What a pointer to a drpc_request leads to: a call being handled.
#[repr(C)]
pub(crate) struct CallBlock {
    /// First, so that the pointer to it that a handler gets leads to the rest.
    session: drpc_session,
    call: Drpc__Call,
    request: Request,
    release: Release,
    deferred: AtomicBool,
    /// Where the thread that runs the handler sees that the request is not its own any more. Valid until then.
    taken: *const Cell<bool>,
}

/// Room for a block, kept from one call for the next.
pub(crate) struct Spare(AtomicPtr<CallBlock>);

impl Spare {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn take(&self) -> Result<*mut CallBlock, Cause> {
        match self.0.swap(ptr::null_mut(), Ordering::Acquire) {
            none if none.is_null() => Ok(Owned::new(MaybeUninit::<CallBlock>::uninit())?.keep().cast()),
            room => Ok(room),
        }
    }

    /// Keeps the room of a block that has [ended](CallBlock::end).
    pub(crate) fn put(&self, room: *mut CallBlock) {
        let other = self.0.swap(room, Ordering::AcqRel);
        if !other.is_null() {
            // SAFETY: another thread's block was here, and has ended, too.
            unsafe { memory::free(other) };
        }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.put(ptr::null_mut());
    }
}

impl CallBlock {
    /// Puts a request into a block that C can have a pointer to.
    pub(crate) fn begin(
        spare: &Spare,
        mut request: Request,
        release: Release,
        taken: &Cell<bool>,
    ) -> Result<*mut Self, Cause> {
        let block = spare.take()?;
        let body = binary(request.take_body());
        let call = request.call();
        let (module, method, sequence) = (call.module, call.method, call.sequence);
        let call = Drpc__Call { module, method, sequence, body, ..Drpc__Call::empty() };
        let (session, deferred) = (drpc_session { session: ptr::null() }, AtomicBool::new(false));
        // SAFETY: the block has room for a block, and none is in it.
        unsafe { block.write(Self { session, call, release, deferred, taken, request }) };
        Ok(block)
    }

    /// The session that the call came on.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call), and stays as long as the result is used.
    pub(crate) unsafe fn session<'a>(block: *const Self) -> &'a Session {
        // SAFETY: the caller's promise.
        unsafe { (*block).request.session() }
    }

    /// The call, as the handler gets it.
    ///
    /// # Safety
    /// `block` came from [`begin`](Self::begin), and has not ended.
    pub(crate) unsafe fn call(block: *mut Self) -> *mut Drpc__Call {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*block).call }
    }

    /// Answers with what a handler has written into a response.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call) and nobody else's, `response` points to a response.
    pub(crate) unsafe fn answer(block: *mut Self, response: *const Drpc__Response) -> Result<(), Cause> {
        // SAFETY: the caller's promise; a body, which may be that of the call, has as many bytes as it says.
        unsafe {
            let body = memory::bytes((*response).body.data, (*response).body.len)?;
            (*block).request.answer((*response).status, body)
        }
    }

    /// Gives back what the block has, but not its room. A request that has not been answered is now.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call) and nobody else's.
    pub(crate) unsafe fn end(block: *mut Self) {
        // SAFETY: the caller's promise, by which nothing of it is used any more.
        unsafe {
            ptr::drop_in_place(&raw mut (*block).request);
            message::clear(&raw mut (*block).call, Heap::SYSTEM);
        }
    }

    /// The same for one that has been taken, of which nothing stays.
    ///
    /// # Safety
    /// As for `end`.
    unsafe fn end_taken(block: *mut Self) {
        // SAFETY: the caller's promise.
        unsafe {
            Self::end(block);
            memory::free(block);
        }
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
        Some(session) if session.session.is_null() => {}
        _ => return ptr::null_mut(),
    }
    let request = session.cast::<CallBlock>();
    // SAFETY: without a session of its own this is the first field of a block.
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
    if request.is_null() { ptr::null() } else { unsafe { &raw const (*request.cast::<CallBlock>()).call } }
}

/// Answers a call with the status and, if that is DRPC__STATUS__SUCCESS, the body of a response, which stays the
/// caller's. Nobody is waited for: what the client does not take at once is copied. The request is gone, whatever is
/// returned.
///
/// Returns 0; -DER_UNREACH if the session has ended, which no request prevents; -DER_NO_HDL in the child of a fork, where
/// the call is not answered; -DER_INVAL if an argument is NULL, and
/// if it is the response the call is answered with DRPC__STATUS__FAILURE.
///
/// # Safety
/// `request` is as for drpc_request_session, `response` is null or points to a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_request_respond(request: *mut drpc_request, response: *const Drpc__Response) -> c_int {
    let block = request.cast::<CallBlock>();
    // SAFETY: the caller's promise.
    let release = unsafe { block.as_ref() }.map_or(Release::V2_8, |block| block.release);
    boundary::run_for(release, Phase::Respond, |_| {
        if block.is_null() {
            return Err(Cause::Invalid("the request is NULL"));
        }
        // SAFETY: the caller's promise, by which the block is nobody else's.
        unsafe {
            let answered = match message::is_a(response) {
                true => CallBlock::answer(block, response),
                false => Err(Cause::Invalid("the response is NULL or not initialised")),
            };
            CallBlock::end_taken(block);
            answered
        }
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
    if !request.is_null() {
        // SAFETY: not null, and the caller's promise, by which the block is nobody else's.
        boundary::infallible((), || unsafe { CallBlock::end_taken(request.cast::<CallBlock>()) });
    }
}

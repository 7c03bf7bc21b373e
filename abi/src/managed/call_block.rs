//! A call being handled, in a block that C has pointers to.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::c_int;
use std::mem::{self, MaybeUninit};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ::drpc::der::Release;
use ::drpc::{Cause, Detail, Request, Session};

use super::message::binary;
use crate::detail;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::memory::{self, Owned};
use crate::message;
use crate::protobuf_c::Heap;

/// The size from which on a body is given away rather than lent: a smaller one is sent at once, or cheap to copy.
const GIVEN_MIN: usize = 4 << 10;

/// The session of a call.
pub struct drpc_session {
    /// The session, which outlives this struct. Null if this is the first field of a `CallBlock`, whose request knows
    /// its session.
    pub(crate) session: *const Session,
}

/// A call being handled: the block that a pointer to a drpc_request leads to.
#[repr(C)]
pub(crate) struct CallBlock {
    /// The first field: a handler's pointer to its session is also a pointer to the block.
    pub(crate) session: drpc_session,
    pub(crate) call: Drpc__Call,
    request: Request,
    pub(crate) release: Release,
    pub(crate) deferred: AtomicBool,
    /// The handler's response. Valid until the handler has returned or taken the request.
    response: *mut Drpc__Response,
    /// A flag of the thread that runs the handler: true once the handler has taken the request. Valid until then.
    pub(crate) taken: *const Cell<bool>,
}

/// A spare block, kept from one call for the next.
pub(crate) struct SpareBlock<T>(AtomicPtr<T>);

impl<T> SpareBlock<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Takes the memory of a block, which holds no value.
    pub(crate) fn take(&self) -> Result<*mut T, Cause> {
        match self.0.swap(ptr::null_mut(), Ordering::Acquire) {
            none if none.is_null() => Ok(Owned::new(MaybeUninit::<T>::uninit())?.into_raw().cast()),
            room => Ok(room),
        }
    }

    /// Keeps a block for reuse whose value has been dropped.
    pub(crate) fn put(&self, room: *mut T) {
        let other = self.0.swap(room, Ordering::AcqRel);
        if !other.is_null() {
            // SAFETY: another thread has put its block here, whose value has been dropped, too.
            unsafe { memory::free(other) };
        }
    }
}

impl<T> Drop for SpareBlock<T> {
    fn drop(&mut self) {
        self.put(ptr::null_mut());
    }
}

impl CallBlock {
    /// Puts a request into a block, to which C can have a pointer.
    pub(crate) fn begin(
        spare: &SpareBlock<Self>,
        request: Request,
        release: Release,
        response: *mut Drpc__Response,
        taken: &Cell<bool>,
    ) -> Result<*mut Self, Cause> {
        let block = spare.take()?;
        let ::drpc::Call { module, method, sequence, .. } = *request.call();
        let call = Drpc__Call { module, method, sequence, ..Drpc__Call::empty() };
        let (session, deferred) = (drpc_session { session: ptr::null() }, AtomicBool::new(false));
        // SAFETY: the memory is that of a block, and holds no value before.
        unsafe {
            block.write(Self { session, call, release, deferred, response, taken, request });
            (*block).call.body = binary((*block).request.take_body());
        }
        Ok(block)
    }

    /// The session of the call.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call), and lives as long as the result is used.
    pub(crate) unsafe fn session<'a>(block: *const Self) -> &'a Session {
        // SAFETY: the caller's promise.
        unsafe { (*block).request.session() }
    }

    /// The handler's view of the call.
    ///
    /// # Safety
    /// `block` came from [`begin`](Self::begin), and has not ended.
    pub(crate) unsafe fn call(block: *mut Self) -> *mut Drpc__Call {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*block).call }
    }

    /// Answers with the status and the body of a response, which stays its owner's.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call) and owned by the caller, `response` points to a response.
    pub(crate) unsafe fn answer(block: *mut Self, response: *const Drpc__Response) -> Result<(), Cause> {
        // SAFETY: the caller's promise; a body, which may be that of the call, has as many bytes as it says.
        unsafe {
            let body = memory::bytes((*response).body.data, (*response).body.len)?;
            (*block).request.answer((*response).status, body.into(), detail::of(response).as_ref())
        }
    }

    /// Answers with a status and a text.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call) and owned by the caller.
    pub(crate) unsafe fn fail(block: *mut Self, status: c_int, detail: Option<Detail>) -> Result<(), Cause> {
        // SAFETY: the caller's promise.
        unsafe { (*block).request.answer(status, (&[][..]).into(), detail.as_ref()) }
    }

    /// The response of a handler that has not taken its request; `None` for the session of no call.
    ///
    /// # Safety
    /// `session` is null, or one that the library has given out and that is still valid.
    pub(crate) unsafe fn response(session: *mut drpc_session) -> Option<*mut Drpc__Response> {
        // SAFETY: the caller's promise. A session without a pointer is the first field of a block.
        unsafe {
            let is_of_call = session.as_ref().is_some_and(|session| session.session.is_null());
            let block = session.cast::<Self>();
            (is_of_call && !(*block).deferred.load(Ordering::Acquire)).then(|| (*block).response)
        }
    }

    /// Answers with the status and the body of a handler's response, which gives the body away.
    ///
    /// # Safety
    /// As for [`answer`](Self::answer). The body is a block from malloc.
    pub(crate) unsafe fn answer_giving(block: *mut Self, response: *mut Drpc__Response) -> Result<(), Cause> {
        // SAFETY: the caller's promise; the response forgets the body that is taken over.
        unsafe {
            let body = &mut (*response).body;
            let body = match memory::bytes(body.data, body.len)? {
                bytes if bytes.len() < GIVEN_MIN => Cow::Borrowed(bytes),
                bytes => Cow::Owned(memory::from_malloc(mem::replace(body, binary(Vec::new())).data, bytes.len())),
            };
            (*block).request.answer((*response).status, body, detail::of(response).as_ref())
        }
    }

    /// Drops the contents of a block, but keeps its memory. A request without an answer is answered.
    ///
    /// # Safety
    /// `block` is as for [`call`](Self::call) and owned by the caller.
    pub(crate) unsafe fn end(block: *mut Self) {
        // SAFETY: the caller's promise, by which nothing of the block is used any more.
        unsafe {
            ptr::drop_in_place(&raw mut (*block).request);
            message::clear(&raw mut (*block).call, Heap::SYSTEM);
        }
    }

    /// Drops the contents of a block that its handler has taken, and frees it.
    ///
    /// # Safety
    /// As for `end`.
    pub(crate) unsafe fn end_taken(block: *mut Self) {
        // SAFETY: the caller's promise.
        unsafe {
            Self::end(block);
            memory::free(block);
        }
    }
}

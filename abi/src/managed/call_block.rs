//! A call being handled, in a block that C has pointers to.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ::drpc::der::Release;
use ::drpc::{Cause, Request, Session};

use super::message::binary;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::memory::{self, Owned};
use crate::message;
use crate::protobuf_c::Heap;

/// The session that a call came on.
pub struct drpc_session {
    /// Stays as long as this. Null if this is the first field of a `CallBlock`, whose request knows its session.
    pub(crate) session: *const Session,
}

/// What a pointer to a drpc_request leads to: a call being handled.
#[repr(C)]
pub(crate) struct CallBlock {
    /// FirstError, so that the pointer to it that a handler gets leads to the rest.
    pub(crate) session: drpc_session,
    pub(crate) call: Drpc__Call,
    request: Request,
    pub(crate) release: Release,
    pub(crate) deferred: AtomicBool,
    /// Where the thread that runs the handler sees that the request is not its own any more. Valid until then.
    pub(crate) taken: *const Cell<bool>,
}

/// Room for a block, kept from one call for the next.
pub(crate) struct SpareBlock(AtomicPtr<CallBlock>);

impl SpareBlock {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    fn take(&self) -> Result<*mut CallBlock, Cause> {
        match self.0.swap(ptr::null_mut(), Ordering::Acquire) {
            none if none.is_null() => Ok(Owned::new(MaybeUninit::<CallBlock>::uninit())?.into_raw().cast()),
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

impl Drop for SpareBlock {
    fn drop(&mut self) {
        self.put(ptr::null_mut());
    }
}

impl CallBlock {
    /// Puts a request into a block that C can have a pointer to.
    pub(crate) fn begin(
        spare: &SpareBlock,
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
    pub(crate) unsafe fn end_taken(block: *mut Self) {
        // SAFETY: the caller's promise.
        unsafe {
            Self::end(block);
            memory::free(block);
        }
    }
}

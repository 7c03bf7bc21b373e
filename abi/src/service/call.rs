//! A service's call, from the run of its method to the closure that ends it.

use std::borrow::Cow;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use ::drpc::der::Release;
use ::drpc::{Cause, Detail, Phase, Request, Status};

use super::codec::Codec;
use super::description::is_of;
use super::open_calls;
use super::packing::with_packed;
use crate::boundary::{self, Subject};
use crate::managed::call_block::{SpareBlock, drpc_session};
use crate::protobuf_c::{ProtobufCMessage, ProtobufCMessageDescriptor};
use crate::{detail, memory};

const ENDED: Cause = Cause::Invalid("the call has ended already, as a closure ends it once: this one is ignored");

/// A service's call. The block is used by the thread that runs the method, and by whoever ends the call; the last of the
/// two to leave drops what is in it. So the input is still there when a method has called its closure.
#[repr(C)]
pub(crate) struct ServiceCall {
    /// The first field: a pointer to the block is also one to the session.
    session: drpc_session,
    request: Request,
    codec: Codec,
    input: *mut ProtobufCMessage,
    /// The type of the response.
    output: *const ProtobufCMessageDescriptor,
    release: Release,
    /// True once one of the two has left.
    left: AtomicBool,
}

impl ServiceCall {
    /// Puts a request into a block, and returns the number under which it is ended. After an error the request is
    /// answered, and the input freed.
    ///
    /// # Safety
    /// `input` has been unpacked by the codec, and is not used any more but through the block.
    pub(crate) unsafe fn begin(
        spare: &SpareBlock<Self>,
        request: Request,
        codec: Codec,
        input: *mut ProtobufCMessage,
        output: *const ProtobufCMessageDescriptor,
        release: Release,
    ) -> Result<(*mut Self, u64), Cause> {
        let block = spare.take().inspect_err(|_| {
            // SAFETY: the caller's promise.
            unsafe { (codec.free_unpacked)(input, ptr::null_mut()) };
        })?;
        let session = drpc_session { session: request.session() };
        // SAFETY: the memory is that of a block, and holds no value before.
        unsafe { block.write(Self { session, request, codec, input, output, release, left: AtomicBool::new(false) }) };
        match open_calls::add(block.cast()) {
            Ok(number) => Ok((block, number)),
            Err(cause) => {
                // SAFETY: nothing else knows the block.
                unsafe { Self::drop_contents(block) };
                spare.put(block);
                Err(cause)
            }
        }
    }

    /// Leaves the block; true for the last of the two, whose the memory is then.
    ///
    /// # Safety
    /// The caller is one of the two, has not left before, and does not use the block any more.
    pub(crate) unsafe fn leave(block: *mut Self) -> bool {
        // SAFETY: the block stays until the second one has left.
        let last = unsafe { (*block).left.swap(true, Ordering::AcqRel) };
        if last {
            // SAFETY: the other one has left.
            unsafe { Self::drop_contents(block) };
        }
        last
    }

    /// # Safety
    /// Nothing uses the block any more.
    unsafe fn drop_contents(block: *mut Self) {
        // SAFETY: the caller's promise. What has been unpacked comes from malloc.
        unsafe {
            ((*block).codec.free_unpacked)((*block).input, ptr::null_mut());
            ptr::drop_in_place(&raw mut (*block).request);
        }
    }

    /// Answers with a message.
    ///
    /// # Safety
    /// `message` is null or points to an initialised message.
    unsafe fn answer(&mut self, message: *const ProtobufCMessage) -> Result<(), Cause> {
        if message.is_null() {
            return self.answer_status(Status::Failure.into(), None);
        }
        // SAFETY: the caller's promise.
        let packed = match unsafe { is_of(message, self.output) } {
            // SAFETY: as above.
            true => unsafe {
                let request = &mut self.request;
                with_packed(&self.codec, message, |bytes| request.answer(Status::Success.into(), bytes, None))
            },
            false => Err(Cause::Invalid("the response is of another type than the method's, or not initialised")),
        };
        packed.unwrap_or_else(|cause| {
            let _ = self.answer_status(Status::FailedMarshal.into(), None);
            Err(cause)
        })
    }

    fn answer_status(&mut self, status: i32, detail: Option<&Detail>) -> Result<(), Cause> {
        self.request.answer(status, Cow::Borrowed(&[]), detail)
    }
}

/// The call that a closure ends, which is the caller's from now on. `None` if it has been taken before.
fn take(closure_data: *mut c_void) -> Option<*mut ServiceCall> {
    open_calls::take(closure_data.addr() as u64).map(<*mut c_void>::cast)
}

/// Ends a call by what `answer` does.
///
/// # Safety
/// `taken` came from [`take`].
unsafe fn end(
    taken: Option<*mut ServiceCall>,
    answer: impl FnOnce(&mut ServiceCall) -> Result<(), Cause>,
) -> Result<(), Cause> {
    let block = taken.ok_or(ENDED)?;
    // SAFETY: a call is taken once, and by the one that ends it. The thread that runs the method does not use the block
    // until it leaves.
    unsafe {
        let answered = answer(&mut *block);
        if ServiceCall::leave(block) {
            memory::free(block);
        }
        answered
    }
}

/// The closure that a method gets.
///
/// # Safety
/// `message` is null or points to an initialised message. `closure_data` is what the method got.
pub(crate) unsafe extern "C" fn closure(message: *const ProtobufCMessage, closure_data: *mut c_void) {
    boundary::infallible((), || {
        // SAFETY: taken here; the caller's promise.
        match unsafe { end(take(closure_data), |call| call.answer(message)) } {
            // The server itself reports the end of a session.
            Ok(()) | Err(Cause::SessionEnded) => {}
            Err(cause) => boundary::report(Phase::Respond, Subject::Nothing, cause),
        }
    });
}

/// Ends a call in place of its closure, with another status than DRPC__STATUS__SUCCESS and a text for the client, as
/// drpc_session_fail does. The text may be NULL. Any thread may call this, once.
///
/// Returns 0; -DER_INVAL if the call has ended before, or if the status is DRPC__STATUS__SUCCESS, in whose place
/// DRPC__STATUS__FAILURE is sent; -DER_UNREACH if the session has ended; -DER_NO_HDL in the child of a fork, where the call is
/// not answered.
///
/// # Safety
/// `closure_data` is what the method got, `text` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_service_fail(closure_data: *mut c_void, status: c_int, text: *const c_char) -> c_int {
    const SUCCESS: c_int = Status::Success as c_int;
    let taken = take(closure_data);
    // SAFETY: a call that has been taken stays until it is ended.
    let release = taken.map_or(Release::V2_8, |block| unsafe { (*block).release });
    // SAFETY: taken above; the caller's promise.
    let done = boundary::run_for(release, Phase::Respond, |_| unsafe {
        end(taken, |call| match status {
            SUCCESS => {
                let _ = call.answer_status(Status::Failure.into(), None);
                Err(Cause::Invalid("the status of a failure is DRPC__STATUS__SUCCESS"))
            }
            status => call.answer_status(status, detail::from_c(text).as_ref()),
        })
    });
    done.err().unwrap_or(0)
}

/// Returns the session of a call, valid until the call is ended; NULL if it has ended.
///
/// # Safety
/// `closure_data` is what a method got.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_service_session(closure_data: *mut c_void) -> *mut drpc_session {
    let find = || open_calls::find(closure_data.addr() as u64).unwrap_or(ptr::null_mut()).cast();
    boundary::infallible(ptr::null_mut(), find)
}

//! Why a call has failed, in the server's words. The text is an unknown field of the response, as protobuf-c keeps it, so that
//! whoever frees the response frees it.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;

use ::drpc::{Cause, Detail, Status, sys};

use crate::boundary;
use crate::drpc_pb_c::Drpc__Response;
use crate::memory::{self, Owned};
use crate::message::{copy, free_unknown, is_a, unknown_fields};
use crate::protobuf_c::{Heap, ProtobufCMessage, ProtobufCMessageUnknownField};

/// Returns why a call has failed, in the words of a server of this library that says so: at most 200 bytes of printable
/// UTF-8, as in "closed: a call of 2000000 bytes is too large: DRPC_SERVER_MAX_MESSAGE is 1048576". drpc_last_error() has the
/// text, too, until the thread's next failure. The server's handlers give texts with drpc_session_fail and drpc_request_fail.
///
/// The words are the peer's: show them, but do not act on them. Other characters than printable ones, which a peer may have
/// sent, are replaced by "?".
///
/// Returns NULL if the response has no text, which is so with every server of DAOS, or if its status is
/// DRPC__STATUS__SUCCESS, or if `resp` is NULL. The text is the library's, and stays until the thread's next call of this
/// function.
///
/// # Safety
/// `resp` is null or points to a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_response_detail(resp: *const Drpc__Response) -> *const c_char {
    boundary::infallible(ptr::null(), || {
        // SAFETY: the caller's promise, and `is_a` says that there is a response.
        let detail = unsafe { if is_a(resp) { of(resp) } else { None } };
        let text = detail.and_then(|detail| sys::with_detail_text(|kept| keep(kept, detail.as_str().as_bytes())));
        text.unwrap_or(ptr::null())
    })
}

/// Keeps a text behind which there is room for a zero.
fn keep(kept: &mut [u8], text: &[u8]) -> *const c_char {
    if let Some((to, [end, ..])) = kept.split_at_mut_checked(text.len()) {
        to.copy_from_slice(text);
        *end = 0;
    }
    kept.as_ptr().cast()
}

/// The text that a response other than DRPC__STATUS__SUCCESS has.
///
/// # Safety
/// `response` points to an initialised response.
#[inline(always)]
pub(crate) unsafe fn of(response: *const Drpc__Response) -> Option<Detail> {
    // SAFETY: the caller's promise.
    unsafe { if (*response).status == Status::Success as c_int { None } else { find(response) } }
}

/// # Safety
/// As for [`of`].
#[cold]
unsafe fn find(response: *const Drpc__Response) -> Option<Detail> {
    // SAFETY: the caller's promise. A message begins with a ProtobufCMessage.
    let fields = unsafe { unknown_fields(response.cast()) };
    let mut texts = fields.iter().rev().filter_map(|field| {
        // SAFETY: a field has as many bytes as it says, the caller's promise.
        let value = unsafe { memory::bytes(field.data, field.len) }.ok()?;
        Detail::of_value(field.tag, field.wire_type.try_into().ok()?, value)
    });
    texts.next().filter(|detail| !detail.is_empty())
}

/// Gives a response a text in place of its unknown fields. Without memory it has none.
///
/// # Safety
/// `response` points to an initialised response, whose parts come from malloc.
#[cold]
pub(crate) unsafe fn set(response: *mut Drpc__Response, detail: Option<Detail>) {
    let base = response.cast::<ProtobufCMessage>();
    // SAFETY: the caller's promise; the response forgets the fields that are freed.
    unsafe {
        free_unknown(*base, Heap::SYSTEM);
        ((*base).n_unknown_fields, (*base).unknown_fields) = (0, ptr::null_mut());
        if let Some(field) = detail.filter(|detail| !detail.is_empty()).and_then(|detail| field(detail).ok()) {
            ((*base).n_unknown_fields, (*base).unknown_fields) = (1, field.into_raw());
        }
    }
}

fn field(detail: Detail) -> Result<Owned<ProtobufCMessageUnknownField>, Cause> {
    let (tag, wire_type) = (Detail::FIELD, Detail::WIRE_TYPE.into());
    let field = Owned::new(ProtobufCMessageUnknownField { tag, wire_type, len: 0, data: ptr::null_mut() })?;
    let value = copy(Heap::SYSTEM, detail.encode().value())?;
    // SAFETY: the block is owned here.
    unsafe { ((*field.as_ptr()).len, (*field.as_ptr()).data) = (value.len, value.data) };
    Ok(field)
}

/// The text that a program gives.
///
/// # Safety
/// `text` is null or a string.
pub(crate) unsafe fn from_c(text: *const c_char) -> Option<Detail> {
    // SAFETY: not null, and the caller's promise.
    let text = if text.is_null() { return None } else { unsafe { CStr::from_ptr(text) } };
    Some(Detail::of_bytes(text.to_bytes()))
}

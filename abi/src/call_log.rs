//! The lines about calls of the plain API, which are asked for at debug and trace.

use std::os::fd::RawFd;

use ::drpc::noted_call::NotedCall;

use crate::abi::Abi;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::log::{self, About, Level};

/// Notes a call, if lines about calls are asked for.
///
/// # Safety
/// `call` points to a call.
#[inline(always)]
pub(crate) unsafe fn note_call(call: *const Drpc__Call) -> Option<NotedCall> {
    // SAFETY: the caller's promise; the fields are copied out.
    log::is_on(Level::Debug).then(|| unsafe { NotedCall::new((*call).module, (*call).method, (*call).body.len) })
}

/// Writes a line about a call that has been answered.
///
/// # Safety
/// `response` points to a response.
#[cold]
pub(crate) unsafe fn print_answer<A: Abi>(noted: NotedCall, response: *const Drpc__Response, fd: RawFd) {
    // SAFETY: the caller's promise; the fields are copied out.
    let answered = unsafe { noted.answered((*response).sequence, (*response).status, (*response).body.len) };
    log::print(answered.level(), format_args!("{}{}", answered.text(A::NAMES), About(fd)));
}

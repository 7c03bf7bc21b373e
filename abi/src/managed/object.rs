//! Opaque objects: blocks of which C holds the pointer until it frees them.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use ::drpc::der::Release;
use ::drpc::{Cause, Phase, stable_path};

use crate::abi::Abi;
use crate::boundary::{self, Site, Subject};
use crate::memory::{self, Owned, socket_path};

/// A server or a client.
pub(crate) trait Endpoint {
    /// The error for a null pointer.
    const MISSING: Cause;

    /// The path of its socket.
    fn path(&self) -> &CStr;

    /// The line of the endpoint, whose error numbers it returns.
    fn release(&self) -> Release;
}

/// Makes an endpoint for the socket at `path` and stores it in `*output`; null after an error.
///
/// # Safety
/// `path` is null or a C string, `output` is null or valid for writing.
pub(crate) unsafe fn create<A: Abi, T: Endpoint>(
    path: *const c_char,
    output: *mut *mut T,
    make: impl FnOnce(CString) -> Result<T, Cause>,
) -> c_int {
    if output.is_null() {
        return boundary::null_output::<A>(Phase::Configure);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { *output = ptr::null_mut() };
    boundary::code::<A>(Phase::Configure, |site| {
        // SAFETY: the caller's promise.
        let path = unsafe { socket_path(path) }?;
        site.subject(Subject::Path(path));
        let made = into_raw(make(stable_path::c_string(path.to_bytes())?)?)?;
        // SAFETY: as above.
        unsafe { *output = made };
        Ok(())
    })
}

/// Runs the body of a function of an endpoint.
///
/// # Safety
/// `endpoint` is null or came from [`into_raw`] and stays until this returns.
pub(crate) unsafe fn run<T: Endpoint>(
    endpoint: *const T,
    phase: Phase,
    body: impl FnOnce(&T) -> Result<c_int, Cause>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { run_at(endpoint, phase, |endpoint, _| body(endpoint)) }
}

/// The same for a body that refines the message of its error.
///
/// # Safety
/// As for [`run`].
pub(crate) unsafe fn run_at<T: Endpoint>(
    endpoint: *const T,
    phase: Phase,
    body: impl FnOnce(&T, &Site<'_>) -> Result<c_int, Cause>,
) -> c_int {
    // SAFETY: the caller's promise.
    let endpoint = unsafe { endpoint.as_ref() };
    let mut body = Some(body);
    let run = &mut |site: &Site<'_>| match (endpoint, body.take()) {
        (Some(endpoint), Some(body)) => body(endpoint, site),
        _ => Err(T::MISSING),
    };
    run_for(endpoint.map(|endpoint| (endpoint.path(), endpoint.release())), phase, run)
}

/// One copy of the code for all functions, because size matters more than speed here.
#[inline(never)]
fn run_for(
    at: Option<(&CStr, Release)>,
    phase: Phase,
    body: &mut dyn FnMut(&Site<'_>) -> Result<c_int, Cause>,
) -> c_int {
    let (path, release) = at.unwrap_or((c"", Release::V2_8));
    let done = boundary::run_for(release, phase, |site| {
        site.subject(Subject::Path(path));
        body(site)
    });
    done.unwrap_or_else(|code| code)
}

/// Moves a value to a new block.
pub(crate) fn into_raw<T>(value: T) -> Result<*mut T, Cause> {
    Owned::new(value).map(Owned::into_raw)
}

/// Moves the value out and frees its block; `None` for a null pointer.
///
/// # Safety
/// `object` is null or came from [`into_raw`], and is not used any more.
pub(crate) unsafe fn from_raw<T>(object: *mut T) -> Option<T> {
    if object.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller's promise; the block is freed without dropping the value that was moved out.
    unsafe {
        let value = ptr::read(object);
        memory::free(object);
        Some(value)
    }
}

/// The cause of an error. The socket is known to the caller.
pub(crate) fn cause(error: ::drpc::Error) -> Cause {
    error.cause()
}

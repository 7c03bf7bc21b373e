//! Opaque objects: blocks of which C holds the pointer until it frees them.

use std::ffi::{CStr, c_char, c_int};
use std::path::Path;
use std::ptr;

use ::drpc::der::Release;
use ::drpc::{Cause, Phase};

use crate::abi::Abi;
use crate::boundary::{self, Failure, Subject};
use crate::memory::{self, Owned, socket_path};

/// A server or a client.
pub(crate) trait Endpoint {
    /// The error for a null pointer.
    const MISSING: Cause;

    /// The path of its socket.
    fn path(&self) -> &Path;

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
    make: impl FnOnce(&CStr) -> Result<T, Cause>,
) -> c_int {
    if output.is_null() {
        return boundary::null_output::<A>(Phase::Configure);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { *output = ptr::null_mut() };
    boundary::code::<A>(Phase::Configure, |site| {
        // SAFETY: the caller's promise.
        let path = unsafe { socket_path(path) }?;
        site.subject(Subject::of_path(path));
        let made = into_raw(make(path)?)?;
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
    body: impl FnOnce(&T) -> Result<c_int, Failure>,
) -> c_int {
    // SAFETY: the caller's promise.
    let endpoint = unsafe { endpoint.as_ref() };
    let mut body = Some(body);
    let run = &mut || match (endpoint, body.take()) {
        (Some(endpoint), Some(body)) => body(endpoint),
        _ => Err(T::MISSING.into()),
    };
    run_for(endpoint.map(|endpoint| (endpoint.path(), endpoint.release())), phase, run)
}

/// One copy of the code for all functions, because size matters more than speed here.
#[inline(never)]
fn run_for(at: Option<(&Path, Release)>, phase: Phase, body: &mut dyn FnMut() -> Result<c_int, Failure>) -> c_int {
    let (path, release) = at.unwrap_or((Path::new(""), Release::V2_8));
    let done = boundary::run_for(release, phase, |site| {
        site.subject(Subject::Path(path));
        body()
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

//! The environment of the process: its variables and its standard error.

use std::ffi::{CStr, c_char};
use std::io::IoSlice;

use super::errno::KeepErrno;
use super::thread::CancelDisabled;

unsafe extern "C" {
    fn secure_getenv(name: *const c_char) -> *const c_char;
}

/// Calls `use_value` with the value of an environment variable. `None` where the variable is not set, or the program
/// has more rights than its user.
pub fn secure_variable<T>(name: &CStr, use_value: impl FnOnce(&CStr) -> T) -> Option<T> {
    // SAFETY: `name` is a C string.
    let value = unsafe { secure_getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: a value other than null is a C string. Its use ends before control returns to code that could change it.
    Some(use_value(unsafe { CStr::from_ptr(value) }))
}

/// Writes to standard error in one system call, so that lines of several threads do not mix.
pub fn write_stderr(slices: &[IoSlice<'_>]) {
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    let count = i32::try_from(slices.len()).unwrap_or(0);
    // SAFETY: IoSlice has the layout of iovec, and writev reads the memory that `slices` borrows, no more.
    unsafe { libc::writev(libc::STDERR_FILENO, slices.as_ptr().cast(), count) };
}

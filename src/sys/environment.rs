//! The environment of the process: its variables and its standard error.

use std::ffi::{CStr, c_char};
use std::io::IoSlice;
use std::mem;

use super::errno::{self, KeepErrno};
use super::thread::CancelDisabled;
use crate::cause::Cause;

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

/// What standard error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StderrFile {
    /// The number of its device.
    pub device: u64,
    /// Its number on the device.
    pub inode: u64,
    /// True for a file with content.
    pub is_regular: bool,
    /// True for a terminal.
    pub is_terminal: bool,
}

/// What standard error is now; `None` if it is closed.
pub fn stderr_file() -> Option<StderrFile> {
    let _keep = KeepErrno::new();
    // SAFETY: zero bytes are a valid `stat`.
    let mut stat = unsafe { mem::zeroed::<libc::stat>() };
    // SAFETY: `stat` is valid for writing.
    if unsafe { libc::fstat(libc::STDERR_FILENO, &mut stat) } != 0 {
        return None;
    }
    let kind = stat.st_mode & libc::S_IFMT;
    // SAFETY: isatty takes a number and uses no memory of ours.
    let is_terminal = kind == libc::S_IFCHR && unsafe { libc::isatty(libc::STDERR_FILENO) } == 1;
    Some(StderrFile { device: stat.st_dev, inode: stat.st_ino, is_regular: kind == libc::S_IFREG, is_terminal })
}

/// Writes to standard error in one system call, so that lines of several threads do not mix. Returns the number of bytes
/// that it has taken.
pub fn write_stderr(slices: &[IoSlice<'_>]) -> usize {
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    let count = i32::try_from(slices.len()).unwrap_or(0);
    loop {
        // SAFETY: IoSlice has the layout of iovec, and writev reads the memory that `slices` borrows, no more.
        let written = unsafe { libc::writev(libc::STDERR_FILENO, slices.as_ptr().cast(), count) };
        match usize::try_from(written) {
            Ok(written) => return written,
            Err(_) if errno::last() == Cause::Os(libc::EINTR) => {}
            Err(_) => return 0,
        }
    }
}

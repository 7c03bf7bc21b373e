//! The thread's `errno`.

use std::ffi::{CStr, c_char, c_int};
use std::fmt::{self, Write};

use crate::cause::Cause;

/// The cause that `errno` names.
pub(super) fn last() -> Cause {
    // SAFETY: the function has no preconditions, and its result points to the calling thread's errno.
    Cause::Os(unsafe { *libc::__errno_location() })
}

/// The result of a system call; the cause in `errno` if the result is negative.
pub(super) fn check(rc: c_int) -> Result<c_int, Cause> {
    if rc < 0 { Err(last()) } else { Ok(rc) }
}

/// Sets `errno`.
pub fn set_errno(errno: c_int) {
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// A guard that restores `errno` when dropped, for system calls that the caller has not asked for. A failure is
/// reported in its [`Cause`], from which the functions of the C libraries set `errno` last of all.
#[derive(Debug)]
pub struct KeepErrno(c_int);

impl KeepErrno {
    /// Remembers `errno`.
    #[expect(clippy::new_without_default, reason = "the value depends on the moment")]
    pub fn new() -> Self {
        // SAFETY: as above.
        Self(unsafe { *libc::__errno_location() })
    }
}

impl Drop for KeepErrno {
    fn drop(&mut self) {
        set_errno(self.0);
    }
}

/// Writes the system's text for an `errno`, with a small first letter, as it continues a message.
pub fn write_errno(f: &mut fmt::Formatter<'_>, errno: c_int) -> fmt::Result {
    let mut buffer = [0; 128];
    let _keep = KeepErrno::new();
    // SAFETY: the pointer and the length describe `buffer`.
    unsafe { libc::strerror_r(errno, buffer.as_mut_ptr().cast::<c_char>(), buffer.len()) };
    let text = CStr::from_bytes_until_nul(&buffer).unwrap_or_default();
    let mut chars = text.to_str().unwrap_or("unknown system error").chars();
    if let Some(first) = chars.next() {
        f.write_char(first.to_ascii_lowercase())?;
    }
    f.write_str(chars.as_str())
}

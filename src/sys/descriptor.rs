//! New descriptors.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::errno::check;
use crate::cause::Cause;

/// The first descriptor that is not one of the three standard ones.
const FIRST_ABOVE_STDIO: RawFd = libc::STDERR_FILENO + 1;

/// Takes over what a system call that makes a descriptor has returned. It is none of the three standard ones: where the
/// program has closed these, the next line written to standard error, one of this library's log among them, would be a
/// message to a peer.
///
/// # Safety
/// A descriptor is new, so that it has no other owner.
pub(super) unsafe fn owned(rc: RawFd) -> Result<OwnedFd, Cause> {
    let fd = check(rc)?;
    // SAFETY: the caller's promise.
    let fresh = unsafe { OwnedFd::from_raw_fd(fd) };
    if fd < FIRST_ABOVE_STDIO { above_stdio(&fresh) } else { Ok(fresh) }
}

/// How many descriptors the process may have open (RLIMIT_NOFILE).
pub fn descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: getrlimit writes to `limit`, or leaves it alone.
    unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// The same under a number that is not a standard one.
#[cold]
fn above_stdio(low: &OwnedFd) -> Result<OwnedFd, Cause> {
    // SAFETY: F_DUPFD_CLOEXEC takes a number.
    let fd = check(unsafe { libc::fcntl(low.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FIRST_ABOVE_STDIO) })?;
    // SAFETY: the descriptor is new, so it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

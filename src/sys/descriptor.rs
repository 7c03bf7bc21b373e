//! New descriptors, above the three standard ones.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::errno::check;
use crate::cause::Cause;

/// The first descriptor after the three standard ones.
const FIRST_ABOVE_STDIO: RawFd = libc::STDERR_FILENO + 1;

/// The owned form of a new descriptor, as a system call has returned it. A standard number is exchanged for a higher
/// one: where the program has closed standard error, the next line written there, the log included, would reach a peer.
///
/// # Safety
/// A descriptor in `rc` is new, so that it has no other owner.
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

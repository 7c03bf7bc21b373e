//! The directory of this thread's descriptors in /proc, if that is a procfs (proc(5)).

use std::os::fd::{AsRawFd, OwnedFd};

use super::descriptor;
use super::errno::KeepErrno;
use super::file::{status_of, system_of};
use crate::cause::Cause;

/// The inode of the root directory of every procfs.
const ROOT: u64 = 1;

/// The directory with the names of this thread's descriptors; `None` where /proc is not the root of a procfs. A link at /proc,
/// or a directory of another file system, can lead to a procfs, and elsewhere at the next moment.
pub(super) fn descriptors() -> Result<Option<OwnedFd>, Cause> {
    let _keep = KeepErrno::new();
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: the path is a C string; the function makes a descriptor.
    let proc = match unsafe { descriptor::owned(libc::open(c"/proc".as_ptr(), flags | libc::O_NOFOLLOW)) } {
        Err(Cause::Os(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => return Ok(None),
        opened => opened?,
    };
    if system_of(&proc)? != libc::PROC_SUPER_MAGIC || status_of(&proc)?.st_ino != ROOT {
        return Ok(None);
    }
    // SAFETY: the path is a C string; the function makes a descriptor.
    match unsafe { descriptor::owned(libc::openat(proc.as_raw_fd(), c"thread-self/fd".as_ptr(), flags)) } {
        Err(Cause::Os(libc::ENOENT | libc::ENOTDIR)) => Ok(None),
        opened => opened.map(Some),
    }
}

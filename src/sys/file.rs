//! Which file something is.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};

use super::descriptor;
use super::errno::{KeepErrno, check};
use crate::cause::Cause;

/// Which file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// It is a socket.
    pub is_socket: bool,
}

impl FileId {
    pub(super) fn of(stat: &libc::stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino, is_socket: stat.st_mode & libc::S_IFMT == libc::S_IFSOCK }
    }
}

/// The file at a path, or the one that a symbolic link there leads to; `None` when that cannot be told.
pub fn file_behind(path: &CStr) -> Option<FileId> {
    status_behind(path).as_ref().map(FileId::of)
}

fn status_behind(path: &CStr) -> Option<libc::stat> {
    let _keep = KeepErrno::new();
    // SAFETY: stat is plain data, which the function fills in.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: `path` is a C string and `stat` is valid for writing.
    check(unsafe { libc::stat(path.as_ptr(), &mut stat) }).ok()?;
    Some(stat)
}

/// Which file something is, and since when: the number of a file that has been removed is given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The file at a path, or the one that a symbolic link there leads to; `None` when that cannot be told.
pub fn file_stamp(path: &CStr) -> Option<FileStamp> {
    let stat = status_behind(path)?;
    Some(FileStamp { device: stat.st_dev, inode: stat.st_ino, changed: (stat.st_ctime, stat.st_ctime_nsec) })
}

/// Room for the path of a directory.
#[derive(Debug)]
pub struct DirectoryRoom([u8; libc::PATH_MAX as usize]);

impl Default for DirectoryRoom {
    fn default() -> Self {
        Self([0; libc::PATH_MAX as usize])
    }
}

impl DirectoryRoom {
    /// The directory that the process works in, if it has a path.
    pub fn working_directory(&mut self) -> Option<&[u8]> {
        let _keep = KeepErrno::new();
        // SAFETY: the pointer and the length describe the room.
        if unsafe { libc::getcwd(self.0.as_mut_ptr().cast(), self.0.len()) }.is_null() {
            return None;
        }
        let path = CStr::from_bytes_until_nul(&self.0).ok()?.to_bytes();
        // What is outside of the root directory is told in another way.
        path.starts_with(b"/").then_some(path)
    }
}

/// A directory to go through, not to read.
pub fn open_directory(path: &CStr) -> Result<OwnedFd, Cause> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: `path` is a C string; the function makes a descriptor.
    unsafe { descriptor::owned(libc::open(path.as_ptr(), flags)) }
}

/// What an open file is.
pub(super) fn status_of(file: &OwnedFd) -> Result<libc::stat, Cause> {
    let _keep = KeepErrno::new();
    // SAFETY: stat is plain data, which the function fills in.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: `stat` is valid for writing.
    check(unsafe { libc::fstat(file.as_raw_fd(), &mut stat) }).map(|_| stat)
}

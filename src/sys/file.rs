//! The identity and the status of files, and directories.

use std::ffi::{CStr, c_int};
use std::os::fd::{AsRawFd, OwnedFd};

use super::descriptor;
use super::errno::{KeepErrno, check};
use crate::cause::Cause;

/// The identity of a file: its device and its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// True if the file is a socket.
    pub is_socket: bool,
}

impl FileId {
    pub(super) fn of(stat: &libc::stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino, is_socket: stat.st_mode & libc::S_IFMT == libc::S_IFSOCK }
    }
}

/// The identity of the file at a path. A symbolic link is followed. `None` if the system does not tell.
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

/// The identity of a file, with the time of its last change. The inode number of a removed file is given to another
/// file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    changed: (i64, i64),
}

/// The stamp of the file at a path. A symbolic link is followed. `None` if the system does not tell.
pub fn file_stamp(path: &CStr) -> Option<FileStamp> {
    let stat = status_behind(path)?;
    Some(FileStamp { device: stat.st_dev, inode: stat.st_ino, changed: (stat.st_ctime, stat.st_ctime_nsec) })
}

/// A buffer for the path of a directory.
#[derive(Debug)]
pub struct DirectoryRoom([u8; libc::PATH_MAX as usize]);

impl Default for DirectoryRoom {
    fn default() -> Self {
        Self([0; libc::PATH_MAX as usize])
    }
}

impl DirectoryRoom {
    /// The path of the working directory, if it has one.
    pub fn working_directory(&mut self) -> Option<&[u8]> {
        let _keep = KeepErrno::new();
        // SAFETY: the pointer and the length describe the room.
        if unsafe { libc::getcwd(self.0.as_mut_ptr().cast(), self.0.len()) }.is_null() {
            return None;
        }
        let path = CStr::from_bytes_until_nul(&self.0).ok()?.to_bytes();
        // A directory outside of the root directory has a name that does not begin with a slash.
        path.starts_with(b"/").then_some(path)
    }
}

/// Opens a directory to go through (O_PATH), not to read.
pub fn open_directory(path: &CStr) -> Result<OwnedFd, Cause> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: `path` is a C string; the function makes a descriptor.
    unsafe { descriptor::owned(libc::open(path.as_ptr(), flags)) }
}

/// The status of an open file.
pub(super) fn status_of(file: &OwnedFd) -> Result<libc::stat, Cause> {
    let _keep = KeepErrno::new();
    // SAFETY: stat is plain data, which the function fills in.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: `stat` is valid for writing.
    check(unsafe { libc::fstat(file.as_raw_fd(), &mut stat) }).map(|_| stat)
}

/// The kind of the file system that a file is in.
pub(super) fn system_of(file: &OwnedFd) -> Result<libc::c_long, Cause> {
    let _keep = KeepErrno::new();
    // SAFETY: statfs is plain data, which the function fills in.
    let mut system = unsafe { std::mem::zeroed::<libc::statfs>() };
    // SAFETY: `system` is valid for writing.
    check(unsafe { libc::fstatfs(file.as_raw_fd(), &mut system) }).map(|_| system.f_type)
}

/// Opens a file in a directory, or creates it. A symbolic link is not followed.
pub(super) fn open_in(directory: &OwnedFd, name: &CStr, flags: c_int, mode: libc::mode_t) -> Result<OwnedFd, Cause> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the name is a C string, and a mode is given in any case; the function makes a descriptor.
    unsafe { descriptor::owned(libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, mode)) }
}

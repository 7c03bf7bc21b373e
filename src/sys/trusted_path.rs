//! Paths that only root and this user can redirect.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::address::is_trusted;
use super::errno::KeepErrno;
use super::file::{FileId, open_directory, open_in, status_of, system_of};
use crate::cause::Cause;

/// The most links to follow in a path. As many as the kernel follows would take too much of the stack.
const LINKS: u32 = 8;

/// The file system that a user's process serves.
pub(super) const FUSE_SUPER_MAGIC: libc::c_long = 0x6573_5546;

/// The directory that a path leads to. [`Cause::NotOurs`] where a user other than root and this one can redirect the
/// path.
pub(super) fn resolve(path: &[u8]) -> Result<OwnedFd, Cause> {
    let _keep = KeepErrno::new();
    let start = if path.starts_with(b"/") { c"/" } else { c"." };
    resolve_from(open_directory(start)?, path, LINKS)
}

/// The file that a path leads to. It is [`Cause::NotOurs`] where others than root and this user can change that.
pub fn trusted_file(path: &Path) -> Result<FileId, Cause> {
    resolve(path.as_os_str().as_bytes()).and_then(|file| Ok(FileId::of(&status_of(&file)?)))
}

/// Only root and this user can remove an entry of a directory, or put another one in its place.
pub(super) fn protects(directory: &libc::stat, entry: &libc::stat) -> bool {
    // The user who made a link may have moved it here since.
    let stays = directory.st_mode & libc::S_ISVTX != 0 && is_ours(entry) && !is_link(entry);
    is_closed(directory) || (is_ours(directory) && stays)
}

/// Only root and this user can change a directory.
pub(super) fn is_closed(directory: &libc::stat) -> bool {
    is_ours(directory) && directory.st_mode & (libc::S_IWGRP | libc::S_IWOTH) == 0
}

fn resolve_from(mut here: OwnedFd, path: &[u8], links: u32) -> Result<OwnedFd, Cause> {
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        refuse_fuse(&here)?;
        let next = open_next(&here, name)?;
        let entry = status_of(&next)?;
        if !protects(&status_of(&here)?, &entry) {
            return Err(Cause::NotOurs);
        }
        here = if is_link(&entry) { resolve_link(here, &next, links)? } else { next };
    }
    refuse_fuse(&here)?;
    Ok(here)
}

/// Refuses a directory of FUSE: such a file system is a user's process, and its answers are that user's choice.
fn refuse_fuse(directory: &OwnedFd) -> Result<(), Cause> {
    if system_of(directory)? == FUSE_SUPER_MAGIC { Err(Cause::NotOurs) } else { Ok(()) }
}

fn resolve_link(from: OwnedFd, link: &OwnedFd, links: u32) -> Result<OwnedFd, Cause> {
    let links = links.checked_sub(1).ok_or(Cause::Os(libc::ELOOP))?;
    let mut room = [0u8; libc::PATH_MAX as usize];
    let len = read_link(link, &mut room);
    let target = len.and_then(|len| room.get(..len)).ok_or(Cause::NotOurs)?;
    let start = if target.starts_with(b"/") { open_directory(c"/")? } else { from };
    resolve_from(start, target, links)
}

/// Reads the target of a link that is open as it is (O_PATH). The length is that of the target, or of the room.
pub(super) fn read_link(link: &OwnedFd, room: &mut [u8]) -> Option<usize> {
    // SAFETY: the path is an empty C string, which means the link itself; the pointer and the length describe the room.
    let len = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), room.as_mut_ptr().cast(), room.len()) };
    usize::try_from(len).ok()
}

/// Opens an entry of a directory to go through (O_PATH). A link is not followed.
fn open_next(directory: &OwnedFd, name: &[u8]) -> Result<OwnedFd, Cause> {
    let mut room = [0; libc::NAME_MAX as usize + 1];
    room.get_mut(..name.len()).ok_or(Cause::Os(libc::ENAMETOOLONG))?.copy_from_slice(name);
    let name = CStr::from_bytes_until_nul(&room).map_err(|_| Cause::Os(libc::ENAMETOOLONG))?;
    open_in(directory, name, libc::O_PATH, 0)
}

fn is_ours(file: &libc::stat) -> bool {
    is_trusted(file.st_uid)
}

fn is_link(file: &libc::stat) -> bool {
    file.st_mode & libc::S_IFMT == libc::S_IFLNK
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_path_that_others_can_change_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let [home, open, sticky] = ["home", "open", "sticky"].map(|name| dir.path().join(name));
        for (directory, mode) in [(&home, 0o755), (&open, 0o777), (&sticky, 0o1777)] {
            fs::create_dir_all(directory.join("inner")).unwrap();
            fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
            symlink("../home/inner", directory.join("link")).unwrap();
            symlink(home.join("link/."), directory.join("far")).unwrap();
        }
        symlink("ring", home.join("ring")).unwrap();
        let inner = trusted_file(&home.join("inner"));
        assert!(inner.is_ok());
        for same in ["link", "far/", "../home/./inner", "../sticky/../home//inner"] {
            assert_eq!(trusted_file(&home.join(same)), inner, "{same}");
        }
        for bad in ["open/inner", "open/link", "open/../home/inner", "sticky/link"] {
            assert_eq!(trusted_file(&dir.path().join(bad)), Err(Cause::NotOurs), "{bad}");
        }
        assert!(trusted_file(&sticky.join("inner")).is_ok());
        assert_eq!(trusted_file(&home.join("ring")), Err(Cause::Os(libc::ELOOP)));
        assert_eq!(trusted_file(&home.join("x".repeat(256))), Err(Cause::Os(libc::ENAMETOOLONG)));
        assert_eq!(trusted_file(&home.join("none")), Err(Cause::Os(libc::ENOENT)));
    }

    #[test]
    fn what_another_owns_is_protected_only_where_no_other_user_can_write() {
        let stat = |mode, uid| {
            // SAFETY: stat is plain data.
            let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
            (stat.st_mode, stat.st_uid) = (mode, uid);
            stat
        };
        let (ours, theirs, link) = (stat(libc::S_IFSOCK, 0), stat(libc::S_IFSOCK, 7), stat(libc::S_IFLNK, 0));
        let protected =
            |mode, uid| [&ours, &theirs, &link].map(|entry| protects(&stat(libc::S_IFDIR | mode, uid), entry));
        assert_eq!(protected(0o755, 0), [true; 3]);
        assert_eq!(protected(0o755, 7), [false; 3]);
        assert_eq!(protected(0o1777, 0), [true, false, false]);
        assert_eq!(protected(0o1777, 7), [false; 3]);
        assert_eq!(protected(0o775, 0), [false; 3]);
    }
}

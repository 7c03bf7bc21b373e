//! Files around a socket: its lock file, and its removal.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::errno;
use super::socket::check;
use crate::error::Cause;

/// Which file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    inode: u64,
    /// It is a socket.
    pub is_socket: bool,
}

impl FileId {
    fn of(stat: &libc::stat) -> Self {
        Self { device: stat.st_dev, inode: stat.st_ino, is_socket: stat.st_mode & libc::S_IFMT == libc::S_IFSOCK }
    }
}

/// The file at a path; a symbolic link is not followed. `None` when there is none.
pub fn file_at(path: &CStr) -> Result<Option<FileId>, Cause> {
    // SAFETY: stat is plain data, which lstat fills in.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: `path` is a C string and `stat` is valid for writing.
    match check(unsafe { libc::lstat(path.as_ptr(), &mut stat) }) {
        Ok(_) => Ok(Some(FileId::of(&stat))),
        Err(Cause::Os(libc::ENOENT)) => Ok(None),
        Err(cause) => Err(cause),
    }
}

/// Removes a file.
pub fn unlink(path: &CStr) -> Result<(), Cause> {
    // SAFETY: `path` is a C string.
    check(unsafe { libc::unlink(path.as_ptr()) }).map(drop)
}

/// Gives a file an owner and a group; what is not given stays as it is. A symbolic link is not followed.
pub fn set_owner(path: &CStr, uid: Option<u32>, gid: Option<u32>) -> Result<(), Cause> {
    // SAFETY: `path` is a C string.
    check(unsafe { libc::lchown(path.as_ptr(), uid.unwrap_or(u32::MAX), gid.unwrap_or(u32::MAX)) }).map(drop)
}

/// A lock on a file, held until it is dropped. `Cause::Locked` when another process, or another server of this one, has it.
#[derive(Debug)]
pub struct FileLock(OwnedFd);

impl FileLock {
    /// Makes the file if there is none, and locks it. The file is never removed: between removing and locking two
    /// processes could each have a lock on a file of that name.
    pub fn take(path: &CStr) -> Result<Self, Cause> {
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_CLOEXEC | libc::O_NOFOLLOW;
        let mode: libc::c_uint = 0o600;
        // SAFETY: `path` is a C string, and a mode goes with O_CREAT.
        let fd = check(unsafe { libc::open(path.as_ptr(), flags, mode) })?;
        // SAFETY: the descriptor is new, so it has no other owner.
        let lock = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        loop {
            // SAFETY: the function takes numbers only.
            match check(unsafe { libc::flock(lock.0.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
                Ok(_) => return Ok(lock),
                Err(Cause::Os(libc::EINTR)) => {}
                Err(Cause::Os(libc::EWOULDBLOCK)) => return Err(Cause::Locked),
                Err(cause) => return Err(cause),
            }
        }
    }
}

/// The descriptors below 64 that have been adopted, each as a bit.
static ADOPTED: AtomicU64 = AtomicU64::new(0);

/// Takes over a descriptor that was handed to the process, once, if it is a listening AF_UNIX socket of type SEQPACKET,
/// and closes it at exec.
///
/// The caller's promise is that nothing but this function takes it over.
pub fn adopt_listener(fd: RawFd) -> Result<OwnedFd, Cause> {
    const NOT_ONE: Cause = Cause::Invalid("the inherited descriptor is no listening AF_UNIX socket of type SEQPACKET");
    let option = |option| {
        let mut value: libc::c_int = 0;
        let mut len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the pointers describe `value` and its length.
        let rc = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, option, (&raw mut value).cast(), &mut len) };
        (rc == 0).then_some(value).ok_or_else(|| match errno::last() {
            Cause::Os(libc::ENOTSOCK) => NOT_ONE,
            cause => cause,
        })
    };
    let fits = option(libc::SO_DOMAIN)? == libc::AF_UNIX
        && option(libc::SO_TYPE)? == libc::SOCK_SEQPACKET
        && option(libc::SO_ACCEPTCONN)? == 1;
    if !fits {
        return Err(NOT_ONE);
    }
    super::socket::set_close_on_exec(fd)?;
    let bit = u32::try_from(fd).ok().and_then(|fd| 1u64.checked_shl(fd)).ok_or(NOT_ONE)?;
    if ADOPTED.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Err(Cause::Busy);
    }
    // SAFETY: it is open, as the calls above succeeded; it has no other owner, as it was not adopted before, and by the
    // caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::os::fd::IntoRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    fn c_path(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    #[test]
    fn a_lock_is_held_once_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = c_path(&dir.path().join("lock"));
        let lock = FileLock::take(&path).unwrap();
        assert_eq!(FileLock::take(&path).map(drop), Err(Cause::Locked));
        drop(lock);
        FileLock::take(&path).unwrap();
    }

    #[test]
    fn a_file_is_known_by_what_it_is_and_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let [socket, other] = ["socket", "other"].map(|name| dir.path().join(name));
        assert_eq!(file_at(&c_path(&socket)), Ok(None));
        let bound = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        bound.bind(&SockAddr::unix(&socket).unwrap()).unwrap();
        let id = file_at(&c_path(&socket)).unwrap().unwrap();
        assert!(id.is_socket);
        std::fs::rename(&socket, &other).unwrap();
        assert_eq!(file_at(&c_path(&other)), Ok(Some(id)));
        std::fs::write(&socket, "").unwrap();
        assert_ne!(file_at(&c_path(&socket)).unwrap(), Some(id));
        unlink(&c_path(&socket)).unwrap();
        std::os::unix::fs::symlink(&other, &socket).unwrap();
        assert!(!file_at(&c_path(&socket)).unwrap().unwrap().is_socket);
    }

    #[test]
    fn only_a_listening_socket_is_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let adopted = |kind: Type, listens: bool| {
            let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
            socket.bind(&SockAddr::unix(dir.path().join(format!("{kind:?}{listens}"))).unwrap()).unwrap();
            if listens {
                socket.listen(1).unwrap();
            }
            socket.set_cloexec(false).unwrap();
            adopt_listener(socket.into_raw_fd())
        };
        assert!(adopted(Type::SEQPACKET, false).is_err());
        assert!(adopted(Type::STREAM, true).is_err());
        assert!(adopt_listener(std::fs::File::open("/dev/null").unwrap().into_raw_fd()).is_err());
        let socket = adopted(Type::SEQPACKET, true).unwrap();
        // SAFETY: F_GETFD takes no argument and changes nothing.
        assert_eq!(unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_GETFD) }, libc::FD_CLOEXEC);
    }
}

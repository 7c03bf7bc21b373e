//! Socket addresses: from a path, and back to one.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::errno::{self, KeepErrno, check};
use super::file::DirectoryRoom;
use crate::cause::{Cause, PathFault};

/// The longest socket path in bytes.
pub const PATH_MAX: usize = 107;

/// The address for a path. Two paths are errors here that the originals accept: a longer one, which they cut, and "",
/// which they take for an abstract name.
pub(super) fn from_path(path: &[u8]) -> Result<libc::sockaddr_un, Cause> {
    let fault = match path.len() {
        0 => Some(PathFault::Empty),
        len if len > PATH_MAX => Some(PathFault::TooLong { len }),
        _ if path.contains(&0) => Some(PathFault::Nul),
        _ => None,
    };
    if let Some(fault) = fault {
        return Err(Cause::BadPath(fault));
    }
    let mut address = unnamed();
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as _;
    }
    Ok(address)
}

/// The address to connect to, and its length. A path that begins with a zero byte is an abstract name (unix(7)), which the
/// length ends.
pub(super) fn of_server(path: &[u8]) -> Result<(libc::sockaddr_un, libc::socklen_t), Cause> {
    let Some(name) = path.strip_prefix(&[0]).filter(|name| !name.is_empty() && name.len() < PATH_MAX) else {
        return Ok((from_path(path)?, ADDRESS_LEN));
    };
    let mut address = unnamed();
    for (to, from) in address.sun_path.iter_mut().zip(path) {
        *to = *from as _;
    }
    let len = mem::offset_of!(libc::sockaddr_un, sun_path) + 1 + name.len();
    Ok((address, len as libc::socklen_t))
}

/// The path in an address that [`from_path`] has made.
pub(super) fn path_in(address: &libc::sockaddr_un) -> &CStr {
    // SAFETY: a zero byte follows the path, as the longest path is shorter than the field.
    unsafe { CStr::from_ptr(address.sun_path.as_ptr()) }
}

/// A socket path in a buffer of fixed size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketPath([u8; PATH_MAX + 1]);

impl SocketPath {
    /// The empty path.
    pub const EMPTY: Self = Self([0; PATH_MAX + 1]);

    /// The path, if it is not too long.
    pub fn new(path: &[u8]) -> Option<Self> {
        let mut copy = Self::EMPTY;
        let (room, _zero) = copy.0.split_at_mut(PATH_MAX);
        room.get_mut(..path.len())?.copy_from_slice(path);
        Some(copy)
    }

    /// What to remember of a path: the absolute one, unless that is too long for an address.
    pub fn absolute_if_fits(path: &[u8]) -> Option<Self> {
        let given = Self::new(path)?;
        if given.is_absolute() {
            return Some(given);
        }
        let mut room = DirectoryRoom::default();
        let absolute = room.working_directory().and_then(|home| Self::joined(home, path));
        Some(absolute.unwrap_or(given))
    }

    /// The path of a name in a directory, if it is not too long.
    pub fn joined(directory: &[u8], name: &[u8]) -> Option<Self> {
        let mut room = [0; PATH_MAX];
        let separator: &[u8] = if directory.ends_with(b"/") { b"" } else { b"/" };
        let mut end = 0;
        for part in [directory, separator, name] {
            room.get_mut(end..end + part.len())?.copy_from_slice(part);
            end += part.len();
        }
        Self::new(room.get(..end)?)
    }

    /// The path that the peer of a connection is bound to, if any.
    pub fn of_peer(fd: RawFd) -> Option<Self> {
        peer_path(fd, |path| Self::new(path.as_os_str().as_bytes())).flatten()
    }

    /// The path as a C string.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    /// True for an absolute path, which means the same whatever the working directory.
    pub fn is_absolute(&self) -> bool {
        self.0.first() == Some(&b'/')
    }
}

/// The length that system calls take for the address of a path: always that of the whole structure.
pub(super) const ADDRESS_LEN: libc::socklen_t = mem::size_of::<libc::sockaddr_un>() as libc::socklen_t;

fn unnamed() -> libc::sockaddr_un {
    libc::sockaddr_un { sun_family: libc::AF_UNIX as _, sun_path: [0; 108] }
}

/// The identity of a peer, as the kernel saw it when the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Its process; 0 for a process outside of this process namespace.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer pid {} uid {}", self.pid, self.uid)
    }
}

/// The credentials of the peer of a connection; `None` for a socket without a peer.
pub fn peer(fd: RawFd) -> Option<Credentials> {
    let _keep = KeepErrno::new();
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = mem::size_of::<libc::ucred>() as libc::socklen_t;
    let into = (&raw mut credentials).cast();
    // SAFETY: `into` and `len` describe `credentials`, which any bytes make valid.
    let rc = unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, into, &mut len) };
    let libc::ucred { pid, uid, gid } = credentials;
    // For a socket without a peer the kernel gives no user.
    (rc == 0 && uid != u32::MAX).then_some(Credentials { pid, uid, gid })
}

/// True for a user who could stop this process anyway: root, and its own user.
pub fn is_trusted(uid: u32) -> bool {
    // SAFETY: the function takes nothing.
    is_trusted_by(|| unsafe { libc::geteuid() }, uid)
}

fn is_trusted_by(process: impl FnOnce() -> u32, uid: u32) -> bool {
    uid == 0 || (uid != OVERFLOW && uid == process())
}

/// In a user namespace all users without a number there have this one.
const OVERFLOW: u32 = 65_534;

type NameCall = unsafe extern "C" fn(libc::c_int, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

/// Calls `use_path` with the path that the peer of a connection is bound to, if any.
pub fn peer_path<T>(fd: RawFd, use_path: impl FnOnce(&Path) -> T) -> Option<T> {
    with_name(libc::getpeername, fd, use_path)
}

/// Calls `use_path` with the path that the socket itself is bound to, if any.
pub fn local_path<T>(fd: RawFd, use_path: impl FnOnce(&Path) -> T) -> Option<T> {
    with_name(libc::getsockname, fd, use_path)
}

/// The name at one end of a connection, padded with zero bytes.
fn name(call: NameCall, fd: RawFd) -> Option<[u8; 108]> {
    let _keep = KeepErrno::new();
    let mut address = unnamed();
    let mut len = ADDRESS_LEN;
    // SAFETY: the pointers describe `address`, which any bytes make valid, and its length.
    check(unsafe { call(fd, (&raw mut address).cast(), &mut len) }).ok()?;
    Some(address.sun_path.map(|byte| byte as u8))
}

fn with_name<T>(call: NameCall, fd: RawFd, use_path: impl FnOnce(&Path) -> T) -> Option<T> {
    let bytes = name(call, fd)?;
    let path = bytes.split(|byte| *byte == 0).next().filter(|path| !path.is_empty())?;
    Some(use_path(Path::new(OsStr::from_bytes(path))))
}

/// Binds a socket to a name that no other one has (unix(7): "autobind").
pub(super) fn autobind(socket: &OwnedFd) -> Result<(), Cause> {
    let address = unnamed();
    let len = mem::size_of::<libc::sa_family_t>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe the beginning of `address`.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) }).map(drop)
}

/// True if the peer of a connection is bound to the name of a socket.
pub(super) fn same_name(socket: &OwnedFd, connection: &OwnedFd) -> bool {
    let own = name(libc::getsockname, socket.as_raw_fd());
    own.is_some() && own == name(libc::getpeername, connection.as_raw_fd())
}

/// Calls `bind` or `connect` with an address.
pub(super) fn with_address(
    call: unsafe extern "C" fn(libc::c_int, *const libc::sockaddr, libc::socklen_t) -> libc::c_int,
    fd: RawFd,
    (address, len): (&libc::sockaddr_un, libc::socklen_t),
) -> Result<(), Cause> {
    debug_assert!(len <= ADDRESS_LEN);
    // SAFETY: the pointer and the length describe `address`, or its beginning.
    match unsafe { call(fd, (&raw const *address).cast(), len) } {
        0 => Ok(()),
        _ => Err(errno::last()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That is any user.
    #[test]
    fn a_user_without_a_number_is_not_trusted() {
        let trusted = |process| [0, 7, OVERFLOW].map(|uid| is_trusted_by(|| process, uid));
        assert_eq!(trusted(0), [true, false, false]);
        assert_eq!(trusted(7), [true, true, false]);
        assert_eq!(trusted(OVERFLOW), [true, false, false]);
    }

    #[test]
    fn a_path_is_joined_where_it_fits() {
        assert_eq!(SocketPath::joined(b"/", b"x"), SocketPath::new(b"/x"));
        let longest = SocketPath::joined(b"/run", &[b'x'; PATH_MAX - 5]).unwrap();
        assert_eq!(longest.as_c_str().count_bytes(), PATH_MAX);
        assert_eq!(SocketPath::joined(b"/run", &[b'x'; PATH_MAX - 4]), None);
    }
}

//! The listening socket and its file.

use std::ffi::CStr;
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::cause::Cause;
use crate::shared_path::SharedPath;
use crate::stable_path::{StablePath, c_string_with};
use crate::sys::{self, DirEntry, EntryFile, FileLock, Owner, SocketFile};

/// Action of a server that finds something at the path of its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// Fails, whatever is there.
    #[default]
    Fail,
    /// Removes a socket that no server listens on, and fails otherwise.
    ///
    /// A lock file keeps two such servers apart: the path with `.lock` appended. The file is made for the owner of the
    /// socket, with mode 0600, locked while the server listens, and never removed. If root has left one behind that the
    /// process may not open, it is replaced, provided no server listens.
    ReplaceStale,
}

/// Settings of the socket file.
#[derive(Clone, Debug, Default)]
pub(super) struct FilePolicy {
    pub(super) existing: Existing,
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<u32>,
    pub(super) group: Option<u32>,
}

/// The mode of the socket file unless another is set: for its owner only.
const DEFAULT_MODE: u32 = 0o600;

/// A non-blocking listening socket.
#[derive(Debug)]
pub(super) struct ListeningSocket {
    socket: sys::Listener,
    path: SharedPath,
    file: Option<File>,
    drop_action: AtomicU8,
}

/// Action taken when a listening socket is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum DropAction {
    /// Removes the file and releases the lock.
    Remove,
    /// Does the same, and shuts the socket down for every process that has it, such as a child of a fork. No client
    /// that has found the file can connect then.
    ShutDown,
    /// Closes the descriptor only. The rest is another process's.
    CloseOnly,
}

/// The socket file that this server has made.
#[derive(Debug)]
struct File {
    place: StablePath,
    held: SocketFile,
    lock: Option<FileLock>,
}

impl ListeningSocket {
    /// Makes the socket file and listens.
    pub(super) fn new(place: &StablePath, policy: &FilePolicy) -> Result<Self, Cause> {
        let way = place.address_path()?;
        let owner = Owner { uid: policy.owner, gid: policy.group };
        let lock = match policy.existing {
            Existing::Fail => None,
            Existing::ReplaceStale => Some(place.with_c_path(|path| remove_stale(path, way.path(), owner))?),
        };
        let mode = policy.mode.unwrap_or(DEFAULT_MODE);
        let socket = sys::open_at_once(true, Some(mode))?;
        let held = sys::listen_as(&socket, way.path(), mode, owner)?;
        let file = File { place: place.clone(), held, lock };
        let socket = sys::Listener::new(socket, false);
        Ok(Self {
            socket,
            path: place.given().clone(),
            file: Some(file),
            drop_action: AtomicU8::new(DropAction::Remove as u8),
        })
    }

    /// Takes over the socket that the service manager handed to this process: the one bound to a place, or without one
    /// the first. Links are followed only if no socket has been bound to the very path, as another user may have made them.
    pub(super) fn inherited(place: Option<&StablePath>) -> Result<Self, Cause> {
        let count = handed_count();
        let mut handed = sys::inherited_fds(count);
        let bound =
            |matches: &dyn Fn(&Path) -> bool| handed.clone().find(|fd| sys::local_path(*fd, matches) == Some(true));
        let chosen = match place {
            Some(place) => bound(&|own| place.path() == own).or_else(|| bound(&|own| place.leads_to(own))),
            None => handed.clone().next(),
        };
        let Some(fd) = chosen else {
            return Err(Cause::NotHanded { instead: handed.any(sys::is_free_listener).then_some(count) });
        };
        let socket = sys::Listener::new(sys::adopt_listener(fd)?, true);
        sys::set_nonblocking(fd, true)?;
        let path = sys::local_path(fd, SharedPath::new).unwrap_or_else(|| SharedPath::new(Path::new("(inherited)")))?;
        Ok(Self { socket, path, file: None, drop_action: AtomicU8::new(DropAction::CloseOnly as u8) })
    }

    pub(super) fn path(&self) -> &SharedPath {
        &self.path
    }

    /// Sets the action for the drop. A socket that was handed over is only closed, as the service manager has it, too.
    pub(super) fn set_drop_action(&self, action: DropAction) {
        if self.file.is_some() {
            self.drop_action.store(action as u8, Ordering::Relaxed);
        }
    }

    /// The descriptors, for a process that has inherited them.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let held = self.file.as_ref().map(|file| file.held.as_fd());
        let lock = self.file.as_ref().and_then(|file| file.lock.as_ref()).map(|lock| lock.as_fd());
        [Some(self.as_fd()), held, lock].into_iter().flatten().map(|fd| fd.as_raw_fd())
    }
}

impl Drop for ListeningSocket {
    /// Removes the socket file, if it is still the one that this server has made.
    fn drop(&mut self) {
        let action = *self.drop_action.get_mut();
        let Some(file) = self.file.as_ref().filter(|_| action != DropAction::CloseOnly as u8) else { return };
        // When it cannot be removed it stays, as a dead socket.
        let _ = file.place.with_c_path(|path| file.held.remove(path, self.socket.socket()));
        if action == DropAction::ShutDown as u8 {
            sys::shut_down(self.as_fd().as_raw_fd());
            // Clients that have connected, and not been accepted, would wait as long as another process has the socket. Where
            // there is no descriptor to accept with, those that are left end with the last process.
            while let Ok(socket) = sys::accept_at_once(self.as_fd().as_raw_fd(), true) {
                sys::reject_connection(socket);
            }
        }
        if let Some(lock) = &file.lock {
            lock.release();
        }
    }
}

impl AsFd for ListeningSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.socket().as_fd()
    }
}

/// Removes a dead socket file, under the lock that is returned.
fn remove_stale(path: &CStr, way: &[u8], owner: Owner) -> Result<FileLock, Cause> {
    let lock = c_string_with(path.to_bytes(), b".lock")?;
    let entry = DirEntry::of(path)?;
    // No lock file is made beside what is no socket.
    if entry.file()?.is_some_and(|there| !there.is_socket) {
        return Err(Cause::NotASocket);
    }
    let lock = FileLock::take(&lock, owner, |lock| match lock.find_beside(entry.name()) {
        Ok(there) => is_dead(lock, &there, way),
        Err(cause) => cause == Cause::Os(libc::ENOENT),
    })?;
    let there = match entry.open_path() {
        Err(Cause::Os(libc::ENOENT)) => return Ok(lock),
        found => found?,
    };
    if !there.id().is_socket {
        return Err(Cause::NotASocket);
    }
    if !is_dead(&entry, &there, way) {
        return Err(Cause::Os(libc::EADDRINUSE));
    }
    entry.remove(there.id())?;
    Ok(lock)
}

/// True if no server listens on a socket. The file itself is asked, wherever the path leads meanwhile. Without /proc the path
/// is asked, if no other user can change it.
fn is_dead(entry: &DirEntry<'_>, there: &EntryFile, way: &[u8]) -> bool {
    let path = there.path();
    let asked = match &path {
        Some(path) => path.as_c_str().to_bytes(),
        None if entry.is_trusted(there) => way,
        None => return false,
    };
    (0..KNOCKS).all(|before| {
        if before > 0 {
            let _ = sys::poll(&mut [], PAUSE_MS);
        }
        try_connect(asked) == Err(Cause::Os(libc::ECONNREFUSED))
    })
}

/// A socket that has been bound a moment ago does not listen yet.
const KNOCKS: u32 = 4;
const PAUSE_MS: i32 = 10;

/// Connects to a socket and closes the connection.
fn try_connect(way: &[u8]) -> Result<(), Cause> {
    sys::connect(&sys::open_at_once(true, None)?, way)
}

/// The descriptors that the service manager has handed to this process, by their number.
fn handed_count() -> u64 {
    let ours = number(c"LISTEN_PID").is_some_and(|pid| pid == u64::from(std::process::id()));
    number(c"LISTEN_FDS").filter(|_| ours).unwrap_or(0)
}

/// The listening sockets that the service manager has handed to this process, and that no server has taken.
pub(super) struct LeftSockets(u64);

impl LeftSockets {
    /// The sockets, if there are any.
    pub(super) fn find() -> Option<Self> {
        let count = handed_count();
        sys::inherited_fds(count).any(sys::is_free_listener_of_any_type).then_some(Self(count))
    }
}

impl fmt::Display for LeftSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for fd in sys::inherited_fds(self.0).filter(|fd| sys::is_free_listener_of_any_type(*fd)) {
            let kind = if sys::is_free_listener(fd) { "" } else { ", which is not of type SOCK_SEQPACKET" };
            let named = sys::local_path(fd, |path| write!(f, "{before}{} (descriptor {fd}{kind})", path.display()));
            named.unwrap_or_else(|| write!(f, "{before}descriptor {fd} without a path{kind}"))?;
            before = " and ";
        }
        Ok(())
    }
}

/// The number in an environment variable.
fn number(name: &CStr) -> Option<u64> {
    sys::secure_variable(name, |value| value.to_str().ok()?.parse().ok()).flatten()
}

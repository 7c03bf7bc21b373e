//! Who is connected.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::cause::Cause;
use crate::shared_path::SharedPath;
pub use crate::sys::Credentials;
use crate::sys::{self, NextRecord, TryArc, UninitArc};

/// One client's connection to a server, as a handler sees it. A clone is the same session, and may outlive it; the
/// descriptor is closed when the last one is dropped.
///
/// ```
/// use drpc::{Failure, Module, Session, modules::mgmt};
///
/// /// Serves root alone.
/// struct Management;
///
/// impl Module for Management {
///     fn id(&self) -> i32 {
///         mgmt::MODULE
///     }
///
///     fn handle(&self, session: &Session, method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
///         match method {
///             mgmt::PREP_SHUTDOWN if session.peer().uid == 0 => Ok(Vec::new()),
///             mgmt::PREP_SHUTDOWN => Err(Failure::other().with_text("not root")),
///             _ => Err(Failure::unknown_method()),
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session(TryArc<Shared>);

/// Room for a session, which cannot fail for want of memory then.
pub(crate) type UninitSession = UninitArc<Shared>;

#[derive(Debug)]
pub(crate) struct Shared {
    id: u64,
    socket: sys::Accepted,
    path: SharedPath,
    peer: Credentials,
    closed: AtomicBool,
    /// The process that alone may end it, where it is a server's; otherwise 0.
    process: u64,
}

/// The number of the next session in this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Session {
    /// The session of a connection that has been accepted on the socket at `path`.
    pub(crate) fn new(socket: OwnedFd, path: SharedPath) -> Result<Self, Cause> {
        Self::of_process(UninitSession::new()?, 0, socket, path)
    }

    /// The same for a server, whose session is nothing to a child of a fork.
    pub(crate) fn of_server(room: UninitSession, socket: OwnedFd, path: SharedPath) -> Result<Self, Cause> {
        Self::of_process(room, sys::process(), socket, path)
    }

    fn of_process(room: UninitSession, process: u64, socket: OwnedFd, path: SharedPath) -> Result<Self, Cause> {
        let peer = sys::peer(socket.as_raw_fd()).ok_or(Cause::Os(libc::ENOTCONN))?;
        // What a connection without a server receives is the business of its thread alone.
        let trusted = process == 0 || sys::is_trusted(peer.uid);
        let socket = sys::Accepted::new(socket, trusted);
        let (id, closed) = (NEXT_ID.fetch_add(1, Ordering::Relaxed), AtomicBool::new(false));
        Ok(Self(room.fill(Shared { id, socket, path, peer, closed, process })))
    }

    /// A number that no other session of this process has, or has had.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Who is at the other end, as of when the connection was made.
    pub fn peer(&self) -> Credentials {
        self.0.peer
    }

    /// The path of the server's socket.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The same, for errors.
    pub(crate) fn shared_path(&self) -> &SharedPath {
        &self.0.path
    }

    /// Ends the connection: what has not been sent is lost, and the client sees the end. In a child of a fork it has no
    /// effect on the session of a [`Server`](crate::Server).
    pub fn close(&self) {
        if self.0.process != 0 && self.0.process != sys::process() {
            return;
        }
        self.0.closed.store(true, Ordering::Release);
        sys::shut_down(self.as_fd().as_raw_fd());
    }

    /// What the client has sent, which is taken only if it is plain.
    #[inline(always)]
    pub(crate) fn next_record(&self) -> NextRecord {
        self.0.socket.next_record()
    }

    /// It has been closed on this side.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

//! A client's connection, as handlers see it.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::Api;
use crate::shared_path::SharedPath;
pub use crate::sys::Credentials;
use crate::sys::{self, NextRecord, TryArc, UninitArc};

/// One client's connection to a server, as a handler sees it. A clone is the same session, and may outlive the connection.
/// The descriptor is closed when the last clone is dropped.
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
///             mgmt::PREP_SHUTDOWN => Err(Failure::other().with_error_text("not root")),
///             _ => Err(Failure::unknown_method()),
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session(TryArc<Shared>);

/// Memory for a session, taken beforehand so that making the session cannot fail for want of it.
pub(crate) type UninitSession = UninitArc<Shared>;

#[derive(Debug)]
pub(crate) struct Shared {
    id: u64,
    socket: sys::Accepted,
    path: SharedPath,
    peer: Credentials,
    closed: AtomicBool,
    /// The process that alone may end the session if a server has accepted it; otherwise 0.
    process: u64,
}

/// The number of the next session in this process.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Session {
    /// The session of a connection accepted on the socket at `path`.
    pub(crate) fn new(socket: OwnedFd, path: SharedPath) -> Result<Self, Cause> {
        Self::of_process(UninitSession::new()?, 0, socket, path)
    }

    /// The session of a server's connection. A child of a fork cannot end it.
    pub(crate) fn of_server(room: UninitSession, socket: OwnedFd, path: SharedPath) -> Result<Self, Cause> {
        Self::of_process(room, sys::process(), socket, path)
    }

    fn of_process(room: UninitSession, process: u64, socket: OwnedFd, path: SharedPath) -> Result<Self, Cause> {
        let peer = sys::peer(socket.as_raw_fd()).ok_or(Cause::Os(libc::ENOTCONN))?;
        // A connection without a server holds up its own thread alone, so that any peer may be trusted.
        let trusted = process == 0 || sys::is_trusted(peer.uid);
        let socket = sys::Accepted::new(socket, trusted);
        let (id, closed) = (NEXT_ID.fetch_add(1, Ordering::Relaxed), AtomicBool::new(false));
        Ok(Self(room.fill(Shared { id, socket, path, peer, closed, process })))
    }

    /// A session whose client is this process, and on which nothing comes: for tests that run a handler without a server.
    ///
    /// ```
    /// let session = drpc::Session::for_tests()?;
    /// assert_eq!(session.peer().pid, std::process::id().cast_signed());
    /// # Ok::<(), drpc::Error>(())
    /// ```
    pub fn for_tests() -> Result<Self, Error> {
        let session = sys::socket_pair().and_then(|(socket, _)| Self::new(socket, SharedPath::default()));
        session.map_err(|cause| Error::new(Api::Server, Phase::Accept, &SharedPath::default(), cause))
    }

    /// The number of the session, which no other one of this process has or had.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The client's process and user at the moment when the connection was made.
    pub fn peer(&self) -> Credentials {
        self.0.peer
    }

    /// The path of the server's socket.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The path of the server's socket, for errors.
    pub(crate) fn shared_path(&self) -> &SharedPath {
        &self.0.path
    }

    /// Ends the connection: replies that have not been sent are lost, and the client sees the end. In a child of a fork
    /// this has no effect on the session of a [`Server`](crate::Server).
    pub fn close(&self) {
        if self.0.process != 0 && self.0.process != sys::process() {
            return;
        }
        self.0.closed.store(true, Ordering::Release);
        sys::shut_down(self.as_fd().as_raw_fd());
    }

    /// A look at the next record, which says whether that may be received.
    #[inline(always)]
    pub(crate) fn next_record(&self) -> NextRecord {
        self.0.socket.next_record()
    }

    /// True once this side has closed the session.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

//! A listening socket for programs that accept clients themselves.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::blocking::Connection;
use crate::error::{Error, Phase};
use crate::explanation::Api;
use crate::log::Log;
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::framing::{Framing, Limits};
use crate::session::Session;
use crate::shared_path::SharedPath;
use crate::sys;

/// The default mode of the socket file: for its owner only.
const DEFAULT_MODE: u32 = 0o600;

/// A listening socket. Dropping the listener leaves the socket file, as with the originals.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let listener = drpc::Listener::bind(&path)?;
/// # let client = std::thread::spawn(move || drpc::Client::connect(path)?.call(7, 701, b"?"));
/// let mut connection = listener.accept()?;
/// if let Some(call) = connection.receive()? {
///     connection.reply(&drpc::Response::success(&call, b"!".to_vec()))?;
/// }
/// # assert_eq!(client.join().unwrap()?.body, b"!");
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    path: SharedPath,
    peer_framing: PeerFraming,
    limits: Limits,
    log: Log,
}

/// Settings of a [`Listener`] before it is bound.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let listener = drpc::Listener::builder().framing(drpc::Framing::Datagram).mode(0o666).bind(&path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ListenerBuilder {
    framing: Option<Framing>,
    mode: Option<u32>,
    limits: Limits,
    log: Log,
}

impl ListenerBuilder {
    /// The framing of the clients. `None`, the default, finds it out from the first call of each.
    #[must_use]
    pub fn framing(mut self, framing: impl Into<Option<Framing>>) -> Self {
        self.framing = framing.into();
        self
    }

    /// The mode of the socket file, whatever the umask. The default is 0600 without the bits that the umask takes away.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// The largest message sent or accepted; the default is 128 MiB.
    #[must_use]
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.limits.message = bytes;
        self
    }

    /// The largest response sent as a datagram: as much as the clients can receive. The default is 16 KiB, for clients of
    /// DAOS 0.8; those of 1.2 to 2.6 can receive 128 KiB.
    #[must_use]
    pub fn datagram_limit(mut self, bytes: usize) -> Self {
        self.limits.datagram = bytes;
        self
    }

    /// The log; the default is none.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// Creates the socket file, which must not exist, and listens.
    pub fn bind(&self, path: impl AsRef<Path>) -> Result<Listener, Error> {
        let path = SharedPath::new(path.as_ref());
        let path = path.map_err(|cause| Error::new(Api::Listener, Phase::Listen, &SharedPath::default(), cause))?;
        let error = |cause| Error::new(Api::Listener, Phase::Listen, &path, cause);
        let socket = sys::open_at_once(false, self.mode.or(Some(DEFAULT_MODE))).map_err(error)?;
        sys::listen(&socket, path.as_os_str().as_bytes(), self.mode).map_err(error)?;
        Ok(Listener {
            socket,
            path,
            peer_framing: PeerFraming::configured(self.framing, Framing::Chunked),
            limits: self.limits,
            log: self.log.clone(),
        })
    }
}

impl Listener {
    /// Creates the socket file, which must not exist, and listens, with the default settings.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().bind(path)
    }

    /// Settings for a listener.
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder::default()
    }

    /// The path of the socket file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next client.
    pub fn accept(&self) -> Result<Connection, Error> {
        let accepted = sys::accept_at_once(self.socket.as_raw_fd(), false);
        let session = accepted.and_then(|socket| Session::new(socket, self.path.clone()));
        let session = session.map_err(|cause| Error::new(Api::Listener, Phase::Accept, &self.path, cause))?;
        Ok(Connection::new(session, self.peer_framing, self.limits, self.log.clone()))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

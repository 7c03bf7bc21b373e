//! The server at the other end of a socket, for a client that finds out its framing and may have to connect again.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::cause::Cause;
use crate::peer::framing_cache::{self, ServerId};
use crate::protocol::framing::Framing;
use crate::sys::{self, CancelDisabled, SocketPath};

/// The server at the other end of a socket, with a path to connect to again.
#[derive(Clone, Copy, Debug)]
pub struct PeerServer {
    fd: RawFd,
    path: SocketPath,
    id: Option<ServerId>,
}

impl PeerServer {
    /// The server at the other end of `fd`, which has been connected to `path` if that is known. `None` if `fd` is not
    /// connected, or if neither `path` nor an absolute path that the server has bound is known.
    pub fn of(fd: RawFd, path: Option<SocketPath>) -> Option<Self> {
        let pid = sys::peer(fd)?.pid;
        // The client's path comes first: the path that the server has bound may lead elsewhere in the client's file system,
        // or be gone.
        let path = path.or_else(|| SocketPath::of_peer(fd).filter(SocketPath::is_absolute))?;
        Some(Self { fd, path, id: ServerId::of(path, pid) })
    }

    /// The framing of the server, if it has been learned.
    pub fn recall(&self) -> Option<Framing> {
        self.id.as_ref().and_then(framing_cache::recall)
    }

    /// Remembers the framing of the server.
    pub fn learn(&self, framing: Framing) {
        if let Some(id) = self.id {
            framing_cache::learn(id, framing);
        }
    }

    /// Replaces the connection by a new one to the same server, under the same descriptor and with the same flags and
    /// timeouts. After a failure the old connection is still there. The call does not wait: false while the server has too
    /// many other clients to accept.
    ///
    /// The path may lead to another server by now. Connecting fails then, because an unknown server must not get a datagram
    /// first.
    pub fn reconnect(&self, mode: Option<libc::mode_t>) -> Result<bool, Cause> {
        let _uncancelled = CancelDisabled::new();
        let socket = self.connect_to(&self.path, mode).or_else(|cause| {
            let bound = SocketPath::of_peer(self.fd).filter(|bound| bound.is_absolute() && self.path != *bound);
            self.connect_to(&bound.ok_or(cause)?, mode).map_err(|_| cause)
        })?;
        let Some(socket) = socket else { return Ok(false) };
        sys::replace_fd(self.fd, socket)?;
        Ok(true)
    }

    /// Another connection to the same server; `None` while the server is too busy.
    fn connect_to(&self, path: &SocketPath, mode: Option<libc::mode_t>) -> Result<Option<OwnedFd>, Cause> {
        let socket = sys::open(true, mode)?;
        match sys::connect(&socket, path.as_c_str().to_bytes()) {
            Err(cause) if cause.is_would_block() => return Ok(None),
            connected => connected?,
        }
        sys::copy_timeouts(self.fd, &socket)?;
        let of = |fd| (sys::peer(fd), SocketPath::of_peer(fd));
        if of(self.fd) == of(socket.as_raw_fd()) { Ok(Some(socket)) } else { Err(Cause::Replaced) }
    }
}

//! The server that a socket is connected to, as far as it can be found again: for a client that finds out how it expects
//! messages.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::dialects::{self, ServerId};
use crate::error::Cause;
use crate::framing::Framing;
use crate::sys::{self, SocketPath, UncancelledCall};

/// A server at the other end of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Counterpart {
    fd: RawFd,
    path: Option<SocketPath>,
    id: Option<ServerId>,
}

impl Counterpart {
    /// Who is at the other end of `fd`, which has been connected to `path`, if that is known. `None` when it is connected
    /// to nobody.
    pub fn of(fd: RawFd, path: Option<SocketPath>) -> Option<Self> {
        let pid = sys::peer(fd)?.pid;
        // The path that the server has bound need not be that of a client in another file system, or be there any more.
        let path = path.or_else(|| SocketPath::of_peer(fd).filter(SocketPath::is_absolute));
        let id = path.and_then(|path| ServerId::of(path, pid));
        Some(Self { fd, path, id })
    }

    /// What it speaks, if that has been learnt.
    pub fn recall(&self) -> Option<Framing> {
        self.id.as_ref().and_then(dialects::recall)
    }

    /// Remembers what it speaks.
    pub fn learn(&self, framing: Framing) {
        if let Some(id) = self.id {
            dialects::learn(id, framing);
        }
    }

    /// Replaces the connection by a new one to the same server, under the same descriptor and with the same flags and
    /// timeouts. When it fails, the old one is still there.
    ///
    /// A path may lead to another server by now, and one that is not known must not hear a datagram first.
    pub fn connect_again(&self, mode: Option<libc::mode_t>) -> Result<(), Cause> {
        let _uncancelled = UncancelledCall::new();
        let bound = SocketPath::of_peer(self.fd).filter(|bound| bound.is_absolute() && self.path != Some(*bound));
        let mut failed = None;
        for path in [self.path, bound].into_iter().flatten() {
            match self.connect_to(&path, mode) {
                Ok(socket) => return sys::put_in_place(self.fd, socket),
                Err(cause) => failed = failed.or(Some(cause)),
            }
        }
        Err(failed.unwrap_or(Cause::NoWayBack))
    }

    /// Another connection to the same server, which waits for nobody if this one does not.
    fn connect_to(&self, path: &SocketPath, mode: Option<libc::mode_t>) -> Result<OwnedFd, Cause> {
        let socket = sys::open(false, mode)?;
        sys::copy_patience(self.fd, &socket)?;
        sys::connect(&socket, path.as_c_str().to_bytes())?;
        let of = |fd| (sys::peer(fd), SocketPath::of_peer(fd));
        if of(self.fd) == of(socket.as_raw_fd()) { Ok(socket) } else { Err(Cause::Replaced) }
    }
}

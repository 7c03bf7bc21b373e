//! The handle by which one thread polls the socket while others use it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Instant;

use crate::cause::Cause;
use crate::sys::{self, PollFd, Waker};

/// The socket and a signal, polled by one thread while others use the connection.
#[derive(Debug)]
pub(super) struct PollHandle {
    socket: OwnedFd,
    signal: Waker,
}

/// The readiness of a socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    /// True if there is something to receive, or the end.
    pub(super) readable: bool,
    /// True if the socket takes more.
    pub(super) writable: bool,
}

impl PollHandle {
    /// A handle for a connected socket.
    pub(super) fn new(socket: OwnedFd, signal: Waker) -> Self {
        Self { socket, signal }
    }

    /// Waits for something to receive, for room to send if `writable` is set, or for a call of
    /// [`wake`](PollHandle::wake).
    pub(super) fn wait(&self, writable: bool, until: Option<Instant>) -> Result<Ready, Cause> {
        let events = if writable { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        let (socket, signal) = (self.socket.as_raw_fd(), self.signal.as_fd().as_raw_fd());
        let mut fds = [(socket, events), (signal, libc::POLLIN)].map(|(fd, events)| PollFd { fd, events, revents: 0 });
        // shuttle runs all threads in one, which must not wait.
        let timeout = if cfg!(all(test, shuttle)) { 0 } else { sys::ms_until(until) };
        match sys::poll_uncancelled(&mut fds, timeout) {
            Ok(_) | Err(Cause::Os(libc::EINTR)) => {}
            Err(cause) => return Err(cause),
        }
        let [socket, signal] = fds.map(|fd| fd.revents);
        if signal != 0 {
            self.signal.clear();
        }
        Ok(Ready { readable: socket & !libc::POLLOUT != 0, writable: socket & libc::POLLOUT != 0 })
    }

    /// Wakes the thread that waits, or the next one that would.
    pub(super) fn wake(&self) {
        self.signal.raise();
    }

    /// The descriptors, to be closed in a process that inherited them.
    pub(super) fn descriptors(&self) -> [RawFd; 2] {
        [self.socket.as_raw_fd(), self.signal.as_fd().as_raw_fd()]
    }
}

impl AsFd for PollHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

//! The handle by which one thread polls the socket while others use it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::adaptive_spin::Look;
use crate::cause::Cause;
use crate::sys::{self, PollFd, Waker};

/// The time after which a thread looks again that cannot be woken.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The socket and a signal, polled by one thread while others use the connection.
#[derive(Debug)]
pub(super) struct PollHandle {
    socket: OwnedFd,
    /// Made once the process has other threads, which may have to wake the one that polls.
    signal: OnceLock<Waker>,
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
    /// A handle for a socket.
    pub(super) fn new(socket: OwnedFd) -> Result<Self, Cause> {
        let handle = Self { socket, signal: OnceLock::new() };
        handle.make_signal()?;
        Ok(handle)
    }

    /// Makes the signal, if it is needed now and was not before; true if so.
    fn make_signal(&self) -> Result<bool, Cause> {
        if self.signal.get().is_some() || sys::is_only_thread() {
            return Ok(false);
        }
        // Two threads may both make one, and the first is kept.
        let _ = self.signal.set(Waker::new()?);
        Ok(true)
    }

    /// The socket, to be connected.
    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Waits for something to receive, for room to send if `writable` is set, or for a call of
    /// [`wake`](PollHandle::wake). The thread may look before it sleeps.
    pub(super) fn wait(&self, look: Option<Look>, writable: bool, until: Option<Instant>) -> Result<Ready, Cause> {
        let until = match self.make_signal() {
            // The caller looks again, as it may not have been woken until now.
            Ok(true) => return Ok(Ready::default()),
            Ok(false) => until,
            // The call is out already. Without a signal the caller looks again every now and then.
            Err(_) => until.into_iter().chain([Instant::now() + LOOK_AGAIN]).min(),
        };
        let events = if writable { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        // A descriptor of -1 is not polled.
        let signal = self.signal.get().map_or(-1, |signal| signal.as_fd().as_raw_fd());
        let socket = self.socket.as_raw_fd();
        let mut fds = [(socket, events), (signal, libc::POLLIN)].map(|(fd, events)| PollFd { fd, events, revents: 0 });
        // shuttle runs all threads in one, which must not wait.
        let timeout = if cfg!(all(test, shuttle)) { 0 } else { sys::ms_until(until) };
        match sys::poll_uncancelled(look, &mut fds, timeout) {
            Ok(_) | Err(Cause::Os(libc::EINTR)) => {}
            Err(cause) => return Err(cause),
        }
        let [socket, signal] = fds.map(|fd| fd.revents);
        if let Some(waker) = self.signal.get().filter(|_| signal != 0) {
            waker.clear();
        }
        Ok(Ready { readable: socket & !libc::POLLOUT != 0, writable: socket & libc::POLLOUT != 0 })
    }

    /// Wakes the thread that waits, or the next one that would.
    pub(super) fn wake(&self) {
        if let Some(signal) = self.signal.get() {
            signal.raise();
        }
    }

    /// The descriptors, to be closed in a process that inherited them.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let signal = self.signal.get().map(|signal| signal.as_fd().as_raw_fd());
        [self.socket.as_raw_fd()].into_iter().chain(signal)
    }
}

impl AsFd for PollHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

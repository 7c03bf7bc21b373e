//! A descriptor that tokio watches.

use std::os::fd::{AsRawFd, BorrowedFd};

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::task::yield_now;

use super::{PollFd, poll};
use crate::cause::Cause;

/// A descriptor that the runtime of the current task watches until something can be read.
#[derive(Debug)]
pub(crate) struct Watched<'a>(AsyncFd<BorrowedFd<'a>>);

impl<'a> Watched<'a> {
    /// Watches a descriptor. Panics outside of a runtime.
    pub(crate) fn new(fd: BorrowedFd<'a>) -> Result<Self, Cause> {
        // SAFETY: what is borrowed stays open, and gives the same number each time.
        let watched = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
        watched.map(Self).map_err(|error| cause(&error.into()))
    }

    /// Waits until something can be read, and has `work` read it. What `work` leaves can be read the next time, though tokio
    /// reports it once only; other tasks have their turn before.
    pub(crate) async fn read<T>(&self, work: impl FnOnce() -> T) -> Result<T, Cause> {
        let mut readable = self.0.readable().await.map_err(|error| cause(&error))?;
        let result = work();
        if self.is_readable() {
            drop(readable);
            yield_now().await;
        } else {
            readable.clear_ready();
        }
        Ok(result)
    }

    fn is_readable(&self) -> bool {
        let mut fds = [PollFd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        // After a failure there is one more look.
        poll(&mut fds, 0) != Ok(0)
    }
}

fn cause(error: &std::io::Error) -> Cause {
    // Without a number it is the end of the runtime.
    Cause::Os(error.raw_os_error().unwrap_or(libc::ECANCELED))
}

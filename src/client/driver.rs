//! A client, as the one who dispatches for it has it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::client::Client;
use super::shared::Shared;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::sync::atomic::Ordering;
use crate::sys::TryArc;

/// The right to dispatch for a client, in place of its thread. It does not keep the client connected.
pub(crate) struct Driver(TryArc<Shared>);

impl Client {
    /// Has another one dispatch for the client from now on.
    pub(crate) fn driver(&self) -> Result<Driver, Error> {
        self.event_fd()?;
        Ok(Driver(self.0.shared.clone()))
    }
}

impl Driver {
    /// The epoll set, readable while there is work.
    pub(crate) fn events(&self) -> Result<BorrowedFd<'_>, Error> {
        self.0.events().map(AsFd::as_fd)
    }

    /// Does the work of one event, if there is one.
    pub(crate) fn dispatch(&self) -> Result<(), Error> {
        self.0.dispatch(Some(Duration::ZERO)).map(drop)
    }

    /// True once the client ends.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// The error of dispatching.
    pub(crate) fn error(&self, cause: Cause) -> Error {
        self.0.error((Phase::Progress, cause))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.is_watched.store(false, Ordering::Relaxed);
    }
}

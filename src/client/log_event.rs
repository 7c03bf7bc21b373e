//! Events for the log, kept until the lock is released.

use crate::cause::Cause;

/// An event for the log.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogEvent {
    /// The connection has failed.
    Lost(Cause),
    /// The client has connected again.
    Connected,
    /// The server reads datagrams, so that the client has to connect anew.
    FellBack,
}

/// Events kept while the lock is held; more are left out.
const CAPACITY: usize = 4;

/// The events that have come up while the lock was held.
#[derive(Debug, Default)]
pub(super) struct LogEvents {
    list: [Option<LogEvent>; CAPACITY],
    len: usize,
}

impl LogEvents {
    /// Adds an event, if there is room.
    pub(super) fn push(&mut self, event: LogEvent) {
        if let Some(free) = self.list.get_mut(self.len) {
            *free = Some(event);
            self.len += 1;
        }
    }

    /// Removes the events, if there are any.
    pub(super) fn take(&mut self) -> Option<Self> {
        if self.len == 0 { None } else { Some(std::mem::take(self)) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = LogEvent> {
        self.list.iter().flatten().copied()
    }
}

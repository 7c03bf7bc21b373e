//! Events for the log, kept until the lock is released.

use crate::cause::Cause;
use crate::log::{Level, Log};
use crate::protocol::framing::Framing;

/// An event for the log.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogEvent {
    /// The connection has failed.
    Lost(Cause),
    /// The client has connected again.
    Connected,
    /// The server reads datagrams, so that the client has to connect anew.
    FellBack,
    /// The framing of the server has been found out.
    Framing(Framing),
}

/// Events kept while the lock is held; more are only counted.
const CAPACITY: usize = 4;

/// The events that have come up while the lock was held.
#[derive(Debug, Default)]
pub(super) struct LogEvents {
    list: [Option<LogEvent>; CAPACITY],
    len: usize,
    /// Events for which there was no room.
    pub(super) left_out: u32,
}

impl LogEvents {
    /// Adds an event, if there is room.
    pub(super) fn push(&mut self, event: LogEvent) {
        if let Some(free) = self.list.get_mut(self.len) {
            *free = Some(event);
            self.len += 1;
        } else {
            self.left_out += 1;
        }
    }

    /// Adds that the framing of the server has been found out, if the log asks for such lines.
    #[cold]
    pub(super) fn push_framing(&mut self, framing: Framing, log: &Log) {
        if log.is_on(Level::Debug) {
            self.push(LogEvent::Framing(framing));
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

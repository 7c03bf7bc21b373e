//! What is told to the log, once nobody holds the lock.

use crate::cause::Cause;

/// Something to be told.
#[derive(Clone, Copy, Debug)]
pub(super) enum LogEvent {
    /// The connection has ended, or is of no use.
    Lost(Cause),
    /// There is a connection again.
    Connected,
    /// The server reads datagrams, so that there has to be another connection.
    FellBack,
}

/// More of them are left out.
const CAPACITY: usize = 4;

/// What has happened while the lock was held.
#[derive(Debug, Default)]
pub(super) struct LogEvents {
    list: [Option<LogEvent>; CAPACITY],
    len: usize,
}

impl LogEvents {
    /// Keeps a note, as far as there is room.
    pub(super) fn push(&mut self, event: LogEvent) {
        if let Some(free) = self.list.get_mut(self.len) {
            *free = Some(event);
            self.len += 1;
        }
    }

    /// Takes them.
    pub(super) fn take(&mut self) -> Option<Self> {
        if self.len == 0 { None } else { Some(std::mem::take(self)) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = LogEvent> {
        self.list.iter().flatten().copied()
    }
}

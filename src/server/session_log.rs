//! What the log says of sessions and their calls. It is noted while a session is locked; `log_lines.rs` writes it.

use super::log_event::LogEvent;
use crate::log::Level;
use crate::noted_call::{AnsweredCall, NotedCall};
use crate::protocol::framing::Framing;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What happened, in words.
    Plain(&'static str),
    /// It met this event.
    Event(LogEvent),
}

impl End {
    pub(super) const CLIENT: Self = Self::Plain("the client closed it");
    pub(super) const PROGRAM: Self = Self::Plain("the program closed it");
    pub(super) const SHUTDOWN: Self = Self::Plain("the server ends");
    /// The client connects anew.
    pub(super) const PROBE: Self = Self::Plain("the client found out the framing");
}

/// What is counted of a session while its log asks for [`Level::Debug`].
#[derive(Debug, Default)]
pub(super) struct SessionLog {
    calls: u64,
    bytes_in: u64,
    bytes_out: u64,
    framing: Option<Framing>,
    pub(super) end: Option<End>,
    /// The calls that have not been answered, by sequence.
    calls_noted: Vec<(i64, NotedCall)>,
}

impl SessionLog {
    /// Counts bytes of calls. A framing that has just been found out is returned.
    pub(super) fn received(&mut self, bytes: usize, framing: Option<Framing>) -> Option<Framing> {
        self.bytes_in += bytes as u64;
        let found = framing.filter(|_| self.framing.is_none());
        self.framing = framing;
        found
    }

    /// Keeps a call until it is answered. `first` says that no other one waits, but those of which nobody wants to know any
    /// more. False if there is no memory for that.
    pub(super) fn came(&mut self, sequence: i64, call: NotedCall, first: bool) -> bool {
        if first {
            self.calls_noted.clear();
        }
        let has_room = self.calls_noted.try_reserve(1).is_ok();
        self.calls_noted.extend(has_room.then_some((sequence, call)));
        has_room
    }

    /// Counts an answer, whose body and whole message have these sizes.
    pub(super) fn answered(&mut self, sequence: i64, status: i32, body: usize, bytes: usize) -> Option<Line> {
        self.calls += 1;
        self.bytes_out += bytes as u64;
        let place = self.calls_noted.iter().position(|(noted, _)| *noted == sequence)?;
        let (_, call) = self.calls_noted.swap_remove(place);
        Some(Line::Call(call.answered(sequence, status, body)))
    }

    /// The session ends.
    pub(super) fn ended(&self) -> Line {
        let Self { calls, bytes_in, bytes_out, framing, end, .. } = *self;
        Line::Ended { end: end.unwrap_or(End::CLIENT), framing, calls, bytes_in, bytes_out }
    }
}

/// A line about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A limit or an error.
    Event(LogEvent),
    /// The framing of the client's calls has been found out.
    Framing(Framing),
    /// A call has been answered.
    Call(AnsweredCall),
    /// The session has ended.
    Ended { end: End, framing: Option<Framing>, calls: u64, bytes_in: u64, bytes_out: u64 },
}

impl Line {
    /// The level of a line that is not about an event.
    pub(super) fn level(&self) -> Level {
        match self {
            Self::Call(call) => call.level(),
            _ => Level::Debug,
        }
    }
}

/// The most lines that are noted at a time: two for each record that is read, and those of the session's end.
const LINES: usize = 20;

/// The first lines while a session is locked, in order.
#[derive(Debug, Default)]
pub(super) struct Lines {
    list: Option<[Option<Line>; LINES]>,
    /// Lines for which there was no room.
    pub(super) left_out: u32,
}

impl Lines {
    #[cold]
    pub(super) fn add(&mut self, line: Line) {
        match self.list.get_or_insert_default().iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(line),
            None => self.left_out += 1,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Line> {
        self.list.iter().flatten().flatten().copied()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_none()
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn lines_without_room_are_counted() {
        let mut lines = Lines::default();
        assert!(lines.is_empty());
        (0..LINES + 3).for_each(|_| lines.add(Line::Framing(Framing::Chunked)));
        assert_eq!((lines.iter().count(), lines.left_out), (LINES, 3));
    }
}

//! Which calls of a session are being handled, and whether the next one may be read. Free of I/O.

use crate::sys::Interest;

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its calls are handled.
    Serving,
    /// Its first call is answered with a failure, and then it is closed.
    Refused,
    /// No more can come. What came before is read and answered with failures.
    Closing,
}

/// A call that is being handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flight {
    tag: u64,
    /// The sequence of the call.
    pub(super) sequence: i64,
    /// Where its module is counted.
    pub(super) slot: usize,
    concurrent: bool,
}

/// The calls of one session.
#[derive(Debug)]
pub(super) struct Lane {
    phase: Phase,
    flights: Vec<Flight>,
    next_tag: u64,
    ended: bool,
}

impl Lane {
    pub(super) fn new(refused: bool) -> Self {
        let phase = if refused { Phase::Refused } else { Phase::Serving };
        Self { phase, flights: Vec::new(), next_tag: 0, ended: false }
    }

    /// Calls are neither refused nor ended.
    pub(super) fn is_serving(&self) -> bool {
        self.phase == Phase::Serving
    }

    /// The session waits for a call that will be refused.
    pub(super) fn is_refused(&self) -> bool {
        self.phase == Phase::Refused
    }

    /// No more calls can come.
    pub(super) fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// No call is being handled.
    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// A call that may be handled now has to be answered under the tag returned.
    pub(super) fn admit(&mut self, sequence: i64, slot: usize, concurrent: bool, limit: usize) -> Option<u64> {
        if !self.is_serving() || self.flights.len() >= limit {
            return None;
        }
        let tag = self.next_tag;
        self.next_tag += 1;
        self.flights.push(Flight { tag, sequence, slot, concurrent });
        Some(tag)
    }

    /// A call is answered; `None` when it has been before.
    pub(super) fn finish(&mut self, tag: u64) -> Option<Flight> {
        let place = self.flights.iter().position(|flight| flight.tag == tag)?;
        Some(self.flights.remove(place))
    }

    /// Takes all calls from their handlers.
    pub(super) fn cut(&mut self) -> Vec<Flight> {
        std::mem::take(&mut self.flights)
    }

    /// Begins to close the session; false when that has been done.
    pub(super) fn close(&mut self) -> bool {
        std::mem::replace(&mut self.phase, Phase::Closing) != Phase::Closing
    }

    /// Nothing more can be read.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// There is nothing left to do for the session but to send what waits.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.flights.is_empty()
    }

    /// What has to happen next on the socket. While responses wait to be sent nothing is read, and after a call that
    /// is not concurrent nothing until it is answered: the rest waits in the socket.
    pub(super) fn interest(&self, unsent: bool) -> Interest {
        let in_order = || self.flights.iter().any(|flight| !flight.concurrent);
        match unsent {
            true => Interest::WRITE,
            false if self.ended || in_order() => Interest::NONE,
            false => Interest::READ,
        }
    }
}

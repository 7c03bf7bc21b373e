//! Messages that a socket which does not wait has not taken yet.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Instant;

use crate::error::Cause;
use crate::framing::Framing;
use crate::transport;
use crate::wire::Encoded;

/// The messages still to be sent on a connection, in order. A message is sent from where it lies as far as the socket
/// takes it; the rest is copied, so that nobody has to wait.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

/// A message of which no record or only some have been sent.
#[derive(Debug)]
struct Waiting {
    tag: u64,
    framing: Framing,
    message: Vec<u8>,
    /// The record to go on with.
    next: u32,
    since: Instant,
}

impl Outbox {
    /// Everything has been sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes of messages kept here.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Since when the first message has been waiting.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// The tags of the messages that have not been sent to their end.
    pub(crate) fn tags(&self) -> impl Iterator<Item = u64> {
        self.waiting.iter().map(|waiting| waiting.tag)
    }

    /// Some records of the first message have been sent, others not.
    pub(crate) fn is_in_the_middle(&self) -> bool {
        self.waiting.front().is_some_and(|waiting| waiting.next > 0)
    }

    /// Sends a message behind those that wait; true when it is out. The tag is for the caller to know it by. A message
    /// larger than `limit` is refused, and one for which there is no memory; of both nothing has been sent. After
    /// another error the connection is of no use.
    pub(crate) fn send(
        &mut self,
        fd: RawFd,
        framing: Framing,
        message: &Encoded<'_>,
        limit: usize,
        tag: u64,
    ) -> Result<bool, Cause> {
        let len = message.len();
        if len > limit {
            return Err(Cause::TooBig { size: len as u64, limit });
        }
        let mut next = 0;
        if self.waiting.is_empty() {
            match transport::send_some(fd, framing, message, 0)? {
                None => return Ok(true),
                Some(stopped) => next = stopped,
            }
        }
        match self.keep(framing, message, next, tag) {
            Err(_) if next > 0 => Err(Cause::Cut),
            kept => kept.map(|()| false),
        }
    }

    fn keep(&mut self, framing: Framing, message: &Encoded<'_>, next: u32, tag: u64) -> Result<(), Cause> {
        let no_memory = |_| Cause::NoMemory;
        let mut copy = Vec::new();
        self.waiting.try_reserve(1).map_err(no_memory)?;
        copy.try_reserve_exact(message.len()).map_err(no_memory)?;
        message.pieces().iter().for_each(|piece| copy.extend_from_slice(piece));
        self.bytes += copy.len();
        self.waiting.push_back(Waiting { tag, framing, message: copy, next, since: Instant::now() });
        Ok(())
    }

    /// Takes a message back, if nothing of it has been sent.
    pub(crate) fn withdraw(&mut self, tag: u64) -> bool {
        let at = self.waiting.iter().position(|waiting| waiting.tag == tag && waiting.next == 0);
        let withdrawn = at.and_then(|at| self.waiting.remove(at));
        self.bytes -= withdrawn.as_ref().map_or(0, |waiting| waiting.message.len());
        withdrawn.is_some()
    }

    /// Goes on sending until the socket takes no more, and tells of each message that is out. After an error the
    /// connection is of no use.
    pub(crate) fn flush(&mut self, fd: RawFd, mut out: impl FnMut(u64)) -> Result<(), Cause> {
        while let Some(first) = self.waiting.front_mut() {
            let message = Encoded::whole(&first.message);
            if let Some(stopped) = transport::send_some(fd, first.framing, &message, first.next)? {
                first.next = stopped;
                return Ok(());
            }
            out(first.tag);
            self.bytes -= first.message.len();
            self.waiting.pop_front();
        }
        Ok(())
    }
}

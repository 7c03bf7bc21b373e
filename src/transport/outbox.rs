//! The messages that a nonblocking socket has not taken yet.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Instant;

use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::MAX_DATA;
use crate::protocol::wire::Encoded;
use crate::transport;

/// A queue of the messages still to be sent on a connection. A small message is sent from where it lies if the socket takes
/// it at once. Others are copied, so that no caller has to wait.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

/// A message of which some records, or all, are still to be sent.
#[derive(Debug)]
struct Waiting {
    tag: u64,
    framing: Framing,
    message: Vec<u8>,
    /// The index of the record to go on with.
    next: u32,
    since: Instant,
}

impl Outbox {
    /// True if all messages have been sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The size of the messages in the queue.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The tag of the message of which a part has been sent. No part of the others in the queue has.
    pub(crate) fn partly_sent(&self) -> Option<u64> {
        self.waiting.front().filter(|waiting| waiting.next > 0).map(|waiting| waiting.tag)
    }

    /// The moment since which the first message has been waiting.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.waiting.front().map(|waiting| waiting.since)
    }

    /// Has all messages wait from now on: until now it was not the peer that kept them.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.waiting.iter_mut().for_each(|waiting| waiting.since = now);
    }

    /// Sends a message of one record, if the queue is empty and the socket takes it at once. True if the message is out. A
    /// message larger than `limit` is an error.
    pub(crate) fn send_now(
        &mut self,
        fd: RawFd,
        framing: Framing,
        message: &Encoded<'_>,
        limit: usize,
    ) -> Result<bool, Cause> {
        let len = message.len();
        if len > limit {
            return Err(Cause::TooBig { size: len as u64, limit });
        }
        let whole = framing == Framing::Datagram || len <= MAX_DATA;
        Ok(whole && self.is_empty() && transport::send_some(fd, framing, message, 0, &mut 1)?.is_none())
    }

    /// Adds a copy of a message to the queue, to be flushed.
    pub(crate) fn push(&mut self, framing: Framing, message: &Encoded<'_>, tag: u64) -> Result<(), Cause> {
        let no_memory = |_| Cause::NoMemory;
        let mut copy = Vec::new();
        self.waiting.try_reserve(1).map_err(no_memory)?;
        copy.try_reserve_exact(message.len()).map_err(no_memory)?;
        message.pieces().iter().for_each(|piece| copy.extend_from_slice(piece));
        self.bytes += copy.len();
        self.waiting.extend([Waiting { tag, framing, message: copy, next: 0, since: Instant::now() }]);
        Ok(())
    }

    /// Removes a message of which no part has been sent. False if there is none with this tag.
    pub(crate) fn remove_unsent(&mut self, tag: u64) -> bool {
        let at = self.waiting.iter().position(|waiting| waiting.tag == tag && waiting.next == 0);
        let removed = at.and_then(|at| self.waiting.remove(at));
        self.bytes -= removed.as_ref().map_or(0, |waiting| waiting.message.len());
        removed.is_some()
    }

    /// Sends until the socket takes no more, or as many records as `left` allows, and gives `out` the tag of each message
    /// that is out. After an error the connection is unusable.
    pub(crate) fn flush(&mut self, fd: RawFd, left: &mut usize, mut out: impl FnMut(u64)) -> Result<(), Cause> {
        while let Some(first) = self.waiting.front_mut() {
            let message = Encoded::whole(&first.message);
            // One by one, so that after an error the number of records that are out is known.
            let stopped = transport::send_some(fd, first.framing, &message, first.next, &mut (*left).min(1))?;
            *left = left.saturating_sub(1);
            match stopped {
                Some(next) if next == first.next => return Ok(()),
                Some(next) => first.next = next,
                None => {
                    out(first.tag);
                    self.bytes -= first.message.len();
                    self.waiting.pop_front();
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::protocol::framing::chunked::{MAX_DATA, Progress, Reassembly};

    fn pair() -> (Socket, Socket) {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        (ours, theirs)
    }

    /// The whole messages that lie in the socket.
    fn messages(mut socket: &Socket, reassembly: &mut Reassembly) -> Vec<Vec<u8>> {
        let mut record = vec![0; 1 << 18];
        let mut messages = Vec::new();
        while let Ok(len) = socket.read(&mut record) {
            if let Progress::Complete(message) = reassembly.push(&record[..len]).unwrap() {
                messages.push(message.to_vec());
            }
        }
        messages
    }

    /// Sends as much of a message as the socket takes, and returns the tags of the messages that are out.
    fn send(outbox: &mut Outbox, socket: &Socket, framing: Framing, message: &[u8], tag: u64) -> Vec<u64> {
        let (fd, message) = (socket.as_raw_fd(), Encoded::whole(message));
        if outbox.send_now(fd, framing, &message, usize::MAX).unwrap() {
            return vec![tag];
        }
        let mut out = Vec::new();
        outbox.push(framing, &message, tag).unwrap();
        outbox.flush(fd, &mut { usize::MAX }, |tag| out.push(tag)).unwrap();
        out
    }

    #[test]
    fn what_the_socket_does_not_take_is_kept_in_order() {
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        let sent: Vec<Vec<u8>> = (0..5).map(|i| vec![i; 3 * MAX_DATA + usize::from(i)]).collect();
        let mut out: Vec<u64> = Vec::new();
        for (tag, message) in (0..).zip(&sent) {
            out.extend(send(&mut outbox, &ours, Framing::Chunked, message, tag));
        }
        assert!(!outbox.is_empty() && outbox.since().is_some());
        assert_eq!(outbox.bytes(), sent.iter().skip(out.len()).map(Vec::len).sum::<usize>());
        let mut received = Vec::new();
        let mut reassembly = Reassembly::new(1 << 24);
        while received.len() < sent.len() {
            received.extend(messages(&theirs, &mut reassembly));
            outbox.flush(ours.as_raw_fd(), &mut { usize::MAX }, |tag| out.push(tag)).unwrap();
        }
        assert_eq!(received, sent);
        assert_eq!(out, [0, 1, 2, 3, 4]);
        assert_eq!((outbox.bytes(), outbox.is_empty()), (0, true));
    }

    #[test]
    fn a_message_is_taken_back_if_none_of_it_was_sent() {
        let (ours, _theirs) = pair();
        let mut outbox = Outbox::default();
        let large = vec![1; 64 * MAX_DATA];
        assert_eq!(send(&mut outbox, &ours, Framing::Chunked, &large, 1), []);
        assert_eq!(send(&mut outbox, &ours, Framing::Chunked, b"small", 2), []);
        assert_eq!(outbox.partly_sent(), Some(1));
        assert_eq!([1, 2, 2].map(|tag| outbox.remove_unsent(tag)), [false, true, false]);
        assert_eq!(outbox.bytes(), large.len());
    }

    #[test]
    fn a_connection_that_has_ended_is_an_error() {
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        while !send(&mut outbox, &ours, Framing::Datagram, &[1; 1 << 16], 1).is_empty() {}
        drop(theirs);
        assert!(outbox.flush(ours.as_raw_fd(), &mut { usize::MAX }, |_| ()).is_err());
    }

    /// The socket may have room for the small message by now.
    #[test]
    fn a_small_message_waits_behind_a_large_one() {
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        assert_eq!(outbox.partly_sent(), None);
        assert!(send(&mut outbox, &ours, Framing::Chunked, &[1; 8 * MAX_DATA], 1).is_empty());
        let mut reassembly = Reassembly::new(1 << 24);
        assert!(messages(&theirs, &mut reassembly).is_empty());
        let small = Encoded::whole(&[2; 10]);
        assert_eq!(outbox.send_now(ours.as_raw_fd(), Framing::Chunked, &small, usize::MAX), Ok(false));
        assert!(messages(&theirs, &mut reassembly).is_empty());
    }

    #[test]
    fn a_message_over_the_limit_is_not_begun() {
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        let sent = outbox.send_now(ours.as_raw_fd(), Framing::Chunked, &Encoded::whole(&[1; 101]), 100);
        assert_eq!(sent, Err(Cause::TooBig { size: 101, limit: 100 }));
        assert!(messages(&theirs, &mut Reassembly::new(1000)).is_empty());
    }
}

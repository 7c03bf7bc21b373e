//! The messages that a nonblocking socket has not taken yet.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Instant;

use crate::cause::Cause;
use crate::large_block;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::MAX_DATA;
use crate::protocol::wire::{Encoded, Head};
use crate::sys::{self, try_copy};
use crate::transport;

/// A queue of the messages still to be sent on a connection. Each is sent from where it lies, as far as the socket takes it
/// at once. No caller waits for the rest.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

/// The body of a message that is given to the queue.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    /// The queue owns the body.
    Owned(Vec<u8>),
    /// The queue copies what the socket does not take at once.
    Borrowed(&'a [u8]),
    /// The sender keeps the body until the message is out, and [lends](Senders::body) it to each flush.
    Lent(&'a [u8]),
}

/// The senders of the messages in a queue.
pub(crate) trait Senders {
    /// The body of a message that was [lent](Body::Lent); `None` if its sender has to flush itself.
    fn body(&self, tag: u64) -> Option<&[u8]>;

    /// Called once a message is out.
    fn sent(&mut self, tag: u64);
}

/// The reason why a message was not added to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PushError {
    pub(crate) cause: Cause,
    /// True if a part of the message is out, so that the connection is unusable.
    pub(crate) begun: bool,
}

/// A message of which some records, or all, are still to be sent.
#[derive(Debug)]
struct Waiting {
    tag: u64,
    framing: Framing,
    head: Head,
    /// The body; `None` if its sender lends it.
    body: Option<Vec<u8>>,
    /// The number of bytes at the beginning of the message that are not here, as they are out.
    before: usize,
    /// The index of the record to go on with.
    next: u32,
    since: Instant,
}

impl Body<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Borrowed(bytes) | Self::Lent(bytes) => bytes,
        }
    }

    /// The body, if the queue owns it.
    fn into_owned(self) -> Option<Vec<u8>> {
        match self {
            Self::Owned(body) => Some(body),
            Self::Borrowed(_) | Self::Lent(_) => None,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        large_block::retire(self.body.take().unwrap_or_default());
    }
}

impl Waiting {
    /// The bytes that the queue owns of the message.
    fn held(&self) -> usize {
        self.body.as_ref().map_or(0, Vec::len)
    }

    /// The part of the body that is in the records still to be sent.
    fn rest_of<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        let out = self.records_out().saturating_sub(self.head.len());
        body.get(out..).unwrap_or_default()
    }

    /// Keeps the [rest](Self::rest_of) of the body only. The first record has the whole head.
    fn keep_rest(&mut self, rest: Vec<u8>) {
        if self.next > 0 {
            (self.before, self.head) = (self.records_out(), Head::new());
        }
        self.body = Some(rest);
    }

    /// The bytes of the message that are in the records that are out.
    fn records_out(&self) -> usize {
        self.next as usize * MAX_DATA
    }
}

impl Outbox {
    /// True if all messages have been sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The size of the bodies in the queue, without those that are lent.
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
    #[inline]
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
        Ok(whole && self.is_empty() && transport::send_one(fd, framing, message, 0, 0)?.is_none())
    }

    /// Adds a message. If no other waits, its first records are sent, as many as `left` allows. True if the message is out.
    pub(crate) fn push(
        &mut self,
        fd: RawFd,
        framing: Framing,
        (head, body): (Head, Body<'_>),
        tag: u64,
        left: &mut usize,
    ) -> Result<bool, PushError> {
        let mut waiting = Waiting { tag, framing, head, body: None, before: 0, next: 0, since: Instant::now() };
        self.waiting.try_reserve(1).map_err(|_| PushError { cause: Cause::NoMemory, begun: false })?;
        if self.is_empty() {
            let message = Encoded::of(head, body.bytes());
            if message.len() > MAX_DATA && framing == Framing::Chunked {
                sys::grow_send_buffer(fd);
            }
            match transport::send_some(fd, framing, &message, 0, &mut waiting.next, left) {
                Ok(true) => {
                    waiting.body = body.into_owned();
                    return Ok(true);
                }
                Ok(false) => {}
                // What is begun has to be finished, perhaps once there is memory.
                Err(Cause::Os(libc::ENOMEM)) if waiting.next > 0 => *left = 0,
                Err(cause) => return Err(self.push_failed(waiting, cause)),
            }
        }
        match body {
            Body::Owned(body) => waiting.body = Some(body),
            Body::Lent(_) => {}
            Body::Borrowed(body) => match try_copy(waiting.rest_of(body)) {
                Ok(rest) => waiting.keep_rest(rest),
                Err(cause) => return Err(self.push_failed(waiting, cause)),
            },
        }
        self.bytes += waiting.held();
        self.waiting.extend([waiting]);
        Ok(false)
    }

    /// Keeps the place of a message that is begun, as a reply to it may be there already.
    #[cold]
    fn push_failed(&mut self, waiting: Waiting, cause: Cause) -> PushError {
        let begun = waiting.next > 0;
        self.waiting.extend(begun.then_some(waiting));
        PushError { cause, begun }
    }

    /// Removes a message of which no part has been sent. False if there is none with this tag.
    pub(crate) fn remove_unsent(&mut self, tag: u64) -> bool {
        let at = self.waiting.iter().position(|waiting| waiting.tag == tag && waiting.next == 0);
        let removed = at.and_then(|at| self.waiting.remove(at));
        self.bytes -= removed.as_ref().map_or(0, Waiting::held);
        removed.is_some()
    }

    /// The part of a lent body that is still to be sent; `None` if no message with this tag lacks its body. The part stays
    /// the same until its sender flushes.
    pub(crate) fn owed<'a>(&self, tag: u64, body: &'a [u8]) -> Option<&'a [u8]> {
        let lent = self.waiting.iter().find(|waiting| waiting.tag == tag && waiting.body.is_none())?;
        Some(lent.rest_of(body))
    }

    /// Takes over the part of a lent body that is [owed](Self::owed).
    pub(crate) fn give_rest(&mut self, tag: u64, rest: Vec<u8>) {
        let len = rest.len();
        if let Some(lent) = self.lent(tag) {
            lent.keep_rest(rest);
            self.bytes += len;
        }
    }

    /// Takes over the whole of a lent body.
    pub(crate) fn give(&mut self, tag: u64, body: Vec<u8>) {
        let len = body.len();
        if let Some(lent) = self.lent(tag) {
            lent.body = Some(body);
            self.bytes += len;
        }
    }

    fn lent(&mut self, tag: u64) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.tag == tag && waiting.body.is_none())
    }

    /// Sends until the socket takes no more, or as many records as `left` allows. Returns the tag of a message whose sender
    /// has to flush, if that is what stops here. After an error the connection is unusable.
    pub(crate) fn flush(
        &mut self,
        fd: RawFd,
        left: &mut usize,
        senders: &mut impl Senders,
    ) -> Result<Option<u64>, Cause> {
        while let Some(first) = self.waiting.front_mut() {
            let Some(body) = first.body.as_deref().or_else(|| senders.body(first.tag)) else {
                return Ok(Some(first.tag));
            };
            let message = Encoded::of(first.head, body);
            if !transport::send_some(fd, first.framing, &message, first.before, &mut first.next, left)? {
                return Ok(None);
            }
            senders.sent(first.tag);
            self.bytes -= first.held();
            self.waiting.pop_front();
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::protocol::framing::chunked::{MAX_DATA, Progress, Reassembly};
    use crate::protocol::wire::ResponseRef;

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

    /// The bodies that the senders of a queue keep, and the tags of the messages that are out.
    #[derive(Default)]
    struct Kept {
        bodies: HashMap<u64, Vec<u8>>,
        out: Vec<u64>,
    }

    impl Senders for Kept {
        fn body(&self, tag: u64) -> Option<&[u8]> {
            self.bodies.get(&tag).map(Vec::as_slice)
        }

        fn sent(&mut self, tag: u64) {
            self.out.push(tag);
        }
    }

    fn head(len: usize) -> Head {
        let body = vec![0; len];
        ResponseRef { sequence: 7, status: 0, body: &body }.encode(&[]).split().0
    }

    fn message(body: &[u8]) -> Vec<u8> {
        ResponseRef { sequence: 7, status: 0, body }.encode(&[]).pieces().concat()
    }

    fn push(outbox: &mut Outbox, socket: &Socket, body: Body<'_>, tag: u64) -> bool {
        let head = head(body.bytes().len());
        outbox.push(socket.as_raw_fd(), Framing::Chunked, (head, body), tag, &mut { usize::MAX }).unwrap()
    }

    fn flush(outbox: &mut Outbox, socket: &Socket, kept: &mut Kept) -> Option<u64> {
        outbox.flush(socket.as_raw_fd(), &mut { usize::MAX }, kept).unwrap()
    }

    /// Whoever has the body, and however few records go out at a time.
    #[test]
    fn what_the_socket_does_not_take_is_kept_in_order() {
        for at_a_time in [1, 2, usize::MAX] {
            let (ours, theirs) = pair();
            let (mut outbox, mut kept) = (Outbox::default(), Kept::default());
            let bodies: Vec<Vec<u8>> =
                (0..9).map(|i| (0..3 * MAX_DATA + usize::from(i)).map(|at| at as u8 ^ i).collect()).collect();
            let mut sent = 0;
            for (tag, body) in (0..).zip(&bodies) {
                let given = match tag % 3 {
                    0 => Body::Owned(body.clone()),
                    1 => Body::Borrowed(body),
                    _ => {
                        kept.bodies.insert(tag, body.clone());
                        Body::Lent(body)
                    }
                };
                let (fd, mut left) = (ours.as_raw_fd(), at_a_time);
                sent +=
                    usize::from(outbox.push(fd, Framing::Chunked, (head(body.len()), given), tag, &mut left).unwrap());
            }
            assert!(!outbox.is_empty() && outbox.since().is_some());
            let (mut received, mut reassembly) = (Vec::new(), Reassembly::new(1 << 24));
            while received.len() < bodies.len() {
                received.extend(messages(&theirs, &mut reassembly));
                assert_eq!(outbox.flush(ours.as_raw_fd(), &mut { at_a_time }, &mut kept), Ok(None));
            }
            assert!(received.iter().eq(bodies.iter().map(|body| message(body)).collect::<Vec<_>>().iter()));
            assert_eq!(kept.out, (sent as u64..9).collect::<Vec<_>>());
            assert_eq!((outbox.bytes(), outbox.is_empty()), (0, true));
        }
    }

    /// Of a body that is borrowed the queue holds what is still to be sent, of one that is lent nothing.
    #[test]
    fn the_queue_holds_no_more_than_it_has_to() {
        let body = vec![1; 64 * MAX_DATA];
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        assert!(!push(&mut outbox, &ours, Body::Borrowed(&body), 0));
        let out = messages_begun(&theirs);
        assert!(out > 0, "nothing was sent at once");
        assert_eq!(outbox.bytes(), message(&body).len() - out * MAX_DATA);
        assert!(!push(&mut outbox, &ours, Body::Lent(&body), 1));
        assert_eq!(outbox.bytes(), message(&body).len() - out * MAX_DATA);
        assert!(!push(&mut outbox, &ours, Body::Owned(body.clone()), 2));
        assert_eq!(outbox.bytes(), message(&body).len() - out * MAX_DATA + body.len());
    }

    /// The number of records that lie in the socket.
    fn messages_begun(mut socket: &Socket) -> usize {
        let mut record = vec![0; 1 << 18];
        (0..).take_while(|_| matches!(socket.read(&mut record), Ok(1..))).count()
    }

    #[test]
    fn a_sender_that_is_not_here_stops_the_queue() {
        let (ours, theirs) = pair();
        let (mut outbox, mut kept) = (Outbox::default(), Kept::default());
        let body: Vec<u8> = (0..8 * MAX_DATA).map(|at| (at / 3) as u8).collect();
        assert!(!push(&mut outbox, &ours, Body::Lent(&body), 1));
        assert!(!push(&mut outbox, &ours, Body::Owned(b"next".to_vec()), 2));
        let mut reassembly = Reassembly::new(1 << 24);
        assert!(messages(&theirs, &mut reassembly).is_empty());
        assert_eq!(flush(&mut outbox, &ours, &mut kept), Some(1));
        assert!(messages(&theirs, &mut reassembly).is_empty(), "the next message would be a part of this one");
        let mut received = Vec::new();
        let rest = outbox.owed(1, &body).unwrap().to_vec();
        assert!(rest.len() < body.len(), "a part is out");
        outbox.give_rest(1, rest);
        assert_eq!(outbox.owed(1, &body), None);
        while received.len() < 2 {
            assert_eq!(flush(&mut outbox, &ours, &mut kept), None);
            received.extend(messages(&theirs, &mut reassembly));
        }
        assert_eq!(received, [message(&body), message(b"next")]);
        assert_eq!((kept.out, outbox.bytes()), (vec![1, 2], 0));
    }

    #[test]
    fn a_body_that_was_lent_can_be_given() {
        let (ours, theirs) = pair();
        let (mut outbox, mut kept) = (Outbox::default(), Kept::default());
        let body = vec![5; 8 * MAX_DATA];
        assert!(!push(&mut outbox, &ours, Body::Lent(&body), 1));
        outbox.give(1, body.clone());
        assert_eq!(outbox.bytes(), body.len());
        let (mut reassembly, mut received) = (Reassembly::new(1 << 24), Vec::new());
        while received.is_empty() {
            assert_eq!(flush(&mut outbox, &ours, &mut kept), None);
            received = messages(&theirs, &mut reassembly);
        }
        assert_eq!(received, [message(&body)]);
    }

    #[test]
    fn a_message_is_taken_back_if_none_of_it_was_sent() {
        let (ours, _theirs) = pair();
        let mut outbox = Outbox::default();
        let large = vec![1; 64 * MAX_DATA];
        assert!(!push(&mut outbox, &ours, Body::Owned(large.clone()), 1));
        assert!(!push(&mut outbox, &ours, Body::Owned(b"small".to_vec()), 2));
        assert_eq!(outbox.partly_sent(), Some(1));
        assert_eq!([1, 2, 2].map(|tag| outbox.remove_unsent(tag)), [false, true, false]);
        assert_eq!(outbox.bytes(), large.len());
    }

    #[test]
    fn a_connection_that_has_ended_is_an_error() {
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        while push(&mut outbox, &ours, Body::Borrowed(&[1; 1 << 16]), 1) {}
        drop(theirs);
        assert!(outbox.flush(ours.as_raw_fd(), &mut { usize::MAX }, &mut Kept::default()).is_err());
        let mut another = Outbox::default();
        let refused = another.push(ours.as_raw_fd(), Framing::Chunked, (head(3), Body::Lent(b"abc")), 1, &mut 1);
        assert_eq!(refused, Err(PushError { cause: Cause::Os(libc::EPIPE), begun: false }));
    }

    /// The socket may have room for the small message by now.
    #[test]
    fn a_small_message_waits_behind_a_large_one() {
        let (ours, theirs) = pair();
        let mut outbox = Outbox::default();
        assert_eq!(outbox.partly_sent(), None);
        assert!(!push(&mut outbox, &ours, Body::Borrowed(&[1; 8 * MAX_DATA]), 1));
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

//! Sending the answers of a session, to calls and to messages that are none.

use std::borrow::Cow;

use super::handler_time;
use super::locked_session::LockedSession;
use super::log_event::{Fault, Limit, LogEvent};
use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::message::{NO_SEQUENCE, Status};
use crate::protocol::wire::{CallRef, Encoded, Head};
use crate::request::Answer;
use crate::sys;
use crate::transport::{Body, Outbox, PushError, Senders};

/// The error for a response beyond its user's share of the memory for untaken responses.
const OVER_LIMIT: Cause = Cause::Os(libc::ENOBUFS);

/// The senders of responses, who keep no bodies back.
struct NoSenders;

impl Senders for NoSenders {
    fn body(&self, _tag: u64) -> Option<&[u8]> {
        None
    }

    fn sent(&mut self, _tag: u64) {}
}

/// Records of large responses sent at a time, before other sessions are served: 2 MiB.
const RECORDS: usize = 16;

impl LockedSession<'_> {
    /// Answers an incomplete call with a failure, and drops it.
    #[cold]
    pub(super) fn fail_partial(&mut self) {
        let sequence = CallRef::sequence_in(self.state.message.partial());
        self.state.message.reset();
        self.fail(sequence);
    }

    pub(super) fn fail(&mut self, sequence: Option<i64>) {
        self.answer(sequence.unwrap_or(NO_SEQUENCE), Status::Failure);
    }

    /// Answers a message that is no call, or not a whole one.
    pub(super) fn answer(&mut self, sequence: i64, status: Status) {
        self.answer_as(self.state.peer_framing.framing(), sequence, status);
    }

    #[cold]
    pub(super) fn answer_as(&mut self, framing: Framing, sequence: i64, status: Status) {
        // A failure ends the session, as with any response.
        if let Ok(bytes) = self.send(framing, Answer::of_status(sequence, status)) {
            self.tally.sent(bytes);
        }
    }

    /// Answers a call that is not handled.
    #[cold]
    pub(super) fn answer_call(&mut self, slot: usize, sequence: i64, status: Status) {
        // As in `answer_as`.
        let _ = self.reply(slot, Answer::of_status(sequence, status));
    }

    /// Sends the answer to a call, or one that says why it cannot be sent.
    #[inline(always)]
    pub(super) fn reply(&mut self, slot: usize, answer: Answer<'_>) -> Result<(), Cause> {
        let Answer { sequence, status, .. } = answer;
        let sent = self.send(self.state.peer_framing.framing(), answer);
        match sent {
            Ok(bytes) => self.tally.answered(slot, status, bytes),
            Err(cause) => self.replace_unsendable(slot, sequence, status, cause),
        }
        sent.map(drop)
    }

    /// Sends a failure in place of an answer that cannot be sent.
    #[cold]
    fn replace_unsendable(&mut self, slot: usize, sequence: i64, status: i32, cause: Cause) {
        let (replaced, event, fatal) = match cause {
            cause if cause.is_too_big() => {
                (Status::FailedMarshal, LogEvent::Fault(Fault::Unsendable, Some(cause)), false)
            }
            Cause::NoMemory => (Status::Failure, LogEvent::Fault(Fault::NoMemory, None), true),
            OVER_LIMIT => (Status::Failure, LogEvent::Limit(Limit::Unsent), true),
            _ => return self.tally.answered(slot, status, 0),
        };
        self.tally.answered(slot, replaced.into(), 0);
        self.log(event);
        self.answer(sequence, replaced);
        if fatal {
            self.close();
        }
    }

    /// Sends an answer, and returns its size.
    #[inline(always)]
    fn send(&mut self, framing: Framing, answer: Answer<'_>) -> Result<usize, Cause> {
        if self.state.write_closed {
            return Err(Cause::SessionEnded);
        }
        let (reactor, fd) = (self.reactor, self.fd());
        let response = answer.response();
        // Encoded where it stays, as moving it costs more.
        let mut message = Encoded::new(response.body, &[]);
        response.encode_head(&mut message);
        let len = message.len();
        match self.state.outbox.send_now(fd, framing, &message, reactor.limits.sizes().send(framing)) {
            Ok(true) => {}
            Ok(false) => {
                let (head, _) = message.split();
                self.push(framing, head, answer.body, len)?;
            }
            Err(cause) if cause.is_too_big() => return Err(cause),
            Err(cause) => {
                self.drop_responses(cause);
                return Err(cause);
            }
        }
        Ok(len)
    }

    /// Sends as much of a response as the socket takes at once, and keeps the rest.
    #[cold]
    fn push(&mut self, framing: Framing, head: Head, body: Cow<'_, [u8]>, len: usize) -> Result<(), Cause> {
        let (reactor, fd) = (self.reactor, self.fd());
        // A datagram that is too large would break the connection when it is sent later.
        if framing == Framing::Datagram && len > sys::largest_datagram(fd) {
            return Err(Cause::Os(libc::EMSGSIZE));
        }
        // Responses that have been sent meanwhile do not count.
        self.flush();
        self.release_unused();
        // A response without a body is too small to count. The memory is asked for before any of the response is out;
        // `rearm` releases what is not used.
        if !body.is_empty() {
            self.state.unsent += reactor.unsent.keep(&self.session.user.unsent, len).ok_or(OVER_LIMIT)?;
        }
        let body = match body {
            Cow::Owned(body) => Body::Owned(body),
            Cow::Borrowed(body) => Body::Borrowed(body),
        };
        let outbox = &mut self.state.outbox;
        let pushed = handler_time::while_sending(|| outbox.push(fd, framing, (head, body), 0, &mut { RECORDS }));
        pushed.map(drop).map_err(|PushError { cause, begun }| {
            match cause {
                Cause::NoMemory if begun => self.stop_sending(),
                Cause::NoMemory => {}
                cause => self.drop_responses(cause),
            }
            cause
        })
    }

    /// Sends what has been kept; true if it stops for its number of records, not for the client.
    pub(super) fn flush(&mut self) -> bool {
        !self.state.outbox.is_empty() && self.flush_kept()
    }

    #[cold]
    fn flush_kept(&mut self) -> bool {
        let (fd, mut left) = (self.fd(), RECORDS);
        if let Err(cause) = self.state.outbox.flush(fd, &mut left, &mut NoSenders) {
            self.drop_responses(cause);
        }
        left == 0
    }

    /// Drops all responses once the socket takes no more.
    #[cold]
    fn drop_responses(&mut self, cause: Cause) {
        self.stop_sending();
        // A client that has gone without waiting for responses has its calls handled all the same.
        if !matches!(cause, Cause::Os(libc::EPIPE | libc::ECONNRESET)) {
            self.log(LogEvent::Fault(Fault::Unsendable, Some(cause)));
            self.close();
        }
    }

    /// Drops all responses, of which one may be out in part.
    #[cold]
    fn stop_sending(&mut self) {
        self.state.write_closed = true;
        self.state.outbox = Outbox::default();
    }
}

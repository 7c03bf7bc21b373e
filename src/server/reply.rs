//! Sending the answers of a session, to calls and to messages that are none.

use std::borrow::Cow;

use super::handler_time;
use super::locked_session::LockedSession;
use super::log_event::{Fault, Limit, LogEvent};
use crate::cause::Cause;
use crate::protocol::detail::Detail;
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
    pub(super) fn fail_partial(&mut self, event: Option<LogEvent>) {
        let sequence = CallRef::sequence_in(self.state.message.partial());
        self.state.message.reset();
        self.fail(sequence, event);
    }

    pub(super) fn fail(&mut self, sequence: Option<i64>, event: Option<LogEvent>) {
        self.answer(sequence.unwrap_or(NO_SEQUENCE), Status::Failure, event);
    }

    /// Answers a message that is no call, or not a whole one. The event is the reason.
    pub(super) fn answer(&mut self, sequence: i64, status: Status, event: Option<LogEvent>) {
        self.answer_as(self.state.peer_framing.framing(), sequence, status, event);
    }

    #[cold]
    pub(super) fn answer_as(&mut self, framing: Framing, sequence: i64, status: Status, event: Option<LogEvent>) {
        let detail = event.map(|event| self.detail(event));
        // A failure ends the session, as with any response.
        if let Ok(bytes) = self.send(framing, Answer::of_status(sequence, status, detail.as_ref())) {
            self.tally.sent(bytes);
        }
    }

    /// Answers a call that is not handled. The event is the reason.
    #[cold]
    pub(super) fn answer_call(&mut self, slot: usize, sequence: i64, status: Status, event: Option<LogEvent>) {
        let detail = event.map(|event| self.detail(event));
        // As in `answer_as`.
        let _ = self.reply(slot, Answer::of_status(sequence, status, detail.as_ref()));
    }

    /// Answers a call that the server does not wait for any longer, as it ends.
    #[cold]
    pub(super) fn answer_aborted(&mut self, slot: usize, sequence: i64) {
        let detail = Detail::from("the server ended before the call had been answered");
        // As in `answer_as`.
        let _ = self.reply(slot, Answer::of_status(sequence, Status::Failure, Some(&detail)));
    }

    /// What the client is told of an event.
    fn detail(&self, event: LogEvent) -> Detail {
        self.reactor.reason(event, self.session.handle().peer().uid).detail()
    }

    /// Sends the answer to a call, or one that says why it cannot be sent.
    #[inline(always)]
    pub(super) fn reply(&mut self, slot: usize, answer: Answer<'_>) -> Result<(), Cause> {
        let Answer { sequence, status, .. } = answer;
        let body = answer.body.len();
        let sent = self.send(self.state.peer_framing.framing(), answer);
        match sent {
            Ok(bytes) => self.tally_answer(slot, sequence, status, (body, bytes)),
            Err(cause) => self.replace_unsendable(slot, sequence, status, cause),
        }
        sent.map(drop)
    }

    /// Counts an answer, whose body and whole message have these sizes.
    #[inline(always)]
    fn tally_answer(&mut self, slot: usize, sequence: i64, status: i32, (body, bytes): (usize, usize)) {
        self.tally.answered(slot, status, bytes);
        if self.is_noting() {
            self.note_answer(sequence, status, body, bytes);
        }
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
            _ => return self.tally_answer(slot, sequence, status, (0, 0)),
        };
        self.tally_answer(slot, sequence, replaced.into(), (0, 0));
        self.log(event);
        self.answer(sequence, replaced, Some(event));
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
        if let Some(detail) = answer.detail
            && let Some(sent) = self.send_detailed(framing, &answer, detail)
        {
            return sent;
        }
        let response = answer.response();
        // Encoded where it stays, as moving it costs more.
        let mut message = Encoded::new(response.body, &[]);
        response.encode_head(&mut message);
        let len = message.len();
        if !self.send_now(framing, &message)? {
            let (head, _) = message.split();
            self.push(framing, head, answer.body, len)?;
        }
        Ok(len)
    }

    /// Sends an answer with its detail. `None` if the detail has to be left out: where the program does not want it, where
    /// the client could take it for something else, and where there is no room or memory for it.
    #[cold]
    fn send_detailed(
        &mut self,
        framing: Framing,
        answer: &Answer<'_>,
        detail: &Detail,
    ) -> Option<Result<usize, Cause>> {
        let is_failure = answer.status != i32::from(Status::Success) && answer.sequence != NO_SEQUENCE;
        // A client that finds out the framing knows the answers by their bytes.
        if !self.reactor.sends_details || !is_failure || self.state.peer_framing.get().is_none() || detail.is_empty() {
            return None;
        }
        let field = detail.encode();
        // The field takes the place of the body, of which such an answer has none.
        let mut message = Encoded::new(&[], &[]);
        answer.response().encode_head(&mut message);
        let (head, body) = (message.split().0, field.as_bytes());
        let message = Encoded::of(head, body);
        let len = message.len();
        let sent = self.send_now(framing, &message).and_then(|out| match out {
            true => Ok(()),
            false => self.push(framing, head, Cow::Borrowed(body), len),
        });
        match sent {
            Err(cause) if cause.is_too_big() || matches!(cause, Cause::NoMemory | OVER_LIMIT) => None,
            sent => Some(sent.map(|()| len)),
        }
    }

    /// Sends a message of one record, if the socket takes it at once. True if it is out.
    #[inline(always)]
    fn send_now(&mut self, framing: Framing, message: &Encoded<'_>) -> Result<bool, Cause> {
        let (reactor, fd) = (self.reactor, self.fd());
        let sent = self.state.outbox.send_now(fd, framing, message, reactor.limits.sizes().send(framing));
        if let Err(cause) = sent
            && !cause.is_too_big()
        {
            self.drop_responses(cause);
        }
        sent
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

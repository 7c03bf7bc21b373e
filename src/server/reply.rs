//! Sending the answers of a session, to calls and to messages that are none.

use super::locked_session::LockedSession;
use super::log_event::{Fault, Limit, LogEvent};
use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::message::{NO_SEQUENCE, Status};
use crate::protocol::wire::{CallRef, Encoded, ResponseRef};
use crate::sys;
use crate::transport::Outbox;

/// The error for a response beyond its user's share of the memory for untaken responses.
const OVER_LIMIT: Cause = Cause::Os(libc::ENOBUFS);

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
        let _ = self.send(framing, &ResponseRef { sequence, status: status.into(), body: &[] });
    }

    /// Answers a call that is not handled.
    #[cold]
    pub(super) fn answer_call(&mut self, slot: usize, sequence: i64, status: Status) {
        // As in `answer_as`.
        let _ = self.reply(slot, &ResponseRef { sequence, status: status.into(), body: &[] });
    }

    /// Sends the response to a call, or one that says why it cannot be sent.
    pub(super) fn reply(&mut self, slot: usize, response: &ResponseRef<'_>) -> Result<(), Cause> {
        let sent = self.send(self.state.peer_framing.framing(), response);
        match sent {
            Ok(()) => self.reactor.counters.answered(slot, response.status),
            Err(cause) => self.replace_unsendable(slot, response, cause),
        }
        sent
    }

    /// Sends a failure in place of a response that cannot be sent.
    #[cold]
    fn replace_unsendable(&mut self, slot: usize, response: &ResponseRef<'_>, cause: Cause) {
        let (status, event, fatal) = match cause {
            cause if cause.is_too_big() => {
                (Status::FailedMarshal, LogEvent::Fault(Fault::Unsendable, Some(cause)), false)
            }
            Cause::NoMemory => (Status::Failure, LogEvent::Fault(Fault::NoMemory, None), true),
            OVER_LIMIT => (Status::Failure, LogEvent::Limit(Limit::Unsent), true),
            _ => return self.reactor.counters.answered(slot, response.status),
        };
        self.reactor.counters.answered(slot, status.into());
        self.log(event);
        self.answer(response.sequence, status);
        if fatal {
            self.close();
        }
    }

    #[inline(always)]
    fn send(&mut self, framing: Framing, response: &ResponseRef<'_>) -> Result<(), Cause> {
        if self.state.write_closed {
            return Err(Cause::SessionEnded);
        }
        let (reactor, fd) = (self.reactor, self.fd());
        let message = response.encode(&[]);
        let len = message.len();
        match self.state.outbox.send_now(fd, framing, &message, reactor.limits.sizes().send(framing)) {
            Ok(true) => {}
            Ok(false) => self.keep(framing, &message, !response.body.is_empty())?,
            Err(cause) if cause.is_too_big() => return Err(cause),
            Err(cause) => {
                self.drop_responses(cause);
                return Err(cause);
            }
        }
        reactor.counters.bytes_out.add(len);
        Ok(())
    }

    /// Keeps a response that the socket has no room for yet.
    #[cold]
    fn keep(&mut self, framing: Framing, message: &Encoded<'_>, has_body: bool) -> Result<(), Cause> {
        let (reactor, fd, len) = (self.reactor, self.fd(), message.len());
        // A datagram that is too large would break the connection when it is sent later.
        if framing == Framing::Datagram && len > sys::largest_datagram(fd) {
            return Err(Cause::Os(libc::EMSGSIZE));
        }
        // Responses that have been sent meanwhile do not count.
        self.flush();
        self.release_unused();
        // A response without a body is too small to count.
        if has_body {
            self.state.unsent += reactor.unsent.keep(&self.session.user.unsent, len).ok_or(OVER_LIMIT)?;
        }
        // If keeping fails, `rearm` releases the memory.
        self.state.outbox.push(framing, message, 0)?;
        self.flush();
        Ok(())
    }

    /// Sends what has been kept; true if it stops for its number of records, not for the client.
    pub(super) fn flush(&mut self) -> bool {
        !self.state.outbox.is_empty() && self.flush_kept()
    }

    #[cold]
    fn flush_kept(&mut self) -> bool {
        let (fd, mut left) = (self.fd(), RECORDS);
        if let Err(cause) = self.state.outbox.flush(fd, &mut left, |_| {}) {
            self.drop_responses(cause);
        }
        left == 0
    }

    /// Drops all responses once the socket takes no more.
    #[cold]
    fn drop_responses(&mut self, cause: Cause) {
        self.state.write_closed = true;
        self.state.outbox = Outbox::default();
        // A client that has gone without waiting for responses has its calls handled all the same.
        if !matches!(cause, Cause::Os(libc::EPIPE | libc::ECONNRESET)) {
            self.log(LogEvent::Fault(Fault::Unsendable, Some(cause)));
            self.close();
        }
    }
}

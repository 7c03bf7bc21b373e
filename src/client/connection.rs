//! A connection to the server: sends and receives without waiting.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::budget::{Budget, NO_BUFFER};
use super::operation::Ticket;
use super::poll_handle::PollHandle;
use super::settings::Settings;
use crate::cause::Cause;
use crate::peer::framing_cache::{self, ServerId};
use crate::protocol::framing::chunked::Reassembly;
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::framing::fallback::{self, Question};
use crate::protocol::framing::{Framing, Limits};
use crate::protocol::message::Response;
use crate::protocol::wire::{CallRef, Encoded, ResponseRef};
use crate::sys::{self, TryArc, Waker, try_copy};
use crate::transport::Outbox;
use crate::transport::{self, Aftermath, Received};

/// Why a call has not been sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum SendError {
    /// It cannot be; the connection is as it was.
    Call(Cause),
    /// The connection is of no use any more.
    Connection(Cause),
}

/// What one record was.
#[derive(Debug)]
pub(super) enum Inbound {
    /// There was none.
    Empty,
    /// A part of a message.
    Part,
    /// The end of a message.
    Reply(Reply),
}

/// A message that has been received to its end.
#[derive(Debug)]
pub(super) enum Reply {
    /// A response, by sequence; or why it could not be stored.
    Response(i64, Result<Response, Cause>),
    /// Something else.
    Unreadable(Cause),
    /// The server has told its framing, and has executed nothing of what was sent first. It may have closed its side.
    Rejected(Framing),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    poll_handle: TryArc<PollHandle>,
    /// What the server speaks, as far as it is known.
    peer_framing: PeerFraming,
    /// The server, where what it speaks may have to be found out.
    server: Option<ServerId>,
    limits: Limits,
    outbox: Outbox,
    message: Reassembly,
    /// The server has answered something.
    pub(super) has_answered: bool,
    /// Why nothing can be sent any more. What had come before is still to be received.
    pub(super) send_failure: Option<Cause>,
    /// The process that has connected.
    process: u64,
}

/// The server sees the end, also where a child of a fork has the socket still.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.process == sys::process() {
            sys::shut_down(self.fd());
        }
    }
}

impl Connection {
    /// Connects, if that can be done without waiting; [`Cause::is_would_block`] when the server is too busy. What the
    /// server speaks is known if it is the one that has just told it, or if another client of the process has found out.
    pub(super) fn open(settings: &Settings, detected: Option<&(ServerId, Framing)>) -> Result<Self, Cause> {
        let Settings { place, framing, limits, .. } = settings;
        let (socket, signal) = (sys::open_at_once(true, None)?, Waker::new()?);
        sys::connect(&socket, place.way()?.path())?;
        let server = match framing {
            Some(_) => None,
            None => {
                place.lasting().zip(sys::peer(socket.as_raw_fd())).and_then(|(path, peer)| ServerId::of(path, peer.pid))
            }
        };
        let known = server.as_ref().and_then(|server| match detected {
            Some((same, framing)) if same == server => Some(*framing),
            _ => framing_cache::recall(server),
        });
        Ok(Self {
            poll_handle: TryArc::new(PollHandle::new(socket, signal))?,
            peer_framing: framing.or(known).map_or(PeerFraming::probing(Question::Trial), PeerFraming::known),
            server,
            limits: *limits,
            outbox: Outbox::default(),
            message: Reassembly::with_body(limits.message, ResponseRef::BODY),
            has_answered: false,
            send_failure: None,
            process: sys::process(),
        })
    }

    pub(super) fn poll_handle(&self) -> &TryArc<PollHandle> {
        &self.poll_handle
    }

    /// What the server speaks, if it is known.
    pub(super) fn framing(&self) -> Option<Framing> {
        self.peer_framing.get()
    }

    /// The server, where what it speaks had to be found out.
    pub(super) fn server(&self) -> Option<ServerId> {
        self.server
    }

    /// What the server speaks will have to be found out anew.
    pub(super) fn forget_framing(&self) {
        framing_cache::forget(self.fd());
    }

    fn fd(&self) -> RawFd {
        self.poll_handle.as_fd().as_raw_fd()
    }

    /// Something waits for the socket to take more.
    pub(super) fn wants_to_send(&self) -> bool {
        !self.outbox.is_empty() && self.send_failure.is_none()
    }

    /// Nothing can be sent any more. The server cannot send any more either, so that what is still to be received has an
    /// end.
    pub(super) fn stop_sending(&mut self, cause: Cause) {
        self.send_failure.get_or_insert(cause);
        sys::shutdown_read(self.fd());
    }

    /// What has to be sent to find out what the server speaks: the call itself, or the probe before it. None if that is
    /// known, or if the call is too large for any server.
    pub(super) fn opening<'a>(&self, call: &CallRef<'a>) -> Option<(Question, Encoded<'a>)> {
        let is_allowed = || call.encode(&[]).len() <= self.limits.message;
        self.peer_framing.question().filter(|_| is_allowed()).map(|_| fallback::opening(call, &[]))
    }

    /// Sends a call as far as the socket takes it, and keeps the rest. Tells of each call that is out.
    pub(super) fn send(
        &mut self,
        call: &CallRef<'_>,
        ticket: Ticket,
        budget: &mut Budget,
        out: impl FnMut(Ticket),
    ) -> Result<(), SendError> {
        let limit = self.limits.send(self.peer_framing.framing());
        self.send_message(&call.encode(&[]), limit, ticket, budget, out)
    }

    /// Sends what finds out what the server speaks.
    #[cold]
    pub(super) fn send_opening(
        &mut self,
        question: Question,
        opening: &Encoded<'_>,
        ticket: Ticket,
        budget: &mut Budget,
        out: impl FnMut(Ticket),
    ) -> Result<(), SendError> {
        self.peer_framing = PeerFraming::probing(question);
        // The call itself is not too large, and what is added to find out does not count.
        self.send_message(opening, usize::MAX, ticket, budget, out)
    }

    #[inline(always)]
    fn send_message(
        &mut self,
        message: &Encoded<'_>,
        limit: usize,
        ticket: Ticket,
        budget: &mut Budget,
        mut out: impl FnMut(Ticket),
    ) -> Result<(), SendError> {
        let (fd, framing) = (self.fd(), self.peer_framing.framing());
        let sent = self.outbox.send_now(fd, framing, message, limit).map_err(|cause| match cause {
            Cause::Os(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN) | Cause::SentShort { .. } => {
                SendError::Connection(cause)
            }
            // The socket takes a record as a whole or not at all.
            _ => SendError::Call(cause),
        })?;
        if sent {
            out(ticket);
            return Ok(());
        }
        self.outbox.keep(framing, message, ticket).map_err(SendError::Call)?;
        self.flush(budget, out).map_err(SendError::Connection)
    }

    /// Takes a call back of which nothing has been sent.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> bool {
        self.outbox.withdraw(ticket)
    }

    /// The call of which a part has been sent. Of others that are being sent nothing has.
    pub(super) fn partly_sent(&self) -> Option<Ticket> {
        self.outbox.begun()
    }

    /// Goes on sending, and tells of each call that is out. After an error the connection takes no more.
    pub(super) fn flush(&mut self, budget: &mut Budget, out: impl FnMut(Ticket)) -> Result<(), Cause> {
        match self.outbox.flush(self.fd(), &mut budget.records, out) {
            Err(NO_BUFFER) => {
                budget.end_without_memory();
                Ok(())
            }
            done => done,
        }
    }

    /// Takes the next record. After an error the connection is of no use.
    pub(super) fn receive(&mut self) -> Result<Inbound, Cause> {
        let (fd, asked) = (self.fd(), self.peer_framing.question());
        let received =
            transport::receive_record(fd, &mut self.peer_framing, &mut self.message, sys::RECORD_ROOM, decode);
        if let Some(question) = asked {
            match (self.framing(), &received) {
                (Some(framing), _) => {
                    if let Some(server) = self.server {
                        framing_cache::learn(server, framing);
                    }
                    if framing == Framing::Datagram || question == Question::Probe {
                        return Ok(Inbound::Reply(Reply::Rejected(framing)));
                    }
                }
                // A message in chunks, but not the answer to the probe.
                (None, Ok(_)) => return Err(Cause::Unclear),
                (None, Err(cause)) if cause.is_about_a_message() => return Err(fallback::unclear(*cause)),
                (None, Err(_)) => {}
            }
        }
        match received {
            Ok(None) => Ok(Inbound::Part),
            Ok(Some(reply)) => {
                // Whatever memory a large reply took.
                self.message.reset();
                self.has_answered = true;
                Ok(Inbound::Reply(reply))
            }
            Err(cause) if cause.is_would_block() && self.send_failure.is_none() => Ok(Inbound::Empty),
            Err(Cause::Closed) => Err(Cause::Closed),
            Err(cause) if Aftermath::of(cause, self.peer_framing.framing()) == Aftermath::InStep => {
                Ok(Inbound::Reply(Reply::Unreadable(cause)))
            }
            Err(cause) => Err(cause),
        }
    }
}

fn decode(mut message: Received<'_>) -> Result<Reply, Cause> {
    let ResponseRef { sequence, status, body } = ResponseRef::decode(message.within_limit()?)?;
    if let Some(body) = message.take_body() {
        return Ok(Reply::Response(sequence, Ok(Response { sequence, status, body })));
    }
    Ok(Reply::Response(sequence, try_copy(body).map(|body| Response { sequence, status, body })))
}

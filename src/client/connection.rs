//! A connection to the server, which sends and receives without waiting.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use super::budget::{Budget, NO_BUFFER};
use super::operation::Ticket;
use super::poll_handle::PollHandle;
use super::settings::Settings;
use crate::cause::Cause;
use crate::peer::framing_cache::{self, Instance, ServerId};
use crate::protocol::detail::Detail;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::Reassembly;
use crate::protocol::framing::detect::{PeerFraming, unreadable_answer};
use crate::protocol::framing::fallback::{self, FirstMessage};
use crate::protocol::message::Response;
use crate::protocol::wire::{CallRef, Encoded, MAX_FIELDS, ResponseRef};
use crate::stable_path::StablePath;
use crate::sys::{self, Credentials, TryArc, try_box, try_copy};
use crate::transport::{self, Body, Outbox, PushError, Received, Senders, SyncState};

/// The reason why a call has not been sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum SendError {
    /// The call cannot be sent; the connection is unharmed.
    Call(Cause),
    /// The connection takes no more calls.
    Connection(Cause),
}

/// The result of receiving one record.
#[derive(Debug)]
pub(super) enum Inbound {
    /// No record is there.
    Empty,
    /// A record that does not complete its message.
    Part,
    /// A record that completes its message.
    Reply(Reply),
}

/// A message received as a whole.
#[derive(Debug)]
pub(super) enum Reply {
    /// A response with its sequence, or the reason why it could not be stored.
    Response(i64, Result<Response, Cause>),
    /// A message that cannot be decoded.
    Unreadable(Cause),
    /// A rejection of the first message, which reveals the server's framing. Nothing has been executed, and the server
    /// may have closed the connection.
    Rejected(Framing),
}

/// A connection to the server.
#[derive(Debug)]
pub(super) struct Connection {
    poll_handle: TryArc<PollHandle>,
    /// The server's framing, as far as it is known.
    peer_framing: PeerFraming,
    /// The identity of the server, if its framing is to be detected and the identity has been looked up.
    server: Option<Instance>,
    settings: TryArc<Settings>,
    outbox: Outbox,
    message: Reassembly,
    /// True once the server has answered a call.
    pub(super) has_answered: bool,
    /// The reason why nothing can be sent any more. Replies that came before can still be received.
    pub(super) send_failure: Option<Cause>,
    /// The call whose sender has to flush before anything else can be sent.
    stalled: Option<Ticket>,
    /// The process that made the connection, and how often it had forked by then.
    process: u64,
    forks: u64,
}

/// Has the server see the end of the connection also where this does not close the socket: a child of a fork may hold it,
/// or another thread of this process.
impl Drop for Connection {
    fn drop(&mut self) {
        let closes = self.forks == sys::forks() && TryArc::is_sole(&self.poll_handle);
        if self.process == sys::process() && !closes {
            sys::shut_down(self.fd());
        }
    }
}

impl Connection {
    /// Connects without waiting; fails with [`Cause::is_would_block`] if the server is too busy. The framing is known
    /// if this server has just revealed it (`detected`), or if any client of the process remembers it.
    pub(super) fn open(settings: &TryArc<Settings>, detected: Option<&(Instance, Framing)>) -> Result<Self, Cause> {
        let Settings { path, framing, limits, pipelining, .. } = &**settings;
        let handle = PollHandle::new(sys::open_at_once(true, None)?)?;
        sys::connect(handle.socket(), path.address_path()?.path())?;
        // A server that has chunks, as all had so far, need not be known: it answers the call itself. Other calls wait for
        // that, though.
        let is_needless = framing.is_some() || (framing_cache::are_all_chunked() && !pipelining && detected.is_none());
        let server = if is_needless { None } else { identify(path, handle.as_fd().as_raw_fd()) };
        let known = server.as_ref().and_then(|server| match detected {
            Some((same, framing)) if *same == server.instance() => Some(*framing),
            _ => framing_cache::recall(server),
        });
        Ok(Self {
            poll_handle: TryArc::new(handle)?,
            peer_framing: framing.or(known).map_or(PeerFraming::probing(FirstMessage::PaddedCall), PeerFraming::known),
            server: server.as_ref().map(ServerId::instance),
            settings: settings.clone(),
            outbox: Outbox::default(),
            message: Reassembly::with_body(limits.message, ResponseRef::BODY),
            has_answered: false,
            send_failure: None,
            stalled: None,
            process: sys::process(),
            forks: sys::forks(),
        })
    }

    pub(super) fn poll_handle(&self) -> &TryArc<PollHandle> {
        &self.poll_handle
    }

    /// The server's framing, if it is known.
    pub(super) fn framing(&self) -> Option<Framing> {
        self.peer_framing.get()
    }

    /// The identity of the server, if its framing had to be detected and the server was not one of many alike.
    pub(super) fn server(&self) -> Option<Instance> {
        self.server
    }

    /// Looks up the identity of the server, unless that has been done.
    #[cold]
    fn identify(&mut self) -> Option<ServerId> {
        let path = &self.settings.path;
        let server = match self.server {
            Some(instance) => path.absolute_if_fits().map(|path| ServerId::at(path, instance)),
            None => identify(path, self.fd()),
        };
        self.server = server.as_ref().map(ServerId::instance);
        server
    }

    /// Removes the server's framing from the cache of the process.
    pub(super) fn forget_framing(&self) {
        framing_cache::forget(self.fd());
    }

    fn fd(&self) -> RawFd {
        self.poll_handle.as_fd().as_raw_fd()
    }

    /// True while messages wait for the socket to take more.
    pub(super) fn wants_to_send(&self) -> bool {
        self.has_unsent() && self.stalled.is_none()
    }

    /// True while messages wait for the socket or for a sender.
    pub(super) fn has_unsent(&self) -> bool {
        !self.outbox.is_empty() && self.send_failure.is_none()
    }

    /// Stops sending. The server cannot send any more either, so that the replies to be received have an end.
    pub(super) fn stop_sending(&mut self, cause: Cause) {
        self.send_failure.get_or_insert(cause);
        sys::shutdown_read(self.fd());
    }

    /// The message that makes the server reveal its framing: the call itself, or a probe before it. `None` if the
    /// framing is known, or the call is too large for any server.
    pub(super) fn first_message<'a>(&mut self, call: &CallRef<'a>) -> Option<(FirstMessage, Encoded<'a>)> {
        self.peer_framing.unanswered()?;
        if call.encode(&[]).len() > self.settings.limits.message {
            return None;
        }
        let first = fallback::first_message(call, &[]);
        // A known server is not probed.
        if first.0 == FirstMessage::Probe
            && self.server.is_none()
            && let Some(framing) = self.identify().as_ref().and_then(framing_cache::recall)
        {
            self.peer_framing = PeerFraming::known(framing);
            return None;
        }
        Some(first)
    }

    /// Sends a call as far as the socket takes it, and queues the rest, whose body stays with its sender. True if the call
    /// is out as a whole.
    pub(super) fn send(&mut self, call: &CallRef<'_>, ticket: Ticket, budget: &mut Budget) -> Result<bool, SendError> {
        let limit = self.settings.limits.send(self.peer_framing.framing());
        self.send_message(&call.encode(&[]), limit, ticket, budget)
    }

    /// Sends a call as a whole, if the socket takes it at once and the framing is known. False if nothing has been sent.
    pub(super) fn send_at_once(&mut self, call: &CallRef<'_>) -> bool {
        let Some(framing) = self.framing().filter(|_| self.send_failure.is_none()) else { return false };
        let limit = self.settings.limits.send(framing);
        let mut message = Encoded::new(call.body, &[]);
        call.encode_head(&mut message);
        // The way that reports errors meets them again.
        matches!(self.outbox.send_now(self.fd(), framing, &message, limit), Ok(true))
    }

    /// Sends the message that makes the server reveal its framing.
    #[cold]
    pub(super) fn send_first_message(
        &mut self,
        kind: FirstMessage,
        message: &Encoded<'_>,
        ticket: Ticket,
        budget: &mut Budget,
    ) -> Result<bool, SendError> {
        self.peer_framing = PeerFraming::probing(kind);
        // The call itself is within the limit, and the padding does not count.
        self.send_message(message, usize::MAX, ticket, budget)
    }

    #[inline(always)]
    fn send_message(
        &mut self,
        message: &Encoded<'_>,
        limit: usize,
        ticket: Ticket,
        budget: &mut Budget,
    ) -> Result<bool, SendError> {
        let (fd, framing) = (self.fd(), self.peer_framing.framing());
        let failed = |cause, begun| match cause {
            Cause::Os(libc::EPIPE | libc::ECONNRESET | libc::ENOTCONN) | Cause::SentShort { .. } => {
                SendError::Connection(cause)
            }
            _ if begun => SendError::Connection(cause),
            // The socket takes a record as a whole or not at all.
            _ => SendError::Call(cause),
        };
        if self.outbox.send_now(fd, framing, message, limit).map_err(|cause| failed(cause, false))? {
            return Ok(true);
        }
        let (head, body) = message.split();
        // The probe is not a call with a body that its sender has.
        let body = if self.asks_by_probe() { Body::Borrowed(body) } else { Body::Lent(body) };
        let pushed = self.outbox.push(fd, framing, (head, body), ticket, &mut budget.records);
        pushed.map_err(|PushError { cause, begun }| failed(cause, begun))
    }

    fn asks_by_probe(&self) -> bool {
        self.peer_framing.unanswered() == Some(FirstMessage::Probe)
    }

    /// Removes a call from the outbox; true if nothing of it had been sent.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> bool {
        let removed = self.outbox.remove_unsent(ticket);
        if removed {
            self.resume(ticket);
        }
        removed
    }

    /// The call of which a part has been sent. No other call in the outbox has begun to be sent.
    pub(super) fn partly_sent(&self) -> Option<Ticket> {
        self.outbox.partly_sent()
    }

    /// Continues sending. Returns the call whose sender has to go on, if that is what stops here. After an error the
    /// connection takes no more calls.
    pub(super) fn flush(&mut self, budget: &mut Budget, senders: &mut impl Senders) -> Result<Option<Ticket>, Cause> {
        self.stalled = None;
        match self.outbox.flush(self.fd(), &mut budget.records, senders) {
            Ok(stalled) => self.stalled = stalled,
            Err(NO_BUFFER) => budget.end_without_memory(),
            Err(cause) => return Err(cause),
        }
        Ok(self.stalled)
    }

    /// The part of a body that its sender still owes the outbox.
    pub(super) fn owed<'a>(&self, ticket: Ticket, body: &'a [u8]) -> Option<&'a [u8]> {
        self.outbox.owed(ticket, body).filter(|_| self.send_failure.is_none())
    }

    /// Takes over the part of a body that is [owed](Self::owed).
    pub(super) fn give_rest(&mut self, ticket: Ticket, rest: Vec<u8>) {
        self.outbox.give_rest(ticket, rest);
        self.resume(ticket);
    }

    /// Ends the wait for a sender that has gone.
    fn resume(&mut self, ticket: Ticket) {
        self.stalled.take_if(|stalled| *stalled == ticket);
    }

    /// Takes over the body of a submitted call, if it is still to be sent.
    pub(super) fn give(&mut self, ticket: Ticket, body: Vec<u8>) {
        self.outbox.give(ticket, body);
    }

    /// Receives one record. After an error the connection is useless.
    pub(super) fn receive(&mut self) -> Result<Inbound, Cause> {
        let (fd, asked) = (self.fd(), self.peer_framing.unanswered());
        let received =
            transport::receive_record(fd, &mut self.peer_framing, &mut self.message, sys::RECORD_ROOM, decode);
        if let Some(kind) = asked {
            match (self.framing(), &received) {
                (Some(framing), _) => {
                    // That a server of many alike is like them need not be remembered.
                    let server = match framing {
                        Framing::Chunked if framing_cache::are_all_chunked() && self.server.is_none() => None,
                        _ => self.identify(),
                    };
                    if let Some(server) = server {
                        framing_cache::learn(server, framing);
                    }
                    if framing == Framing::Datagram || kind == FirstMessage::Probe {
                        return Ok(Inbound::Reply(Reply::Rejected(framing)));
                    }
                }
                // A message in chunks that is not the answer to the probe.
                (None, Ok(_)) => return Err(Cause::Unclear),
                (None, Err(cause)) if cause.is_about_a_message() => return Err(fallback::unreadable_answer(*cause)),
                (None, Err(_)) => {}
            }
        }
        match received.map_err(|cause| self.with_choice(cause)) {
            Ok(None) => Ok(Inbound::Part),
            Ok(Some(reply)) => {
                // Frees the memory that a large reply took.
                self.message.reset();
                self.has_answered = true;
                Ok(Inbound::Reply(reply))
            }
            Err(cause) if cause.is_would_block() && self.send_failure.is_none() => Ok(Inbound::Empty),
            Err(Cause::Closed) => Err(Cause::Closed),
            Err(cause) if SyncState::after(cause, self.peer_framing.framing()) == SyncState::InSync => {
                Ok(Inbound::Reply(Reply::Unreadable(cause)))
            }
            Err(cause) => Err(cause),
        }
    }

    /// The cause with the place where the client's framing was chosen, if that is why it is another one than the server's.
    fn with_choice(&self, cause: Cause) -> Cause {
        match cause {
            Cause::OtherFraming { speaks, .. } => {
                Cause::OtherFraming { speaks, set: self.settings.framing.map(|_| self.settings.framing_choice) }
            }
            cause => cause,
        }
    }

    /// The server, as the kernel knows it.
    pub(super) fn server_process(&self) -> Option<Credentials> {
        sys::peer(self.fd())
    }
}

/// The identity of the server that a socket is connected to.
fn identify(path: &StablePath, fd: RawFd) -> Option<ServerId> {
    path.absolute_if_fits().zip(sys::peer(fd)).and_then(|(path, peer)| ServerId::of(path, peer.pid))
}

fn decode(mut message: Received<'_>) -> Result<Reply, Cause> {
    let bytes = message.within_limit()?;
    let decoded = ResponseRef::decode_counting(bytes, MAX_FIELDS);
    let (response, unknown) = decoded.map_err(|cause| unreadable_answer(bytes, cause))?;
    let ResponseRef { sequence, status, body } = response;
    if let Some(body) = message.take_body() {
        return Ok(Reply::Response(sequence, Ok(Response { sequence, status, body, detail: None })));
    }
    if unknown > 0 {
        return Ok(with_detail(bytes, &response));
    }
    Ok(Reply::Response(sequence, try_copy(body).map(|body| Response { sequence, status, body, detail: None })))
}

/// The response in a message with unknown fields, among which the server may say why a call has failed. Without memory for
/// that the status has to do.
#[cold]
#[inline(never)]
fn with_detail(message: &[u8], response: &ResponseRef<'_>) -> Reply {
    let ResponseRef { sequence, status, body } = *response;
    let detail = Detail::find_in(message).and_then(|detail| try_box(detail).ok());
    Reply::Response(sequence, try_copy(body).map(|body| Response { sequence, status, body, detail }))
}

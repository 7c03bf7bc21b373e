//! What the threads that use a client share: the calls, the connection, and who waits for it.

use std::time::Instant;

use super::budget::{Budget, NO_BUFFER};
use super::calls::Calls;
use super::cancel::Hook;
use super::connection::{Connection, Inbound, Reply, SendError};
use super::events::{Events, Registered};
use super::log_event::{LogEvent, LogEvents};
use super::operation::{Operation, Stage, Ticket};
use super::pending::{CompletionTarget, Pending, Submission};
use super::poll_handle::Ready;
use super::settings::Settings;
use super::waiters::{WaitFor, Waiters};
use crate::backoff::Backoff;
use crate::cause::Cause;
use crate::error::Phase;
use crate::peer::framing_cache::ServerId;
use crate::protocol::framing::Framing;
use crate::protocol::framing::fallback::Question;
use crate::protocol::message::{NO_SEQUENCE, Status};
use crate::protocol::wire::CallRef;
use crate::sys::{Interest, TryArc};

/// What the threads that use a client share. Nothing here waits.
pub(super) struct State {
    pub(super) calls: Calls,
    pub(super) connection: Option<Connection>,
    /// The program has connected the client, and has not closed it.
    pub(super) is_open: bool,
    /// The pauses between attempts to connect.
    backoff: Backoff,
    /// The server that has just told what it speaks, until there is another connection to it.
    detected: Option<(ServerId, Framing)>,
    pub(super) waiters: Waiters,
    /// What the epoll set knows of all this.
    pub(super) registered: Registered,
    /// What is to be told to the log then.
    pub(super) log_events: LogEvents,
    /// What the thread that holds the lock may still do.
    pub(super) budget: Budget,
    settings: TryArc<Settings>,
}

impl State {
    pub(super) fn new(settings: TryArc<Settings>) -> Self {
        Self {
            calls: Calls::new(settings.pipelining),
            connection: None,
            is_open: false,
            backoff: Backoff::default(),
            detected: None,
            waiters: Waiters::default(),
            registered: Registered::default(),
            log_events: LogEvents::default(),
            budget: Budget::new(),
            settings,
        }
    }

    /// Puts somebody in line, for whom there is [room](Calls::make_room). Who asks for a connection does not wait for the end
    /// of a pause.
    pub(super) fn add(&mut self, operation: Operation, target: CompletionTarget) -> Ticket {
        if matches!(operation, Operation::Connect { .. }) {
            // The end of the connection that there is shows only to who reads.
            self.receive();
            self.backoff.skip();
        }
        self.calls.add(operation, self.settings.retries, target)
    }

    /// Does everything that can be done now: gives up the submitted calls that are over, connects if somebody needs that,
    /// gives calls their turn and sends those whose callers do not wait. Whoever has ended a call has to do this, for the
    /// next one may have its turn.
    pub(super) fn advance(&mut self) {
        self.expire();
        self.fail_if_finished();
        if self.connection.is_some() && self.calls.has_too_many_abandoned() {
            self.connection = None;
            self.calls.connection_lost(Cause::Closed);
        }
        if self.calls.awaits_connection() {
            self.connect();
        }
        while let Some((ticket, operation)) = self.calls.next() {
            match operation {
                Operation::Lock(holder) => self.calls.grant_lock(ticket, holder),
                Operation::Call { .. } if !self.connect() => return,
                _ => {
                    self.calls.grant(ticket);
                    self.send_submitted(ticket);
                }
            }
        }
    }

    /// Whether there is a connection that calls can be sent on; makes one if it is time to.
    fn connect(&mut self) -> bool {
        self.fail_if_finished();
        if self.send_failure().is_some() {
            return false;
        }
        if self.connection.is_none() {
            if !self.backoff.is_over(Instant::now()) {
                return false;
            }
            match Connection::open(&self.settings, self.detected.as_ref()) {
                Ok(connection) => {
                    self.detected = None;
                    self.calls.set_framing_unknown(connection.framing().is_none());
                    self.connection = Some(connection);
                    if self.is_open {
                        self.log_events.push(LogEvent::Connected);
                    }
                    self.is_open = true;
                }
                Err(cause) => {
                    self.backoff.begin();
                    self.calls.connect_failed(cause);
                    return false;
                }
            }
        }
        self.calls.connected();
        true
    }

    /// Sends a call whose turn it is, or as much of it as the socket takes; or the probe, if that has to go ahead.
    pub(super) fn send(&mut self, ticket: Ticket, call: CallRef<'_>) {
        let waits = self.calls.awaits_framing();
        let takes_it = |connection: &&mut Connection| connection.send_failure.is_none() && !waits;
        let Some(connection) = self.connection.as_mut().filter(takes_it) else { return self.calls.revoke(ticket) };
        let budget = &mut self.budget;
        let sequence = self.calls.start_sending(ticket).into();
        let call = CallRef { sequence, ..call };
        let sent = match connection.opening(&call) {
            None => connection.send(&call, ticket, budget, |ticket| self.calls.sent(ticket)),
            Some((question, opening)) => {
                if question == Question::Probe {
                    self.calls.start_probing(ticket);
                }
                connection.send_opening(question, &opening, ticket, budget, |ticket| self.calls.sent(ticket))
            }
        };
        match sent {
            Ok(()) => {}
            Err(SendError::Call(cause)) => self.calls.end(ticket, Err((Phase::Call, cause))),
            Err(SendError::Connection(cause)) => {
                // Of one that is out in part the server may have said why it takes no more.
                if connection.partly_sent() != Some(ticket) {
                    self.calls.send_failed(ticket, cause);
                }
                self.stop_sending(cause);
            }
        }
    }

    fn send_submitted(&mut self, ticket: Ticket) {
        let Some(Pending { target: CompletionTarget::Submitted(submission), .. }) = self.calls.pending(ticket) else {
            return;
        };
        if submission.hook.as_ref().is_some_and(Hook::is_cancelled) {
            return self.abandon(ticket, Cause::Cancelled);
        }
        let Submission { module, method, .. } = *submission;
        let body = std::mem::take(&mut submission.body);
        self.send(ticket, CallRef { module, method, sequence: 0, body: &body });
        if let Some(Pending { target: CompletionTarget::Submitted(submission), .. }) = self.calls.pending(ticket) {
            submission.body = body;
        }
    }

    /// Does what the socket is ready for.
    pub(super) fn progress(&mut self, ready: Ready) {
        if ready.writable {
            self.flush();
        }
        if ready.readable {
            self.receive();
        }
    }

    /// Goes on sending what the socket did not take at once.
    pub(super) fn flush(&mut self) {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.wants_to_send()) else { return };
        if let Err(cause) = connection.flush(&mut self.budget, |ticket| self.calls.sent(ticket)) {
            self.stop_sending(cause);
        }
    }

    /// Takes the replies that are there, as far as this is the turn for it, and hands them to their calls.
    pub(super) fn receive(&mut self) {
        while self.budget.take() {
            match self.receive_one() {
                Ok(true) if self.calls.expects_reply() => {}
                Ok(_) => return,
                Err(NO_BUFFER) => return self.budget.end_without_memory(),
                Err(cause) => return self.fail(cause),
            }
        }
    }

    /// Takes the next record; false when there is none.
    fn receive_one(&mut self) -> Result<bool, Cause> {
        let Some(connection) = &mut self.connection else { return Ok(false) };
        let inbound = connection.receive()?;
        self.calls.set_framing_unknown(connection.framing().is_none());
        let partly_sent = connection.partly_sent();
        let reply = match inbound {
            Inbound::Empty => return Ok(false),
            Inbound::Part => return Ok(true),
            Inbound::Reply(reply) => reply,
        };
        match reply {
            Reply::Rejected(framing) => {
                self.fall_back(framing);
                return Ok(true);
            }
            Reply::Response(sequence, result) => {
                let unread = sequence == NO_SEQUENCE
                    && result.as_ref().is_ok_and(|response| response.status() == Status::FailedUnmarshalCall);
                self.calls.reply(sequence, result, partly_sent)?;
                if unread {
                    // Such a server may close its side. It has got nothing of the calls that are left.
                    self.connection = None;
                    self.calls.connection_lost(Cause::Closed);
                }
            }
            Reply::Unreadable(cause) => self.calls.unreadable(cause, partly_sent)?,
        }
        self.backoff.reset();
        Ok(true)
    }

    /// The connection takes no more; replies that have come before that count.
    fn stop_sending(&mut self, cause: Cause) {
        if let Some(connection) = &mut self.connection {
            connection.stop_sending(cause);
        }
        self.receive();
    }

    /// Why the connection takes no more.
    fn send_failure(&self) -> Option<Cause> {
        self.connection.as_ref()?.send_failure
    }

    /// A connection that takes no more, and is to bring no more, is of no use.
    fn fail_if_finished(&mut self) {
        if let Some(cause) = self.send_failure().filter(|_| !self.calls.expects_reply()) {
            self.fail(cause);
        }
    }

    /// The server has told its framing, and may have closed its side: the call waits for another connection. Where there
    /// can be none, one that reads chunks gets it over the one that there is, where what fails has not been sent.
    fn fall_back(&mut self, framing: Framing) {
        self.calls.rejected();
        let Some(connection) = self.connection.take() else { return };
        self.detected = connection.server().map(|server| (server, framing));
        if framing == Framing::Datagram {
            return self.log_events.push(LogEvent::FellBack);
        }
        let now = match Connection::open(&self.settings, self.detected.as_ref()) {
            Ok(another) => another,
            // The server is there, and busy.
            Err(cause) if cause.is_would_block() => return self.backoff.begin(),
            Err(_) => connection,
        };
        self.detected = None;
        self.calls.set_framing_unknown(now.framing().is_none());
        self.connection = Some(now);
    }

    /// The connection is of no use any more.
    fn fail(&mut self, cause: Cause) {
        let Some(connection) = self.connection.take() else { return };
        let cause = connection.send_failure.unwrap_or(cause);
        connection.forget_framing();
        if !connection.has_answered {
            self.backoff.begin();
        }
        self.log_events.push(LogEvent::Lost(cause));
        self.calls.connection_lost(cause);
    }

    /// Closes the connection; calls fail until the program connects again.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.connection = None;
        self.backoff.reset();
        self.calls.close();
        self.advance();
    }

    /// Gives up on somebody.
    pub(super) fn abandon(&mut self, ticket: Ticket, cause: Cause) {
        let Some(pending) = self.calls.pending(ticket) else { return };
        let phase = pending.phase(self.connection.is_some());
        let sending = matches!(pending.stage, Stage::Sending(_));
        let withdrawn = sending && self.connection.as_mut().is_some_and(|connection| connection.withdraw(ticket));
        self.calls.abandon(ticket, phase, cause, withdrawn);
    }

    /// Gives up on the submitted calls that are over.
    fn expire(&mut self) {
        while let Some((end, ticket)) = self.calls.first_deadline() {
            if end > Instant::now() {
                return;
            }
            self.abandon(ticket, Cause::TimedOut);
        }
    }

    /// The largest call that can be sent, as far as that is known.
    pub(super) fn call_limit(&self) -> usize {
        let known = self.connection.as_ref().map_or(self.settings.framing, Connection::framing);
        self.settings.limits.send(known.unwrap_or(Framing::Chunked))
    }

    /// When the pause before the next attempt to connect is over, if anybody waits for it.
    fn next_attempt(&self) -> Option<Instant> {
        let waits = self.connection.is_none() && self.calls.needs_connection();
        self.backoff.until().filter(|_| waits)
    }

    /// What the leader should wait for; nothing when nobody needs one.
    fn wait_for(&self) -> WaitFor {
        match &self.connection {
            Some(connection) if self.calls.expects_reply() => {
                WaitFor::Socket(connection.poll_handle().clone(), connection.wants_to_send())
            }
            None if self.calls.needs_connection() => WaitFor::Clock(self.next_attempt()),
            _ => WaitFor::Nothing,
        }
    }

    /// Makes a caller the leader, if there is no other one, and says what to wait for.
    pub(super) fn lead(&mut self, ticket: Ticket) -> WaitFor {
        if self.waiters.are_led_by_another(ticket) {
            return WaitFor::Nothing;
        }
        let wait_for = self.wait_for();
        self.waiters.lead(ticket, wait_for.clone());
        wait_for
    }

    /// Finds the callers to be woken because something has happened to them, and sees to it that somebody leads.
    pub(super) fn wake(&mut self) {
        if self.waiters.notify(&mut self.calls) {
            let wanted = self.wait_for();
            self.waiters.elect(&wanted, &mut self.calls);
        }
    }

    /// Tells the epoll set what has changed.
    pub(super) fn register(&mut self, events: &Events) {
        let socket = self.connection.as_ref().map(|connection| {
            (connection.poll_handle(), Interest { readable: true, writable: connection.wants_to_send() })
        });
        if let Err(cause) = events.watch_socket(socket, &mut self.registered) {
            // A connection that cannot be watched is of no use. Another one may be, in a while.
            self.fail(cause);
            self.backoff.begin();
        }
        let deadline = self.calls.first_deadline().map(|(end, _)| end);
        events.set_alarm(deadline.into_iter().chain(self.next_attempt()).min(), &mut self.registered);
        if self.calls.completions() > 0 {
            events.raise_once(&mut self.registered);
        }
    }
}

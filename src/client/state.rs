//! The state of a client: its calls, its connection, and the callers that wait.

use std::time::Instant;

use super::budget::{Budget, NO_BUFFER};
use super::calls::{Calls, EndedSubmission};
use super::cancel::Hook;
use super::connection::{Connection, Inbound, Reply, SendError};
use super::events::{Events, Registered};
use super::log_event::{LogEvent, LogEvents};
use super::operation::{Operation, Outcome, Stage, Ticket};
use super::pending::{CompletionTarget, Pending, Submission};
use super::poll_handle::Ready;
use super::settings::Settings;
use super::waiters::{WaitFor, Waiters};
use crate::backoff::Backoff;
use crate::cause::Cause;
use crate::error::Phase;
use crate::peer::framing_cache::Instance;
use crate::protocol::framing::Framing;
use crate::protocol::framing::fallback::FirstMessage;
use crate::protocol::message::{NO_SEQUENCE, Status};
use crate::protocol::wire::CallRef;
use crate::sys::{Interest, TryArc};
use crate::transport::Senders;

/// The state of a client, behind the lock. No function here waits.
pub(super) struct State {
    pub(super) calls: Calls,
    pub(super) connection: Option<Connection>,
    /// True from the first connection until the program closes the client.
    pub(super) is_open: bool,
    /// The pauses between attempts to connect.
    pub(super) backoff: Backoff,
    /// Why the last attempt to connect has failed; `None` after one that worked.
    pub(super) connect_failure: Option<Cause>,
    /// The server that has just revealed its framing, until the client has connected again.
    detected: Option<(Instance, Framing)>,
    pub(super) waiters: Waiters,
    /// The registrations in the epoll set.
    pub(super) registered: Registered,
    /// Events for the log, written once the lock is released.
    pub(super) log_events: LogEvents,
    /// The work that the thread with the lock may still do.
    pub(super) budget: Budget,
    pub(super) settings: TryArc<Settings>,
}

impl State {
    pub(super) fn new(settings: TryArc<Settings>) -> Self {
        Self {
            calls: Calls::new(settings.pipelining),
            connection: None,
            is_open: false,
            backoff: Backoff::default(),
            connect_failure: None,
            detected: None,
            waiters: Waiters::default(),
            registered: Registered::default(),
            log_events: LogEvents::default(),
            budget: Budget::new(),
            settings,
        }
    }

    /// Adds an operation, for which there has to be [room](Calls::make_room). One that asks for a connection ends the
    /// pause between attempts.
    pub(super) fn add(&mut self, operation: Operation, target: CompletionTarget) -> Ticket {
        if matches!(operation, Operation::Connect { .. }) {
            // Only receiving shows that the server has closed the connection.
            self.receive();
            self.backoff.skip();
        }
        self.calls.add(operation, self.settings.retries, target)
    }

    /// Does everything that can be done now: ends the submitted calls that are overdue, connects if a connection is
    /// needed, grants calls their turn, and sends the submitted ones. Required after a call has ended, since the next
    /// one may have its turn then.
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

    /// Connects, if that is due. True if there is a connection that takes calls.
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
                    self.connect_failure = None;
                }
                Err(cause) => {
                    self.connect_failure = Some(cause);
                    self.backoff.begin();
                    self.calls.connect_failed(cause);
                    return false;
                }
            }
        }
        self.calls.connected();
        true
    }

    /// Sends a call whose turn has come, as far as the socket takes it. If the framing has to be probed first, the
    /// probe goes out instead.
    pub(super) fn send(&mut self, ticket: Ticket, call: CallRef<'_>) {
        let waits = self.calls.awaits_framing();
        let takes_it = |connection: &&mut Connection| connection.send_failure.is_none() && !waits;
        let Some(connection) = self.connection.as_mut().filter(takes_it) else { return self.calls.revoke(ticket) };
        let budget = &mut self.budget;
        let sequence = self.calls.start_sending(ticket).into();
        let call = CallRef { sequence, ..call };
        let first = connection.first_message(&call);
        self.calls.set_framing_unknown(connection.framing().is_none());
        let sent = match first {
            None => connection.send(&call, ticket, budget),
            Some((kind, message)) => {
                if kind == FirstMessage::Probe {
                    self.calls.start_probing(ticket);
                }
                connection.send_first_message(kind, &message, ticket, budget)
            }
        };
        match sent {
            Ok(true) => self.calls.sent(ticket),
            Ok(false) => {}
            Err(SendError::Call(cause)) => self.calls.end(ticket, Err((Phase::Call, cause))),
            Err(SendError::Connection(cause)) => {
                // The server may already have answered a call that is out in part, and said why it reads no further.
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

    /// Does what the leader has waited for. `body` is that of its call, unless all of it is out.
    pub(super) fn end_lead(&mut self, ticket: Ticket, body: Option<&[u8]>, ready: Result<Ready, Cause>) {
        self.waiters.set_awake(ticket);
        match ready {
            Err(cause) => self.abandon(ticket, cause),
            // If another thread has read the reply or closed the connection meanwhile, this does nothing: nothing here
            // waits.
            Ok(ready) => {
                self.progress(ready, body.map(|body| (ticket, body)));
                if self.budget.out_of_memory {
                    self.abandon(ticket, Cause::NoMemory);
                }
            }
        }
    }

    /// Sends and receives, as far as the socket is ready. `own` is the call of this thread, with its body.
    pub(super) fn progress(&mut self, ready: Ready, own: Option<(Ticket, &[u8])>) {
        if ready.writable {
            self.flush(own);
        }
        if ready.readable {
            self.receive();
        }
    }

    /// Continues with the messages that the socket has not taken yet. If the next one is the call of another thread, that
    /// thread is woken to go on.
    pub(super) fn flush(&mut self, own: Option<(Ticket, &[u8])>) {
        let Some(connection) = self.connection.as_mut().filter(|connection| connection.has_unsent()) else { return };
        match connection.flush(&mut self.budget, &mut CallSenders { calls: &mut self.calls, own }) {
            Ok(None) => {}
            Ok(Some(ticket)) => self.calls.summon(ticket),
            Err(cause) => self.stop_sending(cause),
        }
    }

    /// Takes over the rest of a call that has ended while it was being sent. Without the rest the connection is useless.
    pub(super) fn give_rest(&mut self, ticket: Ticket, rest: Result<Vec<u8>, Cause>) {
        match (&mut self.connection, rest) {
            (Some(connection), Ok(rest)) => connection.give_rest(ticket, rest),
            (Some(connection), Err(cause)) if connection.owed(ticket, &[]).is_some() => self.fail(cause),
            _ => {}
        }
        self.flush(None);
    }

    /// Removes the next completion to be run. What is still to be sent of its call is left to the connection.
    pub(super) fn take_completion(&mut self) -> Option<(Submission, Outcome)> {
        let ended = self.calls.take_completion()?;
        Some(self.part_from(ended))
    }

    /// Ends a submitted call, and removes it, unless it had ended before.
    pub(super) fn withdraw(&mut self, ticket: Ticket) -> Option<Submission> {
        self.abandon(ticket, Cause::Cancelled);
        let ended = self.calls.take_last_completion(ticket)?;
        Some(self.part_from(ended).0)
    }

    fn part_from(&mut self, (ticket, mut submission, outcome): EndedSubmission) -> (Submission, Outcome) {
        if let Some(connection) = &mut self.connection {
            connection.give(ticket, std::mem::take(&mut submission.body));
        }
        (submission, outcome)
    }

    /// Receives the replies that are there, within the budget, and delivers them to their calls.
    pub(super) fn receive(&mut self) {
        while self.budget.take() {
            let Some(connection) = &mut self.connection else { return };
            let inbound = connection.receive();
            if !self.take_in(inbound) {
                return;
            }
        }
    }

    /// Takes in what has been received, or why nothing has been. True if more is to be received.
    pub(super) fn take_in(&mut self, inbound: Result<Inbound, Cause>) -> bool {
        match inbound.and_then(|inbound| self.deliver(inbound)) {
            Ok(received) => return received && self.calls.expects_reply(),
            Err(NO_BUFFER) => self.budget.end_without_memory(),
            Err(cause) => self.fail(cause),
        }
        false
    }

    /// Delivers what one record completes to its call; false if there was no record.
    fn deliver(&mut self, inbound: Inbound) -> Result<bool, Cause> {
        let Some(connection) = &mut self.connection else { return Ok(false) };
        let framing = connection.framing();
        let was_unknown = self.calls.set_framing_unknown(framing.is_none());
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
                if let (true, Some(found)) = (was_unknown, framing) {
                    self.log_events.push_framing(found, &self.settings.log);
                }
                let unread = sequence == NO_SEQUENCE
                    && result.as_ref().is_ok_and(|response| response.status() == Status::FailedUnmarshalCall);
                self.calls.reply(sequence, result, partly_sent)?;
                if unread {
                    // Such a server may close the connection. It has received none of the remaining calls.
                    self.connection = None;
                    self.calls.connection_lost(Cause::Closed);
                }
            }
            Reply::Unreadable(cause) => self.calls.unreadable(cause, partly_sent)?,
        }
        self.backoff.reset();
        Ok(true)
    }

    /// Stops sending on the connection, and receives the replies that came before.
    fn stop_sending(&mut self, cause: Cause) {
        if let Some(connection) = &mut self.connection {
            connection.stop_sending(cause);
        }
        self.receive();
    }

    /// The reason why the connection takes no more calls.
    fn send_failure(&self) -> Option<Cause> {
        self.connection.as_ref()?.send_failure
    }

    /// Fails a connection that takes no more calls and has no more replies to bring.
    fn fail_if_finished(&mut self) {
        if let Some(cause) = self.send_failure().filter(|_| !self.calls.expects_reply()) {
            self.fail(cause);
        }
    }

    /// Reconnects after the server has revealed its framing by rejecting the first message, since it may have closed
    /// the connection. If no other connection can be made, a server of chunks gets the call over the old one. If that
    /// fails, the call has not been sent.
    fn fall_back(&mut self, framing: Framing) {
        self.calls.rejected();
        let Some(connection) = self.connection.take() else { return };
        self.detected = connection.server().map(|server| (server, framing));
        self.log_events.push_framing(framing, &self.settings.log);
        if framing == Framing::Datagram {
            return self.log_events.push(LogEvent::FellBack);
        }
        let now = match Connection::open(&self.settings, self.detected.as_ref()) {
            Ok(another) => another,
            // The server exists, but is busy.
            Err(cause) if cause.is_would_block() => return self.backoff.begin(),
            // The process cannot connect now. The server may be about to end the old connection, so the call would be lost.
            Err(cause @ (Cause::NoMemory | Cause::Os(libc::ENOMEM | libc::EMFILE | libc::ENFILE))) => {
                self.backoff.begin();
                return self.calls.connect_failed(cause);
            }
            Err(_) => connection,
        };
        self.detected = None;
        self.calls.set_framing_unknown(now.framing().is_none());
        self.connection = Some(now);
    }

    /// Gives up the connection, which has failed.
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

    /// Closes the connection. Calls fail until the program connects again.
    pub(super) fn close(&mut self) {
        self.is_open = false;
        self.connection = None;
        self.backoff.reset();
        self.calls.close();
        self.advance();
    }

    /// Ends an operation early. A reply to it is dropped when it comes.
    pub(super) fn abandon(&mut self, ticket: Ticket, cause: Cause) {
        let Some(pending) = self.calls.pending(ticket) else { return };
        let phase = pending.phase(self.connection.is_some());
        let sending = matches!(pending.stage, Stage::Sending(_));
        let withdrawn = sending && self.connection.as_mut().is_some_and(|connection| connection.withdraw(ticket));
        self.calls.abandon(ticket, phase, cause, withdrawn);
    }

    /// Ends the submitted calls that are overdue.
    fn expire(&mut self) {
        while let Some((end, ticket)) = self.calls.first_deadline() {
            if end > Instant::now() {
                return;
            }
            self.abandon(ticket, Cause::TimedOut);
        }
    }

    /// The largest call that can be sent; an estimate while the framing is unknown.
    pub(super) fn call_limit(&self) -> usize {
        let known = self.connection.as_ref().map_or(self.settings.framing, Connection::framing);
        self.settings.limits.send(known.unwrap_or(Framing::Chunked))
    }

    /// The end of the pause before the next attempt to connect, if an operation waits for it.
    fn next_attempt(&self) -> Option<Instant> {
        let waits = self.connection.is_none() && self.calls.needs_connection();
        self.backoff.until().filter(|_| waits)
    }

    /// The event that the leader should wait for; `Nothing` if no leader is needed.
    fn wait_for(&self) -> WaitFor {
        match &self.connection {
            Some(connection) if self.calls.expects_reply() => {
                WaitFor::Socket(connection.poll_handle().clone(), connection.wants_to_send())
            }
            None if self.calls.needs_connection() => WaitFor::Clock(self.next_attempt()),
            _ => WaitFor::Nothing,
        }
    }

    /// Makes a caller the leader, unless there is another one, and returns the event to wait for.
    pub(super) fn lead(&mut self, ticket: Ticket) -> WaitFor {
        if self.waiters.are_led_by_another(ticket) {
            return WaitFor::Nothing;
        }
        let wait_for = self.wait_for();
        self.waiters.lead(ticket, wait_for.clone());
        wait_for
    }

    /// Selects the callers to be woken, and a leader if one is needed.
    pub(super) fn wake(&mut self) {
        if self.waiters.notify(&mut self.calls) {
            let wanted = self.wait_for();
            self.waiters.elect(&wanted, &mut self.calls);
        }
    }

    /// Updates the epoll set after a change.
    pub(super) fn register(&mut self, events: &Events) {
        let socket = self.connection.as_ref().map(|connection| {
            (connection.poll_handle(), Interest { readable: true, writable: connection.wants_to_send() })
        });
        if let Err(cause) = events.watch_socket(socket, &mut self.registered) {
            // A connection that cannot be watched is useless. The next one may do better, after a pause.
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

/// The senders of the calls: those that wait have the bodies of their own, and those of submitted calls are at hand.
struct CallSenders<'a> {
    calls: &'a mut Calls,
    own: Option<(Ticket, &'a [u8])>,
}

impl Senders for CallSenders<'_> {
    fn body(&self, ticket: Ticket) -> Option<&[u8]> {
        match self.own {
            Some((own, body)) if own == ticket => Some(body),
            _ => self.calls.submitted_body(ticket),
        }
    }

    fn sent(&mut self, ticket: Ticket) {
        self.calls.sent(ticket);
    }
}

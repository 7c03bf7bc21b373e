//! The state behind its lock, and the threads that wait for their calls.
//!
//! Of the callers that wait one is the leader: it waits for the socket, reads what comes, and hands each reply to its
//! owner. The others sleep, each on a condition variable of its own. Nobody waits for anything with the lock held, so
//! that whoever comes can send, receive and give up at any time.

use std::sync::OnceLock;
use std::time::Instant;

use super::budget::Budget;
use super::cancel::Hook;
use super::events::Events;
use super::leader::WaitFor;
use super::log_event::{LogEvent, LogEvents};
use super::parker::{Parker, Wakeup};
use super::pending::{CompletionTarget, Operation, Outcome, Pending, Stage, Ticket};
use super::settings::Settings;
use super::state::State;
use crate::cancel::Cancel;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::log::Level;
use crate::protocol::message::Response;
use crate::protocol::wire::CallRef;
use crate::sync::{Mutex, MutexGuard, lock};
use crate::sys::{self, TryArc};

/// What the clones of a client share.
pub(super) struct Shared {
    pub(super) settings: TryArc<Settings>,
    pub(super) state: Mutex<State>,
    /// The epoll set, once somebody has asked for it.
    pub(super) events: OnceLock<Events>,
    /// The process that made the client.
    process: u64,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Result<Self, Cause> {
        let settings = TryArc::new(settings)?;
        let state = Mutex::new(State::new(settings.clone()));
        Ok(Self { settings, state, events: OnceLock::new(), process: sys::process() })
    }

    /// This is the process that made the client, and not one forked from it, where any lock may be held for ever.
    pub(super) fn is_ours(&self) -> bool {
        sys::process() == self.process
    }

    /// An error for what the program wanted.
    pub(super) fn error(&self, (phase, cause): (Phase, Cause)) -> Error {
        Error::new(phase, self.settings.place.given(), cause)
    }

    /// Locks the state, for a turn.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.budget = Budget::new();
        state
    }

    /// Does something with the state, and then what follows from it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state);
        self.release(state);
        result
    }

    /// What follows from a change: the epoll set is told; the lock is given back; others are woken, who would only wait
    /// for it before; and the log is told.
    fn release(&self, mut state: MutexGuard<'_, State>) {
        if let Some(events) = self.events.get() {
            events.follow(&mut state);
        }
        state.wake();
        let (woken, log_events) = (std::mem::take(&mut state.woken), state.log_events.take());
        drop(state);
        woken.wake();
        if let Some(log_events) = log_events {
            self.tell(&log_events);
        }
    }

    #[cold]
    fn tell(&self, log_events: &LogEvents) {
        for event in log_events.iter() {
            let path = self.settings.place.given().display();
            match event {
                LogEvent::Lost(cause) => {
                    self.settings.log.provoked(Level::Warn, format_args!("lost the connection to {path}: {cause}"));
                }
                LogEvent::Connected => {
                    self.settings.log.provoked(Level::Info, format_args!("connected to {path} again"));
                }
                LogEvent::FellBack => {
                    let what = "reads datagrams, as DAOS 0.8 to 2.6 do: connecting anew";
                    self.settings.log.provoked(Level::Info, format_args!("{path} {what}"));
                }
            }
        }
    }

    /// Waits until a wish is fulfilled, or is not to be. A call is sent by this thread when its turn comes.
    pub(super) fn wait(
        this: &TryArc<Self>,
        operation: Operation,
        call: CallRef<'_>,
        end: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Response, Error> {
        let phase = if matches!(operation, Operation::Connection { .. }) { Phase::Connect } else { Phase::Call };
        let hook = match cancel {
            Some(cancel) if this.is_ours() => Hook::new(cancel, this).map(Some).map_err(|cause| (phase, cause)),
            _ => Ok(None),
        };
        hook.and_then(|hook| this.wait_for(operation, phase, call, end, hook.as_ref()))
            .map_err(|failure| this.error(failure))
    }

    fn wait_for(
        &self,
        operation: Operation,
        phase: Phase,
        call: CallRef<'_>,
        end: Option<Instant>,
        hook: Option<&Hook>,
    ) -> Outcome {
        if !self.is_ours() {
            return Err((phase, Cause::Forked));
        }
        let mut state = self.lock();
        if matches!(operation, Operation::Call { .. }) && !state.wanted {
            return Err((phase, Cause::NotConnected));
        }
        if matches!(operation, Operation::Lock(_)) && state.calls.holds_lock() {
            return Err((phase, Cause::Busy));
        }
        state.calls.make_room().map_err(|cause| (phase, cause))?;
        let ticket = state.add(operation, CompletionTarget::Blocked);
        if hook.is_some_and(|hook| hook.is_late_for(ticket)) {
            state.abandon(ticket, Cause::Cancelled);
        }
        let outcome = loop {
            state.advance();
            if let Some(outcome) = state.calls.take(ticket) {
                break outcome;
            } else if end.is_some_and(|end| end <= Instant::now()) {
                state.abandon(ticket, Cause::TimedOut);
            } else if hook.is_some_and(Hook::is_cancelled) {
                // Its hook may still have to wait for others.
                state.abandon(ticket, Cause::Cancelled);
            } else if let Some(Pending { stage: Stage::Granted, .. }) = state.calls.pending(ticket) {
                state.send(ticket, call);
            } else {
                match self.rest(state, ticket, end) {
                    Ok(awake) => state = awake,
                    Err(outcome) => return outcome,
                }
            }
        };
        state.leave(ticket);
        self.release(state);
        outcome
    }

    /// Waits until something has happened that may concern the caller. An error is what somebody else has made of its
    /// wish.
    fn rest<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
        end: Option<Instant>,
    ) -> Result<MutexGuard<'a, State>, Outcome> {
        match state.lead(ticket) {
            WaitFor::Socket(poll_handle, writable) => {
                self.release(state);
                let ready = poll_handle.wait(writable, end);
                state = self.lock();
                state.awake(ticket);
                match ready {
                    Err(cause) => state.abandon(ticket, cause),
                    // Whoever else has read it, or closed the connection, does no harm: nothing here waits.
                    Ok(ready) => {
                        if ready.writable {
                            state.flush();
                        }
                        if ready.readable {
                            state.receive();
                        }
                        if state.budget.starved {
                            state.abandon(ticket, Cause::NoMemory);
                        }
                    }
                }
                Ok(state)
            }
            WaitFor::Clock(at) => self.sleep(state, ticket, at.into_iter().chain(end).min()),
            WaitFor::Nothing => self.sleep(state, ticket, end),
        }
    }

    fn sleep<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
        until: Option<Instant>,
    ) -> Result<MutexGuard<'a, State>, Outcome> {
        let parker = match TryArc::new(Parker::default()) {
            Ok(parker) => parker,
            Err(cause) => {
                state.awake(ticket);
                state.abandon(ticket, cause);
                return Ok(state);
            }
        };
        state.calls.park(ticket, parker.clone());
        self.release(state);
        // Who has been taken out of bed already has news, or is about to have some.
        let is_in_bed = || self.lock().calls.unpark(ticket).is_some();
        let wakeup = parker.sleep(until).or_else(|| if is_in_bed() { None } else { parker.sleep(None) });
        if let Some(Wakeup::Ended(outcome)) = wakeup {
            return Err(outcome);
        }
        let mut state = self.lock();
        state.awake(ticket);
        Ok(state)
    }
}

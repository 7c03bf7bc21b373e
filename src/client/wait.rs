//! Calls whose callers wait.
//!
//! Of the callers that wait one is the leader: it waits for the socket, reads what comes, and hands each reply to its
//! owner. The others sleep, each on a condition variable of its own. Nobody waits for anything with the lock held, so
//! that whoever comes can send, receive and give up at any time.

use std::time::Instant;

use super::cancel::Hook;
use super::operation::{Operation, Outcome, Stage, Ticket};
use super::parker::{Parker, Wakeup};
use super::pending::{CompletionTarget, Pending};
use super::shared::Shared;
use super::state::State;
use super::waiters::WaitFor;
use crate::cancel::Cancel;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::protocol::message::Response;
use crate::protocol::wire::CallRef;
use crate::sync::MutexGuard;
use crate::sys::TryArc;

/// How a caller that has waited goes on.
enum Resumed<'a> {
    /// It looks at the state, which it has locked.
    Locked(MutexGuard<'a, State>),
    /// Another thread has ended its call, and there is nothing left to do for it.
    Ended(Outcome),
}

impl Shared {
    /// Waits until a wish is fulfilled, or is not to be. A call is sent by this thread when its turn comes.
    pub(super) fn wait(
        this: &TryArc<Self>,
        operation: Operation,
        call: CallRef<'_>,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Result<Response, Error> {
        let phase = if matches!(operation, Operation::Connect { .. }) { Phase::Connect } else { Phase::Call };
        let hook = this.check_process().and_then(|()| cancel.map(|cancel| Self::hook(this, cancel)).transpose());
        hook.map_err(|cause| (phase, cause))
            .and_then(|hook| this.perform(operation, phase, call, deadline, hook.as_ref()))
            .map_err(|failure| this.error(failure))
    }

    fn perform(
        &self,
        operation: Operation,
        phase: Phase,
        call: CallRef<'_>,
        deadline: Option<Instant>,
        hook: Option<&Hook>,
    ) -> Outcome {
        let mut state = self.lock();
        if matches!(operation, Operation::Call { .. }) && !state.is_open {
            return Err((phase, Cause::NotConnected));
        }
        if matches!(operation, Operation::Lock(_)) && state.calls.holds_lock() {
            return Err((phase, Cause::Busy));
        }
        state.calls.make_room().map_err(|cause| (phase, cause))?;
        let ticket = state.add(operation, CompletionTarget::Blocked);
        if hook.is_some_and(|hook| hook.bind(ticket)) {
            state.abandon(ticket, Cause::Cancelled);
        }
        let outcome = loop {
            state.advance();
            if let Some(outcome) = state.calls.take_outcome(ticket) {
                break outcome;
            } else if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                state.abandon(ticket, Cause::TimedOut);
            } else if hook.is_some_and(Hook::is_cancelled) {
                // Its hook may still have to wait for others.
                state.abandon(ticket, Cause::Cancelled);
            } else if let Some(Pending { stage: Stage::Granted, .. }) = state.calls.pending(ticket) {
                state.send(ticket, call);
            } else {
                match self.block(state, ticket, deadline) {
                    Resumed::Locked(locked) => state = locked,
                    Resumed::Ended(outcome) => return outcome,
                }
            }
        };
        state.waiters.leave(ticket);
        self.release(state);
        outcome
    }

    /// Waits until something has happened that may concern the caller.
    fn block<'a>(&'a self, mut state: MutexGuard<'a, State>, ticket: Ticket, deadline: Option<Instant>) -> Resumed<'a> {
        match state.lead(ticket) {
            WaitFor::Socket(poll_handle, writable) => {
                self.release(state);
                let ready = poll_handle.wait(writable, deadline);
                state = self.lock();
                state.waiters.set_awake(ticket);
                match ready {
                    Err(cause) => state.abandon(ticket, cause),
                    // Whoever else has read it, or closed the connection, does no harm: nothing here waits.
                    Ok(ready) => {
                        state.progress(ready);
                        if state.budget.out_of_memory {
                            state.abandon(ticket, Cause::NoMemory);
                        }
                    }
                }
                Resumed::Locked(state)
            }
            WaitFor::Clock(at) => self.park(state, ticket, at.into_iter().chain(deadline).min()),
            WaitFor::Nothing => self.park(state, ticket, deadline),
        }
    }

    fn park<'a>(&'a self, mut state: MutexGuard<'a, State>, ticket: Ticket, until: Option<Instant>) -> Resumed<'a> {
        let parker = match TryArc::new(Parker::default()) {
            Ok(parker) => parker,
            Err(cause) => {
                state.waiters.set_awake(ticket);
                state.abandon(ticket, cause);
                return Resumed::Locked(state);
            }
        };
        state.calls.park(ticket, parker.clone());
        self.release(state);
        // Who has been taken out of bed already has news, or is about to have some.
        let was_parked = || self.lock().calls.unpark(ticket).is_some();
        let wakeup = parker.sleep(until).or_else(|| if was_parked() { None } else { parker.sleep(None) });
        if let Some(Wakeup::Ended(outcome)) = wakeup {
            return Resumed::Ended(outcome);
        }
        let mut state = self.lock();
        state.waiters.set_awake(ticket);
        Resumed::Locked(state)
    }
}

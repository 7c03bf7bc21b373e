//! Calls whose callers wait.
//!
//! One of the waiting callers is the leader: it polls the socket, reads all replies, and delivers each to its call. The
//! others sleep, each on a condition variable of its own. No thread waits with the lock held, so that any caller can
//! send, receive and give up at any time.

use std::time::Instant;

use super::cancel::Hook;
use super::operation::{Operation, Outcome, Stage, Ticket};
use super::parker::{Parker, Wakeup};
use super::pending::{CompletionTarget, Pending};
use super::shared::Shared;
use super::state::State;
use super::waiters::WaitFor;
use crate::adaptive_spin::Side;
use crate::cancel::Cancel;
use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::wire::CallRef;
use crate::sync::MutexGuard;
use crate::sys::{TryArc, try_copy};

/// The state of a caller that has waited.
pub(super) enum Resumed<'a> {
    /// The caller holds the lock and looks at its call.
    Locked(MutexGuard<'a, State>),
    /// Another thread has ended the call and removed it; here is its outcome.
    Ended(Outcome),
}

impl Shared {
    /// Waits until an operation has ended. The calling thread sends its own call when its turn has come.
    pub(super) fn wait(
        this: &TryArc<Self>,
        operation: Operation,
        call: CallRef<'_>,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
    ) -> Outcome {
        let phase = if matches!(operation, Operation::Connect { .. }) { Phase::Connect } else { Phase::Call };
        let hook = this.check_process().and_then(|()| cancel.map(|cancel| Self::hook(this, cancel)).transpose());
        hook.map_err(|cause| (phase, cause))
            .and_then(|hook| this.perform(operation, phase, call, deadline, hook.as_ref()))
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
        if let (Operation::Call { idempotent }, None) = (operation, hook)
            && let Some((ticket, poll_handle)) = state.send_alone(call, idempotent, deadline)
        {
            return match self.wait_alone(state, ticket, &poll_handle, deadline) {
                Resumed::Locked(state) => self.finish(state, ticket, call, deadline, hook),
                Resumed::Ended(outcome) => outcome,
            };
        }
        let ticket = state.add(operation, CompletionTarget::Blocked);
        if hook.is_some_and(|hook| hook.bind(ticket)) {
            state.abandon(ticket, Cause::Cancelled);
        }
        self.finish(state, ticket, call, deadline, hook)
    }

    /// Does what is left of an operation, and takes its outcome.
    fn finish<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
        call: CallRef<'_>,
        deadline: Option<Instant>,
        hook: Option<&Hook>,
    ) -> Outcome {
        let outcome = loop {
            state.advance();
            if let Some(outcome) = state.calls.take_outcome(ticket) {
                break outcome;
            } else if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                state.abandon(ticket, Cause::TimedOut);
            } else if hook.is_some_and(Hook::is_cancelled) {
                // A hook that has not run yet may be waiting behind others.
                state.abandon(ticket, Cause::Cancelled);
            } else if let Some(Pending { stage: Stage::Granted, .. }) = state.calls.pending(ticket) {
                state.send(ticket, call);
            } else if state.calls.take_summons(ticket) {
                state.flush(Some((ticket, call.body)));
            } else {
                match self.block(state, ticket, call.body, deadline) {
                    Resumed::Locked(locked) => state = locked,
                    Resumed::Ended(outcome) => return outcome,
                }
            }
        };
        let mut state = self.leave_rest(state, ticket, call.body);
        state.waiters.leave(ticket);
        self.release(state);
        outcome
    }

    /// Leaves the rest of a call that has ended while it was being sent to the connection. The rest is copied without the
    /// lock: it stays the same, because no other thread can send it.
    fn leave_rest<'a>(&'a self, state: MutexGuard<'a, State>, ticket: Ticket, body: &[u8]) -> MutexGuard<'a, State> {
        let owed = state.connection.as_ref().and_then(|connection| connection.owed(ticket, body));
        let Some(owed) = owed else { return state };
        self.release(state);
        let rest = try_copy(owed);
        let mut state = self.lock();
        state.give_rest(ticket, rest);
        state
    }

    /// Waits until the call may have made progress: as the leader, if there is no other one, or asleep.
    fn block<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
        body: &[u8],
        deadline: Option<Instant>,
    ) -> Resumed<'a> {
        match state.lead(ticket) {
            WaitFor::Socket(poll_handle, writable) => {
                self.release(state);
                let ready = poll_handle.wait(self.settings.spin.look(Side::Client), writable, deadline);
                state = self.lock();
                state.end_lead(ticket, Some(body), ready);
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
        // A caller that another thread has unparked has its wakeup already, or is about to get it.
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

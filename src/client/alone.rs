//! The straight path of a call that finds nothing else pending, as nearly all calls of one thread do.
//!
//! Such a call is sent at once, and no list has it while its caller waits: only its number is kept. The next thread that
//! takes the lock puts the call into the lists, and makes its caller the leader. So nothing but this file and
//! [`Shared::lock`] knows that a call may be alone.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use super::connection::{Connection, Inbound, Reply};
use super::operation::{Outcome, Ticket};
use super::poll_handle::{PollHandle, Ready};
use super::shared::Shared;
use super::state::State;
use super::wait::Resumed;
use crate::adaptive_spin::{Look, Side, Wait};
use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::wire::CallRef;
use crate::sync::MutexGuard;
use crate::sys::{self, TryArc};

impl State {
    /// Sends a call, if it is alone and can be sent as a whole. `None` if nothing has been done.
    pub(super) fn send_alone(
        &mut self,
        call: CallRef<'_>,
        idempotent: bool,
        deadline: Option<Instant>,
    ) -> Option<(Ticket, TryArc<PollHandle>)> {
        let connection = self.connection.as_mut()?;
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return None;
        }
        let number = self.calls.number_alone()?;
        if !connection.send_at_once(&CallRef { sequence: number.into(), ..call }) {
            return None;
        }
        Some((self.calls.sent_alone(idempotent), connection.poll_handle().clone()))
    }

    /// Puts a call that is alone into the lists. Its caller is the leader, as it waits for the socket.
    #[inline]
    pub(super) fn enlist(&mut self) {
        if let Some(ticket) = self.calls.enlist(self.settings.retries) {
            self.lead(ticket);
        }
    }

    /// Receives a record for the call that is still alone.
    #[inline(always)]
    fn receive_alone(&mut self) -> Result<Inbound, Cause> {
        self.budget.take();
        self.connection.as_mut().map_or(Ok(Inbound::Empty), Connection::receive)
    }

    /// Ends the call that is still alone by what has been received. `None` if that was no reply to it; the call is in the
    /// lists then.
    #[inline(always)]
    fn finish_alone(&mut self, inbound: Result<Inbound, Cause>) -> Option<Outcome> {
        match inbound {
            Ok(Inbound::Reply(Reply::Response(sequence, result))) if self.calls.end_alone(sequence) => {
                self.backoff.reset();
                Some(result.map_err(|cause| (Phase::Reply, cause)))
            }
            inbound => {
                self.enlist();
                if self.take_in(inbound) {
                    self.receive();
                }
                None
            }
        }
    }
}

impl Shared {
    /// Waits for the reply to a call that was sent alone. Releasing the lock changes nothing that another thread waits for.
    pub(super) fn wait_alone<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        ticket: Ticket,
        poll_handle: &PollHandle,
        deadline: Option<Instant>,
    ) -> Resumed<'a> {
        drop(state);
        let mut wait = LoneWait { shared: self, ticket, poll_handle, deadline };
        match self.settings.spin.look(Side::Client) {
            Some(look) if sys::may_look(look) => wait.look_or_sleep(look),
            _ => wait.sleep(0),
        }
    }

    /// Goes on with what has been received for a call that was alone until then.
    #[inline(always)]
    fn resume_alone<'a>(
        mut state: MutexGuard<'a, State>,
        ticket: Ticket,
        inbound: Result<Inbound, Cause>,
    ) -> Resumed<'a> {
        if let Some(outcome) = state.finish_alone(inbound) {
            return Resumed::Ended(outcome);
        }
        state.end_lead(ticket, None, Ok(Ready::default()));
        Resumed::Locked(state)
    }
}

/// The wait of a call that was sent alone. Another thread may put the call into the lists meanwhile.
struct LoneWait<'a, 'p> {
    shared: &'a Shared,
    ticket: Ticket,
    poll_handle: &'p PollHandle,
    deadline: Option<Instant>,
}

impl<'a> LoneWait<'a, '_> {
    #[inline(never)]
    fn look_or_sleep(&mut self, look: Look) -> Resumed<'a> {
        let look = look.within(|| self.deadline.map(|end| end.saturating_duration_since(Instant::now())));
        sys::look_or_sleep(look, self.poll_handle.as_fd().as_raw_fd(), self)
    }
}

impl<'a> Wait for LoneWait<'a, '_> {
    type Found = Resumed<'a>;

    fn now(&self) -> u64 {
        sys::nanoseconds()
    }

    fn look(&mut self) -> Option<Resumed<'a>> {
        let mut state = self.shared.lock_alone();
        if !state.calls.has_lone_call() {
            state.end_lead(self.ticket, None, Ok(Ready::default()));
            return Some(Resumed::Locked(state));
        }
        match state.receive_alone() {
            Ok(Inbound::Empty) => None,
            inbound => Some(Shared::resume_alone(state, self.ticket, inbound)),
        }
    }

    #[inline(always)]
    fn sleep(&mut self, _looked: u64) -> Resumed<'a> {
        let ready = self.poll_handle.wait(None, false, self.deadline);
        let mut state = self.shared.lock_alone();
        if let (true, Ok(Ready { readable: true, .. })) = (state.calls.has_lone_call(), ready) {
            let inbound = state.receive_alone();
            return Shared::resume_alone(state, self.ticket, inbound);
        }
        state.enlist();
        state.end_lead(self.ticket, None, ready);
        Resumed::Locked(state)
    }
}

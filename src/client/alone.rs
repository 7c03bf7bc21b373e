//! The straight path of a call that finds nothing else pending, as nearly all calls of one thread do.
//!
//! Such a call is sent at once, and no list has it while its caller waits: only its number is kept. The next thread that
//! takes the lock puts the call into the lists, and makes its caller the leader. So nothing but this file and
//! [`Shared::lock`] knows that a call may be alone.

use std::time::Instant;

use super::connection::{Inbound, Reply};
use super::operation::{Outcome, Ticket};
use super::poll_handle::{PollHandle, Ready};
use super::shared::Shared;
use super::state::State;
use super::wait::Resumed;
use crate::error::Phase;
use crate::protocol::wire::CallRef;
use crate::sync::MutexGuard;
use crate::sys::TryArc;

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

    /// Receives the reply to the call that is still alone. `None` if what came was none; the call is in the lists then.
    fn receive_alone(&mut self) -> Option<Outcome> {
        self.budget.take();
        let inbound = self.connection.as_mut()?.receive();
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
        let ready = poll_handle.wait(false, deadline);
        let mut state = self.lock_alone();
        // Without a call that is alone, another thread has put it into the lists.
        if let (true, Ok(Ready { readable: true, .. })) = (state.calls.has_lone_call(), ready) {
            if let Some(outcome) = state.receive_alone() {
                return Resumed::Ended(outcome);
            }
            state.end_lead(ticket, None, Ok(Ready::default()));
        } else {
            state.enlist();
            state.end_lead(ticket, None, ready);
        }
        Resumed::Locked(state)
    }
}

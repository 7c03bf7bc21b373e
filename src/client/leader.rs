//! Who of the callers that wait does the work for the others.

use std::time::Instant;

use super::connection::PollHandle;
use super::parker::Wakeup;
use super::pending::Ticket;
use super::state::State;
use crate::sys::TryArc;

/// The caller that waits for the connection while the others sleep. It reads for them all, and when it leaves another
/// one takes over.
#[derive(Debug)]
pub(super) struct Leader {
    ticket: Ticket,
    wait_for: WaitFor,
}

/// What the leader waits for.
#[derive(Clone, Debug)]
pub(super) enum WaitFor {
    /// Nothing: it is awake, or has been woken.
    Nothing,
    /// That it may connect again.
    Clock(Option<Instant>),
    /// A reply, and room to send if that is wanted.
    Socket(TryArc<PollHandle>, bool),
}

impl WaitFor {
    /// A leader with this watch does not see what one with the other one would.
    fn misses(&self, wanted: &WaitFor) -> bool {
        match (self, wanted) {
            (Self::Nothing, _) | (_, Self::Nothing) => false,
            (Self::Clock(at), Self::Clock(wanted)) => at != wanted,
            (Self::Socket(poll_handle, writable), Self::Socket(wanted, to_write)) => {
                !TryArc::ptr_eq(poll_handle, wanted) || *to_write && !*writable
            }
            _ => true,
        }
    }
}

impl State {
    /// What the leader should wait for; nothing when nobody needs one.
    fn wait_for(&self) -> WaitFor {
        match &self.connection {
            Some(connection) if self.calls.any_in_flight() => {
                WaitFor::Socket(connection.poll_handle().clone(), connection.wants_to_send())
            }
            None if self.calls.want_connection() => WaitFor::Clock(self.next_attempt()),
            _ => WaitFor::Nothing,
        }
    }

    /// Makes a caller the leader, if there is no other one, and says what to wait for.
    pub(super) fn lead(&mut self, ticket: Ticket) -> WaitFor {
        if self.leader.as_ref().is_some_and(|leader| leader.ticket != ticket) {
            return WaitFor::Nothing;
        }
        let wait_for = self.wait_for();
        self.leader = match wait_for {
            WaitFor::Nothing => None,
            _ => Some(Leader { ticket, wait_for: wait_for.clone() }),
        };
        wait_for
    }

    /// A caller is awake again.
    pub(super) fn awake(&mut self, ticket: Ticket) {
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.ticket == ticket) {
            leader.wait_for = WaitFor::Nothing;
        }
    }

    /// A caller waits no longer.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.leader.take_if(|leader| leader.ticket == ticket);
    }

    /// Finds the callers to be woken because something has happened to them, and sees to it that somebody leads. A call
    /// that has ended is given to its caller, unless that one has to give up the lead.
    pub(super) fn wake(&mut self) {
        while let Some(ticket) = self.calls.next_woken() {
            match &self.leader {
                Some(leader) if leader.ticket == ticket => self.wake_leader(),
                _ => self.wake_sleeper(ticket, true),
            }
        }
        // It waits for the socket, and does not sleep.
        if self.leader.as_ref().is_some_and(|leader| self.calls.has_wakeup_for(leader.ticket)) {
            self.wake_leader();
        }
        let sleeper = self.calls.first_sleeper();
        if self.leader.is_none() && sleeper.is_none() {
            return;
        }
        let wanted = self.wait_for();
        match &self.leader {
            Some(leader) if leader.wait_for.misses(&wanted) => self.wake_leader(),
            None if !matches!(wanted, WaitFor::Nothing) => {
                if let Some(ticket) = sleeper {
                    self.leader = Some(Leader { ticket, wait_for: WaitFor::Nothing });
                    self.wake_sleeper(ticket, false);
                }
            }
            _ => {}
        }
    }

    fn wake_leader(&mut self) {
        let Some(leader) = &mut self.leader else { return };
        let ticket = leader.ticket;
        match std::mem::replace(&mut leader.wait_for, WaitFor::Nothing) {
            WaitFor::Socket(poll_handle, _) => poll_handle.wake(),
            WaitFor::Clock(_) | WaitFor::Nothing => self.wake_sleeper(ticket, false),
        }
    }

    fn wake_sleeper(&mut self, ticket: Ticket, may_end: bool) {
        if let Some(parker) = self.calls.unpark(ticket) {
            let outcome = if may_end { self.calls.take(ticket) } else { None };
            self.woken.add(parker, outcome.map_or(Wakeup::Look, Wakeup::Ended));
        }
    }
}

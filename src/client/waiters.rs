//! Who of the callers that wait does the work for the others, and who is to be woken.

use std::time::Instant;

use super::calls::Calls;
use super::operation::Ticket;
use super::parker::{WakeList, Wakeup};
use super::poll_handle::PollHandle;
use crate::sys::TryArc;

/// The callers that wait: one leads, the others sleep.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    leader: Option<Leader>,
    /// Callers to be woken, once nobody holds the lock.
    wake_list: WakeList,
}

/// The caller that waits for the connection while the others sleep. It reads for them all, and when it leaves another
/// one takes over.
#[derive(Debug)]
struct Leader {
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

impl Waiters {
    /// Another caller leads.
    pub(super) fn are_led_by_another(&self, ticket: Ticket) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.ticket != ticket)
    }

    /// Makes a caller the leader, which waits for this; where that is nothing, there is none.
    pub(super) fn lead(&mut self, ticket: Ticket, wait_for: WaitFor) {
        self.leader = match wait_for {
            WaitFor::Nothing => None,
            _ => Some(Leader { ticket, wait_for }),
        };
    }

    /// A caller is awake again.
    pub(super) fn set_awake(&mut self, ticket: Ticket) {
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.ticket == ticket) {
            leader.wait_for = WaitFor::Nothing;
        }
    }

    /// A caller waits no longer.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.leader.take_if(|leader| leader.ticket == ticket);
    }

    /// Finds the callers to be woken because something has happened to them. A call that has ended is given to its
    /// caller, unless that one has to give up the lead. True if there are others that need a leader.
    pub(super) fn notify(&mut self, calls: &mut Calls) -> bool {
        while let Some(ticket) = calls.take_notified() {
            match &self.leader {
                Some(leader) if leader.ticket == ticket => self.wake_leader(calls),
                _ => self.wake_sleeper(ticket, true, calls),
            }
        }
        // It waits for the socket, and does not sleep.
        if self.leader.as_ref().is_some_and(|leader| calls.is_ready(leader.ticket)) {
            self.wake_leader(calls);
        }
        self.leader.is_some() || calls.first_sleeper().is_some()
    }

    /// Sees to it that a caller leads, and waits for what is wanted.
    pub(super) fn elect(&mut self, wanted: &WaitFor, calls: &mut Calls) {
        match &self.leader {
            Some(leader) if leader.wait_for.misses(wanted) => self.wake_leader(calls),
            None if !matches!(wanted, WaitFor::Nothing) => {
                if let Some(ticket) = calls.first_sleeper() {
                    self.leader = Some(Leader { ticket, wait_for: WaitFor::Nothing });
                    self.wake_sleeper(ticket, false, calls);
                }
            }
            _ => {}
        }
    }

    fn wake_leader(&mut self, calls: &mut Calls) {
        let Some(leader) = &mut self.leader else { return };
        let ticket = leader.ticket;
        match std::mem::replace(&mut leader.wait_for, WaitFor::Nothing) {
            WaitFor::Socket(poll_handle, _) => poll_handle.wake(),
            WaitFor::Clock(_) | WaitFor::Nothing => self.wake_sleeper(ticket, false, calls),
        }
    }

    fn wake_sleeper(&mut self, ticket: Ticket, may_end: bool, calls: &mut Calls) {
        if let Some(parker) = calls.unpark(ticket) {
            let outcome = if may_end { calls.take_outcome(ticket) } else { None };
            self.wake_list.push(parker, outcome.map_or(Wakeup::Look, Wakeup::Ended));
        }
    }

    /// The callers to be woken, now that nobody holds the lock.
    pub(super) fn take_wake_list(&mut self) -> WakeList {
        std::mem::take(&mut self.wake_list)
    }
}

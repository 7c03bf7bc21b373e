//! The callers that wait: the leader, and those to be woken.

use std::time::Instant;

use super::calls::Calls;
use super::operation::Ticket;
use super::parker::{WakeList, Wakeup};
use super::poll_handle::PollHandle;
use crate::sys::TryArc;

/// The leader of the callers that wait, and the list of those to be woken. The sleepers are in `Calls`.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    leader: Option<Leader>,
    /// Callers to be woken once the lock is released.
    wake_list: WakeList,
}

/// The caller that polls the socket while the others sleep. The leader reads for all, and another caller takes over
/// when it leaves.
#[derive(Debug)]
struct Leader {
    ticket: Ticket,
    wait_for: WaitFor,
}

/// The event that a leader waits for.
#[derive(Clone, Debug)]
pub(super) enum WaitFor {
    /// No event: the leader is awake, or has been woken.
    Nothing,
    /// The end of the pause before the next attempt to connect.
    Clock(Option<Instant>),
    /// A reply, and room to send if the flag is set.
    Socket(TryArc<PollHandle>, bool),
}

impl WaitFor {
    /// True if a leader that waits for this event would miss the wanted one.
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
    /// True while another caller leads.
    pub(super) fn are_led_by_another(&self, ticket: Ticket) -> bool {
        self.leader.as_ref().is_some_and(|leader| leader.ticket != ticket)
    }

    /// Makes a caller the leader, unless there is nothing to wait for.
    pub(super) fn lead(&mut self, ticket: Ticket, wait_for: WaitFor) {
        self.leader = match wait_for {
            WaitFor::Nothing => None,
            _ => Some(Leader { ticket, wait_for }),
        };
    }

    /// Marks the leader as awake, if this caller is the leader.
    pub(super) fn set_awake(&mut self, ticket: Ticket) {
        if let Some(leader) = self.leader.as_mut().filter(|leader| leader.ticket == ticket) {
            leader.wait_for = WaitFor::Nothing;
        }
    }

    /// Ends the lead of a caller that waits no longer.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.leader.take_if(|leader| leader.ticket == ticket);
    }

    /// Selects the callers that have something to do. A caller whose call has ended gets the outcome with its wakeup,
    /// unless it leads. True if callers still wait, and may need a leader.
    pub(super) fn notify(&mut self, calls: &mut Calls) -> bool {
        while let Some(ticket) = calls.take_notified() {
            match &self.leader {
                Some(leader) if leader.ticket == ticket => self.wake_leader(calls),
                _ => self.wake_sleeper(ticket, true, calls),
            }
        }
        // The leader polls the socket, and is not among the sleepers.
        if self.leader.as_ref().is_some_and(|leader| calls.is_ready(leader.ticket)) {
            self.wake_leader(calls);
        }
        self.leader.is_some() || calls.first_sleeper().is_some()
    }

    /// Makes a sleeper the leader if there is none, and wakes a leader that would miss the wanted event.
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
            let outcome = if may_end { calls.take_outcome_of_sleeper(ticket) } else { None };
            self.wake_list.push(parker, outcome.map_or(Wakeup::Look, Wakeup::Ended));
        }
    }

    /// Removes the list of callers to be woken, to be used once the lock is released.
    pub(super) fn take_wake_list(&mut self) -> WakeList {
        std::mem::take(&mut self.wake_list)
    }
}

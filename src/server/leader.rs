//! Which thread of a server waits for events. One leads: it waits, and serves what has come itself, so that no other
//! thread is woken while calls are handled quickly. One stands by, and takes over when the leader is held up by a
//! handler. The others rest.

#[cfg(not(all(test, shuttle)))]
use std::time::Duration;

use crate::cause::Cause;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use crate::sync::{Condvar, Mutex, lock};

/// How long the leader may be held up by what usually takes no time.
#[cfg(not(all(test, shuttle)))]
const PATIENCE: Duration = Duration::from_millis(5);

/// What the leader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaderState {
    /// It waits for events.
    Waiting,
    /// It deals with one.
    Working,
    /// It is in a handler that is known to take its time: somebody else may lead.
    Vacant,
}

/// What the leader does, and above the last two bits, how often that has changed: one who looks twice can tell that it
/// is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(u64);

impl Epoch {
    const BITS: u32 = 2;

    fn next(self, state: LeaderState) -> Self {
        Self((((self.0 >> Self::BITS) + 1) << Self::BITS) | state as u64)
    }

    fn is(self, state: LeaderState) -> bool {
        self.0 & ((1 << Self::BITS) - 1) == state as u64
    }
}

/// Who leads, and who is next.
#[derive(Debug)]
pub(super) struct LeaderSlot {
    epoch: AtomicU64,
    /// Held by the thread that stands by.
    standby: Mutex<()>,
    /// The deputy gives the leader time, and is to be told when it leaves.
    standby_waits: Mutex<bool>,
    released: Condvar,
}

/// The part of a thread in a relay: whoever leads does so until somebody else has taken over, which it learns with its
/// next step.
#[derive(Debug)]
pub(super) struct LeaderGuard<'a> {
    /// `None` for a thread that does not take part.
    leader_slot: Option<&'a LeaderSlot>,
    epoch: Epoch,
    /// What it deals with has had to wait, as no thread was free.
    pub(super) late: bool,
}

impl LeaderSlot {
    pub(super) fn new() -> Self {
        let epoch = AtomicU64::new(LeaderState::Vacant as u64);
        Self { epoch, standby: Mutex::new(()), standby_waits: Mutex::new(false), released: Condvar::new() }
    }

    /// Stands by until this thread is to lead. `None` once `wait`, which waits for an event, says that the server has ended.
    pub(super) fn await_leadership(
        &self,
        wait: impl Fn() -> Result<bool, Cause>,
    ) -> Result<Option<LeaderGuard<'_>>, Cause> {
        let _standby = lock(&self.standby);
        while wait()? {
            let seen = self.load();
            if !seen.is(LeaderState::Vacant) {
                self.wait_for_release();
            }
            let now = self.load();
            let held_up = now == seen && !now.is(LeaderState::Waiting);
            if (held_up || now.is(LeaderState::Vacant))
                && let Some(epoch) = self.transition(now, LeaderState::Working)
            {
                return Ok(Some(LeaderGuard { leader_slot: Some(self), epoch, late: false }));
            }
        }
        Ok(None)
    }

    fn load(&self) -> Epoch {
        Epoch(self.epoch.load(SeqCst))
    }

    fn transition(&self, from: Epoch, state: LeaderState) -> Option<Epoch> {
        let to = from.next(state);
        self.epoch.compare_exchange(from.0, to.0, SeqCst, SeqCst).is_ok().then_some(to)
    }

    /// Gives the leader time to get on.
    #[cfg(not(all(test, shuttle)))]
    fn wait_for_release(&self) {
        let mut standby_waits = lock(&self.standby_waits);
        if !self.load().is(LeaderState::Vacant) {
            *standby_waits = true;
            standby_waits = match self.released.wait_timeout(standby_waits, PATIENCE) {
                Ok((standby_waits, _)) => standby_waits,
                Err(poisoned) => poisoned.into_inner().0,
            };
            *standby_waits = false;
        }
    }

    /// shuttle knows no time.
    #[cfg(all(test, shuttle))]
    fn wait_for_release(&self) {
        crate::sync::thread::yield_now();
    }
}

impl LeaderGuard<'_> {
    /// Of a thread that serves beside those of the pool.
    pub(super) fn none() -> Self {
        Self { leader_slot: None, epoch: Epoch(0), late: false }
    }

    /// Says what comes next; false when somebody else leads.
    pub(super) fn enter(&mut self, state: LeaderState) -> bool {
        let Some(leader_slot) = self.leader_slot else { return true };
        let removed = leader_slot.transition(self.epoch, state);
        self.epoch = removed.unwrap_or(self.epoch);
        removed.is_some()
    }

    /// Takes part no more, and leaves everything as it is.
    pub(super) fn detach(&mut self) {
        self.leader_slot = None;
    }

    /// Lets somebody else lead, until the next step.
    pub(super) fn release(&mut self) {
        if self.enter(LeaderState::Vacant)
            && let Some(leader_slot) = self.leader_slot
        {
            // Waking is a system call, also if nobody waits.
            if *lock(&leader_slot.standby_waits) {
                leader_slot.released.notify_one();
            }
        }
    }
}

/// Also when the thread ends, for whatever reason.
impl Drop for LeaderGuard<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn take(leader_slot: &LeaderSlot) -> LeaderGuard<'_> {
        let epoch = leader_slot.transition(leader_slot.load(), LeaderState::Working).unwrap();
        LeaderGuard { leader_slot: Some(leader_slot), epoch, late: false }
    }

    #[test]
    fn a_leader_learns_that_it_is_none_any_more() {
        let leader_slot = LeaderSlot::new();
        let mut first = take(&leader_slot);
        assert!(first.enter(LeaderState::Working));
        first.release();
        assert!(leader_slot.load().is(LeaderState::Vacant));
        assert!(first.enter(LeaderState::Waiting), "nobody has taken over");
        first.release();
        let mut second = take(&leader_slot);
        assert!(!first.enter(LeaderState::Working));
        drop(first);
        assert!(second.enter(LeaderState::Waiting), "it has released to nobody what is not its own");
        drop(second);
        assert!(leader_slot.load().is(LeaderState::Vacant));
    }

    /// So that whoever looks twice sees that the leader gets on.
    #[test]
    fn each_step_is_another_one() {
        let leader_slot = LeaderSlot::new();
        let mut leader = take(&leader_slot);
        let before = leader_slot.load();
        assert!(leader.enter(LeaderState::Working) && before.is(LeaderState::Working));
        assert_ne!(leader_slot.load(), before);
    }
}

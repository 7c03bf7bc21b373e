//! Leader and followers: the thread of a server that waits for events. The leader waits, and also serves the events it
//! gets, so that no other thread is woken while calls are quick. The standby thread takes over if a handler holds the
//! leader up. The others wait for the place of the standby.

#[cfg(not(all(test, shuttle)))]
use std::time::Duration;

use super::stats::Tally;
use crate::cause::Cause;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use crate::sync::{Condvar, Mutex, lock};

/// The time that the leader may spend on one event before the standby takes over.
#[cfg(not(all(test, shuttle)))]
const PATIENCE: Duration = Duration::from_millis(5);

/// The leader's current activity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeaderState {
    /// Waits for events.
    Waiting,
    /// Handles one.
    Working,
    /// In a handler known to be slow, or gone: another thread may take over.
    Vacant,
}

/// The leader's state in the low two bits, and above them a count of the changes. A leader with the same epoch at two
/// looks is held up.
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

/// The place of the leader, and of its standby.
#[derive(Debug)]
pub(super) struct LeaderSlot {
    epoch: AtomicU64,
    /// Held by the standby thread.
    standby: Mutex<()>,
    /// True while the standby gives the leader time, and has to be notified of a release.
    standby_waits: Mutex<bool>,
    released: Condvar,
}

/// A thread's claim to lead. Its next transition fails once another thread has taken over.
#[derive(Debug)]
pub(super) struct LeaderGuard<'a> {
    /// `None` for a thread outside the pool.
    leader_slot: Option<&'a LeaderSlot>,
    epoch: Epoch,
    /// True while the events had to wait, as no thread was free.
    pub(super) saturated: bool,
    /// The counters of the thread; `None` for a thread outside the pool.
    pub(super) tally: Option<&'a Tally>,
}

impl LeaderSlot {
    pub(super) fn new() -> Self {
        let epoch = AtomicU64::new(LeaderState::Vacant as u64);
        Self { epoch, standby: Mutex::new(()), standby_waits: Mutex::new(false), released: Condvar::new() }
    }

    /// Stands by until this thread leads. `wait` waits for an event; the result is `None` once that says that the
    /// server has ended.
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
                return Ok(Some(LeaderGuard { leader_slot: Some(self), epoch, saturated: false, tally: None }));
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

    /// Waits until the leader releases, at most for its time.
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

    /// shuttle has no clock.
    #[cfg(all(test, shuttle))]
    fn wait_for_release(&self) {
        crate::sync::thread::yield_now();
    }
}

impl LeaderGuard<'_> {
    /// The guard of a thread that serves outside the pool.
    pub(super) fn none() -> Self {
        Self { leader_slot: None, epoch: Epoch(0), saturated: false, tally: None }
    }

    /// True for a thread of the pool.
    pub(super) fn is_in_pool(&self) -> bool {
        self.leader_slot.is_some()
    }

    /// Enters a state; false if another thread leads.
    pub(super) fn enter(&mut self, state: LeaderState) -> bool {
        let Some(leader_slot) = self.leader_slot else { return true };
        let removed = leader_slot.transition(self.epoch, state);
        self.epoch = removed.unwrap_or(self.epoch);
        removed.is_some()
    }

    /// Gives up the claim and changes nothing.
    pub(super) fn detach(&mut self) {
        self.leader_slot = None;
    }

    /// Lets another thread lead, until this one enters a state again.
    pub(super) fn release(&mut self) {
        if self.enter(LeaderState::Vacant)
            && let Some(leader_slot) = self.leader_slot
        {
            // Waking costs a system call even if no thread waits.
            if *lock(&leader_slot.standby_waits) {
                leader_slot.released.notify_one();
            }
        }
    }
}

/// Releases also when the thread ends by a panic.
impl Drop for LeaderGuard<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn lead(leader_slot: &LeaderSlot) -> LeaderGuard<'_> {
        let epoch = leader_slot.transition(leader_slot.load(), LeaderState::Working).unwrap();
        LeaderGuard { leader_slot: Some(leader_slot), epoch, saturated: false, tally: None }
    }

    #[test]
    fn a_former_leader_enters_no_state() {
        let leader_slot = LeaderSlot::new();
        let mut first = lead(&leader_slot);
        assert!(first.enter(LeaderState::Working));
        first.release();
        assert!(leader_slot.load().is(LeaderState::Vacant));
        assert!(first.enter(LeaderState::Waiting), "no other thread has taken over");
        first.release();
        let mut second = lead(&leader_slot);
        assert!(!first.enter(LeaderState::Working));
        drop(first);
        assert!(second.enter(LeaderState::Waiting), "the first guard has released nothing, as it did not lead");
        drop(second);
        assert!(leader_slot.load().is(LeaderState::Vacant));
    }

    /// Otherwise a standby would take a leader that makes progress for one that is held up.
    #[test]
    fn entering_a_state_changes_the_epoch() {
        let leader_slot = LeaderSlot::new();
        let mut leader = lead(&leader_slot);
        let before = leader_slot.load();
        assert!(leader.enter(LeaderState::Working) && before.is(LeaderState::Working));
        assert_ne!(leader_slot.load(), before);
    }
}

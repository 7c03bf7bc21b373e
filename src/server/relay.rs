//! Which thread of a server waits for events. One leads: it waits, and serves what has come itself, so that no other
//! thread is woken while calls are handled quickly. One stands by, and takes over when the leader is held up by a
//! handler. The others rest.

#[cfg(not(all(test, shuttle)))]
use std::time::Duration;

use super::hub::Hub;
use crate::cause::Cause;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use crate::sync::{Condvar, Mutex, lock};

/// How long the leader may be held up by what usually takes no time.
#[cfg(not(all(test, shuttle)))]
const PATIENCE: Duration = Duration::from_millis(5);

/// What the leader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    /// It waits for events.
    Waiting,
    /// It deals with one.
    Working,
    /// It is in a handler that is known to take its time: somebody else may lead.
    Left,
}

/// What the leader does, and above the last two bits, how often that has changed: one who looks twice can tell that it
/// is held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step(u64);

impl Step {
    const BITS: u32 = 2;

    fn next(self, post: Post) -> Self {
        Self((((self.0 >> Self::BITS) + 1) << Self::BITS) | post as u64)
    }

    fn is(self, post: Post) -> bool {
        self.0 & ((1 << Self::BITS) - 1) == post as u64
    }
}

/// Who leads, and who is next.
#[derive(Debug)]
pub(super) struct Relay {
    step: AtomicU64,
    /// Held by the thread that stands by.
    deputy: Mutex<()>,
    /// The deputy gives the leader time, and is to be told when it leaves.
    patient: Mutex<bool>,
    left: Condvar,
}

/// The part of a thread in a relay: whoever leads does so until somebody else has taken over, which it learns with its
/// next step.
#[derive(Debug)]
pub(super) struct Lead<'a> {
    /// `None` for a thread that does not take part.
    relay: Option<&'a Relay>,
    step: Step,
    /// What it deals with has had to wait, as no thread was free.
    pub(super) late: bool,
}

impl Relay {
    pub(super) fn new() -> Self {
        let step = AtomicU64::new(Post::Left as u64);
        Self { step, deputy: Mutex::new(()), patient: Mutex::new(false), left: Condvar::new() }
    }

    fn look(&self) -> Step {
        Step(self.step.load(SeqCst))
    }

    fn change(&self, from: Step, post: Post) -> Option<Step> {
        let to = from.next(post);
        self.step.compare_exchange(from.0, to.0, SeqCst, SeqCst).is_ok().then_some(to)
    }

    /// Gives the leader time to get on.
    #[cfg(not(all(test, shuttle)))]
    fn be_patient(&self) {
        let mut patient = lock(&self.patient);
        if !self.look().is(Post::Left) {
            *patient = true;
            patient = match self.left.wait_timeout(patient, PATIENCE) {
                Ok((patient, _)) => patient,
                Err(poisoned) => poisoned.into_inner().0,
            };
            *patient = false;
        }
    }

    /// shuttle knows no time.
    #[cfg(all(test, shuttle))]
    fn be_patient(&self) {
        crate::sync::thread::yield_now();
    }
}

impl Lead<'_> {
    /// Of a thread that serves beside those of the pool.
    pub(super) fn none() -> Self {
        Self { relay: None, step: Step(0), late: false }
    }

    /// Says what comes next; false when somebody else leads.
    pub(super) fn go(&mut self, post: Post) -> bool {
        let Some(relay) = self.relay else { return true };
        let gone = relay.change(self.step, post);
        self.step = gone.unwrap_or(self.step);
        gone.is_some()
    }

    /// Takes part no more, and leaves everything as it is.
    pub(super) fn forget(&mut self) {
        self.relay = None;
    }

    /// Lets somebody else lead, until the next step.
    pub(super) fn leave(&mut self) {
        if self.go(Post::Left)
            && let Some(relay) = self.relay
        {
            // Waking is a system call, also if nobody waits.
            if *lock(&relay.patient) {
                relay.left.notify_one();
            }
        }
    }
}

/// Also when the thread ends, for whatever reason.
impl Drop for Lead<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Hub {
    /// Waits until this thread is to lead; `None` when the server has ended.
    pub(super) fn stand_by(&self) -> Result<Option<Lead<'_>>, Cause> {
        let relay = &self.relay;
        let _deputy = lock(&relay.deputy);
        loop {
            self.await_event()?;
            if self.has_ended() {
                return Ok(None);
            }
            let seen = relay.look();
            if !seen.is(Post::Left) {
                relay.be_patient();
            }
            let now = relay.look();
            let held_up = now == seen && !now.is(Post::Waiting);
            if (held_up || now.is(Post::Left))
                && let Some(step) = relay.change(now, Post::Working)
            {
                return Ok(Some(Lead { relay: Some(relay), step, late: false }));
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn take(relay: &Relay) -> Lead<'_> {
        let step = relay.change(relay.look(), Post::Working).unwrap();
        Lead { relay: Some(relay), step, late: false }
    }

    #[test]
    fn a_leader_learns_that_it_is_none_any_more() {
        let relay = Relay::new();
        let mut first = take(&relay);
        assert!(first.go(Post::Working));
        first.leave();
        assert!(relay.look().is(Post::Left));
        assert!(first.go(Post::Waiting), "nobody has taken over");
        first.leave();
        let mut second = take(&relay);
        assert!(!first.go(Post::Working));
        drop(first);
        assert!(second.go(Post::Waiting), "it has left to nobody what is not its own");
        drop(second);
        assert!(relay.look().is(Post::Left));
    }

    /// So that whoever looks twice sees that the leader gets on.
    #[test]
    fn each_step_is_another_one() {
        let relay = Relay::new();
        let mut lead = take(&relay);
        let before = relay.look();
        assert!(lead.go(Post::Working) && before.is(Post::Working));
        assert_ne!(relay.look(), before);
    }
}

//! The place where a caller sleeps until it is woken.

use std::sync::PoisonError;
use std::time::Instant;

use super::operation::Outcome;
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::TryArc;

/// The reason why a caller has been woken.
#[derive(Debug)]
pub(super) enum Wakeup {
    /// Its call has ended and has been removed.
    Ended(Outcome),
    /// Its call may have made progress.
    Look,
}

/// The place where a caller sleeps until it is woken. A parker is used for one wait.
#[derive(Debug, Default)]
pub(super) struct Parker {
    slot: Mutex<Slot>,
    condvar: Condvar,
}

/// The wakeup left for a sleeping caller.
#[derive(Debug, Default)]
struct Slot {
    wakeup: Option<Wakeup>,
    /// The next parker of the wake list.
    next: Option<TryArc<Parker>>,
}

/// Parkers whose callers are to be woken, linked to each other so that a list of any length takes no memory.
#[derive(Debug, Default)]
pub(super) struct WakeList(Option<TryArc<Parker>>);

impl WakeList {
    /// Leaves a wakeup in a parker, and adds the parker.
    pub(super) fn push(&mut self, parker: TryArc<Parker>, wakeup: Wakeup) {
        let next = self.0.take();
        *lock(&parker.slot) = Slot { wakeup: Some(wakeup), next };
        self.0 = Some(parker);
    }

    /// Wakes the callers.
    pub(super) fn wake_all(mut self) {
        while let Some(parker) = self.0 {
            self.0 = lock(&parker.slot).next.take();
            parker.condvar.notify_one();
        }
    }
}

impl Parker {
    /// Sleeps until a wakeup comes, or until the given time; `None` if none has come by then.
    pub(super) fn sleep(&self, until: Option<Instant>) -> Option<Wakeup> {
        let mut slot = lock(&self.slot);
        loop {
            if slot.wakeup.is_some() {
                return slot.wakeup.take();
            }
            slot = match until {
                None => self.condvar.wait(slot).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.condvar.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::message::Response;

    fn wake(parker: &TryArc<Parker>, wakeup: Wakeup) {
        let mut wake_list = WakeList::default();
        wake_list.push(parker.clone(), wakeup);
        wake_list.wake_all();
    }

    #[test]
    fn a_wakeup_is_taken_once_also_one_that_came_before_the_caller_sleeps() {
        let parker = TryArc::new(Parker::default()).unwrap();
        wake(&parker, Wakeup::Ended(Ok(Response::default())));
        assert!(matches!(parker.sleep(None), Some(Wakeup::Ended(Ok(_)))));
        assert!(parker.sleep(Some(Instant::now() + Duration::from_millis(1))).is_none());
        wake(&parker, Wakeup::Look);
        assert!(matches!(parker.sleep(Some(Instant::now())), Some(Wakeup::Look)), "the end is no reason not to look");
    }

    #[test]
    fn every_caller_of_a_list_is_woken() {
        let parkers = [(); 5].map(|()| TryArc::new(Parker::default()).unwrap());
        let mut wake_list = WakeList::default();
        parkers.iter().for_each(|parker| wake_list.push(parker.clone(), Wakeup::Look));
        wake_list.wake_all();
        assert!(parkers.iter().all(|parker| matches!(parker.sleep(None), Some(Wakeup::Look))));
        assert!(parkers.iter().all(|parker| lock(&parker.slot).next.is_none()), "none keeps another");
    }
}

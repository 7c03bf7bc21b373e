//! Where a caller sleeps until there is news for it.

use std::sync::PoisonError;
use std::time::Instant;

use super::operation::Outcome;
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::TryArc;

/// Why a caller has been woken.
#[derive(Debug)]
pub(super) enum Wakeup {
    /// Its call has ended, and there is nothing left to do for it.
    Ended(Outcome),
    /// Something has happened that it has to look at.
    Look,
}

/// Where a caller sleeps, until somebody has news for it. That is once; it has another one the next time.
#[derive(Debug, Default)]
pub(super) struct Parker {
    letter: Mutex<Letter>,
    told: Condvar,
}

/// What is left beside a bed.
#[derive(Debug, Default)]
struct Letter {
    wakeup: Option<Wakeup>,
    /// Another bed with news.
    next: Option<TryArc<Parker>>,
}

/// Beds with news, whose callers are to be woken. Each has the next one, so that a row of any length takes no memory.
#[derive(Debug, Default)]
pub(super) struct Woken(Option<TryArc<Parker>>);

impl Woken {
    /// Leaves news at a bed.
    pub(super) fn add(&mut self, parker: TryArc<Parker>, wakeup: Wakeup) {
        let next = self.0.take();
        *lock(&parker.letter) = Letter { wakeup: Some(wakeup), next };
        self.0 = Some(parker);
    }

    /// Wakes the callers.
    pub(super) fn wake(mut self) {
        while let Some(parker) = self.0 {
            self.0 = lock(&parker.letter).next.take();
            parker.told.notify_one();
        }
    }
}

impl Parker {
    /// Sleeps, but not for ever where there is an end; `None` when nothing has been told by then.
    pub(super) fn sleep(&self, until: Option<Instant>) -> Option<Wakeup> {
        let mut letter = lock(&self.letter);
        loop {
            if letter.wakeup.is_some() {
                return letter.wakeup.take();
            }
            letter = match until {
                None => self.told.wait(letter).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.told.wait_timeout(letter, left).unwrap_or_else(PoisonError::into_inner).0
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

    fn tell(parker: &TryArc<Parker>, wakeup: Wakeup) {
        let mut woken = Woken::default();
        woken.add(parker.clone(), wakeup);
        woken.wake();
    }

    #[test]
    fn news_are_told_once_also_before_the_caller_sleeps() {
        let parker = TryArc::new(Parker::default()).unwrap();
        tell(&parker, Wakeup::Ended(Ok(Response::default())));
        assert!(matches!(parker.sleep(None), Some(Wakeup::Ended(Ok(_)))));
        assert!(parker.sleep(Some(Instant::now() + Duration::from_millis(1))).is_none());
        tell(&parker, Wakeup::Look);
        assert!(matches!(parker.sleep(Some(Instant::now())), Some(Wakeup::Look)), "the end is no reason not to look");
    }

    #[test]
    fn every_caller_of_a_row_is_told() {
        let beds = [(); 5].map(|()| TryArc::new(Parker::default()).unwrap());
        let mut woken = Woken::default();
        beds.iter().for_each(|parker| woken.add(parker.clone(), Wakeup::Look));
        woken.wake();
        assert!(beds.iter().all(|parker| matches!(parker.sleep(None), Some(Wakeup::Look))));
        assert!(beds.iter().all(|parker| lock(&parker.letter).next.is_none()), "none keeps another");
    }
}

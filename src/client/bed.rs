//! Where a caller sleeps until there is news for it.

use std::sync::PoisonError;
use std::time::Instant;

use super::entry::Outcome;
use crate::sync::{Condvar, Mutex, lock};
use crate::sys::TryArc;

/// Why a caller has been woken.
#[derive(Debug)]
pub(super) enum News {
    /// Its call has ended, and there is nothing left to do for it.
    Ended(Outcome),
    /// Something has happened that it has to look at.
    Look,
}

/// Where a caller sleeps, until somebody has news for it. That is once; it has another one the next time.
#[derive(Debug, Default)]
pub(super) struct Bed {
    board: Mutex<Board>,
    told: Condvar,
}

/// What is left beside a bed.
#[derive(Debug, Default)]
struct Board {
    news: Option<News>,
    /// Another bed with news.
    next: Option<TryArc<Bed>>,
}

/// Beds with news, whose callers are to be woken. Each has the next one, so that a row of any length takes no memory.
#[derive(Debug, Default)]
pub(super) struct Woken(Option<TryArc<Bed>>);

impl Woken {
    /// Leaves news at a bed.
    pub(super) fn add(&mut self, bed: TryArc<Bed>, news: News) {
        let next = self.0.take();
        *lock(&bed.board) = Board { news: Some(news), next };
        self.0 = Some(bed);
    }

    /// Wakes the callers.
    pub(super) fn wake(mut self) {
        while let Some(bed) = self.0 {
            self.0 = lock(&bed.board).next.take();
            bed.told.notify_one();
        }
    }
}

impl Bed {
    /// Sleeps, but not for ever where there is an end; `None` when nothing has been told by then.
    pub(super) fn sleep(&self, until: Option<Instant>) -> Option<News> {
        let mut board = lock(&self.board);
        loop {
            if board.news.is_some() {
                return board.news.take();
            }
            board = match until {
                None => self.told.wait(board).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.told.wait_timeout(board, left).unwrap_or_else(PoisonError::into_inner).0
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

    fn tell(bed: &TryArc<Bed>, news: News) {
        let mut woken = Woken::default();
        woken.add(bed.clone(), news);
        woken.wake();
    }

    #[test]
    fn news_are_told_once_also_before_the_caller_sleeps() {
        let bed = TryArc::new(Bed::default()).unwrap();
        tell(&bed, News::Ended(Ok(Response::default())));
        assert!(matches!(bed.sleep(None), Some(News::Ended(Ok(_)))));
        assert!(bed.sleep(Some(Instant::now() + Duration::from_millis(1))).is_none());
        tell(&bed, News::Look);
        assert!(matches!(bed.sleep(Some(Instant::now())), Some(News::Look)), "the end is no reason not to look");
    }

    #[test]
    fn every_caller_of_a_row_is_told() {
        let beds = [(); 5].map(|()| TryArc::new(Bed::default()).unwrap());
        let mut woken = Woken::default();
        beds.iter().for_each(|bed| woken.add(bed.clone(), News::Look));
        woken.wake();
        assert!(beds.iter().all(|bed| matches!(bed.sleep(None), Some(News::Look))));
        assert!(beds.iter().all(|bed| lock(&bed.board).next.is_none()), "none keeps another");
    }
}

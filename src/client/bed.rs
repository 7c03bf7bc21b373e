//! Where a caller sleeps until there is news for it.

use std::sync::PoisonError;
use std::time::Instant;

use super::entry::Outcome;
use crate::sync::{Condvar, Mutex, lock};

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
    news: Mutex<Option<News>>,
    told: Condvar,
}

impl Bed {
    /// Wakes the caller.
    pub(super) fn tell(&self, news: News) {
        *lock(&self.news) = Some(news);
        self.told.notify_one();
    }

    /// Sleeps, but not for ever where there is an end; `None` when nothing has been told by then.
    pub(super) fn sleep(&self, until: Option<Instant>) -> Option<News> {
        let mut news = lock(&self.news);
        loop {
            if news.is_some() {
                return news.take();
            }
            news = match until {
                None => self.told.wait(news).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.told.wait_timeout(news, left).unwrap_or_else(PoisonError::into_inner).0
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
    use crate::message::Response;

    #[test]
    fn news_are_told_once_also_before_the_caller_sleeps() {
        let bed = Bed::default();
        bed.tell(News::Ended(Ok(Response::default())));
        assert!(matches!(bed.sleep(None), Some(News::Ended(Ok(_)))));
        assert!(bed.sleep(Some(Instant::now() + Duration::from_millis(1))).is_none());
        bed.tell(News::Look);
        assert!(matches!(bed.sleep(Some(Instant::now())), Some(News::Look)), "the end is no reason not to look");
    }
}

//! What does not fit into a context: facts about connections in an unusual state.
//!
//! A flag in the context says whether there is something here, so that what a context left behind that was freed
//! without us is never taken for another's at the same address.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::drpc::framing::chunked::Reassembly;
use ::drpc::{Cause, backoff};

/// Messages received in part.
pub(crate) static PARTIAL: SideTable<Reassembly> = SideTable::new();

/// Listeners that do not accept for a while.
pub(crate) static RESTS: SideTable<Rest> = SideTable::new();

/// Facts by the address of `struct unixcomm`, in its order.
pub(crate) struct SideTable<T>(Mutex<Vec<(usize, T)>>);

impl<T> SideTable<T> {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(crate) fn put(&self, comm: usize, fact: T) -> Result<(), Cause> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match table.binary_search_by_key(&comm, |(comm, _)| *comm) {
            Ok(at) => {
                if let Some(slot) = table.get_mut(at) {
                    *slot = (comm, fact);
                }
            }
            Err(at) => {
                table.try_reserve(1).map_err(|_| Cause::NoMemory)?;
                table.insert(at, (comm, fact));
            }
        }
        Ok(())
    }

    pub(crate) fn take(&self, comm: usize) -> Option<T> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = table.binary_search_by_key(&comm, |(comm, _)| *comm).ok()?;
        let (_, fact) = table.remove(at);
        if table.is_empty() {
            // Nothing stays allocated for what is over.
            *table = Vec::new();
        }
        Some(fact)
    }
}

/// A pause between attempts to accept, longer each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    until: Instant,
    length: Duration,
}

impl Rest {
    /// The pause after an attempt failed, where the one before it followed `previous`.
    pub(crate) fn after(previous: Option<Self>) -> Self {
        let length = backoff::after(previous.map(|previous| previous.length));
        Self { until: Instant::now() + length, length }
    }

    /// What is left of it.
    pub(crate) fn left(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_their_connection_only() {
        let table = SideTable::new();
        for comm in [40usize, 8, 24, 16] {
            table.put(comm, comm + 1).unwrap();
        }
        table.put(24, 0).unwrap();
        assert_eq!(table.take(24), Some(0));
        assert_eq!(table.take(24), None);
        assert_eq!(table.take(9), None);
        assert_eq!([8, 16, 40].map(|comm| table.take(comm)), [Some(9), Some(17), Some(41)]);
        assert_eq!(table.0.lock().unwrap().capacity(), 0);
    }

    #[test]
    fn pauses_double_up_to_a_second() {
        let mut rest = Rest::after(None);
        assert_eq!(rest.length, Duration::from_millis(10));
        for _ in 0..10 {
            rest = Rest::after(Some(rest));
        }
        assert_eq!(rest.length, backoff::LONGEST);
        assert!(rest.left() > Duration::from_millis(500));
    }
}

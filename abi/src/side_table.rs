//! Facts that `struct unixcomm` has no room for (half a message, a handshake, a pause), by its address and while needed.
//!
//! A flag in the context says whether there is a fact. A context that was freed without the library may leave one behind,
//! which is never taken for that of another context at the same address.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use ::drpc::{Cause, lock_briefly};

/// A table of facts, sorted by address.
pub(crate) struct SideTable<T> {
    facts: Mutex<Vec<(usize, T)>>,
    /// True while there may be facts. The table is mostly empty, and the lock is not taken to see that.
    in_use: AtomicBool,
}

impl<T> SideTable<T> {
    /// An empty table.
    pub(crate) const fn new() -> Self {
        Self { facts: Mutex::new(Vec::new()), in_use: AtomicBool::new(false) }
    }

    /// Stores a fact, in the place of an earlier one for the address.
    pub(crate) fn put(&self, address: usize, fact: T) -> Result<(), Cause> {
        let mut table = lock_briefly(&self.facts).ok_or(Cause::Busy)?;
        match table.binary_search_by_key(&address, |(address, _)| *address) {
            Ok(at) => {
                if let Some(slot) = table.get_mut(at) {
                    *slot = (address, fact);
                }
            }
            Err(at) => {
                table.try_reserve(1).map_err(|_| Cause::NoMemory)?;
                self.in_use.store(true, Ordering::Relaxed);
                #[cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "there is room"))]
                table.insert(at, (address, fact));
            }
        }
        Ok(())
    }

    /// Replaces a fact without allocating. `None` if there is no earlier one: the new fact is dropped.
    pub(crate) fn exchange(&self, address: usize, fact: T) -> Option<T> {
        let mut table = lock_briefly(&self.facts)?;
        let at = table.binary_search_by_key(&address, |(address, _)| *address).ok()?;
        table.get_mut(at).map(|(_, kept)| std::mem::replace(kept, fact))
    }

    /// Takes a fact out of the table.
    pub(crate) fn take(&self, address: usize) -> Option<T> {
        // A thread that receives a context also sees the facts that were stored for it before.
        if !self.in_use.load(Ordering::Relaxed) {
            return None;
        }
        let mut table = lock_briefly(&self.facts)?;
        let at = table.binary_search_by_key(&address, |(address, _)| *address).ok()?;
        let (_, fact) = table.remove(at);
        if table.is_empty() {
            // An empty table keeps no memory.
            *table = Vec::new();
            self.in_use.store(false, Ordering::Relaxed);
        }
        Some(fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_their_address_only() {
        let table = SideTable::new();
        for address in [40usize, 8, 24, 16] {
            table.put(address, address + 1).unwrap();
        }
        table.put(24, 0).unwrap();
        assert_eq!([table.exchange(24, 1), table.exchange(25, 1)], [Some(0), None]);
        assert_eq!([table.take(24), table.take(24)], [Some(1), None]);
        assert_eq!(table.take(9), None);
        assert_eq!([8, 16, 40].map(|address| table.take(address)), [Some(9), Some(17), Some(41)]);
        assert_eq!(table.facts.lock().unwrap().capacity(), 0);
    }
}

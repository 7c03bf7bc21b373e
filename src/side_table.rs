//! Facts about objects by their address, for those that have no room for them.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::sync::Mutex;

use crate::error::Cause;
use crate::sync::lock_briefly;

/// Facts in the order of the addresses.
#[derive(Debug)]
pub struct SideTable<T> {
    facts: Mutex<Vec<(usize, T)>>,
    room: usize,
}

impl<T> SideTable<T> {
    /// Room for so many facts.
    pub const fn new(room: usize) -> Self {
        Self { facts: Mutex::new(Vec::new()), room }
    }

    /// Keeps a fact in the place of the one before. Where there is no room left, another one is forgotten.
    pub fn put(&self, address: usize, fact: T) -> Result<(), Cause> {
        let mut table = lock_briefly(&self.facts).ok_or(Cause::Busy)?;
        match table.binary_search_by_key(&address, |(address, _)| *address) {
            Ok(at) => {
                if let Some(slot) = table.get_mut(at) {
                    *slot = (address, fact);
                }
            }
            Err(at) if table.len() < self.room => {
                table.try_reserve(1).map_err(|_| Cause::NoMemory)?;
                table.insert(at, (address, fact));
            }
            // Moved up by the one that goes.
            Err(at) => {
                table.remove(0);
                table.insert(at.saturating_sub(1), (address, fact));
            }
        }
        Ok(())
    }

    /// Takes a fact out.
    pub fn take(&self, address: usize) -> Option<T> {
        let mut table = lock_briefly(&self.facts)?;
        let at = table.binary_search_by_key(&address, |(address, _)| *address).ok()?;
        let (_, fact) = table.remove(at);
        if table.is_empty() {
            // Nothing stays allocated for what is over.
            *table = Vec::new();
        }
        Some(fact)
    }
}

impl<T: Copy> SideTable<T> {
    /// A copy of a fact.
    pub fn get(&self, address: usize) -> Option<T> {
        let table = lock_briefly(&self.facts)?;
        let at = table.binary_search_by_key(&address, |(address, _)| *address).ok()?;
        table.get(at).map(|(_, fact)| *fact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_by_their_address_only() {
        let table = SideTable::new(usize::MAX);
        for address in [40usize, 8, 24, 16] {
            table.put(address, address + 1).unwrap();
        }
        table.put(24, 0).unwrap();
        assert_eq!([table.get(24), table.take(24), table.take(24)], [Some(0), Some(0), None]);
        assert_eq!(table.take(9), None);
        assert_eq!([8, 16, 40].map(|address| table.take(address)), [Some(9), Some(17), Some(41)]);
        assert_eq!(table.facts.lock().unwrap().capacity(), 0);
    }

    #[test]
    fn one_fact_goes_for_another() {
        let table = SideTable::new(2);
        for address in [8usize, 16, 24] {
            table.put(address, address + 1).unwrap();
        }
        assert_eq!([8, 16, 24].map(|address| table.get(address)), [None, Some(17), Some(25)]);
    }
}

//! A map whose keys are numbers that its user chooses.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use crate::cause::Cause;

/// The number of slots at first.
const FIRST_SLOTS: usize = 4;

/// The number of slots that stay although all are free.
const KEPT_SLOTS: usize = 256;

/// Values by number. The low bits of a number are its slot, so that each value is found at once. A number whose slot is
/// taken cannot be used. At most half of the slots are taken, so that a free one is never far.
#[derive(Debug)]
pub struct SlotMap<T> {
    slots: Vec<Option<(u64, T)>>,
    len: usize,
}

impl<T> Default for SlotMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> SlotMap<T> {
    /// An empty map.
    pub const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if there are no values.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes room for `len` values in all. Up to that number, no insertion takes memory.
    pub fn make_room(&mut self, len: usize) -> Result<(), Cause> {
        if 2 * len <= self.slots.len() { Ok(()) } else { self.grow((2 * len).next_power_of_two().max(FIRST_SLOTS)) }
    }

    /// True if a value can be inserted under this number, and there is room for it.
    pub fn is_free(&self, number: u64) -> bool {
        self.slots.get(self.index(number)).is_some_and(Option::is_none)
    }

    /// Inserts a value under a number that is free.
    pub fn insert(&mut self, number: u64, thing: T) {
        if let Some(slot) = self.slot(number) {
            self.len += usize::from(slot.replace((number, thing)).is_none());
        }
    }

    /// The value with this number.
    pub fn get(&self, number: u64) -> Option<&T> {
        let (known, thing) = self.slots.get(self.index(number))?.as_ref()?;
        (*known == number).then_some(thing)
    }

    /// The value with this number, to be changed.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (known, thing) = self.slot(number)?.as_mut()?;
        (*known == number).then_some(thing)
    }

    /// Takes out the value with this number.
    pub fn remove(&mut self, number: u64) -> Option<T> {
        let (_, thing) = self.slot(number)?.take_if(|(known, _)| *known == number)?;
        self.len -= 1;
        Some(thing)
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
        self.len = 0;
    }

    /// Frees the memory of a burst, once no value is left of it; true if there was any.
    pub fn shrink(&mut self) -> bool {
        let burst = self.len == 0 && self.slots.len() > KEPT_SLOTS;
        if burst {
            self.slots = Vec::new();
        }
        burst
    }

    /// All values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots.iter().flatten().map(|(number, thing)| (*number, thing))
    }

    /// The slot of a number. The number of slots is a power of two, or 0.
    fn index(&self, number: u64) -> usize {
        number as usize & self.slots.len().wrapping_sub(1)
    }

    fn slot(&mut self, number: u64) -> Option<&mut Option<(u64, T)>> {
        let index = self.index(number);
        self.slots.get_mut(index)
    }

    /// Adds slots. Numbers that differ in their low bits still do when more bits count.
    #[cold]
    fn grow(&mut self, slots: usize) -> Result<(), Cause> {
        let mut more = Vec::new();
        more.try_reserve_exact(slots).map_err(|_| Cause::NoMemory)?;
        more.resize_with(slots, || None);
        let before = std::mem::replace(&mut self.slots, more);
        self.len = 0;
        before.into_iter().flatten().for_each(|(number, thing)| self.insert(number, thing));
        Ok(())
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_number_whose_slot_is_taken_is_not_free() {
        let mut table = SlotMap::new();
        assert!(table.get(1).is_none() && table.remove(1).is_none() && !table.is_free(1));
        table.make_room(1).unwrap();
        assert!(table.is_free(1));
        table.insert(1, 'a');
        let again = 1 + FIRST_SLOTS as u64;
        assert!(!table.is_free(1) && !table.is_free(again) && table.is_free(2));
        assert_eq!((table.get(1), table.get(again)), (Some(&'a'), None));
        assert_eq!((table.remove(again), table.remove(1), table.len()), (None, Some('a'), 0));
        assert!(table.is_free(again));
    }

    #[test]
    fn it_grows_with_what_is_in_it_and_not_with_the_numbers() {
        let mut table = SlotMap::new();
        let put = |table: &mut SlotMap<u64>, number| {
            table.make_room(table.len() + 1).unwrap();
            let free = table.is_free(number);
            if free {
                table.insert(number, number);
            }
            free
        };
        assert!(put(&mut table, 0));
        for number in 1..1000 {
            // The value that stays takes the slot of every sixteenth number.
            assert_eq!(put(&mut table, number), number % FIRST_SLOTS as u64 != 0);
            table.remove(number);
        }
        assert_eq!((table.slots.len(), table.len()), (FIRST_SLOTS, 1));
        let many = (1..).filter(|number| put(&mut table, *number)).take(999).collect::<Vec<_>>();
        assert_eq!((table.slots.len(), table.len()), (2048, 1000));
        assert!(!table.shrink());
        assert!(many.iter().all(|number| table.get(*number) == Some(number)));
        assert_eq!(table.iter().map(|(number, _)| number).sum::<u64>(), many.iter().sum::<u64>());
        assert!(many.iter().all(|number| table.remove(*number) == Some(*number)));
        assert_eq!(table.remove(0), Some(0));
        assert_eq!((table.slots.len(), table.shrink(), table.slots.len()), (2048, true, 0));
    }
}

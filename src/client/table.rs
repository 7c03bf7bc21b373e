//! Things by number, where whoever puts them in chooses the numbers.

/// Slots at first.
const FIRST_SLOTS: usize = 16;

/// Slots that stay although all are free.
const KEPT_SLOTS: usize = 256;

/// Things by number. The low bits of a number are its slot, so that each is found at once, and a number whose slot is
/// taken is left out. No more than half of the slots are: a free one is never far.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Option<(u64, T)>>,
    len: usize,
}

impl<T> Table<T> {
    /// Nothing.
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Something can be put under this number.
    pub(super) fn is_free(&mut self, number: u64) -> bool {
        if 2 * self.len >= self.slots.len() {
            self.grow();
        }
        self.slot(number).is_some_and(|slot| slot.is_none())
    }

    /// Puts something under a number that is free.
    pub(super) fn put(&mut self, number: u64, thing: T) {
        if let Some(slot) = self.slot(number) {
            self.len += usize::from(slot.replace((number, thing)).is_none());
        }
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let (known, thing) = self.slots.get(self.index(number))?.as_ref()?;
        (*known == number).then_some(thing)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (known, thing) = self.slot(number)?.as_mut()?;
        (*known == number).then_some(thing)
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let (_, thing) = self.slot(number)?.take_if(|(known, _)| *known == number)?;
        self.len -= 1;
        if self.len == 0 && self.slots.len() > KEPT_SLOTS {
            self.slots = Vec::new();
        }
        Some(thing)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.slots.iter().flatten().map(|(number, thing)| (*number, thing))
    }

    /// There is a power of two of them, or none.
    fn index(&self, number: u64) -> usize {
        number as usize & self.slots.len().wrapping_sub(1)
    }

    fn slot(&mut self, number: u64) -> Option<&mut Option<(u64, T)>> {
        let index = self.index(number);
        self.slots.get_mut(index)
    }

    /// What differs in the low bits goes on doing so when there are more of them.
    #[cold]
    fn grow(&mut self) {
        let slots = FIRST_SLOTS.max(2 * self.slots.len());
        let before = std::mem::replace(&mut self.slots, std::iter::repeat_with(|| None).take(slots).collect());
        self.len = 0;
        before.into_iter().flatten().for_each(|(number, thing)| self.put(number, thing));
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_number_whose_slot_is_taken_is_not_free() {
        let mut table = Table::new();
        assert!(table.get(1).is_none() && table.remove(1).is_none() && table.is_free(1));
        table.put(1, 'a');
        let again = 1 + FIRST_SLOTS as u64;
        assert!(!table.is_free(1) && !table.is_free(again) && table.is_free(2));
        assert_eq!((table.get(1), table.get(again)), (Some(&'a'), None));
        assert_eq!((table.remove(again), table.remove(1), table.len()), (None, Some('a'), 0));
        assert!(table.is_free(again));
    }

    #[test]
    fn it_grows_with_what_is_in_it_and_not_with_the_numbers() {
        let mut table = Table::new();
        let put = |table: &mut Table<u64>, number| {
            let free = table.is_free(number);
            if free {
                table.put(number, number);
            }
            free
        };
        assert!(put(&mut table, 0));
        for number in 1..1000 {
            // One that stays is in the way of every sixteenth.
            assert_eq!(put(&mut table, number), number % FIRST_SLOTS as u64 != 0);
            table.remove(number);
        }
        assert_eq!((table.slots.len(), table.len()), (FIRST_SLOTS, 1));
        let many = (1..).filter(|number| put(&mut table, *number)).take(999).collect::<Vec<_>>();
        assert_eq!((table.slots.len(), table.len()), (2048, 1000));
        assert!(many.iter().all(|number| table.get(*number) == Some(number)));
        assert_eq!(table.iter().map(|(number, _)| number).sum::<u64>(), many.iter().sum());
        assert!(many.iter().all(|number| table.remove(*number) == Some(*number)));
        assert_eq!((table.slots.len(), table.remove(0)), (2048, Some(0)));
        assert_eq!(table.slots.len(), 0, "memory of a burst");
    }
}

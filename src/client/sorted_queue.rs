//! A queue kept in order.

use std::collections::VecDeque;

use crate::cause::Cause;

/// Values in ascending order. Inserting a new largest value and removing the smallest take constant time; anything else
/// takes a search.
#[derive(Debug)]
pub(super) struct SortedQueue<T>(VecDeque<T>);

impl<T: Copy + Ord> SortedQueue<T> {
    /// An empty queue.
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    /// Makes room for `len` values in all. Up to that number, no insertion takes memory.
    pub(super) fn make_room(&mut self, len: usize) -> Result<(), Cause> {
        make_room(&mut self.0, len)
    }

    pub(super) fn first(&self) -> Option<T> {
        self.0.front().copied()
    }

    /// All values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.iter().copied()
    }

    /// Inserts a value that is not there yet, and for which there is room.
    #[cfg_attr(not(test), expect(clippy::disallowed_methods, reason = "there is room"))]
    pub(super) fn insert(&mut self, value: T) {
        if self.0.back().is_none_or(|last| *last < value) {
            self.0.push_back(value);
        } else if let Err(at) = self.0.binary_search(&value) {
            self.0.insert(at, value);
        }
    }

    /// Removes a value, if it is there.
    pub(super) fn remove(&mut self, value: T) {
        if self.0.front() == Some(&value) {
            self.0.pop_front();
        } else if let Ok(at) = self.0.binary_search(&value) {
            self.0.remove(at);
        }
    }
}

/// Makes room in a queue for `len` values in all.
pub(super) fn make_room<T>(queue: &mut VecDeque<T>, len: usize) -> Result<(), Cause> {
    queue.try_reserve(len.saturating_sub(queue.len())).map_err(|_| Cause::NoMemory)
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_values() {
        let mut queue = SortedQueue::new();
        [3, 1, 4, 2, 3].into_iter().for_each(|value| queue.insert(value));
        assert_eq!(queue.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        [1, 3, 3, 9].into_iter().for_each(|value| queue.remove(value));
        assert_eq!((queue.iter().collect::<Vec<_>>(), queue.first()), (vec![2, 4], Some(2)));
        [4, 2].into_iter().for_each(|value| queue.remove(value));
        assert!(queue.first().is_none());
    }
}

//! Who comes first.

use std::collections::VecDeque;

/// Values in order. The largest is put in, and the smallest taken out, at once; what comes in another order has to be
/// looked for.
#[derive(Debug)]
pub(super) struct Line<T>(VecDeque<T>);

impl<T: Copy + Ord> Line<T> {
    /// Nobody.
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first(&self) -> Option<T> {
        self.0.front().copied()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = T> {
        self.0.iter().copied()
    }

    /// Puts somebody in who is not there yet.
    pub(super) fn insert(&mut self, value: T) {
        if self.0.back().is_none_or(|last| *last < value) {
            self.0.push_back(value);
        } else if let Err(at) = self.0.binary_search(&value) {
            self.0.insert(at, value);
        }
    }

    /// Takes somebody out, if there.
    pub(super) fn remove(&mut self, value: T) {
        if self.0.front() == Some(&value) {
            self.0.pop_front();
        } else if let Ok(at) = self.0.binary_search(&value) {
            self.0.remove(at);
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_values_whoever_comes_first() {
        let mut line = Line::new();
        [3, 1, 4, 2, 3].into_iter().for_each(|value| line.insert(value));
        assert_eq!(line.iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
        [1, 3, 3, 9].into_iter().for_each(|value| line.remove(value));
        assert_eq!((line.iter().collect::<Vec<_>>(), line.first()), (vec![2, 4], Some(2)));
        [4, 2].into_iter().for_each(|value| line.remove(value));
        assert!(line.is_empty() && line.first().is_none());
    }
}

//! The numbers of a service's methods.

use std::slice;

use ::drpc::Cause;

/// The numbers of a service's methods, in the order of its descriptor.
pub(crate) struct MethodNumbers(Vec<i32>);

impl MethodNumbers {
    /// The numbers that the program gives, or those of DAOS's scheme: the first is one above the module's hundred.
    ///
    /// # Safety
    /// `given` is null or points to `count` numbers.
    pub(crate) unsafe fn new(module: i32, count: usize, given: *const i32) -> Result<Self, Cause> {
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(count).map_err(|_| Cause::NoMemory)?;
        if given.is_null() {
            const BEYOND: Cause = Cause::Invalid("with this module the methods would have no numbers of 32 bits");
            let first = i64::from(module) * 100 + 1;
            let last = first.saturating_add(i64::try_from(count).map_err(|_| BEYOND)?);
            let range = i32::try_from(first).map_err(|_| BEYOND)?..i32::try_from(last).map_err(|_| BEYOND)?;
            numbers.extend(range);
        } else {
            // SAFETY: not null, and the caller's promise.
            numbers.extend_from_slice(unsafe { slice::from_raw_parts(given, count) });
        }
        let numbers = Self(numbers);
        let is_first = |(index, number): (usize, &i32)| numbers.index(*number) == Some(index);
        match numbers.0.iter().enumerate().all(is_first) {
            true => Ok(numbers),
            false => Err(Cause::Invalid("two methods of the service have the same number")),
        }
    }

    /// The number of a method.
    pub(crate) fn number(&self, index: usize) -> Option<i32> {
        self.0.get(index).copied()
    }

    /// The method with a number.
    pub(crate) fn index(&self, number: i32) -> Option<usize> {
        self.0.iter().position(|known| *known == number)
    }

    /// A copy.
    pub(crate) fn try_clone(&self) -> Result<Self, Cause> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(self.0.len()).map_err(|_| Cause::NoMemory)?;
        copy.extend_from_slice(&self.0);
        Ok(Self(copy))
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    fn numbers(module: i32, count: usize) -> Option<Vec<i32>> {
        // SAFETY: none are given.
        unsafe { MethodNumbers::new(module, count, ptr::null()) }.ok().map(|numbers| numbers.0)
    }

    #[test]
    fn numbers_follow_from_the_module() {
        assert_eq!(numbers(7, 3), Some(vec![701, 702, 703]));
        assert_eq!(numbers(0, 1), Some(vec![1]));
        assert_eq!(numbers(-1, 2), Some(vec![-99, -98]));
        assert_eq!(numbers(i32::MAX / 100, 40).map(|numbers| numbers.len()), Some(40));
        assert_eq!((numbers(i32::MAX / 100, 60), numbers(i32::MAX, 1), numbers(i32::MIN, 1)), (None, None, None));
    }

    #[test]
    fn numbers_may_be_given_once_each() {
        let given = [5, i32::MIN, 6];
        // SAFETY: as many are given.
        let numbers = unsafe { MethodNumbers::new(7, 3, given.as_ptr()) }.unwrap();
        assert_eq!([5, i32::MIN, 6, 701].map(|number| numbers.index(number)), [Some(0), Some(1), Some(2), None]);
        assert_eq!([0, 1, 2, 3].map(|index| numbers.number(index)), [Some(5), Some(i32::MIN), Some(6), None]);
        let twice = [5, 6, 5];
        // SAFETY: as many are given.
        assert!(unsafe { MethodNumbers::new(7, 3, twice.as_ptr()) }.is_err());
    }
}

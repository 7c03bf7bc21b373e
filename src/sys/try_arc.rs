//! Objects on the heap whose making can fail, in place of those of the standard library, which abort the process when
//! memory has run out.

use std::alloc::{Layout, alloc};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use crate::error::Cause;

/// Moves a value to the heap.
pub fn try_box<T>(value: T) -> Result<Box<T>, Cause> {
    let layout = Layout::new::<T>();
    if layout.size() == 0 {
        // SAFETY: a value without a size takes no memory, and every aligned address is as good.
        return Ok(unsafe { Box::from_raw(put(NonNull::dangling(), value)) });
    }
    // SAFETY: the layout has a size.
    let block = NonNull::new(unsafe { alloc(layout) }).ok_or(Cause::NoMemory)?;
    // SAFETY: the block is new, comes from the allocator that a box gives it back to, and has the layout of the value.
    Ok(unsafe { Box::from_raw(put(block.cast(), value)) })
}

/// # Safety
/// `block` is aligned and has room for the value.
unsafe fn put<T>(block: NonNull<T>, value: T) -> *mut T {
    // SAFETY: the caller's promise.
    unsafe { block.write(value) };
    block.as_ptr()
}

/// A value with several owners, as [`Arc`](std::sync::Arc).
pub struct TryArc<T>(NonNull<Inner<T>>, PhantomData<Inner<T>>);

struct Inner<T> {
    owners: AtomicUsize,
    value: T,
}

// SAFETY: owners in several threads read the value, which the last of them drops, as with Arc.
unsafe impl<T: Send + Sync> Send for TryArc<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for TryArc<T> {}

impl<T> TryArc<T> {
    /// Moves a value to the heap, where it has one owner.
    pub fn new(value: T) -> Result<Self, Cause> {
        let inner = try_box(Inner { owners: AtomicUsize::new(1), value })?;
        Ok(Self(NonNull::from(Box::leak(inner)), PhantomData))
    }

    /// They are the same.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.0 == other.0
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: the value is there as long as it has an owner, of which this is one.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Deref for TryArc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Clone for TryArc<T> {
    #[inline]
    fn clone(&self) -> Self {
        // Memory has no room for so many owners that the number could overflow, unless they are forgotten on purpose.
        if self.inner().owners.fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            std::process::abort();
        }
        Self(self.0, PhantomData)
    }
}

impl<T> Drop for TryArc<T> {
    #[inline]
    fn drop(&mut self) {
        // What the other owners have done with the value comes before it is dropped.
        if self.inner().owners.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: that was the last owner, and the block was a box.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for TryArc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    struct Dropped<'a>(&'a Cell<u32>);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_value_goes_with_its_last_owner() {
        let count = Cell::new(0);
        let first = TryArc::new(Dropped(&count)).unwrap();
        let second = first.clone();
        assert!(TryArc::ptr_eq(&first, &second));
        assert!(!TryArc::ptr_eq(&first, &TryArc::new(Dropped(&count)).unwrap()));
        assert_eq!(count.get(), 1, "the one that was only compared");
        drop(first);
        assert_eq!(count.get(), 1);
        assert_eq!(Cell::get((*second).0), 1);
        drop(second);
        assert_eq!(count.get(), 2);
    }

    #[test]
    fn owners_may_be_in_several_threads() {
        let sum = TryArc::new(Mutex::new(0)).unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let sum = sum.clone();
                thread::spawn(move || (0..1000).for_each(|_| *sum.clone().lock().unwrap() += 1))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*sum.lock().unwrap(), 4000);
    }

    #[test]
    fn a_box_is_one_whatever_its_size() {
        assert_eq!(*try_box([7_u64; 100]).unwrap(), [7; 100]);
        let function: Box<dyn Fn() -> i32> = try_box(|| 3).unwrap();
        assert_eq!(function(), 3);
    }
}

//! Objects on the heap whose allocation can fail. Those of the standard library abort the process when memory has run
//! out.

use std::alloc::{Layout, alloc, handle_alloc_error};
use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::{mem, ptr};

use crate::cause::Cause;

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

/// Ends the process for lack of memory, as the standard library does, on behalf of a function that returns no error.
#[cold]
pub fn out_of_memory<T>(_: Cause) -> T {
    handle_alloc_error(Layout::new::<T>())
}

/// A copy of bytes, in a block with capacity for `more` behind them.
pub fn try_copy_with_room(bytes: &[u8], more: usize) -> Result<Vec<u8>, Cause> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len() + more).map_err(|_| Cause::NoMemory)?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

/// A copy of bytes.
#[inline]
pub fn try_copy(bytes: &[u8]) -> Result<Vec<u8>, Cause> {
    if bytes.is_empty() { Ok(Vec::new()) } else { try_copy_with_room(bytes, 0) }
}

/// # Safety
/// `block` is aligned and has room for the value.
unsafe fn put<T>(block: NonNull<T>, value: T) -> *mut T {
    // SAFETY: the caller's promise.
    unsafe { block.write(value) };
    block.as_ptr()
}

/// A value with several owners, as [`Arc`](std::sync::Arc). The value may be a part of a larger one, which lives as
/// long.
pub struct TryArc<T: ?Sized> {
    owners: NonNull<Owners>,
    value: NonNull<T>,
    owned: PhantomData<T>,
}

/// The header of a block, in front of the whole value.
#[derive(Debug)]
struct Owners {
    count: AtomicUsize,
    /// Drops the whole value and frees its block.
    drop: unsafe fn(NonNull<Owners>),
}

#[repr(C)]
#[derive(Debug)]
struct Whole<T> {
    owners: Owners,
    value: T,
}

// SAFETY: owners in several threads read the value, which the last of them drops, as with Arc. A whole of which the
// value is a part can be shared and sent, too: see `map`.
unsafe impl<T: ?Sized + Send + Sync> Send for TryArc<T> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync> Sync for TryArc<T> {}

/// # Safety
/// `owners` is the header of a `Whole<T>` that was a box, and that is not used any more.
unsafe fn drop_whole<T>(owners: NonNull<Owners>) {
    // SAFETY: the caller's promise; the owners are the first field.
    drop(unsafe { Box::from_raw(owners.cast::<Whole<T>>().as_ptr()) });
}

impl<T> TryArc<T> {
    /// Moves a value to the heap, with one owner.
    pub fn new(value: T) -> Result<Self, Cause> {
        Ok(UninitArc::new()?.fill(value))
    }
}

/// Memory on the heap for a value to come. Moving the value there cannot fail.
#[derive(Debug)]
pub struct UninitArc<T>(Box<MaybeUninit<Whole<T>>>);

impl<T> UninitArc<T> {
    /// Allocates the memory.
    pub fn new() -> Result<Self, Cause> {
        Ok(Self(try_box(MaybeUninit::uninit())?))
    }

    /// Moves the value there, with one owner.
    pub fn fill(self, value: T) -> TryArc<T> {
        let owners = Owners { count: AtomicUsize::new(1), drop: drop_whole::<T> };
        let whole = NonNull::from(Box::leak(self.0).write(Whole { owners, value }));
        // SAFETY: the pointer is to a live value.
        let value = unsafe { NonNull::new_unchecked(&raw mut (*whole.as_ptr()).value) };
        TryArc { owners: whole.cast(), value, owned: PhantomData }
    }
}

impl<T: ?Sized + Send + Sync + 'static> TryArc<T> {
    /// A part of the value, or the value under another type.
    pub fn map<U: ?Sized>(this: Self, part: for<'a> fn(&'a T) -> &'a U) -> TryArc<U> {
        let value = NonNull::from(part(&this));
        let owners = this.owners;
        // The result is the owner from now on.
        mem::forget(this);
        TryArc { owners, value, owned: PhantomData }
    }
}

impl<T: ?Sized> TryArc<T> {
    /// True if both own the same value.
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        ptr::addr_eq(this.value.as_ptr(), other.value.as_ptr())
    }

    /// True if the value has no other owner. Then none can come either, but by this one.
    pub fn is_sole(this: &Self) -> bool {
        this.count().load(Ordering::Relaxed) == 1
    }

    fn count(&self) -> &AtomicUsize {
        // SAFETY: the block lives as long as it has an owner, of which this is one.
        unsafe { &(*self.owners.as_ptr()).count }
    }
}

impl<T: ?Sized> Deref for TryArc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: as above, and a part lives as long as the whole.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Clone for TryArc<T> {
    #[inline]
    fn clone(&self) -> Self {
        // Memory has no room for so many owners that the count could overflow, unless owners are forgotten on purpose.
        if self.count().fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            std::process::abort();
        }
        Self { owners: self.owners, value: self.value, owned: PhantomData }
    }
}

impl<T: ?Sized> Drop for TryArc<T> {
    #[inline]
    fn drop(&mut self) {
        // The fence puts the use of the value by the other owners before its drop.
        if self.count().fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: that was the last owner, and the function fits the block.
            unsafe { ((*self.owners.as_ptr()).drop)(self.owners) };
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for TryArc<T> {
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
        assert!(!TryArc::is_sole(&second));
        drop(first);
        assert!(TryArc::is_sole(&second));
        assert_eq!(count.get(), 1);
        assert_eq!(Cell::get(second.0), 1);
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
    fn a_part_keeps_the_whole() {
        struct Whole(u8, Box<str>);
        let whole = TryArc::new(Whole(1, "text".into())).unwrap();
        let text: TryArc<str> = TryArc::map(whole.clone(), |whole| &whole.1);
        let shown: TryArc<dyn fmt::Display + Send + Sync> = TryArc::map(whole.clone(), |whole| &whole.0);
        drop(whole);
        assert_eq!((&*text, shown.to_string()), ("text", "1".to_owned()));
        drop(text);
        assert_eq!(shown.to_string(), "1");
    }

    #[test]
    fn a_box_is_one_whatever_its_size() {
        assert_eq!(*try_box([7_u64; 100]).unwrap(), [7; 100]);
        let function: Box<dyn Fn() -> i32> = try_box(|| 3).unwrap();
        assert_eq!(function(), 3);
    }
}

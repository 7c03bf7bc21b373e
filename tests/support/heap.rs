//! The allocator of a test program: it counts what the calling thread holds and asks for, and fails where it is told
//! to. Other threads, such as those of the test harness, are not concerned.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MADE: Cell<usize> = const { Cell::new(0) };
    static FAILING: Cell<(usize, usize)> = const { Cell::new((usize::MAX, usize::MAX)) };
}

/// The allocator.
pub(crate) struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

impl Heap {
    /// Bytes that the calling thread holds.
    pub(crate) fn held() -> isize {
        HELD.get()
    }

    /// Allocations that the calling thread has asked for, failed ones included.
    pub(crate) fn made() -> usize {
        MADE.get()
    }

    /// Runs `work` while some allocations fail: from the one with the number `first`, `count` of them.
    pub(crate) fn failing<T>(first: usize, count: usize, work: impl FnOnce() -> T) -> T {
        let first = MADE.get() + first;
        FAILING.set((first, first.saturating_add(count)));
        let done = work();
        FAILING.set((usize::MAX, usize::MAX));
        done
    }

    fn allocate(grow: usize, shrink: usize, allocate: impl FnOnce() -> *mut u8) -> *mut u8 {
        let number = MADE.get();
        MADE.set(number + 1);
        let (first, end) = FAILING.get();
        if (first..end).contains(&number) {
            return ptr::null_mut();
        }
        let at = allocate();
        if !at.is_null() {
            HELD.set(HELD.get() + grow as isize - shrink as isize);
        }
        at
    }
}

// SAFETY: everything is left to the system's allocator, or fails with the null pointer.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        Self::allocate(layout.size(), 0, || unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) };
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        Self::allocate(size, layout.size(), || unsafe { System.realloc(at, layout, size) })
    }
}

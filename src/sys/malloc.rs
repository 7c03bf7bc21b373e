//! The allocator: C's `malloc` for Rust's memory, too.

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator that calls `malloc`, so that the body of a received message can be given to C as it is. (The standard
/// library's allocator calls `malloc`, too, but does not promise it.)
#[derive(Debug)]
pub struct Malloc;

/// True if `malloc` guarantees the alignment.
fn is_plain(layout: Layout) -> bool {
    layout.align() <= align_of::<libc::max_align_t>()
}

// SAFETY: malloc and its kin do what is asked for, with blocks that are aligned for every plain layout. The layout,
// which all calls for a block have in common, decides where the block comes from.
unsafe impl GlobalAlloc for Malloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: malloc has no preconditions; else the caller's promise.
        unsafe { if is_plain(layout) { libc::malloc(layout.size()).cast() } else { System.alloc(layout) } }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: calloc has no preconditions; else the caller's promise.
        unsafe { if is_plain(layout) { libc::calloc(layout.size(), 1).cast() } else { System.alloc_zeroed(layout) } }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: by the caller's promise the block came from the same place, and is not used any more.
        unsafe { if is_plain(layout) { libc::free(block.cast()) } else { System.dealloc(block, layout) } }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe {
            if is_plain(layout) {
                libc::realloc(block.cast(), size).cast()
            } else {
                System.realloc(block, layout, size)
            }
        }
    }
}

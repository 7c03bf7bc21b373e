//! The memory of large bodies. The blocks of a steady exchange stay for the bodies that come next, and those of a burst go
//! back to the system.
//!
//! An allocator keeps the pages of freed blocks that lie between others, so that the memory of a burst would stay with the
//! process. Here a bounded number of free blocks is kept, and of every other the pages are given back before it is freed.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::cause::Cause;
use crate::sys;

/// The size from which on a block is large.
const LARGE: usize = 1 << 20;

/// The size from which on `malloc` maps new memory for each block, and unmaps it when the block is freed.
pub const MAPPED_MIN: usize = 32 << 20;

/// The size of the largest block that is kept: a body of 64 MiB, and what comes with it.
const LARGEST: usize = 65 << 20;

/// The bytes of free blocks that are kept: two bodies of 16 MiB, and what comes with them. A block that is larger is kept
/// alone, and the system may have its pages at any time.
const IDLE_MAX: usize = 33 << 20;

/// The number of free blocks that are kept.
const IDLE_BLOCKS: usize = IDLE_MAX / LARGE;

static LARGE_BLOCKS: LargeBlocks = LargeBlocks::new();

/// The free blocks, and those that are to come back.
struct LargeBlocks {
    /// Tried, never waited for: a thread may have held the lock when the process forked.
    idle: Mutex<Idle>,
    /// Bytes of the blocks that have been reserved and not [retired](retire). A block that is retired beyond them is the
    /// program's own, and left to its allocator, which has to have it when the program asks for the next one.
    out: AtomicUsize,
    /// The number of the program's own blocks whose pages are given back, too: those of the same burst.
    burst: AtomicUsize,
}

/// The number of the program's own blocks that count for a burst after a block has found no place.
const BURST: usize = 64;

/// Free blocks, the oldest first.
struct Idle {
    blocks: [Vec<u8>; IDLE_BLOCKS],
    count: usize,
}

/// True for a block that may be kept.
#[inline(always)]
pub fn is_large(size: usize) -> bool {
    (LARGE..=LARGEST).contains(&size)
}

/// Reserves capacity for exactly `more` bytes, in a block that is going to be [retired](retire).
#[inline]
pub fn reserve(block: &mut Vec<u8>, more: usize) -> Result<(), Cause> {
    let size = block.len().saturating_add(more);
    match size > block.capacity() && is_large(size) {
        true => LARGE_BLOCKS.reserve(block, size),
        false => block.try_reserve_exact(more).map_err(|_| Cause::NoMemory),
    }
}

/// A free block for a body of `size` bytes that is expected; it is going to be [retired](retire).
#[inline]
pub(crate) fn take_idle(size: usize) -> Option<Vec<u8>> {
    if is_large(size) { LARGE_BLOCKS.take(size) } else { None }
}

/// Frees a block, or keeps it for the next body.
#[inline]
pub fn retire(block: Vec<u8>) {
    if is_large(block.capacity()) {
        LARGE_BLOCKS.retire(block);
    }
}

/// Frees the blocks that are kept.
pub fn release_idle() {
    if let Ok(mut idle) = LARGE_BLOCKS.idle.try_lock() {
        *idle = Idle::new();
    }
}

impl LargeBlocks {
    const fn new() -> Self {
        Self { idle: Mutex::new(Idle::new()), out: AtomicUsize::new(0), burst: AtomicUsize::new(0) }
    }

    #[cold]
    fn take(&self, size: usize) -> Option<Vec<u8>> {
        let block = self.idle.try_lock().ok()?.take(size)?;
        self.out.fetch_add(block.capacity(), Relaxed);
        Some(block)
    }

    #[cold]
    fn reserve(&self, block: &mut Vec<u8>, size: usize) -> Result<(), Cause> {
        let before = block.capacity();
        match self.take(size) {
            Some(mut idle) => {
                idle.extend_from_slice(block);
                let old = mem::replace(block, idle);
                if is_large(before) {
                    self.retire(old);
                }
            }
            None => {
                block.try_reserve_exact(size - block.len()).map_err(|_| Cause::NoMemory)?;
                self.take_back(before);
                self.out.fetch_add(block.capacity(), Relaxed);
            }
        }
        Ok(())
    }

    #[cold]
    fn retire(&self, block: Vec<u8>) {
        if self.take_back(block.capacity()) {
            let had_place = match self.idle.try_lock() {
                Ok(mut idle) => idle.add(block),
                Err(_) => {
                    free_cold(block);
                    false
                }
            };
            if !had_place {
                self.burst.store(BURST, Relaxed);
            }
        } else if self.burst.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            free_cold(block);
        }
    }

    /// Counts a block as no longer out; false if it is not one of those that are.
    fn take_back(&self, size: usize) -> bool {
        is_large(size) && self.out.fetch_update(Relaxed, Relaxed, |out| out.checked_sub(size)).is_ok()
    }
}

impl Idle {
    const fn new() -> Self {
        Self { blocks: [const { Vec::new() }; IDLE_BLOCKS], count: 0 }
    }

    /// Removes a block with capacity for `size` bytes, and not for many more: the latest, which a cache may still have.
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let fits = |block: &Vec<u8>| (size..=size + size / 2).contains(&block.capacity());
        self.blocks.iter().rposition(fits).map(|at| self.remove(at))
    }

    /// Adds a block. Older ones go where it has no place beside them; false if so.
    fn add(&mut self, mut block: Vec<u8>) -> bool {
        block.clear();
        let held = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::capacity).sum::<usize>();
        let before = self.count;
        while self.count == IDLE_BLOCKS || self.count > 0 && held(&self.blocks) + block.capacity() > IDLE_MAX {
            free_cold(self.remove(0));
        }
        if block.capacity() > IDLE_MAX {
            sys::offer_pages(&mut block);
        }
        let had_place = self.count == before;
        if let Some(free) = self.blocks.get_mut(self.count) {
            *free = block;
            self.count += 1;
        }
        had_place
    }

    fn remove(&mut self, at: usize) -> Vec<u8> {
        let Some(rest) = self.blocks.get_mut(at..) else { return Vec::new() };
        rest.rotate_left(1);
        self.count -= 1;
        rest.last_mut().map(mem::take).unwrap_or_default()
    }
}

/// Frees a block whose pages are given back before.
fn free_cold(mut block: Vec<u8>) {
    block.clear();
    sys::give_pages_back(&mut block);
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn reserved(blocks: &LargeBlocks, size: usize) -> Vec<u8> {
        let mut block = Vec::new();
        blocks.reserve(&mut block, size).unwrap();
        block
    }

    fn idle(blocks: &LargeBlocks) -> usize {
        blocks.idle.lock().unwrap().blocks.iter().map(Vec::capacity).sum()
    }

    #[test]
    fn a_steady_exchange_has_its_blocks_again() {
        let blocks = LargeBlocks::new();
        let pair = [16 * MIB, 16 * MIB].map(|size| reserved(&blocks, size));
        let addresses = pair.each_ref().map(|block| block.as_ptr());
        // The latest is the first to be taken.
        pair.into_iter().rev().for_each(|block| blocks.retire(block));
        let again = [16 * MIB, 16 * MIB].map(|size| reserved(&blocks, size));
        assert_eq!(again.each_ref().map(|block| block.as_ptr()), addresses);
        assert_eq!(idle(&blocks), 0);
    }

    #[test]
    fn a_burst_leaves_no_more_than_a_few() {
        let blocks = LargeBlocks::new();
        let burst: Vec<_> = (0..30).map(|_| reserved(&blocks, 8 * MIB)).collect();
        burst.into_iter().for_each(|block| blocks.retire(block));
        assert_eq!((idle(&blocks), blocks.out.load(Relaxed)), (32 * MIB, 0));
        (0..40).map(|_| reserved(&blocks, MIB)).collect::<Vec<_>>().into_iter().for_each(|block| blocks.retire(block));
        assert_eq!(idle(&blocks), 33 * MIB);
    }

    #[test]
    fn a_block_above_the_limit_is_kept_alone() {
        let blocks = LargeBlocks::new();
        let [small, big, other] = [MIB, 64 * MIB, 64 * MIB].map(|size| reserved(&blocks, size));
        blocks.retire(small);
        blocks.retire(big);
        assert_eq!(idle(&blocks), 64 * MIB);
        blocks.retire(other);
        assert_eq!(idle(&blocks), 64 * MIB);
        let again = reserved(&blocks, 64 * MIB);
        assert_eq!(idle(&blocks), 0);
        blocks.retire(again);
        let next = reserved(&blocks, MIB);
        blocks.retire(next);
        assert_eq!((idle(&blocks), blocks.out.load(Relaxed)), (MIB, 0));
    }

    /// Its allocator would have to take fresh pages for the program's next one.
    #[test]
    fn a_block_of_the_program_is_left_to_its_allocator() {
        let blocks = LargeBlocks::new();
        blocks.retire(Vec::with_capacity(2 * MIB));
        assert_eq!(idle(&blocks), 0);
        let own = reserved(&blocks, 2 * MIB);
        blocks.retire(Vec::with_capacity(2 * MIB));
        blocks.retire(own);
        assert_eq!(idle(&blocks), 2 * MIB);
    }

    #[test]
    fn a_block_that_grows_keeps_its_content() {
        let blocks = LargeBlocks::new();
        let big = reserved(&blocks, 4 * MIB);
        blocks.retire(big);
        let mut block = reserved(&blocks, MIB);
        block.extend_from_slice(b"content");
        blocks.reserve(&mut block, 3 * MIB).unwrap();
        assert_eq!((&block[..], block.capacity()), (&b"content"[..], 4 * MIB));
        blocks.reserve(&mut block, 5 * MIB).unwrap();
        assert_eq!((&block[..], blocks.out.load(Relaxed)), (&b"content"[..], 5 * MIB));
    }

    #[test]
    fn a_block_is_not_taken_for_a_much_smaller_body() {
        let blocks = LargeBlocks::new();
        let big = reserved(&blocks, 8 * MIB);
        blocks.retire(big);
        assert_eq!(reserved(&blocks, 2 * MIB).capacity(), 2 * MIB);
        assert_eq!(idle(&blocks), 8 * MIB);
    }
}

//! Advice to the kernel about memory.

use super::errno::KeepErrno;

/// Size of a huge page in bytes.
const HUGE_PAGE: usize = 2 << 20;

/// Asks for huge pages in the spare capacity of a block. Small pages that are new cost more than the copy into them.
pub fn advise_huge_pages(block: &mut Vec<u8>) {
    let _keep = KeepErrno::new();
    let room = block.spare_capacity_mut();
    let skipped = room.as_ptr().align_offset(HUGE_PAGE).min(room.len());
    let len = (room.len() - skipped) / HUGE_PAGE * HUGE_PAGE;
    if len > 0 {
        // SAFETY: the range lies in the spare capacity of a block that is borrowed exclusively, and the advice changes
        // no content.
        unsafe { libc::madvise(room.as_mut_ptr().add(skipped).cast(), len, libc::MADV_HUGEPAGE) };
    }
}

/// Gives the whole pages of a block's spare capacity back to the system. The block stays as it is, and the pages are fresh
/// ones when they are used again.
pub fn give_pages_back(block: &mut Vec<u8>) {
    advise_forgetting(block, libc::MADV_DONTNEED);
}

/// The same, but the system takes the pages only when it has none left. Those that are used before that are not fresh ones.
pub fn offer_pages(block: &mut Vec<u8>) {
    advise_forgetting(block, libc::MADV_FREE);
}

/// Gives an advice by which whole pages of the spare capacity may lose their content.
fn advise_forgetting(block: &mut Vec<u8>, advice: libc::c_int) {
    let _keep = KeepErrno::new();
    // SAFETY: sysconf has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(HUGE_PAGE);
    let room = block.spare_capacity_mut();
    let skipped = room.as_ptr().align_offset(page).min(room.len());
    let len = (room.len() - skipped) / page * page;
    if len > 0 {
        // SAFETY: the range lies in the spare capacity of a block that is borrowed exclusively, and has no content. Where
        // the kernel refuses, as with locked memory, the pages stay.
        unsafe { libc::madvise(room.as_mut_ptr().add(skipped).cast(), len, advice) };
    }
}

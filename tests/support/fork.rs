//! Children of a fork.

/// Runs `work` in a child, and says whether it returned true there.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `work` and ends. Of what other threads may have held it needs the allocator alone, which
    // glibc leaves usable.
    match unsafe { libc::fork() } {
        0 => {
            let status = i32::from(!work());
            // SAFETY: nothing of the parent's is cleaned up.
            unsafe { libc::_exit(status) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` is valid for writing.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            status == 0
        }
    }
}

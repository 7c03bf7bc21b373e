//! Whether the process has a single thread.

use std::ffi::c_char;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The flag of a libc that has none, as before glibc 2.32: such a process may have any number of threads.
static UNKNOWN: c_char = 0;

/// The flag of libc; null before it has been looked up.
static FLAG: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());

/// True while the calling thread is the only one of the process. False where libc does not tell.
pub fn is_only_thread() -> bool {
    let known = FLAG.load(Ordering::Relaxed);
    let flag = if known.is_null() { look_up() } else { known };
    // SAFETY: the flag is a byte that exists as long as libc. It changes only when a thread that is alone starts another.
    unsafe { flag.read_volatile() != 0 }
}

#[cold]
fn look_up() -> *mut c_char {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
    let flag = if found.is_null() { (&raw const UNKNOWN).cast_mut() } else { found.cast() };
    FLAG.store(flag, Ordering::Relaxed);
    flag
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// The test's own thread is not the process's first one.
    #[test]
    fn a_process_with_threads_has_several() {
        assert!(!is_only_thread());
        let flag = FLAG.load(Ordering::Relaxed);
        assert!(!flag.is_null() && flag.cast_const() != &raw const UNKNOWN);
    }
}

//! Which side of a `fork` this is.

use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::race::OnceBool;

static GENERATION: AtomicU64 = AtomicU64::new(0);

static REGISTERED: OnceBool = OnceBool::new();

unsafe extern "C" fn count() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// A number that is another one in the child of a `fork`. It is counted rather than taken from the process number,
/// which can come back, and which containers may share.
pub fn fork_generation() -> u64 {
    REGISTERED.get_or_init(|| {
        // Twice, should two threads be here at once, does no harm. Without memory forks go unnoticed.
        // SAFETY: the handler does nothing but count, and the library is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(count)) == 0 }
    });
    GENERATION.load(Ordering::Relaxed)
}

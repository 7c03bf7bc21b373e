//! The identity of this process among those that were forked from one another.

use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

use once_cell::race::OnceBool;

use super::errno::KeepErrno;

/// The identity of this process: a number that no process from which it descends has, or has had. Async-signal-safe.
///
/// The number comes from a counter: a process number can come back, and containers may share it.
///
/// The kernel wipes the page with the number in a child that has memory of its own. So a process differs from its child
/// whichever way that was made: `fork`, `_Fork` or `clone`. Where the kernel cannot wipe pages, the process number is
/// the identity.
#[inline]
pub fn process() -> u64 {
    IDENTITY.get()
}

/// True in a process that was forked from one that used the library. The other threads of that process are not here,
/// and their locks stay locked.
pub fn is_forked() -> bool {
    IDENTITY.is_forked()
}

static IDENTITY: Identity = Identity::new();

/// The state from which [`process`] takes the number.
struct Identity {
    /// The page with the number, which forks wipe. Null before the first use; [`UNWIPED`] where there is no such page.
    page: AtomicPtr<AtomicU64>,
    /// The last number assigned, in this process or in one from which it descends.
    last: AtomicU64,
    /// The process number of the first process, where there is no page.
    first: AtomicI32,
}

/// A stand-in for the page where forks do not wipe it.
static UNWIPED: AtomicU64 = AtomicU64::new(0);

/// The number of the first process. The page contains it before another thread can see the page.
const FIRST: u64 = 1;

/// Length of the mapping, which the kernel extends to a page.
const SIZE: usize = size_of::<AtomicU64>();

impl Identity {
    const fn new() -> Self {
        Self { page: AtomicPtr::new(ptr::null_mut()), last: AtomicU64::new(FIRST), first: AtomicI32::new(0) }
    }

    #[inline]
    fn get(&self) -> u64 {
        // SAFETY: the pointer is null, or valid for as long as the process lives.
        match unsafe { self.page.load(Ordering::Acquire).as_ref() }.map(|word| word.load(Ordering::Acquire)) {
            Some(number) if number != 0 => number,
            _ => self.assign(),
        }
    }

    fn is_forked(&self) -> bool {
        let number = self.get();
        match self.uses_pid() {
            true => number != number_of_pid(self.first.load(Ordering::Relaxed)),
            false => number != FIRST,
        }
    }

    fn uses_pid(&self) -> bool {
        ptr::eq(self.page.load(Ordering::Acquire), &UNWIPED)
    }

    #[cold]
    fn assign(&self) -> u64 {
        if self.page.load(Ordering::Acquire).is_null() {
            self.prepare(wiped_page());
        }
        if self.uses_pid() {
            return number_of_pid(current_pid());
        }
        // SAFETY: `prepare` has stored a page, which is never given back.
        let Some(word) = (unsafe { self.page.load(Ordering::Acquire).as_ref() }) else { return FIRST };
        if word.load(Ordering::Acquire) == 0 {
            // Counting comes first, so that a process forked meanwhile takes a later number. Of several threads, the
            // first to store its number decides.
            let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
            let _ = word.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
        }
        word.load(Ordering::Acquire)
    }

    /// Stores a page, or the process number in its place, unless another thread has.
    fn prepare(&self, page: Option<NonNull<AtomicU64>>) {
        let stored = match page {
            Some(page) => {
                // SAFETY: the page is new.
                unsafe { page.as_ref() }.store(FIRST, Ordering::Relaxed);
                page.as_ptr()
            }
            None => {
                self.first.store(current_pid(), Ordering::Relaxed);
                (&raw const UNWIPED).cast_mut()
            }
        };
        let first = self.page.compare_exchange(ptr::null_mut(), stored, Ordering::AcqRel, Ordering::Acquire);
        if let (Err(_), Some(page)) = (first, page) {
            let _keep = KeepErrno::new();
            // SAFETY: the page is ours, and nothing refers to it.
            unsafe { libc::munmap(page.as_ptr().cast(), SIZE) };
        }
    }
}

/// The identity for a process number, which differs from every number in a page.
fn number_of_pid(pid: i32) -> u64 {
    1 << 32 | u64::from(pid.unsigned_abs())
}

fn current_pid() -> i32 {
    // SAFETY: the function has no preconditions.
    unsafe { libc::getpid() }
}

/// A page that is zero again in the child of a fork; `None` where the kernel wipes no pages.
fn wiped_page() -> Option<NonNull<AtomicU64>> {
    /// An advice that does not exist. An emulator that accepts it accepts any, and follows none.
    const NO_ADVICE: libc::c_int = -1;
    let _keep = KeepErrno::new();
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: the mapping is new; the advice changes only the content that a child finds there.
    unsafe {
        let page = libc::mmap(ptr::null_mut(), SIZE, protection, flags, -1, 0);
        if page == libc::MAP_FAILED {
            return None;
        }
        if libc::madvise(page, SIZE, NO_ADVICE) == 0 || libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) != 0 {
            libc::munmap(page, SIZE);
            return None;
        }
        NonNull::new(page.cast())
    }
}

/// The number of calls of `fork` by the process.
static FORKS: AtomicU64 = AtomicU64::new(0);

static COUNTED: OnceBool = OnceBool::new();

unsafe extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The number of calls of `fork` by this process since the first call of this function. `_Fork` and `clone` do not
/// count.
#[inline]
pub fn forks() -> u64 {
    COUNTED.get_or_init(|| {
        let _keep = KeepErrno::new();
        // Two threads may both register the handler, which does no harm. Without memory, forks go unnoticed.
        // SAFETY: the handler does nothing but count, and the library is never unloaded.
        unsafe { libc::pthread_atfork(None, Some(count_fork), None) == 0 }
    });
    FORKS.load(Ordering::Relaxed)
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// The result of `look` in a child, which is made by the system call so that no handler runs.
    fn in_child(look: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child has memory of its own, looks at some of it and ends.
        unsafe {
            let none = 0usize;
            match libc::syscall(libc::SYS_clone, libc::SIGCHLD as usize, none, none, none, none) {
                0 => libc::_exit(i32::from(!look())),
                child => {
                    let mut status = 0;
                    assert_eq!(i64::from(libc::waitpid(child as i32, &mut status, 0)), child);
                    status == 0
                }
            }
        }
    }

    /// The numbers of three generations differ, and stay what they are.
    fn tells_generations_apart(identity: &'static Identity) {
        let own = identity.get();
        assert!(!identity.is_forked());
        assert!(in_child(|| {
            let child = identity.get();
            let told = child != own && identity.is_forked() && identity.get() == child;
            told && in_child(|| ![own, child].contains(&identity.get()) && identity.is_forked())
        }));
        assert_eq!((identity.get(), identity.is_forked()), (own, false));
    }

    #[test]
    fn a_page_tells_a_process_from_its_child() {
        static WIPED: Identity = Identity::new();
        WIPED.prepare(wiped_page());
        assert!(!WIPED.uses_pid(), "the kernel wipes no pages");
        tells_generations_apart(&WIPED);
        // A thread that comes second leaves the page alone.
        let page = WIPED.page.load(Ordering::Relaxed);
        WIPED.prepare(wiped_page());
        assert_eq!(WIPED.page.load(Ordering::Relaxed), page);
    }

    #[test]
    fn where_there_is_no_page_the_process_number_does() {
        static UNWIPED: Identity = Identity::new();
        UNWIPED.prepare(None);
        assert!(UNWIPED.uses_pid());
        tells_generations_apart(&UNWIPED);
    }

    #[test]
    fn forks_are_counted_where_they_are_made() {
        let _alone = crate::sys::alone_in_process();
        let before = forks();
        // SAFETY: the child looks at a number and ends.
        let child = match unsafe { libc::fork() } {
            // SAFETY: nothing of the parent's is cleaned up.
            0 => unsafe { libc::_exit(i32::from(forks() > before + 8)) },
            child => child,
        };
        let mut status = 0;
        // SAFETY: `status` is valid for writing.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert!(status == 0 && forks() > before);
    }
}

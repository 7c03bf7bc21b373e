//! What a thread does not want to be disturbed by: cancellation, and signals.

use std::ffi::c_int;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::{mem, ptr};

/// `pthread_cancel` has no effect on the thread while this exists. Cancelling unwinds the stack in a way that ends
/// the process when it meets Rust code, so that everything that waits is done under this.
///
/// The state belongs to the thread: it must not be held while the program's yield function may go on with other work
/// there.
#[derive(Debug)]
pub struct UncancelledCall {
    before: c_int,
    /// It cannot be given to another thread.
    of_thread: PhantomData<*const ()>,
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

impl UncancelledCall {
    /// Disables cancellation.
    #[inline]
    #[expect(clippy::new_without_default, reason = "it is an action, not a value")]
    pub fn new() -> Self {
        let mut before = 0;
        // SAFETY: the state is one of the two that exist, `before` is valid for writing.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
        Self { before, of_thread: PhantomData }
    }
}

impl Drop for UncancelledCall {
    #[inline]
    fn drop(&mut self) {
        let mut disabled = 0;
        // SAFETY: the state is what the same function reported, `disabled` is valid for writing.
        unsafe { pthread_setcancelstate(self.before, &mut disabled) };
    }
}

/// A socket to send to or to receive from. A number becomes one as it is: every system call sees to it by itself that the
/// thread is not cancelled.
#[derive(Clone, Copy, Debug)]
pub struct Fd<'a> {
    raw: RawFd,
    uncancelled: Option<&'a UncancelledCall>,
    spins: bool,
}

impl<'a> Fd<'a> {
    /// The caller has seen to it already, for several system calls at once, if it has.
    #[inline]
    pub fn held(raw: RawFd, uncancelled: Option<&'a UncancelledCall>) -> Self {
        Self { raw, uncancelled, spins: false }
    }

    /// The same, to be looked at for as long as the program wants that before a thread goes to sleep.
    #[inline]
    pub fn spinning(self) -> Self {
        Self { spins: true, ..self }
    }

    /// The number.
    #[inline]
    pub fn raw(self) -> RawFd {
        self.raw
    }

    /// It is [spinning](Self::spinning).
    #[inline]
    pub(super) fn spins(self) -> bool {
        self.spins
    }

    /// What a system call needs.
    #[inline]
    pub(super) fn uncancelled(self) -> Option<UncancelledCall> {
        self.uncancelled.is_none().then(UncancelledCall::new)
    }
}

impl From<RawFd> for Fd<'_> {
    #[inline]
    fn from(raw: RawFd) -> Self {
        Self::held(raw, None)
    }
}

/// No signal is handled by the thread while this exists, nor ever by the threads that it starts in the meantime:
/// those of a library leave the program's signals to the program's threads. Those that say what the thread itself has
/// done wrong stay as they are.
pub struct BlockedSignals(libc::sigset_t);

/// What a thread causes by itself.
const OWN_FAULTS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

impl BlockedSignals {
    /// Blocks them.
    #[expect(clippy::new_without_default, reason = "it is an action, not a value")]
    pub fn new() -> Self {
        // SAFETY: sigset_t is plain data, which the functions fill in; the pointers are to live values.
        unsafe {
            let (mut blocked, mut before) = (mem::zeroed(), mem::zeroed());
            libc::sigfillset(&mut blocked);
            for signal in OWN_FAULTS {
                libc::sigdelset(&mut blocked, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &blocked, &mut before);
            Self(before)
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set is what the same function reported.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
    }
}

/// CPUs that the process may use. (The standard library's way reads files and knows of control groups, at ten times the
/// code.)
pub fn cpus() -> usize {
    // SAFETY: cpu_set_t is plain data, for which zero means "none".
    let mut set = unsafe { std::mem::zeroed::<libc::cpu_set_t>() };
    // SAFETY: the pointer and the size describe `set`; process 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return 1;
    }
    // SAFETY: `set` has been filled in.
    usize::try_from(unsafe { libc::CPU_COUNT(&set) }).unwrap_or(1)
}

//! Threads, and guards against two things that disturb them: cancellation and signals.

use std::ffi::{CStr, c_int, c_void};
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{mem, ptr};

use super::try_arc::try_box;
use crate::adaptive_spin::Side;
use crate::cause::Cause;

/// A guard under which `pthread_cancel` has no effect on the thread. Cancellation unwinds the stack in a way that ends
/// the process when it meets Rust code, so that every call that waits has this guard.
///
/// The state belongs to the thread: the guard must not be held while the program's yield function may go on with other
/// work there.
#[derive(Debug)]
pub struct CancelDisabled {
    before: c_int,
    /// The state belongs to the thread, so that the guard is not sent to another.
    not_send: PhantomData<*const ()>,
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

impl CancelDisabled {
    /// Disables cancellation.
    #[inline]
    #[expect(clippy::new_without_default, reason = "it is an action, not a value")]
    pub fn new() -> Self {
        let mut before = 0;
        // SAFETY: the state is one of the two that exist, `before` is valid for writing.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
        Self { before, not_send: PhantomData }
    }
}

impl Drop for CancelDisabled {
    #[inline]
    fn drop(&mut self) {
        let mut disabled = 0;
        // SAFETY: the state is what the same function reported, `disabled` is valid for writing.
        unsafe { pthread_setcancelstate(self.before, &mut disabled) };
    }
}

/// A socket to send to or to receive from, with the caller's guard against cancellation, if any. A number alone becomes
/// a socket without a guard, for which each system call makes its own.
#[derive(Clone, Copy, Debug)]
pub struct SocketRef<'a> {
    raw: RawFd,
    uncancelled: Option<&'a CancelDisabled>,
    looks: Option<Side>,
}

impl<'a> SocketRef<'a> {
    /// A socket with the guard of a caller that has disabled cancellation for several system calls at once, if it has.
    #[inline]
    pub fn with_guard(raw: RawFd, uncancelled: Option<&'a CancelDisabled>) -> Self {
        Self { raw, uncancelled, looks: None }
    }

    /// The same socket, on which a receive [looks](super::set_spin) before it sleeps, where the program wants that.
    #[inline]
    pub fn looking(self, side: Side) -> Self {
        Self { looks: Some(side), ..self }
    }

    /// The number of the descriptor.
    #[inline]
    pub fn raw(self) -> RawFd {
        self.raw
    }

    /// The side at which a receive [looks](Self::looking), if it does.
    #[inline]
    pub(super) fn looks(self) -> Option<Side> {
        self.looks
    }

    /// A guard for one system call, unless the caller has one.
    #[inline]
    pub(super) fn uncancelled(self) -> Option<CancelDisabled> {
        self.uncancelled.is_none().then(CancelDisabled::new)
    }
}

impl From<RawFd> for SocketRef<'_> {
    #[inline]
    fn from(raw: RawFd) -> Self {
        Self::with_guard(raw, None)
    }
}

/// A guard under which the thread handles no signal. Threads that are started in the meantime never handle one: a
/// library's threads leave the program's signals to the program's threads. Signals that report a thread's own fault
/// stay as they are.
pub struct BlockedSignals(libc::sigset_t);

/// Signals that report a thread's own fault.
const OWN_FAULTS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS];

impl BlockedSignals {
    /// Blocks the signals.
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

/// A started thread, which is detached when dropped. A [join](Started::join) waits for its end.
#[derive(Debug)]
pub struct Started(libc::pthread_t);

/// Starts a thread, with a stack of so many bytes where that is chosen. (The standard library ends the process where
/// memory has run out.)
pub fn start_thread<F: FnOnce() + Send + 'static>(
    name: &'static CStr,
    stack: Option<usize>,
    work: F,
) -> Result<Started, Cause> {
    let work = Box::into_raw(try_box((name, work))?);
    // SAFETY: the attributes are plain data, which the functions fill in, and valid for writing. `run` owns the box
    // once the thread is started; otherwise this function does.
    unsafe {
        let mut attributes = mem::zeroed::<libc::pthread_attr_t>();
        let mut thread = mem::zeroed::<libc::pthread_t>();
        let mut failed = libc::pthread_attr_init(&mut attributes);
        if failed == 0 {
            if let Some(stack) = stack {
                let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(1);
                let stack = stack.max(libc::PTHREAD_STACK_MIN).next_multiple_of(page);
                failed = libc::pthread_attr_setstacksize(&mut attributes, stack);
            }
            if failed == 0 {
                failed = libc::pthread_create(&mut thread, &attributes, run::<F>, work.cast());
            }
            libc::pthread_attr_destroy(&mut attributes);
        }
        if failed != 0 {
            drop(Box::from_raw(work));
            return Err(Cause::NoThread(failed));
        }
        Ok(Started(thread))
    }
}

/// The start function of a thread, called by [`start_thread`].
extern "C" fn run<F: FnOnce()>(work: *mut c_void) -> *mut c_void {
    // SAFETY: `start_thread` has made the box for this, and given it away.
    let (name, work) = *unsafe { Box::from_raw(work.cast::<(&CStr, F)>()) };
    // SAFETY: the name is a C string, of which the kernel takes as much as it has room for.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    // The panic hook has reported a panic by then. The panic ends this thread and nothing else.
    drop(catch_unwind(AssertUnwindSafe(work)));
    ptr::null_mut()
}

impl Started {
    /// Waits for the end of the thread.
    pub fn join(self) {
        let thread = self.0;
        mem::forget(self);
        // SAFETY: the thread has been neither joined nor detached, and its result is not asked for.
        unsafe { libc::pthread_join(thread, ptr::null_mut()) };
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // SAFETY: the thread has been neither joined nor detached.
        unsafe { libc::pthread_detach(self.0) };
    }
}

/// The number of CPUs that the thread may use. (The standard library also reads the files of control groups, at ten
/// times the code.)
pub fn cpus() -> usize {
    cpus_of(0)
}

/// The same for the first thread of the process, whose mask the other threads begin with.
pub(super) fn cpus_of_process() -> usize {
    // SAFETY: the function has no arguments, and cannot fail.
    cpus_of(unsafe { libc::getpid() })
}

fn cpus_of(thread: libc::pid_t) -> usize {
    // SAFETY: cpu_set_t is plain data, for which zero means "none".
    let mut set = unsafe { std::mem::zeroed::<libc::cpu_set_t>() };
    // SAFETY: the pointer and the size describe `set`; thread 0 is the calling one.
    if unsafe { libc::sched_getaffinity(thread, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return 1;
    }
    // SAFETY: `set` has been filled in.
    usize::try_from(unsafe { libc::CPU_COUNT(&set) }).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_has_a_name_and_a_stack_and_is_waited_for() {
        let (tell, told) = mpsc::channel();
        let thread = start_thread(c"drpc-test", Some(100_000), move || {
            let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
            tell.send(name).unwrap();
        });
        thread.unwrap().join();
        assert_eq!(told.try_recv().as_deref(), Ok("drpc-test\n"), "it has ended");
    }

    #[test]
    fn a_panic_is_the_end_of_the_thread_alone() {
        start_thread(c"drpc-test", None, || panic!("on purpose")).unwrap().join();
    }

    #[test]
    fn what_a_thread_would_have_had_goes_when_there_is_none() {
        let (tell, told) = mpsc::channel::<()>();
        let started = start_thread(c"drpc-test", Some(1 << 60), move || tell.send(()).unwrap());
        assert!(matches!(started, Err(Cause::NoThread(_))));
        assert!(told.recv().is_err());
    }
}

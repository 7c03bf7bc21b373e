//! What threads share, from the standard library, or from shuttle where it tries out how threads can interleave
//! (`make test-shuttle`).

#[cfg(test)]
#[cfg(not(shuttle))]
pub(crate) use std::sync::Arc;
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

#[cfg(not(all(test, shuttle)))]
pub(crate) use crate::sys::{Started, start_thread};

#[cfg(all(test, shuttle))]
pub(crate) use started::{Started, start_thread};

/// Threads as shuttle has them.
#[cfg(all(test, shuttle))]
mod started {
    use std::ffi::CStr;

    use super::thread::{self, JoinHandle};
    use crate::cause::Cause;

    #[derive(Debug)]
    pub(crate) struct Started(JoinHandle<()>);

    pub(crate) fn start_thread(
        _name: &'static CStr,
        _stack: Option<usize>,
        work: impl FnOnce() + Send + 'static,
    ) -> Result<Started, Cause> {
        Ok(Started(thread::spawn(work)))
    }

    impl Started {
        pub(crate) fn join(self) {
            drop(self.0.join());
        }
    }
}

use std::cell::Cell;
use std::sync::{PoisonError, TryLockError};
use std::time::{Duration, Instant};

use crate::sys;

/// Locks. That a thread panicked while it held the lock does not matter: no caller's code runs under one, and what
/// is behind it is left whole by every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks, unless another thread has the lock.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Tries to take a lock so often before giving up.
const ATTEMPTS: usize = 1000;

/// Locks what is the process's, and is only ever locked for a moment. `None` when that moment does not end in the child of
/// a fork: whoever held the lock may not be there.
pub fn lock_briefly<T>(mutex: &std::sync::Mutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
    match sys::is_forked() {
        false => Some(mutex.lock().unwrap_or_else(PoisonError::into_inner)),
        true => try_lock_for_a_moment(mutex),
    }
}

fn try_lock_for_a_moment<T>(mutex: &std::sync::Mutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
    for _ in 0..ATTEMPTS {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::yield_now(),
        }
    }
    None
}

/// How long a lock of an inherited object is waited for.
const INHERITED_TIMEOUT: Duration = Duration::from_secs(1);

/// Locks what belongs to an object that a process has made, and may be locked for a while. `None` when the object was
/// inherited in a fork and that while does not end.
pub fn lock_made_in<T>(process: u64, mutex: &std::sync::Mutex<T>) -> Option<std::sync::MutexGuard<'_, T>> {
    if process == sys::process() {
        return Some(mutex.lock().unwrap_or_else(PoisonError::into_inner));
    }
    let began = Instant::now();
    loop {
        match try_lock_for_a_moment(mutex) {
            None if began.elapsed() < INHERITED_TIMEOUT => std::thread::sleep(Duration::from_millis(1)),
            locked => return locked,
        }
    }
}

/// The same as [`lock_briefly`] for an object that a process has inherited in a fork.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn lock_after_fork<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    try_lock_for_a_moment(mutex)
}

/// Nothing forks there.
#[cfg(all(test, shuttle))]
pub(crate) fn lock_after_fork<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    Some(lock(mutex))
}

/// The number of the next thread; 0 is none.
static NEXT_THREAD: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// A thread of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(u64);

impl ThreadId {
    /// The calling thread. (The standard library's way makes an object for each thread that asks, which threads made
    /// by C never free.)
    pub(crate) fn current() -> Self {
        THREAD.with(|thread| {
            if thread.get() == 0 {
                thread.set(NEXT_THREAD.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            }
            Self(thread.get())
        })
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_released_is_not_waited_for() {
        let mutex = Mutex::new(1);
        let held = lock_briefly(&mutex).unwrap();
        assert!(try_lock_for_a_moment(&mutex).is_none());
        drop(held);
        assert!(try_lock_for_a_moment(&mutex).is_some());
    }
}

//! Locks and threads: those of the standard library, or those of shuttle where it explores interleavings (`make
//! test-shuttle`).

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

/// Threads of shuttle.
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

/// Locks a mutex, poisoned or not. A panic under a lock does no harm: no caller's code runs under one, and every step
/// leaves the value whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks a mutex, unless another thread holds it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Attempts to take a lock before giving up.
const ATTEMPTS: usize = 1000;

/// Locks a mutex of the process that is only ever held for a moment. `None` in the child of a fork if that moment does
/// not end: the thread that held the lock may not exist there.
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

/// The longest wait for the lock of an inherited object.
const INHERITED_TIMEOUT: Duration = Duration::from_secs(1);

/// Locks a mutex of an object made in `process`, which may be held for a while. `None` if the object was inherited in a
/// fork and the lock is not released in time.
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

/// Locks a mutex of an inherited object that is only ever held for a moment. `None` if that moment does not end.
#[cfg(not(all(test, shuttle)))]
pub(crate) fn lock_after_fork<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    try_lock_for_a_moment(mutex)
}

/// Locks a mutex. Nothing forks under shuttle.
#[cfg(all(test, shuttle))]
pub(crate) fn lock_after_fork<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    Some(lock(mutex))
}

/// The identity of the next thread; 0 is none.
static NEXT_THREAD: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

thread_local! {
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The identity of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadId(u64);

impl ThreadId {
    /// The calling thread. (The standard library's way allocates for each thread that asks, and threads made by C never
    /// free that.)
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

//! What threads share, from the standard library, or from shuttle where it tries out how threads can interleave
//! (`make test-shuttle`).

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak, atomic},
    thread, thread_local,
};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Arc, Condvar, Mutex, MutexGuard, Weak, atomic},
    thread, thread_local,
};

use std::sync::PoisonError;

/// Locks. That a thread panicked while it held the lock does not matter: no caller's code runs under one, and what
/// is behind it is left whole by every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The threads of a server.

use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Instant;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, Started, lock, thread_local};

/// The number of the next server in this process; 0 is none.
static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// The stack of a thread unless the program chooses another, of which only what is used takes memory: what handlers written in C are used to.
pub(super) const STACK: usize = 8 << 20;

thread_local! {
    /// The server for which this thread runs a handler, or whose thread it is.
    pub(super) static CURRENT_SERVER: Cell<u64> = const { Cell::new(0) };
}

/// The threads of a server: none until it is started.
#[derive(Debug)]
pub(super) struct WorkerPool {
    pub(super) server: u64,
    pub(super) size: usize,
    /// Of each thread, in bytes.
    pub(super) stack: usize,
    /// The threads have the signal mask of who starts them.
    pub(super) signals: bool,
    pub(super) threads: Mutex<Threads>,
    /// A thread has ended, or has begun, or may work.
    pub(super) changed: Condvar,
    /// Threads of the pool that are in handlers. Counted before a thread looks whether the server has ended, and looked
    /// at after it has, all sequentially consistent: either the thread begins no handler, or it is seen.
    pub(super) busy: AtomicUsize,
    /// They have been all.
    pub(super) was_full: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Threads {
    pub(super) stage: Stage,
    /// Those that have what they need, or have found that they cannot have it.
    pub(super) ready: usize,
    pub(super) alive: usize,
    pub(super) handles: Vec<Started>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There are none, or there are not enough of them, so that they end.
    #[default]
    None,
    /// They are being started.
    Starting,
    /// They work.
    Working,
}

impl WorkerPool {
    pub(super) fn new(size: usize, stack: usize, signals: bool) -> Self {
        Self {
            server: NEXT_ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            size,
            stack,
            signals,
            threads: Mutex::default(),
            changed: Condvar::new(),
            busy: AtomicUsize::new(0),
            was_full: AtomicBool::new(false),
        }
    }

    /// This thread runs a handler of the server, or is one of its threads, so that it cannot wait for it.
    pub(super) fn is_own_thread(&self) -> bool {
        CURRENT_SERVER.with(Cell::get) == self.server
    }

    /// A handler runs until the result is dropped.
    pub(super) fn enter_handler(&self) -> HandlerGuard<'_> {
        let before = CURRENT_SERVER.with(|serving| serving.replace(self.server));
        let in_pool = before == self.server;
        if in_pool && self.busy.fetch_add(1, Ordering::SeqCst) + 1 >= self.size {
            self.was_full.store(true, Ordering::Release);
        }
        HandlerGuard { workers: self, before, in_pool }
    }

    /// Waits until all threads have ended, which they do unless they are in a handler; false when one still is when
    /// time is up.
    pub(super) fn wait(&self, until: Option<Instant>) -> bool {
        let mut threads = lock(&self.threads);
        while threads.alive > 0 {
            let in_handlers = threads.alive <= self.busy.load(Ordering::SeqCst);
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() && in_handlers => return false,
                Some(left) if !left.is_zero() => {
                    let waited = self.changed.wait_timeout(threads, left);
                    threads = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => threads = self.changed.wait(threads).unwrap_or_else(PoisonError::into_inner),
            }
        }
        let handles = std::mem::take(&mut threads.handles);
        drop(threads);
        // They have nothing left to do but to end.
        handles.into_iter().for_each(Started::join);
        true
    }
}

/// See [`WorkerPool::serving`].
pub(super) struct HandlerGuard<'a> {
    workers: &'a WorkerPool,
    before: u64,
    in_pool: bool,
}

impl Drop for HandlerGuard<'_> {
    fn drop(&mut self) {
        CURRENT_SERVER.with(|serving| serving.set(self.before));
        self.workers.busy.fetch_sub(usize::from(self.in_pool), Ordering::AcqRel);
    }
}

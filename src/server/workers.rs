//! The worker pool: its threads, the ones in handlers, and the wait for their end.

use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Instant;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, Started, lock, thread_local};

/// The number of the next server in this process; 0 is no server.
static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// The default stack of a thread: the size that handlers in C expect. Only the part that is used takes memory.
pub(super) const STACK: usize = 8 << 20;

/// What a thread works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Current {
    /// The server that the thread belongs to, or runs a handler for; 0 is none.
    pub(super) server: u64,
    /// The number of the thread in the server's pool, or [`NO_WORKER`].
    pub(super) worker: usize,
}

/// The number of all threads outside a pool.
pub(super) const NO_WORKER: usize = usize::MAX;

thread_local! {
    pub(super) static CURRENT: Cell<Current> = const { Cell::new(Current { server: 0, worker: NO_WORKER }) };
}

/// The threads of a server; none until it is started.
#[derive(Debug)]
pub(super) struct WorkerPool {
    pub(super) server: u64,
    pub(super) size: usize,
    /// The stack of each thread, in bytes.
    pub(super) stack: usize,
    /// True if the threads inherit the signal mask of the thread that starts them.
    pub(super) signals: bool,
    pub(super) threads: Mutex<Threads>,
    /// Notified when a thread is ready or has ended, and when the stage changes.
    pub(super) changed: Condvar,
    /// Pool threads in handlers. A thread counts itself before it checks whether the server has ended; `wait` reads the
    /// count after the end. All are sequentially consistent, so either the thread begins no handler, or it is seen.
    pub(super) busy: AtomicUsize,
    /// True once all workers were in handlers, of which one was slow, until a leader finds no event waiting.
    pub(super) saturated: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct Threads {
    pub(super) stage: Stage,
    /// Threads that have allocated their record buffer, or failed to.
    pub(super) ready: usize,
    pub(super) alive: usize,
    pub(super) handles: Vec<Started>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There are no threads, or too few have started and all end.
    #[default]
    None,
    /// Threads are being started.
    Starting,
    /// All threads work.
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
            saturated: AtomicBool::new(false),
        }
    }

    /// True if this thread belongs to the server or runs a handler for it, so that it cannot wait for the server.
    pub(super) fn is_own_thread(&self) -> bool {
        CURRENT.with(Cell::get).server == self.server
    }

    /// The number of this thread in the pool, or [`NO_WORKER`].
    #[inline(always)]
    pub(super) fn this_worker(&self) -> usize {
        let Current { server, worker } = CURRENT.with(Cell::get);
        if server == self.server { worker } else { NO_WORKER }
    }

    /// Marks this thread as in a handler, until the guard is dropped. A thread that leads is one of the pool, which have
    /// the mark of their server for good.
    #[inline]
    pub(super) fn enter_handler(&self, leads: bool) -> HandlerGuard<'_> {
        let before = if leads { None } else { Some(CURRENT.with(Cell::get)) };
        let before = before.filter(|current| current.server != self.server);
        match before {
            None => drop(self.busy.fetch_add(1, Ordering::SeqCst)),
            Some(_) => CURRENT.with(|current| current.set(Current { server: self.server, worker: NO_WORKER })),
        }
        HandlerGuard { workers: self, before }
    }

    /// Waits until all threads have ended, which those outside handlers do. False if a thread is still in a handler
    /// when the time is over.
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
        // The threads have nothing left to do but to return.
        handles.into_iter().for_each(Started::join);
        true
    }
}

/// Mark of a thread in a handler: see [`WorkerPool::enter_handler`].
pub(super) struct HandlerGuard<'a> {
    workers: &'a WorkerPool,
    /// What the thread worked for before; `None` for a thread of the pool.
    before: Option<Current>,
}

impl HandlerGuard<'_> {
    /// Notes that requests may have had to wait, if all workers are in handlers. Called at the end of a handler that was slow,
    /// or may have been.
    #[cold]
    pub(super) fn note_delay(&self) {
        if self.before.is_none() && self.workers.busy.load(Ordering::SeqCst) >= self.workers.size {
            self.workers.saturated.store(true, Ordering::Release);
        }
    }
}

impl Drop for HandlerGuard<'_> {
    fn drop(&mut self) {
        match self.before {
            None => drop(self.workers.busy.fetch_sub(1, Ordering::AcqRel)),
            Some(before) => CURRENT.with(|current| current.set(before)),
        }
    }
}

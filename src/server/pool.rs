//! The threads of a server.

use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Instant;

use super::hub::{Events, Hub};
use super::relay::{Lead, Post};
use crate::error::Cause;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Arc, Condvar, Mutex, lock, thread_local};
use crate::sys::BlockedSignals;

/// The number of the next server in this process; 0 is none.
static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// The stack of a thread unless the program chooses another, of which only what is used takes memory: what handlers written in C are used to.
pub(super) const STACK: usize = 8 << 20;

thread_local! {
    /// The server for which this thread runs a handler, or whose thread it is.
    static SERVING: Cell<u64> = const { Cell::new(0) };
}

/// The threads of a server: none until it is started.
#[derive(Debug)]
pub(super) struct Pool {
    server: u64,
    size: usize,
    /// Of each thread, in bytes.
    stack: usize,
    /// The threads have the signal mask of who starts them.
    signals: bool,
    threads: Mutex<Threads>,
    /// A thread has ended.
    ended: Condvar,
    /// Threads of the pool that are in handlers. Counted before a thread looks whether the server has ended, and looked
    /// at after it has, all sequentially consistent: either the thread begins no handler, or it is seen.
    busy: AtomicUsize,
    /// They have been all.
    was_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Threads {
    started: bool,
    alive: usize,
    handles: Vec<JoinHandle<()>>,
}

impl Pool {
    pub(super) fn new(size: usize, stack: usize, signals: bool) -> Self {
        Self {
            server: NEXT_ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            size,
            stack,
            signals,
            threads: Mutex::default(),
            ended: Condvar::new(),
            busy: AtomicUsize::new(0),
            was_full: AtomicBool::new(false),
        }
    }

    /// This thread runs a handler of the server, or is one of its threads, so that it cannot wait for it.
    pub(super) fn is_own_thread(&self) -> bool {
        SERVING.with(Cell::get) == self.server
    }

    /// A handler runs until the result is dropped.
    pub(super) fn serving(&self) -> Serving<'_> {
        let before = SERVING.with(|serving| serving.replace(self.server));
        let in_pool = before == self.server;
        if in_pool && self.busy.fetch_add(1, Ordering::SeqCst) + 1 >= self.size {
            self.was_full.store(true, Ordering::Release);
        }
        Serving { pool: self, before, in_pool }
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
                    let waited = self.ended.wait_timeout(threads, left);
                    threads = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => threads = self.ended.wait(threads).unwrap_or_else(PoisonError::into_inner),
            }
        }
        let handles = std::mem::take(&mut threads.handles);
        drop(threads);
        // They have nothing left to do but to end.
        handles.into_iter().for_each(|handle| drop(handle.join()));
        true
    }
}

/// See [`Pool::serving`].
pub(super) struct Serving<'a> {
    pool: &'a Pool,
    before: u64,
    in_pool: bool,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        SERVING.with(|serving| serving.set(self.before));
        self.pool.busy.fetch_sub(usize::from(self.in_pool), Ordering::AcqRel);
    }
}

impl Hub {
    /// Starts the threads, once: all of them, or when one cannot be started none.
    pub(super) fn start(self: &Arc<Self>) -> Result<(), Cause> {
        let pool = &self.pool;
        let complete = Arc::new(AtomicBool::new(false));
        let mut threads = lock(&pool.threads);
        if threads.started {
            return Err(Cause::Busy);
        }
        let _blocked = (!pool.signals).then(BlockedSignals::new);
        let spawn = |number| {
            let (hub, complete) = (Arc::clone(self), Arc::clone(&complete));
            let thread = thread::Builder::new().name(format!("drpc-{number}")).stack_size(pool.stack);
            thread.spawn(move || hub.work_if(&complete)).map_err(|error| Cause::no_thread(&error))
        };
        let mut handles = Vec::new();
        let started = (1..=pool.size).try_for_each(|number| spawn(number).map(|handle| handles.push(handle)));
        if started.is_ok() {
            complete.store(true, Ordering::Release);
            threads.started = true;
            threads.alive = pool.size;
            threads.handles = std::mem::take(&mut handles);
        }
        drop(threads);
        // Those that are not to work end.
        handles.into_iter().for_each(|handle| drop(handle.join()));
        started
    }

    /// What a thread does: waits until it is known whether there are enough of them.
    fn work_if(self: Arc<Self>, complete: &AtomicBool) {
        drop(lock(&self.pool.threads));
        if complete.load(Ordering::Acquire) {
            self.work();
        }
    }

    /// Leads when it is its turn.
    fn work(self: Arc<Self>) {
        /// Also when it ends because the program's log has panicked.
        struct Alive<'a>(&'a Hub);
        impl Drop for Alive<'_> {
            fn drop(&mut self) {
                // In a child of a fork its copy ends, which nobody there waits for.
                if !self.0.home.is_elsewhere() {
                    lock(&self.0.pool.threads).alive -= 1;
                    self.0.pool.ended.notify_all();
                }
            }
        }
        let _alive = Alive(&self);
        SERVING.with(|serving| serving.set(self.pool.server));
        // The set of descriptors, which alone could fail, is there as long as the server is.
        while let Ok(Some(lead)) = self.stand_by() {
            if self.lead(lead).is_err() {
                break;
            }
        }
    }

    /// Waits for events and deals with them, until somebody else leads.
    fn lead(self: &Arc<Self>, mut lead: Lead<'_>) -> Result<(), Cause> {
        let mut events = Events::default();
        while !self.has_ended() && lead.go(Post::Waiting) {
            // A handler has forked, and returned in the child.
            if self.home.is_elsewhere() {
                return Err(Cause::Forked);
            }
            // What is there already has had to wait, if until now no thread was free.
            lead.late = self.pool.was_full.load(Ordering::Acquire);
            if lead.late {
                self.epoll.wait_for(0, &mut events)?;
            } else {
                self.wait(None, &mut events)?;
            }
            match events.is_empty() {
                true => self.pool.was_full.store(false, Ordering::Release),
                false => self.handle(&events, &mut lead),
            }
        }
        Ok(())
    }
}

//! The threads of a server.

use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Instant;

use super::leader::{LeaderGuard, LeaderState};
use super::reactor::{Events, Reactor};
use crate::cause::Cause;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, Started, lock, start_thread, thread_local};
use crate::sys::{self, BlockedSignals, TryArc};

/// The number of the next server in this process; 0 is none.
static NEXT_ID: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

/// The stack of a thread unless the program chooses another, of which only what is used takes memory: what handlers written in C are used to.
pub(super) const STACK: usize = 8 << 20;

thread_local! {
    /// The server for which this thread runs a handler, or whose thread it is.
    static CURRENT_SERVER: Cell<u64> = const { Cell::new(0) };
}

/// The threads of a server: none until it is started.
#[derive(Debug)]
pub(super) struct WorkerPool {
    server: u64,
    size: usize,
    /// Of each thread, in bytes.
    stack: usize,
    /// The threads have the signal mask of who starts them.
    signals: bool,
    threads: Mutex<Threads>,
    /// A thread has ended, or has begun, or may work.
    changed: Condvar,
    /// Threads of the pool that are in handlers. Counted before a thread looks whether the server has ended, and looked
    /// at after it has, all sequentially consistent: either the thread begins no handler, or it is seen.
    busy: AtomicUsize,
    /// They have been all.
    was_full: AtomicBool,
}

#[derive(Debug, Default)]
struct Threads {
    stage: Stage,
    /// Those that have what they need, or have found that they cannot have it.
    ready: usize,
    alive: usize,
    handles: Vec<Started>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
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

impl Reactor {
    /// Starts the threads, once: all of them, or when one cannot be started none.
    pub(super) fn start(this: &TryArc<Self>) -> Result<(), Cause> {
        let workers = &this.workers;
        let mut threads = lock(&workers.threads);
        if threads.stage != Stage::None {
            return Err(Cause::Busy);
        }
        let mut handles = Vec::new();
        handles.try_reserve_exact(workers.size).map_err(|_| Cause::NoMemory)?;
        threads.stage = Stage::Starting;
        let started = {
            let _blocked = (!workers.signals).then(BlockedSignals::new);
            (0..workers.size).try_for_each(|_| {
                let reactor = this.clone();
                start_thread(c"drpc-server", Some(workers.stack), move || Self::work_if(&reactor))
                    .map(|thread| handles.extend([thread]))
            })
        };
        while threads.ready < handles.len() {
            threads = workers.changed.wait(threads).unwrap_or_else(PoisonError::into_inner);
        }
        let started = started.and(if threads.stage == Stage::Starting { Ok(()) } else { Err(Cause::NoMemory) });
        threads.ready = 0;
        match started {
            Ok(()) => {
                threads.stage = Stage::Working;
                threads.alive = workers.size;
                threads.handles = std::mem::take(&mut handles);
            }
            Err(_) => threads.stage = Stage::None,
        }
        drop(threads);
        workers.changed.notify_all();
        // Those that are not to work end.
        handles.into_iter().for_each(Started::join);
        started
    }

    /// What a thread does: gets what it needs, and waits until it is known whether there are enough of them.
    fn work_if(this: &TryArc<Self>) {
        let had = sys::have_record();
        let mut threads = lock(&this.workers.threads);
        if had.is_err() {
            threads.stage = Stage::None;
        }
        threads.ready += 1;
        this.workers.changed.notify_all();
        while threads.stage == Stage::Starting {
            threads = this.workers.changed.wait(threads).unwrap_or_else(PoisonError::into_inner);
        }
        let works = threads.stage == Stage::Working;
        drop(threads);
        if works {
            Self::work(this);
        }
    }

    /// Leads when it is its turn.
    fn work(this: &TryArc<Self>) {
        /// Also when it ends because the program's log has panicked.
        struct Alive<'a>(&'a Reactor);
        impl Drop for Alive<'_> {
            fn drop(&mut self) {
                // In a child of a fork its copy ends, which nobody there waits for.
                if !self.0.owner.is_elsewhere() {
                    lock(&self.0.workers.threads).alive -= 1;
                    self.0.workers.changed.notify_all();
                }
            }
        }
        let _alive = Alive(this);
        CURRENT_SERVER.with(|serving| serving.set(this.workers.server));
        // The set of descriptors, which alone could fail, is there as long as the server is.
        while let Ok(Some(leader)) = this.await_leadership() {
            if Self::lead(this, leader).is_err() {
                break;
            }
        }
    }

    /// Waits for events and deals with them, until somebody else leads.
    fn lead(this: &TryArc<Self>, mut leader: LeaderGuard<'_>) -> Result<(), Cause> {
        let mut events = Events::default();
        while !this.has_ended() && leader.enter(LeaderState::Waiting) {
            // A handler has forked, and returned in the child.
            if this.owner.is_elsewhere() {
                return Err(Cause::Forked);
            }
            // What is there already has had to wait, if until now no thread was free.
            leader.late = this.workers.was_full.load(Ordering::Acquire);
            if leader.late {
                this.epoll.wait_for(0, &mut events)?;
            } else {
                this.wait(None, &mut events)?;
            }
            match events.is_empty() {
                true => this.workers.was_full.store(false, Ordering::Release),
                false => Self::handle(this, &events, &mut leader),
            }
        }
        Ok(())
    }
}

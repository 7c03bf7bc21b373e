//! The work of a server's threads: start together, lead in turn, handle events.

use std::sync::PoisonError;

use super::leader::{LeaderGuard, LeaderState};
use super::reactor::{Events, Reactor};
use super::workers::{CURRENT, Current, Stage};
use crate::cause::Cause;
use crate::sync::atomic::Ordering;
use crate::sync::{Started, lock, start_thread};
use crate::sys::{self, BlockedSignals, TryArc};

impl Reactor {
    /// Starts the threads, once: all of them, or none if one cannot be started.
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
            (0..workers.size).try_for_each(|worker| {
                let reactor = this.clone();
                start_thread(c"drpc-server", Some(workers.stack), move || Self::work_if_started(&reactor, worker))
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
        // After a failure, the threads that were started end.
        handles.into_iter().for_each(Started::join);
        started
    }

    /// A thread's entry: allocates its record buffer, and waits until it is known whether all threads have started.
    fn work_if_started(this: &TryArc<Self>, worker: usize) {
        let had = sys::ensure_record_buffer();
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
            Self::work(this, worker);
        }
    }

    /// Leads whenever this thread becomes the leader, until the server has ended.
    fn work(this: &TryArc<Self>, worker: usize) {
        /// Counts the thread as gone also if the program's log panics.
        struct Alive<'a>(&'a Reactor);
        impl Drop for Alive<'_> {
            fn drop(&mut self) {
                // In a child of a fork this is a copy, which no thread there waits for.
                if !self.0.owner.is_other_process() {
                    lock(&self.0.workers.threads).alive -= 1;
                    self.0.workers.changed.notify_all();
                }
            }
        }
        let _alive = Alive(this);
        CURRENT.with(|current| current.set(Current { server: this.workers.server, worker }));
        // Only a closed epoll set could fail, and the server keeps it open.
        while let Ok(Some(mut leader)) = this.await_leadership() {
            leader.tally = Some(this.counters.tally(worker));
            if Self::lead(this, leader).is_err() {
                break;
            }
        }
    }

    /// Waits for events and handles them, until another thread leads.
    fn lead(this: &TryArc<Self>, mut leader: LeaderGuard<'_>) -> Result<(), Cause> {
        let mut events = Events::default();
        while !this.has_ended() && leader.enter(LeaderState::Waiting) {
            // A handler has forked, and returned in the child.
            if this.owner.is_other_process() {
                return Err(Cause::Forked);
            }
            // Events that are there already had to wait, if no thread was free until now.
            leader.saturated = this.workers.saturated.load(Ordering::Acquire);
            let timeout_ms = if leader.saturated { 0 } else { -1 };
            if !Self::serve_next(this, timeout_ms, &mut events, &mut leader)? {
                this.workers.saturated.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Waits until this thread leads; `None` once the server has ended.
    fn await_leadership(&self) -> Result<Option<LeaderGuard<'_>>, Cause> {
        self.leader_slot.await_leadership(|| self.await_event().map(|()| !self.has_ended()))
    }
}

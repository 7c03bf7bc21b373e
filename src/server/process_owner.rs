//! Which process a server belongs to, where its program forks.
//!
//! A socket may be made in one process and served in another: a daemon listens, and then leaves its parent. So a server
//! belongs to the process that first serves, and what another one has of it is a copy, of which nothing but the descriptors
//! can be given up.

use std::os::fd::AsFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use super::reactor::{Reactor, token};
use crate::cause::Cause;
use crate::sync::lock_made_in;
use crate::sys::{self, Epoll, Interest, Waker, Watch};

/// No process.
const NONE: u64 = 0;

/// The process that a server belongs to, and those that had it before.
#[derive(Debug)]
pub(super) struct ProcessOwner {
    /// The process that made the socket.
    creator: u64,
    /// How often that one had forked by then.
    forks: u64,
    /// The process that the server belongs to.
    current: AtomicU64,
    /// The process that has to itself the descriptors which wake a thread. A child shares them with its parent until it
    /// makes its own.
    unshared: AtomicU64,
    unsharing: Mutex<()>,
    /// The program has the epoll set, and may be waiting for it.
    exposed: AtomicBool,
    /// The program wants the server to end.
    stopped: AtomicBool,
}

impl ProcessOwner {
    pub(super) fn new() -> Self {
        let process = sys::process();
        Self {
            creator: process,
            forks: sys::forks(),
            current: AtomicU64::new(NONE),
            unshared: AtomicU64::new(process),
            unsharing: Mutex::new(()),
            exposed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    /// The server belongs to another process.
    #[inline]
    pub(super) fn is_elsewhere(&self) -> bool {
        let current = self.current.load(SeqCst);
        current != NONE && current != sys::process()
    }

    /// It belongs to this one.
    pub(super) fn is_here(&self) -> bool {
        self.current.load(SeqCst) == sys::process()
    }

    /// It belongs to this one, which has made the socket, too: nobody else serves there.
    pub(super) fn is_creator(&self) -> bool {
        self.is_here() && self.creator == sys::process()
    }

    /// It belongs to no process again.
    pub(super) fn give_back(&self) {
        let _ = self.current.compare_exchange(sys::process(), NONE, SeqCst, SeqCst);
    }

    /// It belongs to no process yet, and another one may have it by now, as the one that made the socket has forked.
    pub(super) fn is_open(&self) -> bool {
        let stayed = || self.creator == sys::process() && self.forks == sys::forks();
        self.current.load(SeqCst) == NONE && !stayed()
    }
}

impl Reactor {
    /// Makes this process the one that the server belongs to, if it belongs to none; true if it has been made so just now.
    /// One that has ended belongs to whom it did.
    #[inline]
    pub(super) fn claim(&self) -> Result<bool, Cause> {
        if self.owner.is_here() { Ok(false) } else { self.claim_first() }
    }

    #[cold]
    fn claim_first(&self) -> Result<bool, Cause> {
        let (owner, process) = (&self.owner, sys::process());
        if self.has_ended() && !owner.is_elsewhere() {
            return Ok(false);
        }
        self.unshare_descriptors()?;
        match owner.current.compare_exchange(NONE, process, SeqCst, SeqCst) {
            Err(current) if current != process => Err(Cause::Forked),
            claimed => Ok(claimed.is_ok()),
        }
    }

    /// Gives this process descriptors of its own where it shares them with one that it was forked from. Their numbers stay.
    pub(super) fn unshare_descriptors(&self) -> Result<(), Cause> {
        let (owner, process) = (&self.owner, sys::process());
        if owner.is_elsewhere() {
            return Err(Cause::Forked);
        }
        if owner.unshared.load(SeqCst) == process {
            return Ok(());
        }
        let _settling = lock_made_in(owner.creator, &owner.unsharing).ok_or(Cause::Forked)?;
        if owner.unshared.load(SeqCst) == process {
            return Ok(());
        }
        if owner.exposed.load(SeqCst) {
            // The program waits for this set, and the other process does not serve.
            let _ = (self.epoll.remove(self.wake.as_fd()), self.epoll.remove(self.timers.as_fd()));
        } else {
            self.epoll.replace(Epoll::new()?)?;
            self.watch_listener_first(&self.epoll)?;
        }
        self.wake.replace(Waker::new()?)?;
        self.timers.renew()?;
        self.epoll.add(self.wake.as_fd(), token::WAKE, Watch::Once(Interest::READ))?;
        self.epoll.add(self.timers.as_fd(), token::TIMER, Watch::Once(Interest::READ))?;
        owner.unshared.store(process, SeqCst);
        // Whoever stops the server either sees that these are its descriptors, or is seen here.
        if owner.stopped.load(SeqCst) {
            self.wake.raise();
        }
        Ok(())
    }

    /// Has the epoll set in the program's hands from now on. One that a process before had in its hands may be served there,
    /// and stays as it is until this one claims the server.
    pub(super) fn expose(&self) {
        if self.owner.exposed.load(SeqCst) {
            return;
        }
        // Where it cannot be the process's own, it is of no use to the program, which is told so when it dispatches.
        let _ = self.unshare_descriptors();
        self.owner.exposed.store(true, SeqCst);
    }

    /// Begins to end the server if it is this process's, or may be: see [`Server::stop`](super::Server::stop).
    /// Async-signal-safe.
    pub(super) fn stop(&self) {
        let owner = &self.owner;
        if owner.is_elsewhere() {
            return;
        }
        owner.stopped.store(true, SeqCst);
        if owner.unshared.load(SeqCst) == sys::process() {
            self.wake.raise();
        }
    }
}

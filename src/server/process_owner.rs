//! Which process a server belongs to, where its program forks.
//!
//! A socket may be made in one process and served in another: a daemon listens, and then leaves its parent. So a server
//! belongs to the process that first serves, and what another one has of it is a copy, of which nothing but the descriptors
//! can be given up.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::sys;

/// No process.
pub(super) const NONE: u64 = 0;

/// The process that a server belongs to, and those that had it before.
#[derive(Debug)]
pub(super) struct ProcessOwner {
    /// The process that made the socket.
    pub(super) creator: u64,
    /// How often that one had forked by then.
    pub(super) forks: u64,
    /// The process that the server belongs to.
    pub(super) current: AtomicU64,
    /// The process that has to itself the descriptors which wake a thread. A child shares them with its parent until it
    /// makes its own.
    pub(super) unshared: AtomicU64,
    pub(super) unsharing: Mutex<()>,
    /// The program has the epoll set, and may be waiting for it.
    pub(super) exposed: AtomicBool,
    /// The program wants the server to end.
    pub(super) stopped: AtomicBool,
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

//! The process that owns a server, in a program that forks.
//!
//! A socket may be made in one process and served in another: a daemon listens first, and then leaves its parent. So
//! the process that first serves owns the server. Any other process has a copy, which can only close its descriptors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::sys;

/// No process.
pub(super) const NONE: u64 = 0;

/// The process that owns a server, and the state needed to pass it to a child.
#[derive(Debug)]
pub(super) struct ProcessOwner {
    /// The process that made the socket.
    pub(super) creator: u64,
    /// The number of times that the creator had forked by then.
    pub(super) forks: u64,
    /// The owner, or [`NONE`].
    pub(super) current: AtomicU64,
    /// The process whose waker, timer and epoll set are its own. A child shares its parent's until it makes new ones.
    pub(super) unshared_by: AtomicU64,
    pub(super) unsharing: Mutex<()>,
    /// True once the program has the epoll set, and may be waiting for it.
    pub(super) exposed: AtomicBool,
    /// True once the program has stopped the server.
    pub(super) stopped: AtomicBool,
}

impl ProcessOwner {
    pub(super) fn new() -> Self {
        let process = sys::process();
        Self {
            creator: process,
            forks: sys::forks(),
            current: AtomicU64::new(NONE),
            unshared_by: AtomicU64::new(process),
            unsharing: Mutex::new(()),
            exposed: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
        }
    }

    /// True while another process is the owner.
    #[inline]
    pub(super) fn is_other_process(&self) -> bool {
        let current = self.current.load(SeqCst);
        current != NONE && current != sys::process()
    }

    /// True while this process is the owner.
    pub(super) fn is_this_process(&self) -> bool {
        self.current.load(SeqCst) == sys::process()
    }

    /// True while this process is the owner and has made the socket, so that no other process serves it.
    pub(super) fn is_creator(&self) -> bool {
        self.is_this_process() && self.creator == sys::process()
    }

    /// Gives up the ownership.
    pub(super) fn release(&self) {
        let _ = self.current.compare_exchange(sys::process(), NONE, SeqCst, SeqCst);
    }

    /// True while there is no owner known here and another process may have become it: the creator has forked since the
    /// bind.
    pub(super) fn is_unknown(&self) -> bool {
        let stayed = || self.creator == sys::process() && self.forks == sys::forks();
        self.current.load(SeqCst) == NONE && !stayed()
    }
}

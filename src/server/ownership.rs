//! Making a server this process's own, with descriptors that no other process shares.

use std::os::fd::AsFd;
use std::sync::atomic::Ordering::SeqCst;

use super::process_owner::NONE;
use super::reactor::{Reactor, token};
use crate::cause::Cause;
use crate::sync::lock_made_in;
use crate::sys::{self, Epoll, Interest, Waker, Watch};

impl Reactor {
    /// Makes this process the server's owner if there is none. True if this call has done so. A server that has ended
    /// changes no owner.
    #[inline]
    pub(super) fn acquire_ownership(&self) -> Result<bool, Cause> {
        if self.owner.is_this_process() { Ok(false) } else { self.acquire_first() }
    }

    #[cold]
    fn acquire_first(&self) -> Result<bool, Cause> {
        let (owner, process) = (&self.owner, sys::process());
        if self.has_ended() && !owner.is_other_process() {
            return Ok(false);
        }
        self.unshare_descriptors()?;
        match owner.current.compare_exchange(NONE, process, SeqCst, SeqCst) {
            Err(current) if current != process => Err(Cause::Forked),
            acquired => Ok(acquired.is_ok()),
        }
    }

    /// Replaces the descriptors that this process shares with its parent by new ones under the same numbers.
    pub(super) fn unshare_descriptors(&self) -> Result<(), Cause> {
        let (owner, process) = (&self.owner, sys::process());
        if owner.is_other_process() {
            return Err(Cause::Forked);
        }
        if owner.unshared_by.load(SeqCst) == process {
            return Ok(());
        }
        let _unsharing = lock_made_in(owner.creator, &owner.unsharing).ok_or(Cause::Forked)?;
        if owner.unshared_by.load(SeqCst) == process {
            return Ok(());
        }
        if owner.exposed.load(SeqCst) {
            // The program waits for this set, and the other process does not serve.
            let _ = (self.epoll.remove(self.wake.as_fd()), self.epoll.remove(self.timers.as_fd()));
        } else {
            self.epoll.replace(Epoll::new()?)?;
            self.add_listener()?;
        }
        self.wake.replace(Waker::new()?)?;
        self.timers.renew()?;
        self.epoll.add(self.wake.as_fd(), token::WAKE, Watch::Once(Interest::READ))?;
        self.epoll.add(self.timers.as_fd(), token::TIMER, Watch::Once(Interest::READ))?;
        owner.unshared_by.store(process, SeqCst);
        // A thread that stops the server either sees this store and raises the waker, or is seen here.
        if owner.stopped.load(SeqCst) {
            self.wake.raise();
        }
        Ok(())
    }

    /// Marks the epoll set as known to the program from now on. A set that the parent's program knew may be served
    /// there, and stays shared until this process owns the server.
    pub(super) fn expose(&self) {
        if self.owner.exposed.load(SeqCst) {
            return;
        }
        // If this fails the set is useless to the program, which learns so from the next dispatch.
        let _ = self.unshare_descriptors();
        self.owner.exposed.store(true, SeqCst);
    }

    /// Begins to end the server unless another process owns it: see [`Server::stop`](super::Server::stop).
    /// Async-signal-safe.
    pub(super) fn stop(&self) {
        let owner = &self.owner;
        if owner.is_other_process() {
            return;
        }
        owner.stopped.store(true, SeqCst);
        if owner.unshared_by.load(SeqCst) == sys::process() {
            self.wake.raise();
        }
    }
}

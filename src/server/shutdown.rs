//! The way of a server to its end.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use super::leader::LeaderGuard;
use super::reactor::{Events, Reactor, alarm, token};
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::log::Level;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::sys::{self, Interest, TryArc, Watch};

/// A point in time, however far away.
fn after(time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(time.min(FAR)).unwrap_or(now)
}

impl Reactor {
    /// Takes in no more clients and no more calls.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.draining.load(Ordering::Acquire)
    }

    /// All sessions have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.drain.ended.load(Ordering::SeqCst)
    }

    /// Shuts down, with so much time for what is going on. Of several deadlines the earliest holds.
    pub(super) fn begin_shutdown(&self, time: Duration) {
        let at = after(time);
        let first = {
            let mut deadline = lock(&self.drain.deadline);
            let first = deadline.is_none();
            *deadline = Some(deadline.map_or(at, |before| before.min(at)));
            self.drain.draining.store(true, Ordering::Release);
            first
        };
        self.timers.set(at, alarm::DEADLINE);
        if first {
            self.log.line(Level::Info, format_args!("{}: shutting down", self.acceptor.path().display()));
            self.close_listener();
            // A session that is not on the roll yet sees that the server is shutting down.
            self.sessions.for_each(|session| session.close(self));
            self.wake.raise();
            self.end_if_empty();
        }
    }

    /// Ends here what another process may serve. Its descriptors, which this process shares, are left alone.
    pub(super) fn leave(&self) {
        self.drain.draining.store(true, Ordering::Release);
        self.drain.ended.store(true, Ordering::SeqCst);
        self.acceptor.leave();
    }

    /// Somebody has said that the server is to end.
    pub(super) fn wake_up(&self) {
        if !self.is_draining() {
            self.begin_shutdown(self.drain.grace);
        }
    }

    /// Ends when the last session has ended.
    pub(super) fn end_if_empty(&self) {
        if self.is_draining() && self.sessions.close_if_empty() {
            // Before anybody looks how many threads are in handlers: see `WorkerPool::busy`.
            self.drain.ended.store(true, Ordering::SeqCst);
            // From now on every thread that waits is woken. It cannot fail for a descriptor that has been added.
            let _ = self.epoll.set(self.wake.as_fd(), token::WAKE, Watch::Always(Interest::READ));
            self.wake.raise();
        }
    }

    /// An alarm says that the deadline has passed; it may have been set to another one.
    pub(super) fn cut_if_due(&self, now: Instant) {
        if self.drain.deadline().is_some_and(|deadline| deadline <= now) {
            self.cut();
        }
    }

    /// The deadline has passed, so that sessions are to be cut off.
    pub(super) fn is_overdue(&self) -> bool {
        self.drain.overdue.load(Ordering::Acquire)
    }

    fn cut(&self) {
        self.drain.overdue.store(true, Ordering::Release);
        self.sessions.for_each(|session| session.cut(self));
    }

    /// Something is being cut off. This is said before the session leaves, whose end may be that of the server.
    pub(super) fn set_calls_cut(&self) {
        self.drain.calls_cut.store(true, Ordering::Release);
    }

    /// Waits until the server has ended, and does what is left to do meanwhile: its threads may all be in handlers.
    /// Then waits for the threads, until the deadline or, if patient, without end.
    pub(super) fn finish(this: &TryArc<Self>, patient: bool) -> Result<(), Error> {
        let mut events = Events::default();
        while !this.has_ended() {
            this.wait(None, &mut events).map_err(|cause| this.error(Phase::Shutdown, cause))?;
            Self::handle(this, &events, &mut LeaderGuard::none());
        }
        let idle = this.workers.wait(this.drain.deadline().filter(|_| !patient));
        if idle && !this.drain.calls_cut.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(this.error(Phase::Shutdown, Cause::TimedOut))
    }

    /// Waits until somebody has the server end.
    pub(super) fn wait_for_wake(&self) -> Result<(), Error> {
        let mut fds = [sys::PollFd { fd: self.wake.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        loop {
            match sys::poll(&mut fds, -1) {
                Ok(0) | Err(Cause::Os(libc::EINTR)) => {}
                Ok(_) => return Ok(()),
                Err(cause) => return Err(self.error(Phase::Serve, cause)),
            }
        }
    }
}

//! Shutting a server down.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use super::leader::LeaderGuard;
use super::reactor::{Events, Reactor, alarm, token};
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::log::Level;
use crate::log_about::About;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::sys::{self, Interest, TryArc, Watch};

/// The point in time after a duration, however long.
fn after(time: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(time.min(FAR)).unwrap_or(now)
}

impl Reactor {
    /// True once no more clients and calls are accepted.
    pub(super) fn is_draining(&self) -> bool {
        self.drain.draining.load(Ordering::Acquire)
    }

    /// True once the server is shut down and all sessions have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.drain.ended.load(Ordering::SeqCst)
    }

    /// Shuts down, with this much time for running calls. The earliest of several deadlines holds.
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
            self.log.line(Level::Info, format_args!("shutting down{}", About::server(self.acceptor.path())));
            self.close_listener();
            // A session that is not inserted yet sees the shutdown after its insertion.
            self.sessions.for_each(|session| session.close(self));
            self.wake.raise();
            self.end_if_empty();
        }
    }

    /// Ends the server in this process only, as another process may serve. The descriptors are shared, and left alone.
    pub(super) fn end_here(&self) {
        self.drain.draining.store(true, Ordering::Release);
        self.drain.ended.store(true, Ordering::SeqCst);
        self.acceptor.close_here();
    }

    /// Answers the waker: begins the shutdown.
    pub(super) fn handle_wake(&self) {
        if !self.is_draining() {
            self.begin_shutdown(self.drain.grace);
        }
    }

    /// Ends the server if it is shutting down and the last session has ended.
    pub(super) fn end_if_empty(&self) {
        if self.is_draining() && self.sessions.close_if_empty() {
            // Stored before any thread reads `WorkerPool::busy`.
            self.drain.ended.store(true, Ordering::SeqCst);
            // Level-triggered from now on, so that every waiting thread wakes. This cannot fail for a descriptor that
            // was added.
            let _ = self.epoll.set(self.wake.as_fd(), token::WAKE, Watch::Always(Interest::READ));
            self.wake.raise();
        }
    }

    /// Aborts the sessions once the deadline has passed. The alarm may have been set for a later one.
    pub(super) fn abort_if_due(&self, now: Instant) {
        if self.drain.deadline().is_some_and(|deadline| deadline <= now) {
            self.abort_sessions();
        }
    }

    /// True once the deadline has passed, so that sessions are aborted.
    pub(super) fn is_overdue(&self) -> bool {
        self.drain.overdue.load(Ordering::Acquire)
    }

    fn abort_sessions(&self) {
        self.drain.overdue.store(true, Ordering::Release);
        self.sessions.for_each(|session| session.abort(self));
    }

    /// Records that a call or a response is aborted. This comes before the session is removed, which may end the
    /// server.
    pub(super) fn set_calls_aborted(&self) {
        self.drain.calls_aborted.store(true, Ordering::Release);
    }

    /// Serves until the server has ended, as its threads may all be in handlers. Then waits for the threads until the
    /// deadline or, if patient, without end.
    pub(super) fn finish(this: &TryArc<Self>, patient: bool) -> Result<(), Error> {
        let mut events = Events::default();
        while !this.has_ended() {
            let served = Self::serve_next(this, -1, &mut events, &mut LeaderGuard::none());
            served.map_err(|cause| this.error(Phase::Shutdown, cause))?;
        }
        let idle = this.workers.wait(this.drain.deadline().filter(|_| !patient));
        if idle && !this.drain.calls_aborted.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(this.error(Phase::Shutdown, Cause::TimedOut))
    }

    /// Waits until the waker is raised.
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

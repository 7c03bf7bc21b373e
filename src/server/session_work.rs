//! Taking a session's lock, having `LockedSession` do the work, rearming, and logging once the lock is given back.

use std::os::fd::AsFd;
use std::time::Instant;

use super::locked_session::LockedSession;
use super::log_event::{Fault, Limit, LogEvent};
use super::reactor::Reactor;
use super::server_session::{ReadyCall, ServerSession, State};
use super::session_log::Lines;
use super::stats::Tally;
use crate::cause::Cause;
use crate::request::{Answer, Answers};
use crate::session::Session;
use crate::sync::{MutexGuard, lock, thread, try_lock};
use crate::sys::{Interest, Watch};

impl ServerSession {
    /// Watches the session for its first call.
    pub(super) fn watch(&self, reactor: &Reactor) {
        let added = reactor.epoll.add(self.as_fd(), self.token(), Watch::Always(Interest::READ));
        self.change(reactor, |locked| {
            if let Err(cause) = added {
                locked.log(LogEvent::Fault(Fault::Accept, Some(cause)));
                locked.remove();
            }
        });
    }

    /// Handles an event of the socket: sends waiting responses, and reads. Returns a call to be handled. While another
    /// thread has the lock nothing is done, as epoll reports the event again.
    pub(super) fn serve(&self, reactor: &Reactor, tally: &Tally, hung_up: bool) -> Option<ReadyCall> {
        let Some(state) = try_lock(&self.state) else {
            thread::yield_now();
            return None;
        };
        self.change_locked(reactor, tally, state, |locked| {
            locked.state.hung_up |= hung_up;
            if locked.interest() == Interest::NONE {
                locked.ignore();
            }
            if locked.state.in_flight.is_serving() {
                locked.restart_idle_time();
            }
            locked.serve()
        })
    }

    /// Looks for a call of a session that is read without an event. Nothing is done while another thread has the lock, or
    /// while the session does not read.
    pub(super) fn look(&self, reactor: &Reactor, tally: &Tally) -> Option<ReadyCall> {
        let state = try_lock(&self.state)?;
        if state.removed || state.armed != Interest::READ {
            return None;
        }
        self.change_locked(reactor, tally, state, |locked| {
            let ready = locked.serve();
            if ready.is_some() || locked.state.message.is_partial() {
                locked.restart_idle_time();
            }
            ready
        })
    }

    /// Ends the connection now.
    pub(super) fn abandon(&self, reactor: &Reactor) {
        self.change(reactor, |locked| locked.abandon());
    }

    /// Takes no more calls, and ends the session once those that have come are answered.
    pub(super) fn close(&self, reactor: &Reactor) {
        self.change(reactor, |locked| locked.close());
    }

    /// Ends the session now. Calls that have come and are not answered are answered with a failure.
    pub(super) fn abort(&self, reactor: &Reactor) {
        self.change(reactor, |locked| locked.abort());
    }

    /// Handles an alarm of the session.
    pub(super) fn expire(&self, reactor: &Reactor, now: Instant) {
        self.change(reactor, |locked| {
            locked.state.alarm = None;
            locked.expire(now);
        });
    }

    fn change<T>(&self, reactor: &Reactor, work: impl FnOnce(&mut LockedSession<'_>) -> T) -> T {
        self.change_locked(reactor, reactor.tally(), lock(&self.state), work)
    }

    #[inline]
    fn change_locked<T>(
        &self,
        reactor: &Reactor,
        tally: &Tally,
        mut state: MutexGuard<'_, State>,
        work: impl FnOnce(&mut LockedSession<'_>) -> T,
    ) -> T {
        let mut lines = Lines::default();
        let mut locked = LockedSession { session: self, reactor, tally, state: &mut state, lines: &mut lines };
        let result = work(&mut locked);
        locked.rearm();
        drop(state);
        if !lines.is_empty() {
            reactor.log_lines(&lines, self);
        }
        result
    }
}

impl Answers for ServerSession {
    fn handle(&self) -> &Session {
        self.handle()
    }

    fn answer(&self, tag: u64, answer: Answer<'_>) -> Result<(), Cause> {
        if self.reactor.owner.is_other_process() {
            return Err(Cause::Forked);
        }
        self.change(&self.reactor, |locked| {
            let call = locked.state.in_flight.finish(tag).ok_or(Cause::SessionEnded)?;
            locked.restart_idle_time();
            locked.reply(call.slot, answer).map_err(|cause| match cause {
                // The session has ended, and the server has not noticed yet.
                Cause::Os(libc::EPIPE | libc::ECONNRESET) => Cause::SessionEnded,
                cause => cause,
            })
        })
    }

    #[cold]
    fn acquire(&self, own: usize, more: usize) -> Option<usize> {
        let counted = self.reactor.partial.acquire(&self.user.partial, own, more);
        if counted.is_none() {
            self.reactor.counters.event(LogEvent::Limit(Limit::PartialMemory));
        }
        counted
    }

    #[cold]
    fn release(&self, less: usize) {
        // In a child of a fork nothing is served, and the lock may never be released.
        if self.reactor.owner.is_other_process() {
            return;
        }
        self.reactor.partial.release(&self.user.partial, less);
    }
}

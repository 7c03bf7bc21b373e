//! Waiting for work. Before a thread sleeps it may look, as `adaptive_spin.rs` says: at the session that was active last,
//! and now and then at all.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::leader::LeaderGuard;
use super::reactor::{Events, Reactor, token};
use super::server_session::{ReadyCall, ServerSession};
use super::stats::Tally;
use crate::adaptive_spin::{EndedLook, Look, Side, Wait};
use crate::cause::Cause;
use crate::sys::{self, PollFd, TryArc};

/// Work for a thread that has waited.
pub(super) enum Work {
    /// The events in the list. There are none if the time is over or a signal came.
    Events,
    /// A call of the session that was active last.
    Call(TryArc<ServerSession>, ReadyCall),
}

impl Reactor {
    /// Waits for work, for `timeout_ms` milliseconds at most; -1 is for ever.
    #[inline]
    pub(super) fn wait(&self, timeout_ms: i32, events: &mut Events, leader: &LeaderGuard<'_>) -> Result<Work, Cause> {
        // shuttle runs all threads in one, which must not wait.
        if cfg!(all(test, shuttle)) {
            crate::sync::thread::yield_now();
            return self.epoll.wait_for(0, events).map(|()| Work::Events);
        }
        match self.spin.look(Side::Server) {
            Some(look) if timeout_ms != 0 && sys::may_look(look) => {
                self.look_or_sleep(look, timeout_ms, events, leader)
            }
            _ => self.epoll.wait_for(timeout_ms, events).map(|()| Work::Events),
        }
    }

    #[inline(never)]
    fn look_or_sleep(
        &self,
        look: Look,
        timeout_ms: i32,
        events: &mut Events,
        leader: &LeaderGuard<'_>,
    ) -> Result<Work, Cause> {
        let look = look.within(|| u64::try_from(timeout_ms).ok().map(Duration::from_millis));
        let tally = leader.tally.unwrap_or(&self.counters.others);
        let mut wait = WorkWait { reactor: self, tally, timeout_ms, session: None, events };
        if self.recent_work.has_sleepers() {
            return wait.sleep(0);
        }
        sys::look_or_sleep(look, self.epoll.as_fd().as_raw_fd(), &mut wait)
    }

    /// Waits until there is an event, and takes none.
    pub(super) fn await_event(&self) -> Result<(), Cause> {
        if cfg!(all(test, shuttle)) {
            crate::sync::thread::yield_now();
            return Ok(());
        }
        let mut fds = [PollFd { fd: self.epoll.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        match sys::poll(&mut fds, -1) {
            Ok(_) | Err(Cause::Os(libc::EINTR)) => Ok(()),
            Err(cause) => Err(cause),
        }
    }
}

/// The wait of one thread.
struct WorkWait<'a> {
    reactor: &'a Reactor,
    tally: &'a Tally,
    timeout_ms: i32,
    /// The session to look at.
    session: Option<TryArc<ServerSession>>,
    events: &'a mut Events,
}

impl WorkWait<'_> {
    /// Waits for events.
    fn wait_for_events(&mut self, timeout_ms: i32) -> Result<Work, Cause> {
        self.reactor.epoll.wait_for(timeout_ms, self.events)?;
        if !self.events.is_empty() {
            self.reactor
                .recent_work
                .note(self.events.only().map(|event| event.token).filter(|token| !token::is_own(*token)));
        }
        Ok(Work::Events)
    }
}

impl Wait for WorkWait<'_> {
    type Found = Result<Work, Cause>;

    fn now(&self) -> u64 {
        sys::nanoseconds()
    }

    fn look(&mut self) -> Option<Self::Found> {
        let work = &self.reactor.recent_work;
        if let (true, Some(token)) = (work.is_for_one(), work.only_session()) {
            if self.session.is_none() {
                self.session = self.reactor.sessions.get(token);
            }
            let session = self.session.as_ref()?;
            let call = session.look(self.reactor, self.tally)?;
            return Some(Ok(Work::Call(session.clone(), call)));
        }
        match self.wait_for_events(0) {
            Ok(_) if self.events.is_empty() => None,
            found => Some(found),
        }
    }

    fn sleep(&mut self, looked: u64) -> Self::Found {
        // A session that has ended closes its descriptor only with the last reference.
        self.session = None;
        let _asleep = self.reactor.recent_work.sleep();
        self.wait_for_events(sys::ms_after(self.timeout_ms, looked))
    }

    fn note(&mut self, look: EndedLook) {
        self.tally.spun(look);
    }
}

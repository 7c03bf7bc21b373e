//! Waiting for events, and what they ask for.

use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use super::fair::FairQueue;
use super::leader::{LeaderGuard, LeaderState};
use super::log_event::{Fault, LogEvent};
use super::reactor::{BATCH, Events, Reactor, alarm, token};
use super::server_session::{ReadyCall, ServerSession};
use crate::cause::Cause;
use crate::request::{Answers, Request};
use crate::service;
use crate::sys::{self, Event, Interest, PollFd, TryArc, Watch};

/// What serving a session was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// There was no call to be handled.
    Nothing,
    /// A call was handled.
    Call,
    /// The thread is not to go on with others, of which some may have waited for longer by now.
    Enough,
}

impl Reactor {
    /// Waits for the next events; there are none when the time is over or a signal came.
    pub(super) fn wait(&self, timeout: Option<Duration>, events: &mut Events) -> Result<(), Cause> {
        // shuttle runs all threads in one, which must not wait.
        if cfg!(all(test, shuttle)) {
            crate::sync::thread::yield_now();
            return self.epoll.wait_for(0, events);
        }
        self.epoll.wait_for(timeout.map_or(-1, sys::whole_ms), events)
    }

    /// Waits until there is an event, and leaves it to others.
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

    /// Does what events ask for, until somebody else does. What is the server's own comes first: it is told once. That
    /// there is something to do for a session is told again until it has been done, so that it can be left to others.
    pub(super) fn handle(this: &TryArc<Self>, events: &Events, leader: &mut LeaderGuard<'_>) {
        for Event { token, .. } in events.iter().filter(|event| token::is_own(event.token)) {
            // Whoever leads by now: what the program is asked here may hold this thread up.
            leader.enter(LeaderState::Working);
            match token {
                token::LISTENER => Self::accept(this),
                token::TIMER => this.fire_timers(),
                _ => this.wake_up(),
            }
            if this.owner.is_elsewhere() {
                return leader.detach();
            }
        }
        if events.is_full() && events.iter().all(|event| event.token != token::LISTENER) && this.acceptor.is_watched() {
            // It may be among those that are not told this time.
            leader.enter(LeaderState::Working);
            Self::accept(this);
            if this.owner.is_elsewhere() {
                return leader.detach();
            }
        }
        let mut tokens = events.iter().map(|event| event.token).filter(|token| !token::is_own(*token));
        let Some(first) = tokens.next() else { return };
        match tokens.next() {
            None => {
                // One that has ended in the meantime is not found.
                if let Some(session) = this.sessions.get(first) {
                    this.serve(session, leader);
                }
            }
            Some(second) => this.serve_in_turn([first, second].into_iter().chain(tokens), leader),
        }
    }

    /// Serves sessions that all wait.
    fn serve_in_turn(&self, tokens: impl Iterator<Item = u64>, leader: &mut LeaderGuard<'_>) {
        let mut queue = FairQueue::<TryArc<ServerSession>, BATCH>::new(&self.turns);
        self.sessions.find(tokens, |session| queue.add(session));
        while let Some(session) = queue.next() {
            match self.serve(session, leader) {
                Served::Nothing => {}
                Served::Call => queue.called(),
                Served::Enough => return,
            }
        }
    }

    /// Serves a session.
    #[inline]
    fn serve(&self, session: TryArc<ServerSession>, leader: &mut LeaderGuard<'_>) -> Served {
        if !leader.enter(LeaderState::Working) || self.has_ended() {
            return Served::Enough;
        }
        let Some(ready) = session.serve(self) else { return Served::Nothing };
        let quick = self.run(session, ready, leader);
        // The handler has forked, and returned in the child: the other events are the parent's.
        if self.owner.is_elsewhere() {
            leader.detach();
            return Served::Enough;
        }
        if quick { Served::Call } else { Served::Enough }
    }

    /// Has the module handle a call, whose handlers are quick if this says so.
    fn run(
        &self,
        session: TryArc<ServerSession>,
        ReadyCall { tag, slot, call }: ReadyCall,
        leader: &mut LeaderGuard<'_>,
    ) -> bool {
        let peer = session.handle().peer();
        let request = Request::new(call, TryArc::map(session, |session| session as &dyn Answers), tag);
        // They are there, or there would be no job.
        let (Some(module), Some((_, rules))) = (self.service.module_at(slot), self.rules.get(slot)) else {
            return true;
        };
        let _guard = self.workers.enter_handler();
        // Answered for the handler in the meantime, so that whoever waits for the threads need not know of it.
        if self.has_ended() {
            return true;
        }
        if leader.late {
            self.counters.saturated.add(1);
        }
        let slow = rules.handler_time.is_slow();
        if slow {
            leader.release();
        }
        let began = sys::nanoseconds();
        if !service::run(module, request) {
            self.report_session(LogEvent::Fault(Fault::Panic, None), peer);
        }
        let time = sys::nanoseconds().saturating_sub(began);
        rules.handler_time.took(time);
        self.counters.handled(time);
        !slow
    }

    /// Does what it is time for.
    fn fire_timers(&self) {
        let now = Instant::now();
        // One that is set again meanwhile is for the next time: the timer goes on ringing.
        for _ in 0..self.timers.len() {
            let Some(id) = self.timers.due(now) else { break };
            match id {
                alarm::ACCEPT => self.watch_listener(),
                alarm::DEADLINE => self.cut_if_due(now),
                id => {
                    if let Some(session) = self.sessions.get(id) {
                        session.expire(self, now);
                    }
                }
            }
        }
        // It cannot fail for a descriptor that has been added.
        let _ = self.epoll.set(self.timers.as_fd(), token::TIMER, Watch::Once(Interest::READ));
    }
}

//! Handling events and calls.

use std::os::fd::AsFd;
use std::time::Instant;

use super::fair::FairQueue;
use super::handler_time;
use super::leader::{LeaderGuard, LeaderState};
use super::log_event::{Fault, LogEvent};
use super::reactor::{BATCH, Events, Reactor, alarm, token};
use super::server_session::{ReadyCall, ReadySession, ServerSession};
use super::stats::Tally;
use super::wait::Work;
use crate::cause::Cause;
use crate::request::{Answers, Request};
use crate::service;
use crate::sys::{self, Event, Interest, TryArc, Watch};

/// The outcome of serving a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Served {
    /// No call was ready.
    Nothing,
    /// A call was handled.
    Call,
    /// The thread must stop, as other sessions of the batch may have waited for longer than these by now.
    Stop,
}

/// True for an event of the server's own.
fn is_own(event: Event) -> bool {
    token::is_own(event.token)
}

impl Reactor {
    /// Waits for work, for `timeout_ms` milliseconds at most, and does it; -1 is for ever. False if there was none.
    #[inline]
    pub(super) fn serve_next(
        this: &TryArc<Self>,
        timeout_ms: i32,
        events: &mut Events,
        leader: &mut LeaderGuard<'_>,
    ) -> Result<bool, Cause> {
        match this.wait(timeout_ms, events, leader)? {
            Work::Call(session, ready) => this.handle_found(session, ready, leader),
            Work::Events if events.is_empty() => return Ok(false),
            Work::Events => Self::handle_events(this, events, leader),
        }
        Ok(true)
    }

    /// Handles events, until another thread leads. The server's own come first, as they are reported once. A session's
    /// event is reported again until it is handled, so it can be left to other threads.
    #[inline]
    fn handle_events(this: &TryArc<Self>, events: &Events, leader: &mut LeaderGuard<'_>) {
        match events.only() {
            Some(event) if !token::is_own(event.token) => {
                this.acceptor.note_client(false);
                this.serve_event(event, leader);
            }
            _ => Self::handle_several(this, events, leader),
        }
    }

    /// Handles events of any kind and number.
    #[inline(never)]
    fn handle_several(this: &TryArc<Self>, events: &Events, leader: &mut LeaderGuard<'_>) {
        // The listener's event may be among those that had no room.
        if events.is_full() || events.iter().any(is_own) {
            if !Self::handle_own(this, events, leader) {
                return;
            }
        } else {
            this.acceptor.note_client(false);
        }
        let mut others = events.iter().filter(|event| !is_own(*event));
        let Some(first) = others.next() else { return };
        match others.next() {
            None => this.serve_event(first, leader),
            Some(second) => this.serve_batch([first, second].into_iter().chain(others), leader),
        }
    }

    /// Handles the server's own events. False if this thread is to handle no more.
    fn handle_own(this: &TryArc<Self>, events: &Events, leader: &mut LeaderGuard<'_>) -> bool {
        let is_listener = |event: Event| event.token == token::LISTENER;
        let has_client = events.iter().any(is_listener);
        let may_have_clients = events.is_full() && !has_client && this.acceptor.looks_after_full_list();
        let has_several = this.acceptor.note_client(has_client) || events.is_full();
        let own = events.iter().filter(|event| is_own(*event)).map(|event| event.token);
        for token in own.chain(may_have_clients.then_some(token::LISTENER)) {
            // Done even if another thread leads by now. The program's code, which is called here, may hold this thread
            // up.
            leader.enter(LeaderState::Working);
            match token {
                token::LISTENER => Self::accept(this, has_several),
                token::TIMER => this.fire_timers(),
                _ => this.handle_wake(),
            }
            if this.owner.is_other_process() {
                leader.detach();
                return false;
            }
        }
        true
    }

    /// Serves the session of an event. One that has ended meanwhile is not found.
    fn serve_event(&self, event: Event, leader: &mut LeaderGuard<'_>) {
        if let Some(session) = self.sessions.get(event.token) {
            self.serve(ReadySession { session, hung_up: event.hung_up }, leader);
        }
    }

    /// Serves the sessions of a batch in fair order.
    fn serve_batch(&self, events: impl Iterator<Item = Event>, leader: &mut LeaderGuard<'_>) {
        let mut queue = FairQueue::<ReadySession, BATCH>::new(&self.turns);
        self.sessions.find(events, |session, event| queue.push(ReadySession { session, hung_up: event.hung_up }));
        while let Some(ready) = queue.pop() {
            match self.serve(ready, leader) {
                Served::Nothing => {}
                Served::Call => queue.count_call(),
                Served::Stop => return,
            }
        }
    }

    /// Serves one session.
    #[inline]
    fn serve(&self, ReadySession { session, hung_up }: ReadySession, leader: &mut LeaderGuard<'_>) -> Served {
        if !leader.enter(LeaderState::Working) || self.has_ended() {
            return Served::Stop;
        }
        let tally = leader.tally.unwrap_or(&self.counters.others);
        let Some(ready) = session.serve(self, tally, hung_up) else { return Served::Nothing };
        self.handle_call(session, ready, tally, leader)
    }

    /// Has the module handle a call that a waiting thread has found.
    fn handle_found(&self, session: TryArc<ServerSession>, ready: ReadyCall, leader: &mut LeaderGuard<'_>) {
        // No thread takes over from one that waits.
        leader.enter(LeaderState::Working);
        let tally = leader.tally.unwrap_or(&self.counters.others);
        self.handle_call(session, ready, tally, leader);
    }

    #[inline]
    fn handle_call(
        &self,
        session: TryArc<ServerSession>,
        ready: ReadyCall,
        tally: &Tally,
        leader: &mut LeaderGuard<'_>,
    ) -> Served {
        let quick = self.run_handler(session, ready, tally, leader);
        // The handler has forked, and returned in the child. The other events are the parent's.
        if self.owner.is_other_process() {
            leader.detach();
            return Served::Stop;
        }
        if quick { Served::Call } else { Served::Stop }
    }

    /// Has the module handle a call. True if the module's handlers are quick.
    fn run_handler(
        &self,
        session: TryArc<ServerSession>,
        ReadyCall { tag, slot, call }: ReadyCall,
        tally: &Tally,
        leader: &mut LeaderGuard<'_>,
    ) -> bool {
        let peer = session.handle().peer();
        let request = Request::new(call, TryArc::map(session, |session| session as &dyn Answers), tag);
        // Both exist, or the call would not be ready.
        let (Some(module), Some((_, rules))) = (self.service.module_at(slot), self.rules.get(slot)) else {
            return true;
        };
        let in_handler = self.workers.enter_handler(leader.is_in_pool());
        // The call has been answered by the shutdown, which therefore need not wait for this thread.
        if self.has_ended() {
            return true;
        }
        if leader.saturated {
            tally.saturated();
        }
        let slow = rules.handler_time.is_slow();
        if slow {
            leader.release();
        }
        let began = sys::nanoseconds();
        if !service::run(module, request) {
            self.report_peer(LogEvent::Fault(Fault::Panic, None), peer);
        }
        let time = sys::nanoseconds().saturating_sub(began);
        tally.handled(time);
        let own = if handler_time::is_slow(time) { handler_time::without_sending(time) } else { time };
        if slow || handler_time::is_slow(own) {
            in_handler.note_delay();
        }
        rules.handler_time.record(own);
        !slow
    }

    /// Handles the alarms whose time has come.
    fn fire_timers(&self) {
        let now = Instant::now();
        // The count is taken before, so that an alarm set meanwhile waits for the next time. The timer stays readable
        // then.
        for _ in 0..self.timers.len() {
            let Some(id) = self.timers.due(now) else { break };
            match id {
                alarm::ACCEPT => self.watch_listener(),
                alarm::DEADLINE => self.abort_if_due(now),
                id => {
                    if let Some(session) = self.sessions.get(id) {
                        session.expire(self, now);
                    }
                }
            }
        }
        // This cannot fail for a descriptor that was added.
        let _ = self.epoll.set(self.timers.as_fd(), token::TIMER, Watch::Once(Interest::READ));
    }
}

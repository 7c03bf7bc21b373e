//! The client as a descriptor, for programs with an event loop.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Instant;

use super::connection::PollHandle;
use super::shared::Shared;
use super::state::State;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::sys::{Epoll, Event, Interest, Timer, TryArc, Waker, Watch};

const SOCKET: u64 = 0;
const SIGNAL: u64 = 1;
const TIMER: u64 = 2;

/// An epoll set with the socket, a timer for the deadlines, and a signal for what happens in other threads.
#[derive(Debug)]
pub(super) struct Events {
    set: Epoll,
    timer: Timer,
    signal: Waker,
}

/// What the set knows of the state, so that it is told only of what changes.
#[derive(Debug, Default)]
pub(super) struct Registered {
    poll_handle: Option<(TryArc<PollHandle>, Interest)>,
    alarm: Option<Instant>,
    raised: bool,
    /// Threads that dispatch, and so need no signal.
    pub(super) dispatching: usize,
}

impl Events {
    fn new() -> Result<Self, Cause> {
        let events = Self { set: Epoll::new()?, timer: Timer::new()?, signal: Waker::new()? };
        events.set.add(events.signal.as_fd(), SIGNAL, Watch::Always(Interest::READ))?;
        events.set.add(events.timer.as_fd(), TIMER, Watch::Always(Interest::READ))?;
        Ok(events)
    }

    /// The descriptors, for a process that has inherited them.
    pub(super) fn descriptors(&self) -> [RawFd; 3] {
        [self.set.as_fd(), self.timer.as_fd(), self.signal.as_fd()].map(|fd| fd.as_raw_fd())
    }

    /// Wakes a thread that dispatches.
    pub(super) fn raise(&self) {
        self.signal.raise();
    }

    /// Waits for the next event.
    pub(super) fn wait(&self, timeout_ms: i32) -> Result<Option<Event>, Cause> {
        self.set.wait(timeout_ms)
    }

    /// Does what an event asks for.
    pub(super) fn handle(&self, event: Event, state: &mut State) {
        match event.token {
            SOCKET => {
                if event.writable {
                    state.flush();
                }
                if event.readable {
                    state.receive();
                }
            }
            SIGNAL => {
                self.signal.clear();
                state.registered.raised = false;
            }
            _ => {
                self.timer.clear();
                state.registered.alarm = None;
            }
        }
    }

    /// Follows the state.
    pub(super) fn follow(&self, state: &mut State) {
        if let Err(cause) = self.watch_socket(state) {
            state.unregistered(cause);
        }
        let deadline = state.calls.first_deadline().map(|(end, _)| end);
        let alarm = deadline.into_iter().chain(state.next_attempt()).min();
        if alarm != state.registered.alarm {
            let after = alarm.map(|alarm| alarm.saturating_duration_since(Instant::now()));
            // It fails for no argument that can be given here.
            let _ = self.timer.set(after);
            state.registered.alarm = alarm;
        }
        let Registered { raised, dispatching, .. } = state.registered;
        if state.calls.completions() > 0 && !raised && dispatching == 0 {
            self.raise();
            state.registered.raised = true;
        }
    }

    fn watch_socket(&self, state: &mut State) -> Result<(), Cause> {
        let wanted = state.connection.as_ref().map(|connection| {
            (connection.poll_handle(), Interest { readable: true, writable: connection.wants_to_send() })
        });
        match (&state.registered.poll_handle, &wanted) {
            (Some((poll_handle, interest)), Some((same, wanted)))
                if TryArc::ptr_eq(poll_handle, same) && interest == wanted =>
            {
                return Ok(());
            }
            (None, None) => return Ok(()),
            _ => {}
        }
        let wanted = wanted.map(|(poll_handle, interest)| (poll_handle.clone(), interest));
        let known = state.registered.poll_handle.take();
        match (&known, &wanted) {
            (Some((poll_handle, _)), Some((same, wanted))) if TryArc::ptr_eq(poll_handle, same) => {
                self.set.set(poll_handle.as_fd(), SOCKET, Watch::Always(*wanted))?;
            }
            _ => {
                if let Some((poll_handle, _)) = &known {
                    // Closing it would not be enough where a child of a fork has the descriptor, too.
                    let _ = self.set.remove(poll_handle.as_fd());
                }
                if let Some((poll_handle, interest)) = &wanted {
                    self.set.add(poll_handle.as_fd(), SOCKET, Watch::Always(*interest))?;
                }
            }
        }
        state.registered.poll_handle = wanted;
        Ok(())
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

impl Shared {
    /// The epoll set, which is made when it is first needed.
    pub(super) fn events(&self) -> Result<&Events, Error> {
        if !self.is_ours() {
            return Err(self.error((Phase::Progress, Cause::Forked)));
        }
        if self.events.get().is_none() {
            let events = Events::new().map_err(|cause| self.error((Phase::Configure, cause)))?;
            // With the lock held, so that the set has seen all that happened before others know of it.
            self.with(|_| drop(self.events.set(events)));
        }
        self.events.get().ok_or_else(|| self.error((Phase::Configure, Cause::NoMemory)))
    }
}

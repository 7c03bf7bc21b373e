//! The epoll set by which a program's event loop watches the client.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Instant;

use super::poll_handle::{PollHandle, Ready};
use crate::adaptive_spin::Look;
use crate::cause::Cause;
use crate::sys::{Epoll, Event, Interest, Timer, TryArc, Waker, Watch};

const SOCKET: u64 = 0;
const SIGNAL: u64 = 1;
const TIMER: u64 = 2;

/// An epoll set of the socket, a timer for deadlines, and a signal from other threads.
#[derive(Debug)]
pub(super) struct Events {
    set: Epoll,
    timer: Timer,
    signal: Waker,
}

/// The registrations in the set, so that only changes take system calls.
#[derive(Debug, Default)]
pub(super) struct Registered {
    poll_handle: Option<(TryArc<PollHandle>, Interest)>,
    alarm: Option<Instant>,
    raised: bool,
    /// The number of threads that dispatch, and so need no signal.
    pub(super) dispatching: usize,
}

impl Events {
    pub(super) fn new() -> Result<Self, Cause> {
        let events = Self { set: Epoll::new()?, timer: Timer::new()?, signal: Waker::new()? };
        events.set.add(events.signal.as_fd(), SIGNAL, Watch::Always(Interest::READ))?;
        events.set.add(events.timer.as_fd(), TIMER, Watch::Always(Interest::READ))?;
        Ok(events)
    }

    /// The descriptors, to be closed in a process that inherited them.
    pub(super) fn descriptors(&self) -> [RawFd; 3] {
        [self.set.as_fd(), self.timer.as_fd(), self.signal.as_fd()].map(|fd| fd.as_raw_fd())
    }

    /// Wakes a thread that dispatches.
    pub(super) fn raise(&self) {
        self.signal.raise();
    }

    /// Waits for the next event. The thread may look before it sleeps.
    pub(super) fn wait(&self, look: Option<Look>, timeout_ms: i32) -> Result<Option<Event>, Cause> {
        self.set.wait_looking(look, timeout_ms)
    }

    /// Clears the timer or the signal that an event comes from. For an event of the socket, returns its readiness.
    pub(super) fn acknowledge(&self, event: Event, registered: &mut Registered) -> Ready {
        match event.token {
            SOCKET => return Ready { readable: event.readable, writable: event.writable },
            SIGNAL => {
                self.signal.clear();
                registered.raised = false;
            }
            _ => {
                self.timer.clear();
                registered.alarm = None;
            }
        }
        Ready::default()
    }

    /// Wakes a dispatching thread, unless one is awake or has been signalled.
    pub(super) fn raise_once(&self, registered: &mut Registered) {
        if !registered.raised && registered.dispatching == 0 {
            self.raise();
            registered.raised = true;
        }
    }

    /// Sets the time at which the timer expires.
    pub(super) fn set_alarm(&self, alarm: Option<Instant>, registered: &mut Registered) {
        if alarm != registered.alarm {
            let after = alarm.map(|alarm| alarm.saturating_duration_since(Instant::now()));
            // timerfd_settime does not fail for these arguments.
            let _ = self.timer.set(after);
            registered.alarm = alarm;
        }
    }

    /// Registers the socket to be watched, in place of the one before.
    pub(super) fn watch_socket(
        &self,
        wanted: Option<(&TryArc<PollHandle>, Interest)>,
        registered: &mut Registered,
    ) -> Result<(), Cause> {
        match (&registered.poll_handle, &wanted) {
            (Some((poll_handle, interest)), Some((same, wanted)))
                if TryArc::ptr_eq(poll_handle, same) && interest == wanted =>
            {
                return Ok(());
            }
            (None, None) => return Ok(()),
            _ => {}
        }
        let wanted = wanted.map(|(poll_handle, interest)| (poll_handle.clone(), interest));
        let known = registered.poll_handle.take();
        match (&known, &wanted) {
            (Some((poll_handle, _)), Some((same, wanted))) if TryArc::ptr_eq(poll_handle, same) => {
                self.set.set(poll_handle.as_fd(), SOCKET, Watch::Always(*wanted))?;
            }
            _ => {
                if let Some((poll_handle, _)) = &known {
                    // Closing is not enough: a child of a fork may still hold the descriptor.
                    let _ = self.set.remove(poll_handle.as_fd());
                }
                if let Some((poll_handle, interest)) = &wanted {
                    self.set.add(poll_handle.as_fd(), SOCKET, Watch::Always(*interest))?;
                }
            }
        }
        registered.poll_handle = wanted;
        Ok(())
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

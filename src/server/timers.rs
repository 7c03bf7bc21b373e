//! The alarms of a server.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::cause::Cause;
use crate::sync::{Mutex, lock};
use crate::sys;

/// Alarms in order, behind one timer. An unwanted alarm may stay, as its receiver checks whether the time has come.
#[derive(Debug)]
pub(super) struct Timers {
    timer: sys::Timer,
    alarms: Mutex<VecDeque<(Instant, u64)>>,
}

/// Room for the server's own alarms.
const OWN: usize = 8;

impl Timers {
    pub(super) fn new() -> Result<Self, Cause> {
        let timers = Self { timer: sys::Timer::new()?, alarms: Mutex::default() };
        timers.reserve(0)?;
        Ok(timers)
    }

    /// Makes room for the alarms of this many sessions, one each.
    pub(super) fn reserve(&self, sessions: usize) -> Result<(), Cause> {
        let mut alarms = lock(&self.alarms);
        let more = (sessions + OWN).saturating_sub(alarms.len());
        alarms.try_reserve(more).map_err(|_| Cause::NoMemory)
    }

    /// Replaces the timer that a process shares with its parent. No alarm is set yet.
    pub(super) fn renew(&self) -> Result<(), Cause> {
        self.timer.replace(sys::Timer::new()?)
    }

    /// Sets an alarm.
    #[expect(clippy::disallowed_methods, reason = "there is room: see `reserve`")]
    pub(super) fn set(&self, at: Instant, id: u64) {
        let mut alarms = lock(&self.alarms);
        if let Err(place) = alarms.binary_search(&(at, id)) {
            alarms.insert(place, (at, id));
            if place == 0 {
                self.start(at);
            }
        }
    }

    /// Removes an alarm.
    pub(super) fn remove(&self, at: Instant, id: u64) {
        let mut alarms = lock(&self.alarms);
        if let Ok(place) = alarms.binary_search(&(at, id)) {
            alarms.remove(place);
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.alarms).len()
    }

    /// Takes the next alarm whose time has come. If there is none, sets the timer for the next one.
    pub(super) fn due(&self, now: Instant) -> Option<u64> {
        let mut alarms = lock(&self.alarms);
        match alarms.front().copied() {
            Some((at, id)) if at <= now => {
                alarms.pop_front();
                Some(id)
            }
            next => {
                self.timer.clear();
                if let Some((at, _)) = next {
                    self.start(at);
                }
                None
            }
        }
    }

    /// Setting a timer that exists to a valid time cannot fail.
    fn start(&self, at: Instant) {
        let _ = self.timer.set(Some(at.saturating_duration_since(Instant::now())));
    }
}

impl AsFd for Timers {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use super::*;

    fn readable(timers: &Timers, timeout_ms: i32) -> bool {
        let mut fds = [sys::PollFd { fd: timers.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        sys::poll(&mut fds, timeout_ms).unwrap() == 1
    }

    #[test]
    fn alarms_fire_in_order() {
        let timers = Timers::new().unwrap();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        for (seconds, id) in [(30, 3), (10, 1), (20, 2), (40, 4)] {
            timers.set(after(seconds), id);
        }
        assert_eq!(timers.due(after(9)), None);
        assert_eq!([timers.due(after(25)), timers.due(after(25)), timers.due(after(25))], [Some(1), Some(2), None]);
        timers.remove(after(30), 3);
        assert_eq!([timers.due(after(50)), timers.due(after(50))], [Some(4), None]);
    }

    /// The order in which alarms are set makes no difference.
    #[test]
    fn the_timer_is_set_for_the_next_alarm() {
        let timers = Timers::new().unwrap();
        let now = Instant::now();
        let soon = now + Duration::from_millis(20);
        timers.set(now + Duration::from_secs(3600), 1);
        timers.set(soon, 2);
        timers.set(now + Duration::from_secs(1800), 3);
        assert!(readable(&timers, 30_000));
        assert!(Instant::now() >= soon);
        assert_eq!([timers.due(soon), timers.due(soon)], [Some(2), None]);
        assert!(!readable(&timers, 50));
        timers.set(soon, 4);
        assert!(readable(&timers, 30_000));
    }

    /// A readable timer without an alarm would wake its thread again and again.
    #[test]
    fn the_timer_is_silent_when_there_is_no_alarm() {
        let timers = Timers::new().unwrap();
        let now = Instant::now();
        timers.set(now, 1);
        assert!(readable(&timers, 30_000));
        assert_eq!([timers.due(now), timers.due(now)], [Some(1), None]);
        assert!(!readable(&timers, 0));
    }
}

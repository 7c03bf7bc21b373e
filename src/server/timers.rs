//! Points in time, and who waits for them.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use crate::cause::Cause;
use crate::sync::{Mutex, lock};
use crate::sys;

/// The alarms of a server behind one timer, in order. An alarm that is no longer wanted may stay: whoever gets it looks
/// whether it is time.
#[derive(Debug)]
pub(super) struct Timers {
    timer: sys::Timer,
    alarms: Mutex<VecDeque<(Instant, u64)>>,
}

/// Alarms that are none of a session.
const OWN: usize = 8;

impl Timers {
    pub(super) fn new() -> Result<Self, Cause> {
        let timers = Self { timer: sys::Timer::new()?, alarms: Mutex::default() };
        timers.reserve(0)?;
        Ok(timers)
    }

    /// Makes room for so many sessions, each with one alarm.
    pub(super) fn reserve(&self, sessions: usize) -> Result<(), Cause> {
        let mut alarms = lock(&self.alarms);
        let more = (sessions + OWN).saturating_sub(alarms.len());
        alarms.try_reserve(more).map_err(|_| Cause::NoMemory)
    }

    /// Takes another timer in the place of one that a process shares, where no alarm is set yet.
    pub(super) fn renew(&self) -> Result<(), Cause> {
        self.timer.replace(sys::Timer::new()?)
    }

    /// Has `id` told at a point in time.
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

    /// Takes an alarm away.
    pub(super) fn remove(&self, at: Instant, id: u64) {
        let mut alarms = lock(&self.alarms);
        if let Ok(place) = alarms.binary_search(&(at, id)) {
            alarms.remove(place);
        }
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.alarms).len()
    }

    /// Takes the next alarm whose time has come. When there is none, the timer is set for the next one.
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

    /// That it cannot be set has no cause that could occur.
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
    fn alarms_ring_in_order() {
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

    /// Whichever alarm is set last, the timer goes by the next one.
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

    /// Else whoever waits for it would find it readable again and again.
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

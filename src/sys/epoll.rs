//! Waiting for many descriptors at once.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use super::descriptor;
use super::errno::check;
use super::socket::replace_fd;
use super::spin::look_before;
use crate::adaptive_spin::Look;
use crate::cause::Cause;

/// The events to wait for on a descriptor. The end of the connection is always reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// True to wait until something can be read.
    pub readable: bool,
    /// True to wait until there is room to write.
    pub writable: bool,
}

impl Interest {
    /// Only the end of the connection.
    pub const NONE: Self = Self { readable: false, writable: false };
    /// Something to read.
    pub const READ: Self = Self { readable: true, writable: false };
    /// Room to write.
    pub const WRITE: Self = Self { readable: false, writable: true };

    fn events(self) -> u32 {
        let of = |wanted, events: c_int| if wanted { events as u32 } else { 0 };
        of(self.readable, libc::EPOLLIN | libc::EPOLLRDHUP) | of(self.writable, libc::EPOLLOUT)
    }
}

/// An event on a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The number under which the descriptor was added.
    pub token: u64,
    /// True if there is something to read, or the connection has ended.
    pub readable: bool,
    /// True if there is room to write, or the connection has ended.
    pub writable: bool,
    /// True once nothing can be sent any more, and only what has come before can be read.
    pub hung_up: bool,
}

/// A set of descriptors to wait for. The set is a descriptor itself, readable while an event is pending.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// The duration of a watch on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Until it is removed.
    Always(Interest),
    /// Until the next event. After the event, the descriptor belongs to the thread that received it, until the watch is
    /// set again.
    Once(Interest),
}

impl Watch {
    fn events(self) -> u32 {
        match self {
            Self::Always(interest) => interest.events(),
            Self::Once(interest) => interest.events() | libc::EPOLLONESHOT as u32,
        }
    }
}

impl Epoll {
    /// An empty set.
    pub fn new() -> Result<Self, Cause> {
        // SAFETY: the function takes a number only, and makes a descriptor.
        unsafe { descriptor::owned(libc::epoll_create1(libc::EPOLL_CLOEXEC)) }.map(Self)
    }

    /// Replaces the set by another one, under the same descriptor number.
    pub fn replace(&self, other: Self) -> Result<(), Cause> {
        replace_fd(self.0.as_raw_fd(), other.0)
    }

    /// Adds a descriptor under a number.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, watch: Watch) -> Result<(), Cause> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, watch.events())
    }

    /// Changes the watch on a descriptor.
    pub fn set(&self, fd: BorrowedFd<'_>, token: u64, watch: Watch) -> Result<(), Cause> {
        self.control(libc::EPOLL_CTL_MOD, fd, token, watch.events())
    }

    /// Removes a descriptor.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> Result<(), Cause> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(&self, operation: c_int, fd: BorrowedFd<'_>, token: u64, events: u32) -> Result<(), Cause> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: the pointer is to `event`, which is only read.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd.as_raw_fd(), &mut event) }).map(drop)
    }

    /// Waits for the next event, for `timeout_ms` milliseconds at most; -1 is for ever. `None` after the timeout or a
    /// signal.
    pub fn wait(&self, timeout_ms: c_int) -> Result<Option<Event>, Cause> {
        self.wait_looking(None, timeout_ms)
    }

    /// Waits in the same way, and looks for an event before the thread sleeps.
    pub(crate) fn wait_looking(&self, look: Option<Look>, timeout_ms: c_int) -> Result<Option<Event>, Cause> {
        let mut events = Events::<1>::default();
        let rc = look_before(look, self.0.as_raw_fd(), timeout_ms, |timeout_ms| self.call(timeout_ms, &mut events));
        events.take(rc)?;
        Ok(events.iter().next())
    }

    /// Waits in the same way, and takes all pending events for which the list has room.
    pub fn wait_for<const CAPACITY: usize>(
        &self,
        timeout_ms: c_int,
        events: &mut Events<CAPACITY>,
    ) -> Result<(), Cause> {
        let rc = self.call(timeout_ms, events);
        events.take(rc)
    }

    /// libc's function is a cancellation point: to disable cancellation, and its own handling of it, takes longer.
    fn call<const CAPACITY: usize>(&self, timeout_ms: c_int, events: &mut Events<CAPACITY>) -> c_int {
        let (fd, list, none) = (self.0.as_raw_fd(), events.list.as_mut_ptr(), ptr::null::<libc::sigset_t>());
        let (room, size) = (CAPACITY as c_int, 0usize);
        // SAFETY: the pointer is to room for as many events as are asked for; null means no signal mask.
        unsafe { libc::syscall(libc::SYS_epoll_pwait, fd, list, room, timeout_ms, none, size) as c_int }
    }
}

/// A list of events.
pub struct Events<const CAPACITY: usize> {
    list: [libc::epoll_event; CAPACITY],
    len: usize,
}

impl<const CAPACITY: usize> Default for Events<CAPACITY> {
    fn default() -> Self {
        Self { list: [libc::epoll_event { events: 0, u64: 0 }; CAPACITY], len: 0 }
    }
}

impl<const CAPACITY: usize> Events<CAPACITY> {
    /// Takes the events that a system call has put into the list.
    fn take(&mut self, rc: c_int) -> Result<(), Cause> {
        self.len = 0;
        match check(rc) {
            Ok(len) => self.len = usize::try_from(len).unwrap_or_default(),
            Err(Cause::Os(libc::EINTR)) => {}
            Err(cause) => return Err(cause),
        }
        Ok(())
    }

    /// The events in the order in which they happened.
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.list.iter().take(self.len).copied().map(event)
    }

    /// The event in a list of one.
    pub fn only(&self) -> Option<Event> {
        if self.len == 1 { self.iter().next() } else { None }
    }

    /// True while the list is full, so that more events may be pending.
    pub fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// True while the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

fn event(libc::epoll_event { events, u64: token }: libc::epoll_event) -> Event {
    let has = |wanted: c_int| events & wanted as u32 != 0;
    Event {
        token,
        readable: has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR),
        writable: has(libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR),
        hung_up: has(libc::EPOLLHUP),
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

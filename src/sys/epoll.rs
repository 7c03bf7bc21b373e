//! Waiting for many descriptors at once.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::descriptor;
use super::errno::check;
use super::socket::replace_fd;
use super::spin::spin_before;
use super::thread::CancelDisabled;
use crate::cause::Cause;

/// What to wait for on a descriptor. That the peer has gone is always told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// Something can be read.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

impl Interest {
    /// Nothing but the end of the connection.
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

/// What happened on a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number under which it was added.
    pub token: u64,
    /// Something can be read, or the end of the connection.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

/// A set of descriptors, which is a descriptor itself: readable when something has happened in it.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// How long a descriptor stays watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Until it is removed.
    Always(Interest),
    /// Until the next event: after it the descriptor belongs to the thread that was told, until it is set again.
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

    /// Puts another one in its place, under the same number.
    pub fn replace(&self, other: Self) -> Result<(), Cause> {
        replace_fd(self.0.as_raw_fd(), other.0)
    }

    /// Adds a descriptor under a number.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64, watch: Watch) -> Result<(), Cause> {
        self.control(libc::EPOLL_CTL_ADD, fd, token, watch.events())
    }

    /// Changes what to wait for.
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

    /// Waits for the next event, at most so many milliseconds; -1 is for ever. `None` when the time is over or a
    /// signal came.
    pub fn wait(&self, timeout_ms: c_int) -> Result<Option<Event>, Cause> {
        let mut events = Events::<1>::default();
        self.wait_for(timeout_ms, &mut events)?;
        Ok(events.iter().next())
    }

    /// Waits in the same way, and takes what has happened by then, but no more than so many events.
    pub fn wait_for<const CAPACITY: usize>(
        &self,
        timeout_ms: c_int,
        events: &mut Events<CAPACITY>,
    ) -> Result<(), Cause> {
        let _uncancelled = CancelDisabled::new();
        events.len = 0;
        let (fd, list) = (self.0.as_raw_fd(), events.list.as_mut_ptr());
        // SAFETY: the pointer is to room for as many events as are asked for.
        let wait = |timeout_ms| unsafe { libc::epoll_wait(fd, list, CAPACITY as c_int, timeout_ms) };
        match check(spin_before(timeout_ms, wait)) {
            Ok(len) => events.len = usize::try_from(len).unwrap_or_default(),
            Err(Cause::Os(libc::EINTR)) => {}
            Err(cause) => return Err(cause),
        }
        Ok(())
    }
}

/// What happened on several descriptors.
pub struct Events<const CAPACITY: usize> {
    list: [libc::epoll_event; CAPACITY],
    len: usize,
}

/// None.
impl<const CAPACITY: usize> Default for Events<CAPACITY> {
    fn default() -> Self {
        Self { list: [libc::epoll_event { events: 0, u64: 0 }; CAPACITY], len: 0 }
    }
}

impl<const CAPACITY: usize> Events<CAPACITY> {
    /// The events in the order in which they happened.
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.list.iter().take(self.len).map(|event| {
            let libc::epoll_event { events, u64: token } = *event;
            let has = |wanted: c_int| events & wanted as u32 != 0;
            Event {
                token,
                readable: has(libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR),
                writable: has(libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR),
            }
        })
    }

    /// More may have happened than there is room for.
    pub fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    /// Nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

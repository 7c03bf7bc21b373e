//! Taking in clients.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::TryLockError;
use std::time::{Duration, Instant};

use super::bind::{Bound, End};
use super::hub::{Hub, alarm, token};
use super::link::Link;
use super::remark::{Fault, Limit, Remark};
use crate::backoff;
use crate::error::Cause;
use crate::session::Session;
use crate::sync::{Arc, Mutex, lock};
use crate::sys::{self, Epoll, Interest, Watch};

/// Clients taken in at a time, before sessions get their turn.
const BATCH: usize = 16;

/// The listening socket, and why it may not be watched now.
#[derive(Debug)]
pub(super) struct Door {
    path: Arc<Path>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` once the server takes in nobody any more.
    bound: Option<Arc<Bound>>,
    /// Waits for a session to end.
    full: bool,
    /// Between the last two attempts when there were no descriptors.
    pause: Option<Duration>,
}

impl Door {
    pub(super) fn new(bound: Bound) -> Self {
        let path = Arc::clone(bound.path());
        let state = State { bound: Some(Arc::new(bound)), full: false, pause: None };
        Self { path, state: Mutex::new(state) }
    }

    pub(super) fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// Gives the listening socket up in a process that has never served, and leaves it and its file to the other one.
    pub(super) fn leave(&self) {
        if let Some(bound) = lock(&self.state).bound.take() {
            bound.end(End::Leave);
        }
    }

    /// The descriptors, for a process that has inherited them, as far as they can be looked at.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Vec::new(),
        };
        state.bound.iter().flat_map(|bound| bound.descriptors()).collect()
    }

    fn bound(&self) -> Option<Arc<Bound>> {
        lock(&self.state).bound.clone()
    }

    fn set_full(&self) {
        lock(&self.state).full = true;
    }

    /// It was full; it is not any more.
    fn take_full(&self) -> bool {
        std::mem::take(&mut lock(&self.state).full)
    }

    /// How long to wait after another failure.
    fn next_pause(&self) -> Duration {
        let mut state = lock(&self.state);
        let pause = backoff::after(state.pause);
        state.pause = Some(pause);
        pause
    }

    fn has_accepted(&self) {
        lock(&self.state).pause = None;
    }
}

impl Hub {
    /// Takes in the clients that wait. The listening socket is watched for one event at a time, so that one thread
    /// does this.
    pub(super) fn accept(self: &Arc<Self>) {
        let Some(bound) = self.door.bound() else { return };
        for _ in 0..BATCH {
            if self.roll.is_full(self.limits.sessions) {
                self.door.set_full();
                // One that has ended in the meantime has not seen it.
                if self.roll.is_full(self.limits.sessions) || !self.door.take_full() {
                    self.tell(Remark::Limit(Limit::Sessions));
                    return;
                }
            }
            match sys::accept_at_once(bound.as_fd().as_raw_fd(), true) {
                Ok(socket) => {
                    self.door.has_accepted();
                    self.admit(socket);
                    // The program was asked, has forked, and returned in the child.
                    if self.home.is_elsewhere() {
                        return;
                    }
                }
                Err(cause) if cause.is_would_block() => break,
                // This client is gone, there may be others.
                Err(Cause::Os(libc::ECONNABORTED | libc::EPROTO)) => {}
                Err(cause) => {
                    self.tell(Remark::Fault(Fault::Accept, Some(cause)));
                    self.timers.set(Instant::now() + self.door.next_pause(), alarm::ACCEPT);
                    return;
                }
            }
        }
        self.watch_door();
    }

    /// Waits for the first client.
    pub(super) fn watch_door_first(&self, epoll: &Epoll) -> Result<(), Cause> {
        let bound = self.door.bound();
        bound.map_or(Ok(()), |bound| epoll.add(bound.as_fd(), token::DOOR, Watch::Once(Interest::READ)))
    }

    /// Waits for the next client.
    pub(super) fn watch_door(&self) {
        if let Some(bound) = self.door.bound() {
            // It fails only when the server has stopped listening in the meantime.
            let _ = self.epoll.set(bound.as_fd(), token::DOOR, Watch::Once(Interest::READ));
        }
    }

    /// A session has ended.
    pub(super) fn make_room(&self) {
        if self.door.take_full() {
            self.watch_door();
        }
    }

    /// Stops listening. The socket file goes with the last thread that is accepting.
    pub(super) fn close_door(&self) {
        let bound = lock(&self.door.state).bound.take();
        let Some(bound) = bound else { return };
        if self.home.is_open() {
            // Another process may serve, and watch it in the same set.
            return bound.end(End::Leave);
        }
        // That it is not watched any more is all that is wanted.
        let _ = self.epoll.remove(bound.as_fd());
        if self.home.is_native() {
            bound.end(End::ShutDown);
        }
    }

    fn admit(self: &Arc<Self>, socket: OwnedFd) {
        let session = Session::of_server(socket, Arc::clone(self.door.path()));
        let session = match session {
            Ok(session) => session,
            Err(cause) => return self.tell(Remark::Fault(Fault::Accept, Some(cause))),
        };
        self.counters.accepted.add(1);
        let uid = session.peer().uid;
        let authorised = self.authorised(&session);
        if self.home.is_elsewhere() {
            return;
        }
        let refusal = match authorised {
            false => Some(Remark::Fault(Fault::Refused, None)),
            true if self.roll.claim(uid, self.limits.sessions_per_uid) => None,
            true => Some(Remark::Limit(Limit::SessionsPerUid)),
        };
        if let Some(remark) = refusal {
            self.tell_about(remark, session.peer());
        }
        let link = Arc::new(Link::new(session, self, refusal.is_some()));
        match self.roll.enter(link.id(), &link, refusal.is_some()) {
            Ok(None) => {}
            Ok(Some(oldest)) => oldest.close(self),
            // The client notices, as it has not been answered: what it has sent is left unread.
            Err(_) => return,
        }
        link.watch(self);
        // The shutdown may not have seen it.
        if self.is_overdue() {
            link.cut(self);
        } else if self.is_draining() {
            link.close(self);
        }
    }

    /// What the program says to a client.
    fn authorised(&self, session: &Session) -> bool {
        let Some(authorise) = &self.authorise else { return true };
        let _serving = self.pool.serving();
        catch_unwind(AssertUnwindSafe(|| authorise(session))).unwrap_or(false)
    }
}

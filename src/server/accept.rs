//! Taking in clients.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::bind::{Bound, End};
use super::hub::{BATCH, Hub, alarm, token};
use super::link::Link;
use super::remark::{Fault, Limit, Remark};
use super::users::User;
use crate::backoff;
use crate::cause::Cause;
use crate::session::{Session, SessionRoom};
use crate::shared_path::SharedPath;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::{self, Epoll, Interest, Room, TryArc, Watch};

/// Clients taken in at a time, before sessions get their turn: half as many as these, so that who has been taken in and is
/// about to leave does so before others come.
const CLIENTS: usize = BATCH / 2;

/// So many others are looked at to see whether they are still there. Each of them costs little if it is not.
const GONE: usize = 512;

/// Clients after which there are many, so that it is worth looking.
const FEW: usize = 8;

/// Room for a client, made before it is taken in: without memory it waits.
#[derive(Default)]
struct Rooms {
    session: Option<SessionRoom>,
    link: Option<Room<Link>>,
    user: Option<Room<User>>,
}

impl Rooms {
    /// Makes what has been used up.
    fn make(&mut self, hub: &Hub) -> Result<(), Cause> {
        fn make<T>(room: &mut Option<Room<T>>) -> Result<(), Cause> {
            if room.is_none() {
                *room = Some(Room::new()?);
            }
            Ok(())
        }
        hub.roll.reserve()?;
        hub.users.reserve()?;
        hub.timers.reserve(hub.roll.len() + 1)?;
        make(&mut self.session)?;
        make(&mut self.link)?;
        make(&mut self.user)
    }
}

/// The listening socket, and why it may not be watched now.
#[derive(Debug)]
pub(super) struct Door {
    path: SharedPath,
    state: Mutex<State>,
    /// [`BUSY`], and [`AGAIN`], or nothing.
    accepting: AtomicU8,
}

/// A thread takes in clients.
const BUSY: u8 = 1;
/// Another one was to do so meanwhile.
const AGAIN: u8 = 2;

/// A thread takes in clients while this exists, and no other one does.
struct Accepting<'a>(&'a Hub);

impl<'a> Accepting<'a> {
    fn begin(hub: &'a Hub) -> Option<Self> {
        let next = |now| Some(if now == 0 { BUSY } else { now | AGAIN });
        let before = hub.door.accepting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        (before == Ok(0)).then_some(Self(hub))
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        if self.0.door.accepting.swap(0, Ordering::AcqRel) & AGAIN != 0 && !self.0.home.is_elsewhere() {
            self.0.watch_door();
        }
    }
}

#[derive(Debug)]
struct State {
    /// `None` once the server takes in nobody any more.
    bound: Option<TryArc<Bound>>,
    /// Waits for a session to end.
    full: bool,
    /// Between the last two attempts when there were no descriptors.
    pause: Option<Duration>,
}

impl Door {
    pub(super) fn new(bound: Bound) -> Result<Self, Cause> {
        let path = bound.path().clone();
        let state = State { bound: Some(TryArc::new(bound)?), full: false, pause: None };
        Ok(Self { path, state: Mutex::new(state), accepting: AtomicU8::new(0) })
    }

    pub(super) fn path(&self) -> &SharedPath {
        &self.path
    }

    /// Gives the listening socket up in a process that has never served, and leaves it and its file to the other one.
    pub(super) fn leave(&self) {
        if let Some(bound) = lock(&self.state).bound.take() {
            bound.end(End::Leave);
        }
    }

    /// Does something with the descriptors, for a process that has inherited them, as far as they can be looked at.
    pub(super) fn with_descriptors(&self, work: impl FnMut(RawFd)) {
        let Some(state) = try_lock(&self.state) else { return };
        state.bound.iter().flat_map(|bound| bound.descriptors()).for_each(work);
    }

    fn bound(&self) -> Option<TryArc<Bound>> {
        lock(&self.state).bound.clone()
    }

    /// It takes in clients as they come.
    pub(super) fn is_watched(&self) -> bool {
        let State { bound, full, pause } = &*lock(&self.state);
        bound.is_some() && !full && pause.is_none()
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
    /// Takes in the clients that wait.
    pub(super) fn accept(this: &TryArc<Self>) {
        let Some(bound) = this.door.bound() else { return };
        let Some(_accepting) = Accepting::begin(this) else { return };
        let mut rooms = Rooms::default();
        let mut taken = 0;
        for count in 0..CLIENTS + GONE {
            if taken == CLIENTS {
                break;
            }
            if this.roll.is_full(this.limits.sessions) {
                this.door.set_full();
                // One that has ended in the meantime has not seen it.
                if this.roll.is_full(this.limits.sessions) || !this.door.take_full() {
                    this.tell(Remark::Limit(Limit::Sessions));
                    return;
                }
            }
            let accepted = rooms.make(this).and_then(|()| sys::accept_at_once(bound.as_fd().as_raw_fd(), true));
            match accepted {
                Ok(socket) => {
                    this.door.has_accepted();
                    if count >= FEW && sys::has_gone(socket.as_raw_fd()) {
                        this.counters.accepted.add(1);
                        sys::turn_away(socket);
                        continue;
                    }
                    taken += 1;
                    if let Some(room) = rooms.session.take() {
                        match Session::of_server(room, socket, this.door.path().clone()) {
                            Ok(session) => Self::admit(this, session, &mut rooms),
                            Err(cause) => this.tell(Remark::Fault(Fault::Accept, Some(cause))),
                        }
                    }
                    // The program was asked, has forked, and returned in the child.
                    if this.home.is_elsewhere() {
                        return;
                    }
                }
                Err(cause) if cause.is_would_block() => break,
                // This client is gone, there may be others.
                Err(Cause::Os(libc::ECONNABORTED | libc::EPROTO)) => {}
                Err(cause) => {
                    this.tell(Remark::Fault(Fault::Accept, Some(cause)));
                    this.timers.set(Instant::now() + this.door.next_pause(), alarm::ACCEPT);
                    return;
                }
            }
        }
        this.watch_door();
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

    fn admit(this: &TryArc<Self>, session: Session, rooms: &mut Rooms) {
        this.counters.accepted.add(1);
        let peer = session.peer();
        let authorised = this.authorised(&session);
        if this.home.is_elsewhere() {
            return;
        }
        // There is room for both.
        let Some(user) = this.users.enter(peer.uid, &mut rooms.user) else { return };
        let Some(room) = rooms.link.take() else { return };
        let refusal = match authorised {
            false => Some(Remark::Fault(Fault::Refused, None)),
            true if this.users.claim(&user, this.limits.sessions_of_user()) => None,
            true => Some(Remark::Limit(Limit::SessionsPerUid)),
        };
        let refused = refusal.is_some();
        if let Some(remark) = refusal {
            this.tell_about(remark, peer);
        }
        let owner = user.clone();
        let make = |token| room.fill(Link::new(token, session, owner, this, refused));
        let Some((link, oldest)) = this.roll.enter(make, refused) else {
            // The server has ended. The client notices, as it has not been answered: what it has sent is left unread.
            return this.users.leave(&user, !refused);
        };
        if let Some(oldest) = oldest {
            oldest.abandon(this);
        }
        link.watch(this);
        // The shutdown may not have seen it.
        if this.is_overdue() {
            link.cut(this);
        } else if this.is_draining() {
            link.close(this);
        }
    }

    /// What the program says to a client.
    fn authorised(&self, session: &Session) -> bool {
        let Some(authorise) = &self.authorise else { return true };
        let _serving = self.pool.serving();
        catch_unwind(AssertUnwindSafe(|| authorise(session))).unwrap_or(false)
    }
}

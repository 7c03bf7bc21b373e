//! One session of a server.

use std::os::fd::AsFd;
use std::time::Instant;

use super::fair::{LastTurn, Waiting};
use super::in_flight::InFlight;
use super::locked_session::LockedSession;
use super::log_event::{Fault, LogEvent, LogEvents};
use super::reactor::Reactor;
use super::users::User;
use crate::cause::Cause;
use crate::protocol::framing::chunked::Reassembly;
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::message::Call;
use crate::protocol::wire::CallRef;
use crate::protocol::wire::ResponseRef;
use crate::request::Answers;
use crate::session::Session;
use crate::sync::{Mutex, MutexGuard, lock, thread, try_lock};
use crate::sys::{Interest, TryArc, Watch};
use crate::transport::Outbox;

/// A session, and what is going on there. Whoever changes the state settles, before the lock is given up, what is to
/// be waited for next: so a session is in the hands of one thread, and waits in the kernel when it is in none.
#[derive(Debug)]
pub(super) struct ServerSession {
    /// Its number in the roll, and of what is watched.
    token: u64,
    handle: Session,
    pub(super) user: TryArc<User>,
    reactor: TryArc<Reactor>,
    state: Mutex<State>,
    /// It is one of its user's sessions.
    pub(super) claimed: bool,
    last_turn: LastTurn,
}

/// What is going on in a session.
#[derive(Debug)]
pub(super) struct State {
    pub(super) in_flight: InFlight,
    /// What the client speaks, and is answered in.
    pub(super) peer_framing: PeerFraming,
    pub(super) message: Reassembly,
    pub(super) outbox: Outbox,
    /// What the session is watched for.
    pub(super) armed: Interest,
    /// The client takes no responses any more.
    pub(super) write_closed: bool,
    /// It has left the server.
    pub(super) removed: bool,
    /// When the message of which a part has come began.
    pub(super) began: Option<Instant>,
    /// When something happened last, where that is of interest.
    pub(super) active: Instant,
    /// The alarm that is set.
    pub(super) alarm: Option<Instant>,
    /// Bytes that the session holds of what all share.
    pub(super) partial: usize,
    /// Bytes asked for the message of which a part has come. Not all may count.
    pub(super) asked: usize,
    pub(super) unsent: usize,
}

/// A call to be handled, and to be answered under its tag.
#[derive(Debug)]
pub(super) struct ReadyCall {
    pub(super) tag: u64,
    /// The slot of its module.
    pub(super) slot: usize,
    pub(super) call: Call,
}

impl ServerSession {
    pub(super) fn new(
        token: u64,
        handle: Session,
        user: TryArc<User>,
        reactor: &TryArc<Reactor>,
        refused: bool,
    ) -> Self {
        let state = State {
            in_flight: InFlight::new(refused),
            peer_framing: reactor.peer_framing,
            message: Reassembly::with_body(reactor.limits.message, CallRef::BODY),
            outbox: Outbox::default(),
            armed: Interest::READ,
            write_closed: false,
            removed: false,
            began: None,
            active: Instant::now(),
            alarm: None,
            partial: 0,
            asked: 0,
            unsent: 0,
        };
        let (reactor, state) = (reactor.clone(), Mutex::new(state));
        Self { token, handle, user, reactor, state, claimed: !refused, last_turn: LastTurn::default() }
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// Waits for the first call.
    pub(super) fn watch(&self, reactor: &Reactor) {
        let added = reactor.epoll.add(self.handle.as_fd(), self.token, Watch::Always(Interest::READ));
        self.change(reactor, |locked| {
            if let Err(cause) = added {
                locked.log(LogEvent::Fault(Fault::Accept, Some(cause)));
                locked.remove();
            }
        });
    }

    /// Something has happened on the socket: sends what waits, and reads. Returns a call to be handled.
    /// Nothing is done while another thread has the session in its hands: what there is to do is told again.
    pub(super) fn serve(&self, reactor: &Reactor) -> Option<ReadyCall> {
        let Some(state) = try_lock(&self.state) else {
            thread::yield_now();
            return None;
        };
        self.change_locked(reactor, state, |locked| {
            if locked.interest() == Interest::NONE {
                locked.ignore();
            }
            if locked.state.in_flight.is_serving() {
                locked.touch();
            }
            locked.serve()
        })
    }

    /// Ends the connection now.
    pub(super) fn abandon(&self, reactor: &Reactor) {
        self.change(reactor, |locked| locked.abandon());
    }

    /// Takes no more calls, and ends the session when those that have come are answered.
    pub(super) fn close(&self, reactor: &Reactor) {
        self.change(reactor, |locked| locked.close());
    }

    /// Ends the session now. Calls that have come, and are not answered, are answered for their handlers.
    pub(super) fn cut(&self, reactor: &Reactor) {
        self.change(reactor, |locked| locked.cut());
    }

    /// An alarm of the session has rung.
    pub(super) fn expire(&self, reactor: &Reactor, now: Instant) {
        self.change(reactor, |locked| {
            locked.state.alarm = None;
            locked.expire(now);
        });
    }

    fn change<T>(&self, reactor: &Reactor, work: impl FnOnce(&mut LockedSession<'_>) -> T) -> T {
        self.change_locked(reactor, lock(&self.state), work)
    }

    #[inline]
    fn change_locked<T>(
        &self,
        reactor: &Reactor,
        mut state: MutexGuard<'_, State>,
        work: impl FnOnce(&mut LockedSession<'_>) -> T,
    ) -> T {
        let mut log_events = LogEvents::default();
        let mut locked = LockedSession { session: self, reactor, state: &mut state, log_events: &mut log_events };
        let result = work(&mut locked);
        locked.rearm();
        drop(state);
        log_events.iter().for_each(|event| reactor.log_session(event, self.handle.peer()));
        result
    }
}

/// A session that has something to be served.
impl Waiting for TryArc<ServerSession> {
    fn of_user(&self) -> &LastTurn {
        &self.user.last_turn
    }

    fn own(&self) -> &LastTurn {
        &self.last_turn
    }
}

impl Answers for ServerSession {
    fn handle(&self) -> &Session {
        &self.handle
    }

    fn answer(&self, tag: u64, response: &ResponseRef<'_>) -> Result<(), Cause> {
        if self.reactor.owner.is_elsewhere() {
            return Err(Cause::Forked);
        }
        self.change(&self.reactor, |locked| {
            let call = locked.state.in_flight.finish(tag).ok_or(Cause::SessionEnded)?;
            locked.touch();
            locked.reply(call.slot, response).map_err(|cause| match cause {
                // The server has not noticed yet.
                Cause::Os(libc::EPIPE | libc::ECONNRESET) => Cause::SessionEnded,
                cause => cause,
            })
        })
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// Nothing on the heap belongs to it but the session, of less than 100 bytes.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<ServerSession>() <= 512, "{} bytes", size_of::<ServerSession>());
    }
}

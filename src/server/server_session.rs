//! One session of a server.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::fair::{LastTurn, Waiting};
use super::in_flight::InFlight;
use super::reactor::Reactor;
use super::users::User;
use crate::protocol::framing::chunked::Reassembly;
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::message::Call;
use crate::protocol::wire::CallRef;
use crate::session::Session;
use crate::sync::Mutex;
use crate::sys::{Interest, TryArc};
use crate::transport::Outbox;

/// A session, and what is going on there. Whoever changes the state settles, before the lock is given up, what is to
/// be waited for next: so a session is in the hands of one thread, and waits in the kernel when it is in none.
#[derive(Debug)]
pub(super) struct ServerSession {
    /// Its number in the roll, and of what is watched.
    token: u64,
    handle: Session,
    pub(super) user: TryArc<User>,
    pub(super) reactor: TryArc<Reactor>,
    pub(super) state: Mutex<State>,
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

    pub(super) fn handle(&self) -> &Session {
        &self.handle
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }
}

impl AsFd for ServerSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
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

//! One session of a server.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::fair::{LastTurn, Waiting};
use super::in_flight::InFlight;
use super::log_event::LogEvent;
use super::reactor::Reactor;
use super::session_log::SessionLog;
use super::users::User;
use crate::protocol::framing::chunked::Reassembly;
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::message::Call;
use crate::protocol::wire::CallRef;
use crate::session::Session;
use crate::sync::Mutex;
use crate::sys::{Interest, Program, TryArc};
use crate::transport::Outbox;

/// A session and its state. A thread that changes the state rearms the session before it unlocks. So one thread at a
/// time has the session, or epoll watches it.
#[derive(Debug)]
pub(super) struct ServerSession {
    /// The session's key in `Sessions`, in the epoll set and in `Timers`.
    token: u64,
    handle: Session,
    pub(super) user: TryArc<User>,
    pub(super) reactor: TryArc<Reactor>,
    pub(super) state: Mutex<State>,
    /// Why the session is refused, if it is.
    pub(super) refusal: Option<LogEvent>,
    /// The program that the client runs, if the log named it when the session began.
    pub(super) program: Program,
    last_turn: LastTurn,
}

/// The changing state of a session.
#[derive(Debug)]
pub(super) struct State {
    pub(super) in_flight: InFlight,
    /// The framing of the client's calls, and so of the responses.
    pub(super) peer_framing: PeerFraming,
    pub(super) message: Reassembly,
    pub(super) outbox: Outbox,
    /// The interest set in epoll.
    pub(super) armed: Interest,
    /// True once nothing can be sent to the client any more.
    pub(super) write_closed: bool,
    /// True once the client has closed the connection, so that it need not be told of its end.
    pub(super) hung_up: bool,
    /// True once the session has been removed from the server.
    pub(super) removed: bool,
    /// The arrival of the first part of an incomplete call.
    pub(super) partial_since: Option<Instant>,
    /// The time of the last activity, where an idle time or a refusal depends on it.
    pub(super) last_active: Instant,
    /// The time for which an alarm is set.
    pub(super) alarm: Option<Instant>,
    /// Bytes of the shared memory for incomplete calls that count for this session.
    pub(super) partial: usize,
    /// Bytes asked for the incomplete call. `partial` is less where not all were counted.
    pub(super) partial_asked: usize,
    pub(super) unsent: usize,
    /// The last limit that was met, or error.
    pub(super) last_event: Option<LogEvent>,
    pub(super) log: SessionLog,
}

/// A call that has been read and is to be handled; its tag identifies the response.
#[derive(Debug)]
pub(super) struct ReadyCall {
    pub(super) tag: u64,
    /// The slot of the call's module.
    pub(super) slot: usize,
    pub(super) call: Call,
}

impl ServerSession {
    pub(super) fn new(
        token: u64,
        handle: Session,
        user: TryArc<User>,
        reactor: &TryArc<Reactor>,
        refusal: Option<LogEvent>,
        program: Program,
    ) -> Self {
        let state = State {
            in_flight: InFlight::new(refusal.is_some()),
            peer_framing: reactor.peer_framing,
            message: Reassembly::with_body(reactor.limits.message, CallRef::BODY),
            outbox: Outbox::default(),
            armed: Interest::READ,
            write_closed: false,
            hung_up: false,
            removed: false,
            partial_since: None,
            last_active: Instant::now(),
            alarm: None,
            partial: 0,
            partial_asked: 0,
            unsent: 0,
            last_event: None,
            log: SessionLog::default(),
        };
        let (reactor, state) = (reactor.clone(), Mutex::new(state));
        Self { token, handle, user, reactor, state, refusal, program, last_turn: LastTurn::default() }
    }

    /// True for a session that counts for its user's limit; false for a refused one.
    pub(super) fn is_counted(&self) -> bool {
        self.refusal.is_none()
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

/// A session with an event, to be served.
pub(super) struct ReadySession {
    pub(super) session: TryArc<ServerSession>,
    /// True once the client has closed the connection.
    pub(super) hung_up: bool,
}

impl Waiting for ReadySession {
    fn user_turn(&self) -> &LastTurn {
        &self.session.user.last_turn
    }

    fn own_turn(&self) -> &LastTurn {
        &self.session.last_turn
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// An idle session owns nothing on the heap but its `Session`, of less than 100 bytes.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<ServerSession>() <= 512, "{} bytes", size_of::<ServerSession>());
    }
}

//! What the threads of a server share, and what becomes of an event.

use std::fmt;

use super::acceptor::Acceptor;
use super::drain::DrainState;
use super::fair::Turns;
use super::handler_time::HandlerTime;
use super::leader::LeaderSlot;
use super::limits::ServerLimits;
use super::log_event::LogEvent;
use super::process_owner::ProcessOwner;
use super::server_session::ServerSession;
use super::sessions::Sessions;
use super::share::MemoryLimit;
use super::stats::Counters;
use super::timers::Timers;
use super::users::Users;
use super::workers::WorkerPool;
use crate::cancel::CancelHook;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::log::Log;
use crate::protocol::framing::detect::PeerFraming;
use crate::service::Service;
use crate::session::{Credentials, Session};
use crate::sync::Mutex;
use crate::sys::{self, Epoll, Waker};

/// What is watched under which number; every other number is that of a session.
pub(super) mod token {
    /// The listening socket.
    pub(in crate::server) const LISTENER: u64 = u64::MAX;
    /// The timer.
    pub(in crate::server) const TIMER: u64 = u64::MAX - 1;
    /// That somebody wants the server to end, and then that it has ended.
    pub(in crate::server) const WAKE: u64 = u64::MAX - 2;

    /// It is that of something which is told once.
    pub(in crate::server) fn is_own(token: u64) -> bool {
        token >= WAKE
    }
}

/// Events that a thread takes at a time, among which it chooses whose turn it is.
pub(super) const BATCH: usize = 64;

pub(super) type Events = sys::Events<BATCH>;

/// Whose time has come; every other number is that of a session.
pub(super) mod alarm {
    /// Clients can be accepted again.
    pub(in crate::server) const ACCEPT: u64 = u64::MAX;
    /// What is still going on is to be cut off.
    pub(in crate::server) const DEADLINE: u64 = u64::MAX - 1;
}

/// What holds for the calls of a module. The module itself is not asked, as it is the program's code, and a lock may be
/// held.
#[derive(Debug)]
pub(super) struct ModuleRules {
    /// See [`Module::concurrent`](crate::Module::concurrent).
    pub(super) concurrent: bool,
    /// The users who may call it, in order, if not everybody may.
    pub(super) allowed: Option<Vec<u32>>,
    pub(super) handler_time: HandlerTime,
}

/// The program's say about who may connect.
pub(super) type Authorise = dyn Fn(&Session) -> bool + Send + Sync;

/// A server without its handle. Its threads and its sessions' requests know it, the latter only as long as it is there.
pub(super) struct Reactor {
    pub(super) service: Service,
    /// The modules in ascending order, and what holds for their calls. Where one stands is its slot.
    pub(super) rules: Vec<(i32, ModuleRules)>,
    pub(super) authorise: Option<Box<Authorise>>,
    /// What is known of the clients before their first call.
    pub(super) peer_framing: PeerFraming,
    pub(super) limits: ServerLimits,
    pub(super) log: Log,
    pub(super) epoll: Epoll,
    pub(super) wake: Waker,
    pub(super) timers: Timers,
    pub(super) acceptor: Acceptor,
    pub(super) owner: ProcessOwner,
    pub(super) sessions: Sessions<ServerSession>,
    pub(super) users: Users,
    pub(super) turns: Turns,
    pub(super) workers: WorkerPool,
    pub(super) leader_slot: LeaderSlot,
    pub(super) drain: DrainState,
    pub(super) counters: Counters,
    /// The memory for calls of which only a part has come.
    pub(super) partial: MemoryLimit,
    /// The memory for responses that have not been taken.
    pub(super) unsent: MemoryLimit,
    /// Stops the server when the program says so.
    pub(super) cancelled: Mutex<Option<CancelHook>>,
}

impl Reactor {
    /// The slot of a module, and its terms.
    pub(super) fn rules(&self, module: i32) -> Option<(usize, &ModuleRules)> {
        let slot = self.rules.binary_search_by_key(&module, |(id, _)| *id).ok()?;
        self.rules.get(slot).map(|(_, rules)| (slot, rules))
    }

    /// Tells something about the server itself.
    pub(super) fn report(&self, event: LogEvent) {
        self.counters.event(event);
        event.log(&self.log, format_args!("{}", self.acceptor.path().display()));
    }

    /// Tells something about a session.
    pub(super) fn report_session(&self, event: LogEvent, peer: Credentials) {
        self.counters.event(event);
        self.log_session(event, peer);
    }

    /// Writes a line about a session.
    pub(super) fn log_session(&self, event: LogEvent, peer: Credentials) {
        event.log(&self.log, format_args!("{}: {peer}", self.acceptor.path().display()));
    }

    pub(super) fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, self.acceptor.path(), cause)
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("path", self.acceptor.path())
            .field("modules", &self.service)
            .finish_non_exhaustive()
    }
}

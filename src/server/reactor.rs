//! State shared by the threads of a server.

use std::fmt;

use super::acceptor::Acceptor;
use super::drain::DrainState;
use super::fair::Turns;
use super::handler_time::HandlerTime;
use super::leader::LeaderSlot;
use super::limits::ServerLimits;
use super::log_event::LogEvent;
use super::process_owner::ProcessOwner;
use super::reason::{Reason, Rules};
use super::recent_work::RecentWork;
use super::server_session::ServerSession;
use super::sessions::Sessions;
use super::share::MemoryLimit;
use super::stats::{Counters, Tally};
use super::timers::Timers;
use super::users::Users;
use super::workers::WorkerPool;
use crate::cancel::CancelHook;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::{Api, Explanation};
use crate::log::Log;
use crate::log_about::About;
use crate::modules::names::Names;
use crate::protocol::framing::detect::PeerFraming;
use crate::service::Service;
use crate::session::{Credentials, Session};
use crate::sync::Mutex;
use crate::sys::{self, Epoll, SpinSetting, Waker};

/// The tokens of the server's own descriptors; every other token is a session's.
pub(super) mod token {
    /// The listening socket.
    pub(in crate::server) const LISTENER: u64 = u64::MAX;
    /// The timer.
    pub(in crate::server) const TIMER: u64 = u64::MAX - 1;
    /// The waker: the server is to stop, or has ended.
    pub(in crate::server) const WAKE: u64 = u64::MAX - 2;

    /// True for the server's own registrations, which are one-shot.
    pub(in crate::server) fn is_own(token: u64) -> bool {
        token >= WAKE
    }
}

/// Events that a thread takes at a time; the sessions among them are served in fair order.
pub(super) const BATCH: usize = 64;

pub(super) type Events = sys::Events<BATCH>;

/// The ids of the server's own alarms; every other id is a session's token.
pub(super) mod alarm {
    /// The pause after a failed accept is over.
    pub(in crate::server) const ACCEPT: u64 = u64::MAX;
    /// The deadline of a shutdown has come.
    pub(in crate::server) const DEADLINE: u64 = u64::MAX - 1;
}

/// Rules for the calls of a module. They are copied from the module, as its methods are the program's code and a lock
/// may be held.
#[derive(Debug)]
pub(super) struct ModuleRules {
    /// See [`Module::concurrent`](crate::Module::concurrent).
    pub(super) concurrent: bool,
    /// The users who may call the module, sorted; `None` for all users.
    pub(super) allowed: Option<Vec<u32>>,
    pub(super) handler_time: HandlerTime,
}

/// The program's decision whether a client may connect.
pub(super) type Authorise = dyn Fn(&Session) -> bool + Send + Sync;

/// State shared by the server's threads and its sessions, which hold it strongly.
pub(super) struct Reactor {
    pub(super) service: Service,
    /// The modules in ascending order, each with its rules. A module's index here is its slot.
    pub(super) rules: Vec<(i32, ModuleRules)>,
    pub(super) authorise: Option<Box<Authorise>>,
    /// The framing assumed of each client before its first call.
    pub(super) peer_framing: PeerFraming,
    pub(super) limits: ServerLimits,
    /// True if the process has descriptors for fewer sessions than the program has asked for.
    pub(super) few_descriptors: bool,
    /// The API whose names of options stand in texts.
    pub(super) api: Api,
    /// True if responses may say why a call has failed.
    pub(super) sends_details: bool,
    pub(super) log: Log,
    /// The names of modules and methods in the log.
    pub(super) names: Names,
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
    pub(super) spin: SpinSetting,
    pub(super) recent_work: RecentWork,
    pub(super) drain: DrainState,
    pub(super) counters: Counters,
    /// The memory for incomplete calls.
    pub(super) partial: MemoryLimit,
    /// The memory for responses that clients have not taken.
    pub(super) unsent: MemoryLimit,
    /// The hook by which the program's [`Cancel`](crate::Cancel) stops the server.
    pub(super) cancelled: Mutex<Option<CancelHook>>,
}

impl Reactor {
    /// The slot of a module, and its rules.
    pub(super) fn rules(&self, module: i32) -> Option<(usize, &ModuleRules)> {
        let slot = self.rules.binary_search_by_key(&module, |(id, _)| *id).ok()?;
        self.rules.get(slot).map(|(_, rules)| (slot, rules))
    }

    /// The counters that the calling thread adds to.
    #[inline(always)]
    pub(super) fn tally(&self) -> &Tally {
        self.counters.tally(self.workers.this_worker())
    }

    /// Counts and logs an event of the server itself.
    pub(super) fn report(&self, event: LogEvent) {
        self.counters.event(event);
        self.reason(event, 0).log(&self.log, &About::server(self.acceptor.path()));
    }

    /// Counts and logs an event of a client.
    pub(super) fn report_peer(&self, event: LogEvent, peer: Credentials) {
        self.counters.event(event);
        self.reason(event, peer.uid).log(&self.log, &About::peer(self.acceptor.path(), peer));
    }

    /// An event in words, about this user if it is about one.
    pub(super) fn reason(&self, event: LogEvent, uid: u32) -> Reason<'_> {
        let rules = Rules { limits: &self.limits, few_descriptors: self.few_descriptors, api: self.api };
        Reason { event, uid, rules }
    }

    pub(super) fn error(&self, phase: Phase, cause: Cause) -> Error {
        let explanation = Explanation::new(Api::Server, phase, self.acceptor.path(), cause);
        Error::explained(self.acceptor.path(), explanation.with_message_limit(self.limits.message))
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

//! Settings of a server.

use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::acceptor::Acceptor;
use super::drain::DrainState;
use super::fair::Turns;
use super::handle::Server;
use super::handler_time::HandlerTime;
use super::leader::LeaderSlot;
use super::limits::ServerLimits;
use super::listening_socket::{Existing, FilePolicy, LeftSockets, ListeningSocket};
use super::process_owner::ProcessOwner;
use super::reactor::{Authorise, ModuleRules, Reactor, token};
use super::recent_work::RecentWork;
use super::sessions::Sessions;
use super::share::MemoryLimit;
use super::stats::Counters;
use super::timers::Timers;
use super::users::Users;
use super::workers::{STACK, WorkerPool};
use crate::adaptive_spin::Spin;
use crate::cancel::Cancel;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::Api;
use crate::log::{Level, Log};
use crate::log_about::About;
use crate::log_field::Value;
use crate::modules::names::Names;
use crate::protocol::framing::Framing;
use crate::protocol::framing::detect::PeerFraming;
use crate::service::{Module, Service};
use crate::session::Session;
use crate::shared_path::SharedPath;
use crate::stable_path::StablePath;
use crate::sync::Mutex;
use crate::sys::{self, Epoll, Interest, SpinSetting, TryArc, Waker, Watch, try_box};

/// The fewest threads of a server whose program sets no number.
const THREADS: usize = 2;

/// The time for a shutdown unless the program sets another.
const GRACE: Duration = Duration::from_secs(30);

/// Settings of a [`Server`] before it is bound.
///
/// ```
/// # use drpc::{Module, Server, modules::mgmt};
/// # struct Management;
/// # impl Module for Management { fn id(&self) -> i32 { mgmt::MODULE } }
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let server = Server::builder()
///     .module(Management)
///     .allow(mgmt::MODULE, [0]) // root alone
///     .existing(drpc::Existing::ReplaceStale)
///     .mode(0o666)
///     .bind(path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[must_use = "nothing listens until it is bound"]
pub struct ServerBuilder {
    service: Service,
    /// The users who may call each restricted module, sorted by module.
    allowed: Vec<(i32, Vec<u32>)>,
    authorise: Option<Box<Authorise>>,
    threads: Option<usize>,
    spin: Option<Spin>,
    stack: usize,
    signals: bool,
    framing: Option<Framing>,
    limits: ServerLimits,
    grace: Duration,
    api: Api,
    sends_details: bool,
    log: Log,
    names: Names,
    cancel: Option<Cancel>,
    file: FilePolicy,
    /// The last error of a setter, returned when the server is bound.
    fault: Option<Cause>,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            service: Service::new(),
            allowed: Vec::new(),
            authorise: None,
            threads: None,
            spin: None,
            stack: STACK,
            signals: false,
            framing: None,
            limits: ServerLimits::default(),
            grace: GRACE,
            api: Api::Server,
            sends_details: true,
            log: Log::default(),
            names: Names::V2_8,
            cancel: None,
            file: FilePolicy::default(),
            fault: None,
        }
    }
}

impl Server {
    /// Settings for a server.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

impl ServerBuilder {
    /// Adds a module. A second one with the same number is an error when the server is bound.
    pub fn module(mut self, module: impl Module + 'static) -> Self {
        if let Err(cause) = self.service.try_register(module) {
            self.fault = Some(cause);
        }
        self
    }

    /// Lets only these users call a module; calls of other users are answered with a failure. Further calls for the
    /// same module add users.
    pub fn allow(mut self, module: i32, uids: impl IntoIterator<Item = u32>) -> Self {
        if let Err(cause) = self.add_allowed(module, uids.into_iter()) {
            self.fault = Some(cause);
        }
        self
    }

    #[expect(clippy::disallowed_methods, reason = "there is room")]
    fn add_allowed(&mut self, module: i32, uids: impl Iterator<Item = u32>) -> Result<(), Cause> {
        let no_memory = |_| Cause::NoMemory;
        let place = match self.allowed.binary_search_by_key(&module, |(module, _)| *module) {
            Ok(place) => place,
            Err(place) => {
                self.allowed.try_reserve(1).map_err(no_memory)?;
                self.allowed.insert(place, (module, Vec::new()));
                place
            }
        };
        let Some((_, allowed)) = self.allowed.get_mut(place) else { return Ok(()) };
        for uid in uids {
            allowed.try_reserve(1).map_err(no_memory)?;
            allowed.extend([uid]);
        }
        allowed.sort_unstable();
        Ok(())
    }

    /// Asks the program about each client that connects. If the answer is no, the client's first call is answered with
    /// a failure, and the session closed. The function must not wait: no other client is accepted meanwhile.
    pub fn authorise(mut self, authorise: impl Fn(&Session) -> bool + Send + Sync + 'static) -> Self {
        match try_box(authorise) {
            Ok(authorise) => self.authorise = Some(authorise),
            Err(cause) => self.fault = Some(cause),
        }
        self
    }

    /// The number of threads, and so of handlers that run at once. Unless set, there is one for each CPU, and at least
    /// two.
    ///
    /// Handlers that have been quick so far, a few microseconds, run one after the other in the thread that reads the
    /// calls. Waking another thread would cost more. If such a handler is slow for once, another thread takes over
    /// after some milliseconds.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Whether threads that wait for a call look for it before they sleep. `None`, the default, is the setting of the
    /// [process](crate::set_spin), and that is [`Spin::Adaptive`] unless it is set. [`Server::dispatch`] with no time to
    /// wait never looks.
    pub fn spin(mut self, spin: impl Into<Option<Spin>>) -> Self {
        self.spin = spin.into();
        self
    }

    /// The size in bytes of the stack of each thread that the server starts; 8 MiB unless set. Handlers run on this
    /// stack. Only the part that is used takes memory.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack = bytes;
        self
    }

    /// Leaves the threads the signal mask of the thread that starts them, for handlers that start programs, which
    /// inherit the mask. Unless set, the threads block all signals, and a program that a handler starts would not end
    /// on `SIGTERM`.
    pub fn signals(mut self, signals: bool) -> Self {
        self.signals = signals;
        self
    }

    /// The framing of all clients. `None`, the default, finds out from the first call of each.
    pub fn framing(mut self, framing: impl Into<Option<Framing>>) -> Self {
        self.framing = framing.into();
        self
    }

    /// The limits on what clients can ask for.
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The time for calls to finish when [`Server::stop`] or a [`Cancel`] stops the server; 30 s unless set.
    pub fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Whether a response that is no success says why: what the server refuses a call for, or the
    /// [detail](crate::Failure::with_detail) of a failure. It does unless set otherwise. Clients of DAOS skip the text.
    pub fn details(mut self, details: bool) -> Self {
        self.sends_details = details;
        self
    }

    /// Gives options and functions the names in texts that they have in C.
    #[doc(hidden)]
    pub fn in_c(mut self) -> Self {
        self.api = self.api.in_c();
        self
    }

    /// The destination of log lines; none unless set.
    pub fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// The names of modules and methods in the log; those of DAOS 1.2 to 2.8 unless set.
    pub fn names(mut self, names: Names) -> Self {
        self.names = names;
        self
    }

    /// Stops the server when this is cancelled.
    pub fn cancelled_by(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// The action if there is something at the path already; fail unless set.
    pub fn existing(mut self, existing: Existing) -> Self {
        self.file.existing = existing;
        self
    }

    /// The mode of the socket file, whatever the umask; 0600 unless set. Where the umask changes the mode, binding
    /// fails with [`Cause::NotOurs`] if two things come together: other users can change the path, and the kernel does
    /// not tell that the file is the server's.
    pub fn mode(mut self, mode: u32) -> Self {
        self.file.mode = Some(mode);
        self
    }

    /// The owner of the socket file.
    pub fn owner(mut self, uid: u32) -> Self {
        self.file.owner = Some(uid);
        self
    }

    /// The group of the socket file.
    pub fn group(mut self, gid: u32) -> Self {
        self.file.group = Some(gid);
        self
    }

    /// Creates the socket file and listens. Clients can connect from now on, and are served once the server is started
    /// or dispatched. A relative path starts at the process's current directory.
    pub fn bind(self, path: impl AsRef<Path>) -> Result<Server, Error> {
        let place = StablePath::new(path.as_ref());
        self.bind_at(place.map_err(|cause| Error::new(Api::Server, Phase::Listen, &SharedPath::default(), cause))?)
    }

    /// [`bind`](Self::bind) at a place.
    #[doc(hidden)]
    pub fn bind_at(self, place: StablePath) -> Result<Server, Error> {
        let listening = ListeningSocket::new(&place, &self.file);
        let listening = listening.map_err(|cause| Error::new(Api::Server, Phase::Listen, place.given(), cause))?;
        if let Some(left) = LeftSockets::find() {
            let path = Value(place.given().as_os_str().as_bytes());
            let line = format_args!("a new socket is made, although LISTEN_FDS has handed over {left} path={path}");
            self.log.line(Level::Warn, line);
        }
        self.serve_on(listening)
    }

    /// Takes over the listening socket that the service manager handed to this process (`LISTEN_FDS`). With a path, that is
    /// the socket bound to it. The path may be spelled otherwise, as `/run` and `/var/run`, if no other user can change either.
    /// Without a path, it is the first one. Its file is never removed.
    pub fn inherited(self, path: Option<&Path>) -> Result<Server, Error> {
        let place = path.map(StablePath::new).transpose();
        let place = place.map_err(|cause| Error::new(Api::Server, Phase::Listen, &SharedPath::default(), cause))?;
        self.inherited_at(place.as_ref())
    }

    /// [`inherited`](Self::inherited) with a place.
    #[doc(hidden)]
    pub fn inherited_at(self, place: Option<&StablePath>) -> Result<Server, Error> {
        let unknown = || SharedPath::new(Path::new("(inherited)")).unwrap_or_default();
        let path = place.map_or_else(unknown, |place| place.given().clone());
        let listening =
            ListeningSocket::inherited(place).map_err(|cause| Error::new(Api::Server, Phase::Listen, &path, cause))?;
        self.serve_on(listening)
    }

    fn serve_on(self, listening: ListeningSocket) -> Result<Server, Error> {
        let path = listening.path().clone();
        let error = |cause| Error::new(Api::Server, Phase::Listen, &path, cause);
        if let Some(cause) = self.fault {
            return Err(Error::new(Api::Server, Phase::Register, &path, cause));
        }
        let cancel = self.cancel.clone();
        let reactor = self.reactor(listening).and_then(TryArc::new).map_err(error)?;
        let server = Server::new(reactor.clone()).map_err(error)?;
        if let Some(cancel) = cancel {
            let stopped = reactor.clone();
            let hook = cancel.try_on_cancel(move || stopped.stop()).map_err(error)?;
            *crate::sync::lock(&reactor.cancelled) = Some(hook);
        }
        reactor.log.line(Level::Info, format_args!("listening{}", About::server(reactor.acceptor.path())));
        Ok(server)
    }

    fn reactor(self, listening: ListeningSocket) -> Result<Reactor, Cause> {
        let wanted = self.limits.sessions;
        let limits = self.limits.within(sys::descriptor_limit());
        let (epoll, wake, timers) = (Epoll::new()?, Waker::new()?, Timers::new()?);
        epoll.add(listening.as_fd(), token::LISTENER, Watch::Always(Interest::READ))?;
        epoll.add(wake.as_fd(), token::WAKE, Watch::Once(Interest::READ))?;
        epoll.add(timers.as_fd(), token::TIMER, Watch::Once(Interest::READ))?;
        let cpus = || sys::cpus().max(THREADS);
        let mut allowed = self.allowed;
        let mut allowed_of = |id| {
            let place = allowed.binary_search_by_key(&id, |(module, _)| *module).ok()?;
            allowed.get_mut(place).map(|(_, uids)| std::mem::take(uids))
        };
        let mut rules = Vec::new();
        rules.try_reserve_exact(self.service.modules().len()).map_err(|_| Cause::NoMemory)?;
        rules.extend(self.service.modules().map(|(id, module)| {
            (
                id,
                ModuleRules {
                    concurrent: module.concurrent(),
                    allowed: allowed_of(id),
                    handler_time: HandlerTime::new(),
                },
            )
        }));
        let threads = self.threads.unwrap_or_else(cpus).max(1);
        Ok(Reactor {
            rules,
            counters: Counters::new(threads, self.service.modules().map(|(id, _)| id))?,
            service: self.service,
            authorise: self.authorise,
            // A message in neither framing is answered as a datagram, as a client that sends datagrams needs an answer.
            peer_framing: PeerFraming::configured(self.framing, Framing::Datagram),
            log: self.log,
            names: self.names,
            epoll,
            wake,
            timers,
            acceptor: Acceptor::new(listening)?,
            owner: ProcessOwner::new(),
            sessions: Sessions::new()?,
            users: Users::default(),
            turns: Turns::default(),
            workers: WorkerPool::new(threads, self.stack, self.signals),
            leader_slot: LeaderSlot::new(),
            spin: SpinSetting::new(self.spin),
            recent_work: RecentWork::new(),
            drain: DrainState::new(self.grace),
            partial: MemoryLimit::new(limits.partial_memory, limits.partial_of_user()),
            unsent: MemoryLimit::new(limits.unsent, limits.unsent_of_user()),
            few_descriptors: limits.sessions < wanted,
            api: self.api,
            sends_details: self.sends_details,
            cancelled: Mutex::new(None),
            limits,
        })
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("modules", &self.service)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

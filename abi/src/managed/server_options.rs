//! The settings of a server before it listens.

use std::ffi::{c_int, c_void};
use std::time::Duration;

use ::drpc::modules::names::Names;
use ::drpc::stable_path::StablePath;
use ::drpc::{Cause, Error, Existing, OptionOwner, OptionValues, Server, ServerBuilder, ServerLimits, Session};

use super::call_block::{SpareBlock, drpc_session};
use super::handler::{Handler, Served};
use crate::service::served::{ServedService, ServiceModule};
use crate::service::unpacking::memory_limit;
use crate::{library, log};

/// The options of drpc_server_set. Times are in milliseconds, sizes in bytes. A limit of 0 means no limit.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum drpc_server_option {
    /// The number of threads. Default: the number of CPUs, but at least two.
    DRPC_SERVER_THREADS = 1,
    /// The treatment of an existing file at the path: 0 fails; 1 removes a socket without a listening server, but never
    /// another file. Default: 0. The check holds a lock on the file `<path>.lock` as long as the server exists; the
    /// file stays. It is made for the owner of the socket, with mode 0600. A lock file that this user may not open is
    /// replaced if no server listens.
    DRPC_SERVER_REPLACE_STALE = 2,
    /// 1 takes over the listening socket at the path that the service manager passes to the process (LISTEN_FDS). The
    /// path may lead there through links. Without any passed socket a new one is made. If there are only other passed
    /// sockets, taken over by no server of the process, listening fails with -DER_NONEXIST and names them. Default: 0.
    DRPC_SERVER_INHERIT = 3,
    /// The mode of the socket file, whatever the umask. Default: 0600. Where the umask would change the mode, the
    /// server must be sure that the file is its own. Either the kernel tells, or other users cannot change the path.
    /// Otherwise listening fails with -DER_NO_PERM.
    DRPC_SERVER_MODE = 4,
    /// The owner of the socket file. If that user may not make files in the directory, the same condition holds as for
    /// the mode.
    DRPC_SERVER_OWNER = 5,
    /// The group of the socket file.
    DRPC_SERVER_GROUP = 6,
    /// The number of sessions at once; more are accepted when others have ended. Default: 4096. At most 128 less than
    /// the process's descriptor limit (RLIMIT_NOFILE) when the server begins to listen, but at least one.
    DRPC_SERVER_MAX_SESSIONS = 7,
    /// The number of sessions at once of one user other than root, at most seven eighths of all. The first call of a
    /// further session is refused. Default: 256.
    DRPC_SERVER_MAX_SESSIONS_PER_UID = 8,
    /// The size limit of a message, sent or received. Default: 128 MiB.
    DRPC_SERVER_MAX_MESSAGE = 9,
    /// The memory for partly received messages of all sessions together. A message is received whatever its size while
    /// there is no other. The memory counts here, too, that requests of services (drpc/service.h) unpack to beyond 64 KiB.
    /// Default: 256 MiB.
    DRPC_SERVER_MAX_PARTIAL = 10,
    /// The time for the whole of a message to arrive once it has begun. Default: 30 s.
    DRPC_SERVER_MESSAGE_TIME = 11,
    /// The time for a client to take a reply. Default: 30 s.
    DRPC_SERVER_REPLY_TIME = 12,
    /// The number of calls of one session handled at once. Default: 64.
    DRPC_SERVER_MAX_CALLS = 13,
    /// The memory for untaken replies of all sessions together. Default: 256 MiB.
    DRPC_SERVER_MAX_UNSENT = 14,
    /// The time without a call after which a session is closed. Default: no limit.
    DRPC_SERVER_IDLE_TIME = 15,
    /// The time for running calls to finish after drpc_server_stop; here 0 means no time. Default: 30 s.
    DRPC_SERVER_GRACE_TIME = 16,
    /// The size limit of a reply that is sent as one datagram. A client silently cuts a longer one than it can receive:
    /// DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Default: as this library's line receives, 16 KiB in
    /// libdrpc-0.8, 128 KiB in libdrpc-2.8.
    DRPC_SERVER_MAX_DATAGRAM = 17,
    /// The framing of the clients' messages, one of enum drpc_framing. Default: DRPC_FRAMING_AUTO, detected from each
    /// client's first call.
    DRPC_SERVER_FRAMING = 18,
    /// 1 leaves the threads the signal mask of the thread that starts them. Programs that handlers start inherit it,
    /// and the program's signal handlers may run in the threads. Default: 0, the threads block all signals.
    DRPC_SERVER_SIGNALS = 19,
    /// The size of the stack of each library thread, from 64 KiB to 1 GiB. Only the used part takes memory. A server
    /// with services (drpc/service.h) needs 256 KiB, for what libprotobuf-c unpacks, or does not listen: -DER_INVAL.
    /// Default: 8 MiB.
    DRPC_SERVER_STACK = 20,
    /// The share of DRPC_SERVER_MAX_PARTIAL that one user other than root may hold. A user may also hold at most four
    /// times the memory that is left. An eighth is reserved for root. Default: half.
    DRPC_SERVER_MAX_PARTIAL_PER_UID = 21,
    /// The share of DRPC_SERVER_MAX_UNSENT that one user other than root may hold. Beyond it the user's calls fail
    /// before they are handled. While not much memory is left, calls also fail of users that hold more than a little.
    /// While twice the limit is held, all calls but root's fail. The reply to a handled call is replaced by a failure
    /// only if its own user has too much. Default: half.
    DRPC_SERVER_MAX_UNSENT_PER_UID = 22,
    /// The longest time in microseconds that a thread polls for a call before it sleeps; 0 is no polling, DRPC_SPIN_AUTO
    /// polls only while that pays (see drpc_set_spin). drpc_server_dispatch with timeout 0 never polls. Default:
    /// drpc_set_spin's value, or else the environment variable DRPC_SPIN_US, or else DRPC_SPIN_AUTO.
    DRPC_SERVER_SPIN = 23,
    /// 1 lets a response with another status than DRPC__STATUS__SUCCESS say why: which limit or rule of the server the call
    /// met, or the text of drpc_session_fail. Clients of DAOS skip the text. 0 sends none. Default: 1.
    DRPC_SERVER_DETAIL = 24,
}

use drpc_server_option::*;

/// The settings of a server. They are kept when the socket cannot be made, so that listening can be tried again.
#[derive(Default)]
pub(crate) struct Settings {
    handlers: Vec<Handler>,
    services: Vec<ServiceModule>,
    allowed: Vec<(i32, Vec<libc::uid_t>)>,
    pub(crate) authorise: Option<Authorise>,
    options: Vec<(drpc_server_option, u64)>,
}

/// The program's function that decides who may call.
#[derive(Clone, Copy)]
pub(crate) struct Authorise {
    pub(crate) function: unsafe extern "C" fn(session: *mut drpc_session, arg: *mut c_void) -> bool,
    pub(crate) arg: *mut c_void,
}

// SAFETY: `arg` is only passed back to the program, which has promised that any thread may run the function.
unsafe impl Send for Authorise {}
// SAFETY: as above.
unsafe impl Sync for Authorise {}

impl Authorise {
    fn allows(&self, session: &Session) -> bool {
        let mut session = drpc_session { session };
        // SAFETY: the program gave the function for this purpose, with this argument.
        unsafe { (self.function)(&mut session, self.arg) }
    }
}

/// Stores a value in place of the one with the same key, or at the end.
fn put<K: PartialEq, V>(list: &mut Vec<(K, V)>, key: K, value: V) -> Result<(), Cause> {
    list.retain(|(other, _)| *other != key);
    list.try_reserve(1).map_err(|_| Cause::NoMemory)?;
    list.extend([(key, value)]);
    Ok(())
}

impl Settings {
    pub(crate) fn handler(&self, module: i32) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.module == module)
    }

    /// True if the module has a handler or a service.
    pub(crate) fn serves(&self, module: i32) -> bool {
        self.handler(module).is_some() || self.services.iter().any(|service| service.module == module)
    }

    pub(crate) fn add_service(&mut self, service: ServiceModule) -> Result<(), Cause> {
        if self.serves(service.module) {
            return Err(Cause::Exists);
        }
        self.services.try_reserve(1).map_err(|_| Cause::NoMemory)?;
        self.services.extend([service]);
        Ok(())
    }

    pub(crate) fn register(&mut self, handler: Handler) -> Result<(), Cause> {
        if self.serves(handler.module) {
            return Err(Cause::Exists);
        }
        self.handlers.try_reserve(1).map_err(|_| Cause::NoMemory)?;
        self.handlers.extend([handler]);
        Ok(())
    }

    pub(crate) fn allow(&mut self, module: i32, uids: &[libc::uid_t]) -> Result<(), Cause> {
        let mut copy = Vec::new();
        copy.try_reserve_exact(uids.len()).map_err(|_| Cause::NoMemory)?;
        copy.extend_from_slice(uids);
        put(&mut self.allowed, module, copy)
    }

    pub(crate) fn set(&mut self, option: c_int, value: u64) -> Result<(), Cause> {
        let known = OPTIONS.into_iter().find(|known| *known as c_int == option);
        let option = known.ok_or(Cause::UnknownOption { of: OptionOwner::Server, number: option })?;
        if !option.can_be(value) {
            return Err(Cause::OptionValue { option: option.values(), value });
        }
        put(&mut self.options, option, value)
    }

    /// The plan for making the server; `datagram` is the size that the line's peers can receive, and `names` are the line's.
    pub(crate) fn plan(&self, datagram: usize, names: Names) -> Result<Plan, Cause> {
        let has_small_stack = |(option, size): &_| *option == DRPC_SERVER_STACK && *size < SERVICE_STACK;
        if !self.services.is_empty() && self.options.iter().any(has_small_stack) {
            return Err(Cause::Invalid("a server with services needs stacks of 256 KiB: see DRPC_SERVER_STACK"));
        }
        let inherits = self.options.contains(&(DRPC_SERVER_INHERIT, 1));
        let inheriting = inherits.then(|| self.builder(datagram, names)).transpose()?;
        Ok(Plan { inheriting, binding: self.builder(datagram, names)? })
    }

    fn builder(&self, datagram: usize, names: Names) -> Result<ServerBuilder, Cause> {
        let mut builder = Server::builder().in_c().log(log::of_core()?).names(names);
        for handler in &self.handlers {
            builder = builder.module(Served { handler: *handler, spare: SpareBlock::new() });
        }
        for (module, uids) in &self.allowed {
            builder = builder.allow(*module, uids.iter().copied());
        }
        if let Some(authorise) = self.authorise {
            builder = builder.authorise(move |session| authorise.allows(session));
        }
        let mut limits = ServerLimits { datagram, ..ServerLimits::default() };
        for (option, value) in &self.options {
            builder = option.apply(*value, builder, &mut limits);
        }
        for service in &self.services {
            builder = builder.module(ServedService {
                served: service.try_clone()?,
                memory_limit: memory_limit(limits.message),
                spare: SpareBlock::new(),
            });
        }
        Ok(builder.limits(limits))
    }
}

/// A plan for making a server.
pub(crate) struct Plan {
    /// The builder for a passed socket, if there may be one.
    inheriting: Option<ServerBuilder>,
    binding: ServerBuilder,
}

impl Plan {
    pub(crate) fn listen(self, place: &StablePath) -> Result<Server, Error> {
        match self.inheriting.map(|builder| builder.inherited_at(Some(place))) {
            None => {}
            Some(Err(error)) if error.cause() == (Cause::NotHanded { instead: None }) => {}
            Some(made) => return made,
        }
        self.binding.bind_at(place.clone())
    }
}

/// All options.
const OPTIONS: [drpc_server_option; 24] = [
    DRPC_SERVER_THREADS,
    DRPC_SERVER_REPLACE_STALE,
    DRPC_SERVER_INHERIT,
    DRPC_SERVER_MODE,
    DRPC_SERVER_OWNER,
    DRPC_SERVER_GROUP,
    DRPC_SERVER_MAX_SESSIONS,
    DRPC_SERVER_MAX_SESSIONS_PER_UID,
    DRPC_SERVER_MAX_MESSAGE,
    DRPC_SERVER_MAX_PARTIAL,
    DRPC_SERVER_MESSAGE_TIME,
    DRPC_SERVER_REPLY_TIME,
    DRPC_SERVER_MAX_CALLS,
    DRPC_SERVER_MAX_UNSENT,
    DRPC_SERVER_IDLE_TIME,
    DRPC_SERVER_GRACE_TIME,
    DRPC_SERVER_MAX_DATAGRAM,
    DRPC_SERVER_FRAMING,
    DRPC_SERVER_SIGNALS,
    DRPC_SERVER_STACK,
    DRPC_SERVER_MAX_PARTIAL_PER_UID,
    DRPC_SERVER_MAX_UNSENT_PER_UID,
    DRPC_SERVER_SPIN,
    DRPC_SERVER_DETAIL,
];

/// The limit of threads; more are a mistake.
const THREADS: u64 = 4096;

/// The range of stack sizes. With less the library's own code has no room; more is a mistake.
const STACKS: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

/// The stack that a service needs. A message that is 100 deep takes half of that to unpack.
const SERVICE_STACK: u64 = 256 << 10;

impl drpc_server_option {
    fn can_be(self, value: u64) -> bool {
        match self {
            DRPC_SERVER_THREADS => (1..=THREADS).contains(&value),
            DRPC_SERVER_REPLACE_STALE | DRPC_SERVER_INHERIT | DRPC_SERVER_SIGNALS | DRPC_SERVER_DETAIL => value <= 1,
            DRPC_SERVER_FRAMING => library::framing(value).is_some(),
            DRPC_SERVER_SPIN => library::spin(value).is_some(),
            DRPC_SERVER_STACK => STACKS.contains(&value),
            DRPC_SERVER_MODE => value <= 0o777,
            DRPC_SERVER_OWNER | DRPC_SERVER_GROUP => value < u32::MAX.into(),
            _ => true,
        }
    }

    /// The name of an option that cannot have every value, and the values that it can have.
    fn values(self) -> &'static OptionValues {
        match self {
            DRPC_SERVER_THREADS => &OptionValues { name: "DRPC_SERVER_THREADS", values: "1 to 4096" },
            DRPC_SERVER_REPLACE_STALE => &OptionValues { name: "DRPC_SERVER_REPLACE_STALE", values: "0 or 1" },
            DRPC_SERVER_INHERIT => &OptionValues { name: "DRPC_SERVER_INHERIT", values: "0 or 1" },
            DRPC_SERVER_MODE => &OptionValues { name: "DRPC_SERVER_MODE", values: "at most 511, which is octal 0777" },
            DRPC_SERVER_OWNER => &OptionValues { name: "DRPC_SERVER_OWNER", values: "at most 4294967294" },
            DRPC_SERVER_GROUP => &OptionValues { name: "DRPC_SERVER_GROUP", values: "at most 4294967294" },
            DRPC_SERVER_SIGNALS => &OptionValues { name: "DRPC_SERVER_SIGNALS", values: "0 or 1" },
            DRPC_SERVER_DETAIL => &OptionValues { name: "DRPC_SERVER_DETAIL", values: "0 or 1" },
            DRPC_SERVER_STACK => &OptionValues { name: "DRPC_SERVER_STACK", values: "65536 to 1073741824" },
            DRPC_SERVER_FRAMING => &OptionValues { name: "DRPC_SERVER_FRAMING", values: library::FRAMINGS },
            DRPC_SERVER_SPIN => &OptionValues { name: "DRPC_SERVER_SPIN", values: library::SPINS },
            _ => &OptionValues { name: "the option", values: "any number" },
        }
    }

    /// Applies a value that has been checked.
    fn apply(self, value: u64, builder: ServerBuilder, limits: &mut ServerLimits) -> ServerBuilder {
        let number = u32::try_from(value).unwrap_or(u32::MAX);
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        let most = if size == 0 { usize::MAX } else { size };
        let time = if value == 0 { Duration::MAX } else { Duration::from_millis(value) };
        match self {
            DRPC_SERVER_THREADS => return builder.threads(size),
            DRPC_SERVER_REPLACE_STALE if value == 1 => return builder.existing(Existing::ReplaceStale),
            DRPC_SERVER_REPLACE_STALE | DRPC_SERVER_INHERIT => {}
            DRPC_SERVER_SIGNALS => return builder.signals(value == 1),
            DRPC_SERVER_DETAIL => return builder.details(value == 1),
            DRPC_SERVER_MODE => return builder.mode(number),
            DRPC_SERVER_OWNER => return builder.owner(number),
            DRPC_SERVER_GROUP => return builder.group(number),
            DRPC_SERVER_GRACE_TIME => return builder.grace(Duration::from_millis(value)),
            DRPC_SERVER_MAX_SESSIONS => limits.sessions = most,
            DRPC_SERVER_MAX_SESSIONS_PER_UID => limits.sessions_per_uid = most,
            DRPC_SERVER_MAX_MESSAGE => limits.message = most,
            DRPC_SERVER_MAX_DATAGRAM => limits.datagram = most,
            DRPC_SERVER_FRAMING => return builder.framing(library::framing(value).flatten()),
            DRPC_SERVER_STACK => return builder.stack_size(size),
            DRPC_SERVER_SPIN => return builder.spin(library::spin(value)),
            DRPC_SERVER_MAX_PARTIAL => limits.partial_memory = most,
            DRPC_SERVER_MESSAGE_TIME => limits.message_time = time,
            DRPC_SERVER_REPLY_TIME => limits.reply_time = time,
            DRPC_SERVER_MAX_CALLS => limits.calls_per_session = most,
            DRPC_SERVER_MAX_UNSENT => limits.unsent = most,
            DRPC_SERVER_MAX_PARTIAL_PER_UID => limits.partial_memory_per_uid = Some(most),
            DRPC_SERVER_MAX_UNSENT_PER_UID => limits.unsent_per_uid = Some(most),
            DRPC_SERVER_IDLE_TIME => limits.idle_time = Some(time),
        }
        builder
    }
}

//! What is set on a server before it listens.

use std::ffi::{c_int, c_void};
use std::time::Duration;

use ::drpc::stable_path::StablePath;
use ::drpc::{Cause, Error, Existing, Log, Server, ServerBuilder, ServerLimits, Session};

use super::call_block::{SpareBlock, drpc_session};
use super::handler::{Handler, Served};
use crate::{library, log};

/// What can be set with drpc_server_set. Times are in milliseconds, sizes in bytes. Of the limits 0 means no limit.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum drpc_server_option {
    /// Threads. Unless set as many as there are CPUs, but two at least.
    DRPC_SERVER_THREADS = 1,
    /// What to do when there is a file at the path: 0 fails, 1 removes a socket that no server listens on any more.
    /// That is found out under a lock on the file `<path>.lock`, which is held as long as the server is there, and
    /// stays. It is made for the owner of the socket, with mode 0600. One that this user may not open is replaced if no
    /// server listens. A file that is no socket is never removed. Unless set 0.
    DRPC_SERVER_REPLACE_STALE = 2,
    /// 1 takes over the listening socket at the path that the service manager hands to the process (LISTEN_FDS). The path
    /// may lead there through links. One is made if none was handed over; if others were, which no server of the process has
    /// taken over, it is an error that names them: -DER_NONEXIST. Unless set 0.
    DRPC_SERVER_INHERIT = 3,
    /// Mode of the socket file, whatever the umask. Unless set 0600. It is an error, -DER_NO_PERM, if the umask changes it, other
    /// users can change the path, and the kernel does not tell that the file is the server's.
    DRPC_SERVER_MODE = 4,
    /// Owner of the socket file. Where that user may not make files in the directory, it is an error as with the mode.
    DRPC_SERVER_OWNER = 5,
    /// Group of the socket file.
    DRPC_SERVER_GROUP = 6,
    /// Sessions at once; more are accepted when others have ended. Unless set 4096. In any case at least 128 less than the
    /// process may have descriptors (RLIMIT_NOFILE) when the server begins to listen, if that leaves one.
    DRPC_SERVER_MAX_SESSIONS = 7,
    /// Sessions at once of one user other than root, who leaves an eighth of all to others; the call of another one is
    /// refused. Unless set 256.
    DRPC_SERVER_MAX_SESSIONS_PER_UID = 8,
    /// Size of a message, sent or received. Unless set 128 MiB.
    DRPC_SERVER_MAX_MESSAGE = 9,
    /// Memory for messages of which only a part has come, all sessions together. One message comes in, however large, while
    /// there is no other. Unless set 256 MiB.
    DRPC_SERVER_MAX_PARTIAL = 10,
    /// Time for a message to arrive whole once it has begun. Unless set 30 s.
    DRPC_SERVER_MESSAGE_TIME = 11,
    /// Time for a client to take a reply. Unless set 30 s.
    DRPC_SERVER_REPLY_TIME = 12,
    /// Calls of one session being served at once. Unless set 64.
    DRPC_SERVER_MAX_CALLS = 13,
    /// Memory for replies that clients have not taken yet, all sessions together. Unless set 256 MiB.
    DRPC_SERVER_MAX_UNSENT = 14,
    /// Time without a call after which a session is closed. Unless set there is none.
    DRPC_SERVER_IDLE_TIME = 15,
    /// Time for what is going on when drpc_server_stop is called, of which 0 is none. Unless set 30 s.
    DRPC_SERVER_GRACE_TIME = 16,
    /// Size of a reply that is sent as one datagram: what the clients can receive, for longer ones they cut without a
    /// word. DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Unless set what the releases of this library's
    /// line receive: libdrpc-0.8 16 KiB, libdrpc-2.8 128 KiB.
    DRPC_SERVER_MAX_DATAGRAM = 17,
    /// How the clients send messages, one of enum drpc_framing. Unless set DRPC_FRAMING_AUTO: found out from the first
    /// call of each.
    DRPC_SERVER_FRAMING = 18,
    /// 1 leaves the threads the signal mask of the thread that starts them, which programs that handlers start inherit.
    /// Handlers of the program's own for signals may run in them then. Unless set 0: they block all signals.
    DRPC_SERVER_SIGNALS = 19,
    /// Size of the stack of each thread of the library's, from 64 KiB to 1 GiB; only what is used of it takes memory.
    /// Unless set 8 MiB.
    DRPC_SERVER_STACK = 20,
    /// What one user other than root may have of the memory for messages of which only a part has come. A user can also
    /// have no more than four times what is left, and an eighth is root's alone. Unless set half.
    DRPC_SERVER_MAX_PARTIAL_PER_UID = 21,
    /// What one user other than root may have of the memory for replies that clients have not taken yet. Beyond it the
    /// user's calls fail before they are handled; so do those of a user who holds more than a little while not much is left,
    /// and of all but root while twice the limit is held. A reply to a call that has been handled is replaced by a
    /// failure only if its own user has too much. Unless set half.
    DRPC_SERVER_MAX_UNSENT_PER_UID = 22,
}

use drpc_server_option::*;

/// What has been set. Kept as it is, so that a server whose socket cannot be made can be tried again.
#[derive(Default)]
pub(crate) struct Settings {
    handlers: Vec<Handler>,
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

// SAFETY: `arg` is only ever passed back to the program, which has promised that any thread may run the function.
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

/// Puts a value in place of the one with the same key, or behind the others.
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

    pub(crate) fn register(&mut self, handler: Handler) -> Result<(), Cause> {
        if self.handler(handler.module).is_some() {
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
        let option = OPTIONS.into_iter().find(|known| *known as c_int == option);
        let option = option.ok_or(Cause::Invalid("the option is none of DRPC_SERVER_..."))?;
        if !option.can_be(value) {
            return Err(Cause::Invalid("the option cannot have this value"));
        }
        put(&mut self.options, option, value)
    }

    /// What it takes to make the server, where `datagram` is what the peers of the line can receive.
    pub(crate) fn plan(&self, datagram: usize) -> Result<Plan, Cause> {
        let inherits = self.options.contains(&(DRPC_SERVER_INHERIT, 1));
        let inheriting = inherits.then(|| self.builder(datagram)).transpose()?;
        Ok(Plan { inheriting, binding: self.builder(datagram)? })
    }

    fn builder(&self, datagram: usize) -> Result<ServerBuilder, Cause> {
        let mut builder = Server::builder().log(Log::try_to(log::from_core)?);
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
        Ok(builder.limits(limits))
    }
}

/// How a server is to be made.
pub(crate) struct Plan {
    /// By taking over a socket, if there is one.
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

/// Every option.
const OPTIONS: [drpc_server_option; 22] = [
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
];

/// More threads than this are a mistake.
const THREADS: u64 = 4096;

/// With less the library's own code has no room, and more is a mistake.
const STACKS: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

impl drpc_server_option {
    fn can_be(self, value: u64) -> bool {
        match self {
            DRPC_SERVER_THREADS => (1..=THREADS).contains(&value),
            DRPC_SERVER_REPLACE_STALE | DRPC_SERVER_INHERIT | DRPC_SERVER_SIGNALS => value <= 1,
            DRPC_SERVER_FRAMING => library::framing(value).is_some(),
            DRPC_SERVER_STACK => STACKS.contains(&value),
            DRPC_SERVER_MODE => value <= 0o777,
            DRPC_SERVER_OWNER | DRPC_SERVER_GROUP => value < u32::MAX.into(),
            _ => true,
        }
    }

    /// Puts a possible value into effect.
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

//! `drpc/server.h`: the managed server.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_void};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::drpc::der::Release;
use ::drpc::{Cause, Phase, Server, ServerBuilder, Session, sys};

use super::handler::{Function, Handler};
use super::object;
use super::session::drpc_session;
use crate::client::socket_path;
use crate::context::Abi;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::entry::{self, Subject};
use crate::log;

/// A server: its socket, its modules, its sessions.
pub struct drpc_server {
    path: CString,
    release: Release,
    /// What has been set before the server listens.
    builder: Mutex<Option<ServerBuilder>>,
    handlers: Mutex<Vec<(i32, Function)>>,
    /// The server, from when it listens on. Read without a lock, as a signal handler may be the one who does.
    server: OnceLock<Server>,
    /// It is to stop, or never to begin.
    stopped: AtomicBool,
}

/// Serves a call. The response comes with DRPC__STATUS__SUCCESS and without a body; the function sets the status and, if
/// there is a result, the body, whose data comes from `malloc` and is the library's then (that of `call->body` does,
/// if `call->body` is emptied). The body is sent only with DRPC__STATUS__SUCCESS. `session` and `call` are valid until
/// the function returns, longer if it takes the call with drpc_session_defer. Any thread of the server runs it, several at
/// once for different sessions.
pub type drpc_server_handler_t = Option<
    unsafe extern "C" fn(
        session: *mut drpc_session,
        call: *mut Drpc__Call,
        resp: *mut Drpc__Response,
        arg: *mut c_void,
    ),
>;

/// Says whether a client may call at all. Run for each session, before its first call.
pub type drpc_server_authorise_t =
    Option<unsafe extern "C" fn(session: *mut drpc_session, arg: *mut c_void) -> bool>;

/// For drpc_server_register.
#[repr(C)]
pub enum drpc_server_flags {
    /// Calls of one session may be served at the same time, and answered in any order. Otherwise the next one waits
    /// until the answer to the one before has been sent.
    DRPC_SERVER_CONCURRENT = 1,
}

/// What can be set with drpc_server_set. Times are in milliseconds, sizes in bytes. Of the limits 0 means no limit.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum drpc_server_option {
    /// Threads. Unless set as many as there are CPUs, but two at least.
    DRPC_SERVER_THREADS = 1,
    /// What to do when there is a file at the path: 0 fails, 1 removes a socket that no server listens on any more.
    /// That is found out under a lock on the file `<path>.lock`, which is held as long as the server is there, and
    /// stays. A file that is no socket is never removed. Unless set 0.
    DRPC_SERVER_REPLACE_STALE = 2,
    /// 1 takes over the listening socket that the service manager hands to the process (LISTEN_FDS), if there is one.
    /// Unless set 0.
    DRPC_SERVER_INHERIT = 3,
    /// Mode of the socket file, whatever the umask. Unless set 0600.
    DRPC_SERVER_MODE = 4,
    /// Owner of the socket file.
    DRPC_SERVER_OWNER = 5,
    /// Group of the socket file.
    DRPC_SERVER_GROUP = 6,
    /// Sessions at once; more are accepted when others have ended. Unless set 4096.
    DRPC_SERVER_MAX_SESSIONS = 7,
    /// Sessions at once of one user other than root; the call of another one is refused. Unless set 256.
    DRPC_SERVER_MAX_SESSIONS_PER_UID = 8,
    /// Size of a message, sent or received. Unless set 128 MiB, but 16 KiB to be sent in the wire format of DAOS 0.8.
    DRPC_SERVER_MAX_MESSAGE = 9,
    /// Memory for messages of which only a part has come, all sessions together. Unless set 256 MiB.
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
}

/// Makes a server that is to listen at `path`, for the functions of the lines.
///
/// # Safety
/// `path` is null or a C string, `server` is null or valid for writing.
pub unsafe fn create<A: Abi>(path: *const c_char, server: *mut *mut drpc_server) -> c_int {
    if server.is_null() {
        return entry::no_place::<A>(Phase::Configure);
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { *server = std::ptr::null_mut() };
    entry::code::<A>(Phase::Configure, |site| {
        // SAFETY: the caller's promise.
        let path = unsafe { socket_path(path) }?;
        site.subject(Subject::Path(path));
        let log = ::drpc::Log::to(log::from_core);
        let builder = Server::builder().framing(A::FRAMING).log(log);
        let made = object::give(drpc_server {
            path: path.to_owned(),
            release: A::RELEASE,
            builder: Mutex::new(Some(builder)),
            handlers: Mutex::new(Vec::new()),
            server: OnceLock::new(),
            stopped: AtomicBool::new(false),
        })?;
        // SAFETY: as above.
        unsafe { *server = made };
        Ok(())
    })
}

impl drpc_server {
    /// Runs the body of a function, with the error numbers of the line that the server was made for.
    ///
    /// # Safety
    /// `server` is null or a server that is not destroyed meanwhile.
    unsafe fn run<T>(
        server: *const Self,
        phase: Phase,
        body: impl FnOnce(&Self) -> Result<T, Cause>,
    ) -> Result<T, c_int> {
        // SAFETY: the caller's promise.
        let server = unsafe { server.as_ref() };
        let release = server.map_or(Release::V2_8, |server| server.release);
        entry::run_for(release, phase, |site| {
            let server = server.ok_or(Cause::Invalid("the server is NULL"))?;
            site.subject(Subject::Path(&server.path));
            body(server)
        })
    }

    /// Changes what can be set before the server listens.
    fn configure(&self, change: impl FnOnce(ServerBuilder) -> Result<ServerBuilder, Cause>) -> Result<(), Cause> {
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(builder.clone().ok_or(Cause::Busy)?)?;
        *builder = Some(changed);
        Ok(())
    }

    /// The server, which listens from now on.
    fn listening(&self) -> Result<&Server, Cause> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Cause::Stopped);
        }
        let mut builder = self.builder.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let ready = builder.as_ref().ok_or(Cause::Stopped)?;
        let server = ready.bind(OsStr::from_bytes(self.path.to_bytes())).map_err(cause)?;
        *builder = None;
        let server = self.server.get_or_init(|| server);
        // Somebody may have asked for it while there was no server to tell.
        if self.stopped.load(Ordering::SeqCst) {
            server.stop();
        }
        Ok(server)
    }
}

/// # Safety
/// As for [`drpc_server::run`].
unsafe fn with_server(
    server: *const drpc_server,
    phase: Phase,
    body: impl FnOnce(&drpc_server) -> Result<(), Cause>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { drpc_server::run(server, phase, body) }.err().unwrap_or(0)
}

use drpc_server_option::*;

/// Every option.
const OPTIONS: [drpc_server_option; 15] = [
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
];

fn set(builder: ServerBuilder, option: c_int, value: u64) -> Result<ServerBuilder, Cause> {
    let option = OPTIONS.into_iter().find(|known| *known as c_int == option);
    let option = option.ok_or(Cause::Invalid("the option is none of DRPC_SERVER_..."))?;
    let number = || u32::try_from(value).map_err(|_| IMPOSSIBLE);
    let switch = || if value <= 1 { Ok(value == 1) } else { Err(IMPOSSIBLE) };
    let most = usize::try_from(value).ok().filter(|most| *most > 0).unwrap_or(usize::MAX);
    let time = Some(value).filter(|ms| *ms > 0).map(Duration::from_millis);
    let limit = |change: &dyn Fn(&mut ServerLimits)| {
        let mut limits = builder.limits_set();
        change(&mut limits);
        builder.limits(limits)
    };
    Ok(match option {
        DRPC_SERVER_THREADS if value == 0 => return Err(IMPOSSIBLE),
        DRPC_SERVER_THREADS => builder.threads(most),
        DRPC_SERVER_REPLACE_STALE => builder.replace_stale(switch()?),
        DRPC_SERVER_INHERIT => builder.inherit(switch()?),
        DRPC_SERVER_MODE if value > 0o777 => return Err(IMPOSSIBLE),
        DRPC_SERVER_MODE => builder.mode(number()?),
        DRPC_SERVER_OWNER => builder.owner(number()?),
        DRPC_SERVER_GROUP => builder.group(number()?),
        DRPC_SERVER_MAX_SESSIONS => limit(&|limits| limits.sessions = most),
        DRPC_SERVER_MAX_SESSIONS_PER_UID => limit(&|limits| limits.sessions_per_uid = most),
        DRPC_SERVER_MAX_MESSAGE => limit(&|limits| limits.message = most),
        DRPC_SERVER_MAX_PARTIAL => limit(&|limits| limits.partial_memory = most),
        DRPC_SERVER_MESSAGE_TIME => limit(&|limits| limits.message_time = time),
        DRPC_SERVER_REPLY_TIME => limit(&|limits| limits.reply_time = time),
        DRPC_SERVER_MAX_CALLS => limit(&|limits| limits.calls_per_session = most),
        DRPC_SERVER_MAX_UNSENT => limit(&|limits| limits.unsent = most),
        DRPC_SERVER_IDLE_TIME => limit(&|limits| limits.idle_time = time),
    })
}

const IMPOSSIBLE: Cause = Cause::Invalid("the option cannot have this value");

/// Sets an option, one of enum drpc_server_option, before the server listens.
///
/// Returns 0; -DER_INVAL if the server is NULL, the option unknown or the value impossible; -DER_BUSY once it listens.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_set(server: *mut drpc_server, option: c_int, value: u64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Configure, |server| server.configure(|builder| set(builder, option, value))) }
}

/// Registers what serves the calls of a module, before the server listens. `arg` is passed to each call; `flags` is 0
/// or DRPC_SERVER_CONCURRENT.
///
/// Returns 0; -DER_INVAL if the server or the handler is NULL or a flag unknown; -DER_EXIST if the module has a
/// handler, which it keeps; -DER_BUSY once the server listens.
///
/// # Safety
/// `server` is null or a server; `arg` is what the handler expects, as long as the server is there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_register(
    server: *mut drpc_server,
    module: i32,
    handler: drpc_server_handler_t,
    arg: *mut c_void,
    flags: c_uint,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Register, |server| {
            let function = handler.ok_or(Cause::Invalid("the handler is NULL"))?;
            let concurrent = match flags {
                0 => false,
                CONCURRENT => true,
                _ => return Err(Cause::Invalid("a flag is none of DRPC_SERVER_...")),
            };
            let release = server.release;
            let mut handlers = server.handlers.lock().unwrap_or_else(PoisonError::into_inner);
            if handlers.iter().any(|(registered, _)| *registered == module) {
                return Err(Cause::Exists);
            }
            handlers.try_reserve(1).map_err(|_| Cause::NoMemory)?;
            server.configure(|builder| {
                Ok(builder.module(Handler { module, function, arg, concurrent, release }))
            })?;
            handlers.extend_from_slice(&[(module, function)]);
            Ok(())
        })
    }
}

/// The handler registered for a module; NULL if it has none, or the server is NULL.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_handler(server: *mut drpc_server, module: i32) -> drpc_server_handler_t {
    // SAFETY: the caller's promise.
    let server = unsafe { server.as_ref() }?;
    let handlers = server.handlers.lock().unwrap_or_else(PoisonError::into_inner);
    handlers.iter().find(|(registered, _)| *registered == module).map(|(_, function)| *function)
}

const CONCURRENT: c_uint = drpc_server_flags::DRPC_SERVER_CONCURRENT as c_uint;

/// Lets only some users call a module, which may be registered later, before the server listens. Others get
/// DRPC__STATUS__FAILURE. Nobody is allowed if `count` is 0; root is allowed only if it is listed. The last list given
/// for a module counts.
///
/// Returns 0; -DER_INVAL if the server is NULL, or `uids` is while `count` is not 0; -DER_BUSY once the server listens.
///
/// # Safety
/// `server` is null or a server, `uids` points to `count` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_allow(
    server: *mut drpc_server,
    module: i32,
    uids: *const libc::uid_t,
    count: usize,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Configure, |server| {
            let uids = match count {
                0 => &[],
                _ if uids.is_null() => return Err(Cause::Invalid("the list of users is NULL")),
                _ => slice::from_raw_parts(uids, count),
            };
            server.configure(|builder| Ok(builder.allow(module, uids)))
        })
    }
}

/// Has a function decide for each session whether it may call at all, before the server listens. A session that may
/// not gets DRPC__STATUS__FAILURE for its first call, and is closed.
///
/// Returns 0; -DER_INVAL if the server or the function is NULL; -DER_BUSY once the server listens.
///
/// # Safety
/// As for drpc_server_register.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_authorise(
    server: *mut drpc_server,
    authorise: drpc_server_authorise_t,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Configure, |server| {
            let function = authorise.ok_or(Cause::Invalid("the function is NULL"))?;
            let authorise = Authorise { function, arg };
            server.configure(|builder| Ok(builder.authorise(move |session| authorise.allows(session))))
        })
    }
}

struct Authorise {
    function: unsafe extern "C" fn(session: *mut drpc_session, arg: *mut c_void) -> bool,
    arg: *mut c_void,
}

// SAFETY: `arg` is only ever passed back to the program, which has promised that any thread may run the function.
unsafe impl Send for Authorise {}
// SAFETY: as above.
unsafe impl Sync for Authorise {}

impl Authorise {
    fn allows(&self, session: &Session) -> bool {
        let mut session = drpc_session { session: session.clone(), in_turn: false };
        // SAFETY: the program gave the function for this purpose, with this argument.
        unsafe { (self.function)(&mut session, self.arg) }
    }
}

/// Makes the socket and listens. Clients can connect from now on; they are served once drpc_server_start,
/// drpc_server_run or drpc_server_dispatch is called, which listen themselves if need be.
///
/// Returns 0, also if the server listens already; -DER_INVAL if it is NULL; -DER_BADPATH if the path cannot be one;
/// with DRPC_SERVER_REPLACE_STALE -DER_EXIST if what is at the path is no socket, -DER_BUSY if another server has the
/// lock file; -DER_SHUTDOWN after drpc_server_stop or drpc_server_shutdown; else what the error of the socket
/// translates to: that of EADDRINUSE if there is a file at the path, or a live server. After an error it may be tried
/// again.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_listen(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Listen, |server| server.listening().map(drop)) }
}

/// Serves in threads of the library's from now on, and returns at once.
///
/// Returns 0; -DER_INVAL if the server is NULL; -DER_BUSY if it is being served already; else as drpc_server_listen.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_start(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Serve, |server| server.listening()?.start().map_err(cause)) }
}

/// Serves in threads of the library's until the server has been shut down, at once if it has been. The calling thread
/// only waits.
///
/// Returns 0, else as drpc_server_start.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_run(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Serve, |server| match server.listening() {
            // Somebody was faster.
            Err(Cause::Stopped) => Ok(()),
            listening => listening?.run().map_err(cause),
        })
    }
}

/// Serves what has come, in the calling thread: for a program with an event loop of its own, or with a thread library
/// such as Argobots. If nothing has come it waits, at most so many milliseconds; -1 is for ever. Handlers are run
/// from here; they may call it again.
///
/// Returns 0, whether something came or not; -DER_SHUTDOWN once the server has been shut down; -DER_BUSY if threads of
/// the library's serve; else as drpc_server_listen.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_dispatch(server: *mut drpc_server, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Serve, |server| {
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            server.listening()?.dispatch(timeout).map_err(cause)
        })
    }
}

/// The descriptor to wait for in an event loop: when it is readable, call drpc_server_dispatch(server, 0). It stays the
/// library's, and is the same as long as the server is there.
///
/// Returns the descriptor, or a negative number as drpc_server_listen does.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_fd(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    let fd = unsafe {
        drpc_server::run(server, Phase::Listen, |server| Ok(server.listening()?.as_fd().as_raw_fd()))
    };
    fd.unwrap_or_else(|code| code)
}

/// Begins a shutdown and returns at once; drpc_server_run returns when it is done. May be called by a signal handler.
/// Replies get as long as drpc_server_shutdown would give them with DRPC_SERVER_REPLY_TIME. A server that does not listen
/// yet never will. NULL is ignored.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_stop(server: *mut drpc_server) {
    // SAFETY: the caller's promise.
    let Some(server) = (unsafe { server.as_ref() }) else { return };
    server.stopped.store(true, Ordering::SeqCst);
    if let Some(server) = server.server.get() {
        server.stop();
    }
}

/// Shuts the server down: no more connections, no more calls; handlers that run may finish and their replies go out
/// until so many milliseconds have passed (-1 is for ever), then everything is closed. Calls that are not answered by then are answered
/// with DRPC__STATUS__FAILURE. The socket file is removed if it is still the one that the server made.
///
/// May be called by any thread, also several times; from a handler it does not wait. Where the program has an event
/// loop of its own, this serves meanwhile.
///
/// Returns 0; -DER_TIMEDOUT if a call had to be cut off; -DER_INVAL if the server is NULL.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_shutdown(server: *mut drpc_server, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Shutdown, |server| {
            server.stopped.store(true, Ordering::SeqCst);
            let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
            server.server.get().map_or(Ok(()), |server| server.shutdown(timeout).map_err(cause))
        })
    }
}

/// Frees a server, which is shut down at once if that has not been done. Returns when no thread runs a handler any
/// more, so that what the handlers use can be freed; not to be called from a handler. Requests that have been taken
/// stay valid, and have to be answered or dropped. NULL is ignored.
///
/// # Safety
/// `server` is null or a server that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_destroy(server: *mut drpc_server) {
    // SAFETY: the caller's promise.
    entry::infallible((), || drop(unsafe { object::take_back(server) }));
}

/// The cause of an error, whose socket the function knows itself.
fn cause(error: ::drpc::Error) -> Cause {
    error.cause()
}

//! `drpc/server.h`: the managed server.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::os::fd::{AsFd, AsRawFd};
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use ::drpc::der::Release;
use ::drpc::stable_path::StablePath;
use ::drpc::{Cause, Phase, Server, lock_briefly, lock_made_in, sys};

use super::call_block::drpc_session;
use super::handler::Handler;
use super::object::{self, Endpoint, cause};
use super::server_options::{Authorise, Settings};
use super::stats::{STATUSES, by_status, drpc_server_stats, fill};
use crate::abi::Abi;
use crate::boundary;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};

/// A server: its socket, its modules, its sessions.
pub struct drpc_server {
    path: CString,
    stable_path: StablePath,
    release: Release,
    /// The largest datagram that the peers of the line can receive.
    datagram: usize,
    settings: Mutex<Settings>,
    /// The process that made the struct.
    process: u64,
    /// Held by the thread that makes the socket.
    binding: Mutex<()>,
    /// The server, from when it listens on. Read without a lock, as a signal handler may be the one who does.
    server: OnceLock<Server>,
    /// It is to stop, or never to begin.
    stopped: AtomicBool,
}

/// Serves a call. The response comes with DRPC__STATUS__SUCCESS and without a body; the function sets the status and, if
/// there is a result, the body, whose data comes from `malloc` and is the library's then (that of `call->body` does,
/// if `call->body` is emptied). The body is sent only with DRPC__STATUS__SUCCESS. `session` and `call` are valid until
/// the function returns; once it takes the call with drpc_session_defer, until that is answered or dropped, which another
/// thread may do before the function returns. Any thread of the server runs it, several at once for different sessions.
///
/// The threads block all signals, which a program that the function starts inherits: it would not end on SIGTERM. Set
/// DRPC_SERVER_SIGNALS, or start it with a mask of its own, `none` being an empty set:
/// `posix_spawnattr_setsigmask(&attr, &none);`
/// `posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);`
pub type drpc_server_handler_t = Option<
    unsafe extern "C" fn(
        session: *mut drpc_session,
        call: *mut Drpc__Call,
        resp: *mut Drpc__Response,
        arg: *mut c_void,
    ),
>;

/// Says whether a client may call at all. Run for each session, before its first call. It must not wait for anything, as a
/// name service on the network: meanwhile no other client is taken in.
pub type drpc_server_authorise_t = Option<unsafe extern "C" fn(session: *mut drpc_session, arg: *mut c_void) -> bool>;

/// For drpc_server_register.
#[repr(C)]
pub enum drpc_server_flags {
    /// Calls of one session may be served at the same time, and answered in any order. Otherwise the next one waits
    /// until the answer to the one before has been sent.
    DRPC_SERVER_CONCURRENT = 1,
}

/// Makes a server that is to listen at `path`, for the functions of the lines.
///
/// # Safety
/// `path` is null or a C string, `server` is null or valid for writing.
pub unsafe fn create<A: Abi>(path: *const c_char, server: *mut *mut drpc_server) -> c_int {
    let make = |path: CString| {
        Ok(drpc_server {
            stable_path: StablePath::try_from(path.as_c_str())?,
            path,
            release: A::RELEASE,
            datagram: A::DATAGRAM,
            settings: Mutex::default(),
            process: sys::process(),
            binding: Mutex::default(),
            server: OnceLock::new(),
            stopped: AtomicBool::new(false),
        })
    };
    // SAFETY: the caller's promise.
    unsafe { object::create::<A, _>(path, server, make) }
}

impl Endpoint for drpc_server {
    const MISSING: Cause = Cause::Invalid("the server is NULL");

    fn path(&self) -> &CStr {
        &self.path
    }

    fn release(&self) -> Release {
        self.release
    }
}

impl drpc_server {
    /// The settings. A thread that was lost in a fork may have them locked.
    fn settings(&self) -> Result<MutexGuard<'_, Settings>, Cause> {
        lock_briefly(&self.settings).ok_or(Cause::Busy)
    }

    /// The server, from when it listens on, unless it is another process's.
    fn own(&self) -> Result<Option<&Server>, Cause> {
        match self.server.get() {
            Some(server) if server.is_elsewhere() => Err(Cause::Forked),
            server => Ok(server),
        }
    }

    /// Changes what can be set before the server listens.
    fn configure(&self, change: impl FnOnce(&mut Settings) -> Result<(), Cause>) -> Result<(), Cause> {
        let mut settings = self.settings()?;
        match self.own()? {
            Some(_) => Err(Cause::Busy),
            None => change(&mut settings),
        }
    }

    /// The server, which listens from now on.
    fn listening(&self) -> Result<&Server, Cause> {
        let own = self.own()?;
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Cause::Stopped);
        }
        if let Some(server) = own {
            return Ok(server);
        }
        let _binding = lock_made_in(self.process, &self.binding).ok_or(Cause::Busy)?;
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let plan = self.settings()?.plan(self.datagram)?;
        // Not under their lock, as a log line may be written.
        let server = plan.listen(&self.stable_path).map_err(cause)?;
        let server = self.server.get_or_init(|| server);
        // Somebody may have asked for it while there was no server to tell.
        if self.stopped.load(Ordering::SeqCst) {
            server.stop();
        }
        Ok(server)
    }

    /// The same where what a shutdown has left to do is done: one that listens is there until it is destroyed.
    fn serving(&self) -> Result<&Server, Cause> {
        self.own()?.map_or_else(|| self.listening(), Ok)
    }
}

/// Runs the body of a function that returns nothing but whether it worked.
///
/// # Safety
/// As for [`object::run`].
unsafe fn with_server(
    server: *const drpc_server,
    phase: Phase,
    body: impl FnOnce(&drpc_server) -> Result<(), Cause>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { object::run(server, phase, |server| body(server).map(|()| 0)) }
}

/// Sets an option, one of enum drpc_server_option, before the server listens.
///
/// Returns 0; -DER_INVAL if the server is NULL, the option unknown or the value impossible; -DER_BUSY once it listens.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_set(server: *mut drpc_server, option: c_int, value: u64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Configure, |server| server.configure(|settings| settings.set(option, value))) }
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
            let handler = Handler { module, function, arg, concurrent, release };
            server.configure(|settings| settings.register(handler))
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
    boundary::infallible(None, || server.settings().ok()?.handler(module).map(|handler| handler.function))
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
            server.configure(|settings| settings.allow(module, uids))
        })
    }
}

/// Has a function decide for each session whether it may call at all, before the server listens. A session that may
/// not gets DRPC__STATUS__FAILURE for its first call, and is closed. The function must not wait for anything: meanwhile no
/// other client is taken in, and in a program that calls drpc_server_dispatch in one thread nobody is served.
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
            server.configure(|settings| {
                settings.authorise = Some(authorise);
                Ok(())
            })
        })
    }
}

/// Makes the socket and listens. Clients can connect from now on; they are served once drpc_server_start,
/// drpc_server_run or drpc_server_dispatch is called, which listen themselves if need be, in this process or in one that is
/// forked from it.
///
/// Returns 0, also if the server listens already; -DER_INVAL if it is NULL; -DER_BADPATH if the path cannot be one;
/// with DRPC_SERVER_INHERIT -DER_NONEXIST if other sockets were handed over; with DRPC_SERVER_REPLACE_STALE -DER_EXIST if
/// what is at the path is no socket, -DER_BUSY if another server has the lock file, which drpc_last_error names, and its
/// process; -DER_NO_HDL if the server belongs to another process; -DER_SHUTDOWN after drpc_server_stop or
/// drpc_server_shutdown; -DER_NO_PERM or -DER_EXIST if another file has been put in the place of the new one, or may have
/// been, so that it is not given the mode or the owner; else what the error of the socket translates to: that of EADDRINUSE
/// if there is a file at the path, or a live server. After an error it may be tried again.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_listen(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Listen, |server| server.listening().map(drop)) }
}

/// Serves in threads of the library's from now on, and returns at once. They have stacks of 8 MiB, or as
/// DRPC_SERVER_STACK says, and take no signals unless DRPC_SERVER_SIGNALS says so.
/// The server belongs to this process from now on, as it does to the one that first calls drpc_server_run or
/// drpc_server_dispatch. What is forked from it later can do nothing with the server but destroy its copy. Where a process
/// has forked after drpc_server_listen, one of the two may run the server: that it runs in both is not noticed.
///
/// Returns 0; -DER_INVAL if the server is NULL; -DER_BUSY if it has been started; -DER_NO_HDL if it belongs to another
/// process; -DER_AGAIN or -DER_NOMEM if the system starts no more threads; else as drpc_server_listen. After an error no
/// thread serves, and it may be tried again.
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
/// Returns 0; -DER_TIMEDOUT if a call had to be cut off; else as drpc_server_start.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_run(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Serve, |server| {
            match server.serving().and_then(|server| server.run().map_err(cause)) {
                // Somebody was faster.
                Err(Cause::Stopped) => Ok(()),
                done => done,
            }
        })
    }
}

/// Serves what has come, in the calling thread: for a program with an event loop of its own, or with a thread library
/// such as Argobots. If nothing has come it waits, at most so many milliseconds; -1 is for ever. Handlers are run
/// from here; they may call it again. Any number of threads may do this, also beside those of the library.
///
/// Returns 0, whether something came or not; -DER_SHUTDOWN once the server has been shut down; else as
/// drpc_server_listen.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_dispatch(server: *mut drpc_server, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Serve, |server| {
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            match server.serving()?.dispatch(timeout).map_err(cause)? {
                true => Ok(()),
                false => Err(Cause::Stopped),
            }
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
    unsafe { object::run(server, Phase::Listen, |server| Ok(server.serving()?.as_fd().as_raw_fd())) }
}

/// Begins a shutdown and returns at once: as drpc_server_shutdown with the time of DRPC_SERVER_GRACE_TIME. When it is
/// done drpc_server_run returns, and drpc_server_dispatch, which is to be called until then, says so. May be called by a
/// signal handler. A server that does not listen yet never will. NULL is ignored, and so is a server that belongs to another
/// process: a helper that a daemon has forked may have its signal handler.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_stop(server: *mut drpc_server) {
    boundary::infallible((), || {
        // SAFETY: the caller's promise. What is done here and around it is async-signal-safe: without a panic nothing but
        // atomics, a write, and pthread_setcancelstate, which in the C libraries of Linux changes a word of the thread.
        let Some(server) = (unsafe { server.as_ref() }) else { return };
        let Ok(listening) = server.own() else { return };
        server.stopped.store(true, Ordering::SeqCst);
        if let Some(server) = listening {
            server.stop();
        }
    });
}

/// Shuts the server down: no more connections, no more calls; handlers that run may finish and their replies go out
/// until so many milliseconds have passed (-1 is for ever), then everything is closed. Calls that are not answered by
/// then are answered with DRPC__STATUS__FAILURE. The socket file is removed if it is still the one that the server made; a
/// process that has never run the server leaves it alone if it was forked after drpc_server_listen, or has forked since.
///
/// May be called by any thread, also several times; from a handler it does not wait. Where the program has an event
/// loop of its own, this serves meanwhile.
///
/// Returns 0; -DER_TIMEDOUT if a call had to be cut off; -DER_INVAL if the server is NULL; -DER_NO_HDL if it belongs to
/// another process.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_shutdown(server: *mut drpc_server, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Shutdown, |server| {
            let listening = server.own()?;
            server.stopped.store(true, Ordering::SeqCst);
            let timeout = u64::try_from(timeout_ms).map_or(Duration::MAX, Duration::from_millis);
            listening.map_or(Ok(()), |server| server.shutdown(timeout).map_err(cause))
        })
    }
}

/// Frees a server, which is shut down at once if that has not been done. Returns when no thread of the library runs a
/// handler any more, so that what the handlers use can be freed; until then they may use the server. Not to be called
/// from a handler, nor while another function of the server runs elsewhere. Requests that have been taken stay valid, and
/// have to be answered or dropped. NULL is ignored. If the server belongs to another process, this one's copy is freed,
/// and the server goes on.
///
/// # Safety
/// `server` is null or a server that nothing but its handlers uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_destroy(server: *mut drpc_server) {
    boundary::infallible((), || {
        // SAFETY: the caller's promise.
        if let Some(server) = unsafe { server.as_ref() } {
            server.stopped.store(true, Ordering::SeqCst);
            // While it is there: handlers that run may use it.
            server.server.get().inspect(|server| server.end());
        }
        // SAFETY: the caller's promise, which the last handler has come to, too.
        drop(unsafe { object::from_raw(server) });
    });
}

/// Counts what the server has done so far. Set `stats->size` before. Each number is right; they are not all of the same
/// instant.
///
/// Returns 0; -DER_INVAL if an argument is NULL or the size is none of this library's; -DER_NO_HDL if the server belongs to
/// another process.
///
/// # Safety
/// `server` is null or a server, `stats` is null or points to as many bytes as its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_stats(server: *mut drpc_server, stats: *mut drpc_server_stats) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Configure, |server| {
            let stats = stats.as_mut().ok_or(Cause::Invalid("the place for the counters is NULL"))?;
            if stats.size != size_of::<drpc_server_stats>() {
                return Err(Cause::Invalid("the size of the counters is not set"));
            }
            *stats = fill(&server.own()?.map(Server::try_stats).transpose()?.unwrap_or_default());
            Ok(())
        })
    }
}

/// Counts the calls of one module that have been answered, by the number of the status; the last of the nine places is
/// for numbers that have no name.
///
/// Returns 0; -DER_INVAL if an argument is NULL; -DER_NONEXIST if the module has no handler; -DER_NO_HDL if the server
/// belongs to another process.
///
/// # Safety
/// `server` is null or a server, `answered` is null or has room for nine numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_module_stats(
    server: *mut drpc_server,
    module: i32,
    answered: *mut u64,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Configure, |server| {
            let answered = answered.cast::<[u64; STATUSES]>().as_mut();
            let answered = answered.ok_or(Cause::Invalid("the place for the counters is NULL"))?;
            server.settings()?.handler(module).ok_or(Cause::Os(libc::ENOENT))?;
            let stats = server.own()?.map(Server::try_stats).transpose()?.unwrap_or_default();
            let counted = stats.calls.iter().find(|counted| counted.module == Some(module));
            *answered = counted.map(by_status).unwrap_or_default();
            Ok(())
        })
    }
}

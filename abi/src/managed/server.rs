//! The managed server of `drpc/server.h`.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use std::{ptr, slice};

use ::drpc::der::Release;
use ::drpc::modules::names::Names;
use ::drpc::stable_path::StablePath;
use ::drpc::{Cause, Phase, Server, lock_briefly, lock_made_in, sys};

use super::call_block::drpc_session;
use super::handler::Handler;
use super::object::{self, Endpoint};
use super::server_options::{Authorise, Settings};
use super::stats::{SIZES, STATUSES, by_status, drpc_server_stats, fill};
use crate::abi::Abi;
use crate::boundary::{self, Failure};
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};

/// A managed server with its socket, its modules and its sessions.
pub struct drpc_server {
    stable_path: StablePath,
    release: Release,
    /// The size of the largest datagram that the line's peers can receive.
    datagram: usize,
    /// The names of the line's modules and methods, for the log.
    names: Names,
    settings: Mutex<Settings>,
    /// The process that made the struct.
    process: u64,
    /// Held by the thread that makes the socket.
    binding: Mutex<()>,
    /// The server, once it listens. Reading takes no lock, because a signal handler may read.
    server: OnceLock<Server>,
    /// True once the server is to stop, or never to begin.
    stopped: AtomicBool,
}

/// The program's function that serves a call. The response comes with DRPC__STATUS__SUCCESS and without a body. The
/// function sets the status and, if there is a result, the body, which is sent only with DRPC__STATUS__SUCCESS. The
/// body's data comes from `malloc` and then belongs to the library; the data of `call->body` may be moved there if
/// `call->body` is emptied.
///
/// `session` and `call` are valid until the function returns. After drpc_session_defer they are valid until the call is
/// answered or dropped, which another thread may do before the function returns. Any thread of the server runs the
/// function, several at once for different sessions.
///
/// The threads block all signals. A program that the function starts inherits the mask and would not end on SIGTERM.
/// Set DRPC_SERVER_SIGNALS, or start it with another mask, `none` being an empty set:
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

/// The program's function that decides whether a client may call at all. The function runs for each session before the
/// first call. It must not wait, for example for a name service: no other client is accepted meanwhile.
pub type drpc_server_authorise_t = Option<unsafe extern "C" fn(session: *mut drpc_session, arg: *mut c_void) -> bool>;

/// The flags of drpc_server_register.
#[repr(C)]
pub enum drpc_server_flags {
    /// Calls of one session are served at the same time, and answered in any order. Without the flag the next call
    /// waits until the answer to the previous one has been sent.
    DRPC_SERVER_CONCURRENT = 1,
}

/// Makes a server that is to listen at `path`, for `drpc_server_create` of each line.
///
/// # Safety
/// `path` is null or a C string, `server` is null or valid for writing.
pub unsafe fn create<A: Abi>(path: *const c_char, server: *mut *mut drpc_server) -> c_int {
    let make = |path: &CStr| {
        Ok(drpc_server {
            stable_path: StablePath::try_from(path)?,
            release: A::RELEASE,
            datagram: A::DATAGRAM,
            names: A::NAMES,
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

    fn path(&self) -> &Path {
        self.stable_path.given()
    }

    fn release(&self) -> Release {
        self.release
    }
}

impl drpc_server {
    /// Locks the settings. A thread that was lost in a fork may have left them locked.
    fn settings(&self) -> Result<MutexGuard<'_, Settings>, Cause> {
        lock_briefly(&self.settings).ok_or(Cause::Busy)
    }

    /// Returns the server once it listens; an error if it belongs to another process.
    fn own(&self) -> Result<Option<&Server>, Cause> {
        match self.server.get() {
            Some(server) if server.is_elsewhere() => Err(Cause::Forked),
            server => Ok(server),
        }
    }

    /// Changes settings, which must happen before the server listens.
    pub(crate) fn configure(&self, change: impl FnOnce(&mut Settings) -> Result<(), Cause>) -> Result<(), Cause> {
        let mut settings = self.settings()?;
        match self.own()? {
            Some(_) => Err(Cause::Busy),
            None => change(&mut settings),
        }
    }

    /// Returns the server, and makes it listen if it does not.
    fn listening(&self) -> Result<&Server, Failure> {
        let own = self.own()?;
        if self.stopped.load(Ordering::SeqCst) {
            return Err(Cause::Stopped.into());
        }
        if let Some(server) = own {
            return Ok(server);
        }
        let _binding = lock_made_in(self.process, &self.binding).ok_or(Cause::Busy)?;
        if let Some(server) = self.server.get() {
            return Ok(server);
        }
        let plan = self.settings()?.plan(self.datagram, self.names)?;
        // The settings are not locked here, because a log line may be written.
        let server = plan.listen(&self.stable_path)?;
        let server = self.server.get_or_init(|| server);
        // drpc_server_stop may have come while there was no server to stop.
        if self.stopped.load(Ordering::SeqCst) {
            server.stop();
        }
        Ok(server)
    }

    /// Returns the server as `listening` does, but also after a shutdown: a server that listened exists until it is
    /// destroyed.
    fn serving(&self) -> Result<&Server, Failure> {
        self.own()?.map_or_else(|| self.listening(), Ok)
    }
}

/// Runs the body of a function that returns 0 or an error.
///
/// # Safety
/// As for [`object::run`].
pub(crate) unsafe fn with_server(
    server: *const drpc_server,
    phase: Phase,
    body: impl FnOnce(&drpc_server) -> Result<(), Failure>,
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
    unsafe {
        with_server(server, Phase::Configure, |server| Ok(server.configure(|settings| settings.set(option, value))?))
    }
}

/// Registers the handler of a module, before the server listens. `arg` is passed to each call; `flags` is 0 or
/// DRPC_SERVER_CONCURRENT.
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
            let (concurrent, release) = (is_concurrent(flags)?, server.release);
            let handler = Handler { module, function, arg, concurrent, release };
            Ok(server.configure(|settings| settings.register(handler))?)
        })
    }
}

/// Returns the handler of a module; NULL if it has none, or the server is NULL.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_handler(server: *mut drpc_server, module: i32) -> drpc_server_handler_t {
    // SAFETY: the caller's promise.
    let server = unsafe { server.as_ref() }?;
    boundary::infallible(None, || server.settings().ok()?.handler(module).map(|handler| handler.function))
}

/// Reads the flags of a module.
pub(crate) fn is_concurrent(flags: c_uint) -> Result<bool, Cause> {
    const CONCURRENT: c_uint = drpc_server_flags::DRPC_SERVER_CONCURRENT as c_uint;
    match flags {
        0 => Ok(false),
        CONCURRENT => Ok(true),
        _ => Err(Cause::Invalid("a flag is none of DRPC_SERVER_...")),
    }
}

/// Limits a module to some users, before the server listens. The module may be registered later. Other users get
/// DRPC__STATUS__FAILURE, as does root unless it is listed. With `count` 0 no user is allowed. The last list for a
/// module counts.
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
                _ if uids.is_null() => return Err(Cause::Invalid("the list of users is NULL").into()),
                _ => slice::from_raw_parts(uids, count),
            };
            Ok(server.configure(|settings| settings.allow(module, uids))?)
        })
    }
}

/// Sets a function that decides for each session whether it may call at all, before the server listens. A refused
/// session gets DRPC__STATUS__FAILURE for its first call, and is closed. The function must not wait: no other client is
/// accepted meanwhile. In a program that calls drpc_server_dispatch in one thread no client is served meanwhile.
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
            })?;
            Ok(())
        })
    }
}

/// Makes the socket and listens. Clients can connect from now on. They are served once drpc_server_start,
/// drpc_server_run or drpc_server_dispatch is called, in this process or a forked one. These functions listen by
/// themselves if needed.
///
/// Returns 0, also if the server listens already. After an error listening may be tried again:
/// * -DER_INVAL: the server is NULL. -DER_BADPATH: the path cannot be one.
/// * -DER_NONEXIST, with DRPC_SERVER_INHERIT: only other sockets were passed.
/// * -DER_EXIST, with DRPC_SERVER_REPLACE_STALE: the file at the path is no socket.
/// * -DER_BUSY, with DRPC_SERVER_REPLACE_STALE: another server holds the lock file. drpc_last_error names the file and
///   the process.
/// * -DER_NO_HDL: the server belongs to another process.
/// * -DER_SHUTDOWN: after drpc_server_stop or drpc_server_shutdown.
/// * -DER_NO_PERM or -DER_EXIST: another file has replaced the new one, or may have. It is not given the mode or the
///   owner.
/// * Otherwise the number of the socket's error: that of EADDRINUSE if there is a file at the path, or a live server.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_listen(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Listen, |server| server.listening().map(drop)) }
}

/// Starts threads of the library that serve, and returns at once. Their stacks have 8 MiB, or as DRPC_SERVER_STACK
/// says. They take no signals unless DRPC_SERVER_SIGNALS says so.
///
/// The server belongs to this process from now on, as it does to the process that first calls drpc_server_run or
/// drpc_server_dispatch. A process forked later can only destroy its copy of the server. If a process forks between
/// drpc_server_listen and this, one of the two may run the server; running it in both is not noticed.
///
/// Returns 0; -DER_INVAL if the server is NULL; -DER_BUSY if it has been started; -DER_NO_HDL if it belongs to another
/// process; -DER_AGAIN or -DER_NOMEM if the system starts no more threads; else as drpc_server_listen. After an error
/// no thread serves, and starting may be tried again.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_start(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_server(server, Phase::Serve, |server| Ok(server.listening()?.start()?)) }
}

/// Serves in threads of the library until the server has been shut down; returns at once if that has been done before.
/// The calling thread only waits.
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
            match server.serving().and_then(|server| server.run().map_err(Failure::from)) {
                // The server has been shut down already.
                Err(failure) if failure.cause() == Cause::Stopped => Ok(()),
                done => done,
            }
        })
    }
}

/// Serves ready clients and runs handlers in the calling thread. For a program with an event loop of its own, or with a
/// thread library such as Argobots. With nothing ready the function waits for at most `timeout_ms` milliseconds; -1 is
/// for ever. Handlers may call it again. Any number of threads may call it, also beside those of the library.
///
/// Returns 0, also if nothing was ready; -DER_SHUTDOWN once the server has been shut down; else as drpc_server_listen.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_dispatch(server: *mut drpc_server, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Serve, |server| {
            let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            match server.serving()?.dispatch(timeout)? {
                true => Ok(()),
                false => Err(Cause::Stopped.into()),
            }
        })
    }
}

/// Returns the descriptor to wait for in an event loop. Once it is readable, call drpc_server_dispatch(server, 0). The
/// descriptor is the library's, and stays the same as long as the server exists.
///
/// Errors: a negative number as of drpc_server_listen.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_fd(server: *mut drpc_server) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { object::run(server, Phase::Listen, |server| Ok(server.serving()?.as_fd().as_raw_fd())) }
}

/// Begins a shutdown with the time of DRPC_SERVER_GRACE_TIME, and returns at once. At the end drpc_server_run returns,
/// and drpc_server_dispatch, to be called until then, returns -DER_SHUTDOWN. A signal handler may call this. A server
/// that does not listen yet never will.
///
/// NULL is ignored, as is a server that belongs to another process: a helper forked from a daemon may have inherited
/// its signal handler.
///
/// # Safety
/// `server` is null or a server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_stop(server: *mut drpc_server) {
    boundary::infallible((), || {
        // SAFETY: the caller's promise. Without a panic the body uses only atomics, a write and pthread_setcancelstate.
        // All are async-signal-safe: in the C libraries of Linux the last one changes a word of the thread.
        let Some(server) = (unsafe { server.as_ref() }) else { return };
        let Ok(listening) = server.own() else { return };
        server.stopped.store(true, Ordering::SeqCst);
        if let Some(server) = listening {
            server.stop();
        }
    });
}

/// Shuts the server down: accepts no more connections and no more calls. Running handlers may finish, and their replies
/// go out, for `timeout_ms` milliseconds; -1 is for ever. Then calls without an answer get DRPC__STATUS__FAILURE, and
/// everything is closed.
///
/// The socket file is removed if it is still the server's. A process that never ran the server leaves the file alone if
/// it was forked after drpc_server_listen, or has forked since.
///
/// Any thread may call this, also several times; from a handler it does not wait. In a program with an event loop of
/// its own, the function serves meanwhile.
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
            Ok(listening.map_or(Ok(()), |server| server.shutdown(timeout))?)
        })
    }
}

/// Frees a server, after shutting it down at once if that has not been done. Waits until no thread of the library runs
/// a handler any more; until then handlers may use the server. After that everything that the handlers use can be
/// freed. Not to be called from a handler, nor while another function of the server runs elsewhere.
///
/// Requests that have been taken stay valid, and have to be answered or dropped. NULL is ignored. If the server belongs
/// to another process, only this process's copy is freed, and the server goes on.
///
/// # Safety
/// `server` is null or a server that nothing but its handlers uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_destroy(server: *mut drpc_server) {
    boundary::infallible((), || {
        // SAFETY: the caller's promise.
        if let Some(server) = unsafe { server.as_ref() } {
            server.stopped.store(true, Ordering::SeqCst);
            // The block still exists, because running handlers may use it.
            server.server.get().inspect(|server| server.end());
        }
        // SAFETY: the caller's promise; the last handler has ended, too.
        drop(unsafe { object::from_raw(server) });
    });
}

/// Copies the server's counters to `*stats`, whose `size` must be set before. Each number is right, but they are not
/// all of the same instant.
///
/// Returns 0; -DER_INVAL if an argument is NULL or the size is none that the struct has or had; -DER_NO_HDL if the server belongs to
/// another process.
///
/// # Safety
/// `server` is null or a server, `stats` is null or points to as many bytes as its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_get_stats(server: *mut drpc_server, stats: *mut drpc_server_stats) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Configure, |server| {
            if stats.is_null() {
                return Err(Cause::Invalid("the place for the counters is NULL").into());
            }
            let size = (*stats).size;
            if !SIZES.contains(&size) {
                return Err(Cause::Invalid("the size of the counters is not set").into());
            }
            let filled = fill(&server.own()?.map(Server::try_stats).transpose()?.unwrap_or_default(), size);
            // A program compiled before has room for the first counters.
            ptr::copy_nonoverlapping((&raw const filled).cast::<u8>(), stats.cast::<u8>(), size);
            Ok(())
        })
    }
}

/// Counts the answered calls of one module, by the number of the status. The last of the nine places counts unnamed
/// numbers.
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
            server.settings()?.serves(module).then_some(()).ok_or(Cause::Os(libc::ENOENT))?;
            let stats = server.own()?.map(Server::try_stats).transpose()?.unwrap_or_default();
            let counted = stats.calls.iter().find(|counted| counted.module == Some(module));
            *answered = counted.map(by_status).unwrap_or_default();
            Ok(())
        })
    }
}

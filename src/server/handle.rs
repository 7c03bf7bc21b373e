//! The server's handle, which programs hold.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::leader::LeaderGuard;
use super::reactor::{Events, Reactor};
use super::stats::Stats;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::sync::try_lock;
use crate::sys::{self, TryArc, out_of_memory};

/// Batches of events that one [`Server::dispatch`] handles at most.
const BATCHES: usize = 4;

/// A server: accepts clients, reads their calls, has modules handle them, and sends the responses. Users are served in
/// rotation. So a client that sends much, or does not read, delays no other user.
///
/// The server serves with threads of its own ([`run`](Server::run), [`start`](Server::start)), or from the program's
/// event loop ([`dispatch`](Server::dispatch)). A clone is the same server. Dropping the last one cuts off all calls
/// and waits for the threads, also after a [`shutdown`](Server::shutdown) that timed out. A handler that never returns
/// is waited for without end.
///
/// ```
/// use std::time::Duration;
/// use drpc::{Failure, Module, Server, Session};
///
/// struct Echo;
///
/// impl Module for Echo {
///     fn id(&self) -> i32 {
///         0
///     }
///
///     fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
///         match method {
///             0 => Ok(body.to_vec()),
///             _ => Err(Failure::unknown_method()),
///         }
///     }
/// }
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("echo.sock");
/// let server = Server::builder().module(Echo).bind(&path)?;
/// server.start()?;
/// # let mut client = drpc::Client::connect(&path)?;
/// # assert_eq!(client.call(0, 0, b"?")?.body, b"?");
/// // …
/// server.shutdown(Duration::from_secs(5))?;
/// # Ok::<(), drpc::Error>(())
/// ```
///
/// # Forks
///
/// A server belongs to the process that first starts, runs, waits for or dispatches it. So a program may bind, fork or
/// become a daemon, and run the server then. In another process its calls fail with [`Cause::Forked`], and stopping it
/// has no effect. Dropping it there closes the descriptors, and does nothing else.
///
///
/// A process that never ran the server leaves the socket file alone, if the process was forked after the bind or has
/// forked since.
#[derive(Clone)]
pub struct Server(TryArc<Handle>);

/// State shared by the clones of a server. Threads share only the reactor, so that dropping the last clone is noticed.
struct Handle(TryArc<Reactor>);

impl Server {
    pub(super) fn new(reactor: TryArc<Reactor>) -> Result<Self, Cause> {
        Ok(Self(TryArc::new(Handle(reactor))?))
    }

    pub(super) fn reactor(&self) -> &TryArc<Reactor> {
        &self.0.0
    }

    /// The path of the socket file.
    pub fn path(&self) -> &Path {
        self.reactor().acceptor.path()
    }

    /// Starts the threads that serve the clients. They handle no signals unless
    /// [`ServerBuilder::signals`](crate::ServerBuilder::signals) says so. If one thread cannot be started, none is
    /// ([`Cause::NoThread`]); the server goes on listening, and may be started later.
    pub fn start(&self) -> Result<(), Error> {
        let reactor = self.reactor();
        let error = |cause| reactor.error(Phase::Serve, cause);
        let acquired = reactor.acquire_ownership().map_err(error)?;
        let started = if reactor.is_draining() { Err(Cause::Stopped) } else { Reactor::start(reactor) };
        if started.is_err() && acquired {
            reactor.owner.release();
        }
        started.map_err(error)
    }

    /// Serves with threads until the server has been shut down.
    pub fn run(&self) -> Result<(), Error> {
        self.start()?;
        self.wait()
    }

    /// Waits until the server has been shut down. The result is that of [`shutdown`](Server::shutdown). A handler
    /// cannot wait for its own server.
    pub fn wait(&self) -> Result<(), Error> {
        let reactor = self.reactor();
        let error = |cause| reactor.error(Phase::Serve, cause);
        reactor.acquire_ownership().map_err(error)?;
        if reactor.workers.is_own_thread() {
            return Err(error(Cause::Busy));
        }
        if !reactor.has_ended() {
            reactor.wait_for_wake()?;
        }
        reactor.handle_wake();
        Reactor::finish(reactor, false)
    }

    /// Serves from this thread: waits for events, at most for `timeout`, and handles them. The result is false once the
    /// server has been shut down. Handlers run in this thread. Any number of threads may dispatch at once, also beside
    /// those of [`start`](Server::start).
    ///
    /// The server's descriptor is readable whenever there is something to dispatch.
    pub fn dispatch(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        let reactor = self.reactor();
        let error = |cause| reactor.error(Phase::Serve, cause);
        let (mut timeout_ms, mut events) = (timeout.map_or(-1, sys::whole_ms), Events::default());
        sys::ensure_record_buffer().map_err(error)?;
        for _ in 0..BATCHES {
            // Checked for each batch: a handler may have forked, and returned in the child.
            reactor.acquire_ownership().map_err(error)?;
            if reactor.has_ended() {
                return Ok(false);
            }
            if !Reactor::serve_next(reactor, timeout_ms, &mut events, &mut LeaderGuard::none()).map_err(error)? {
                break;
            }
            timeout_ms = 0;
        }
        Ok(!reactor.has_ended())
    }

    /// Begins to shut the server down and returns at once; async-signal-safe. The deadline is the time set by
    /// [`ServerBuilder::grace`](crate::ServerBuilder::grace), and the rest is as in [`shutdown`](Server::shutdown).
    pub fn stop(&self) {
        self.reactor().stop();
    }

    /// Shuts the server down: stops listening, and removes the socket file. Running handlers may finish until the time
    /// is over, and their responses are sent; then the sessions are closed. Calls that have come but are not being
    /// handled are answered with a failure. So are those that are still being handled when the time is over, and the
    /// result is [`Cause::TimedOut`].
    ///
    /// Several threads may shut down at once: the earliest deadline holds. In a handler, which the server would wait
    /// for, this begins the shutdown and returns.
    pub fn shutdown(&self, time: Duration) -> Result<(), Error> {
        let reactor = self.reactor();
        if reactor.owner.is_unknown() {
            reactor.end_here();
            return Ok(());
        }
        reactor.unshare_descriptors().map_err(|cause| reactor.error(Phase::Shutdown, cause))?;
        reactor.begin_shutdown(time);
        if reactor.workers.is_own_thread() {
            return Ok(());
        }
        Reactor::finish(reactor, false)
    }

    /// Ends the server as dropping its last clone would, while running handlers can still use it. A handler in C has
    /// only the server's address.
    #[doc(hidden)]
    pub fn end(&self) {
        self.0.end();
    }

    /// True while the server belongs to another process, as [described](Server#forks).
    pub fn is_elsewhere(&self) -> bool {
        self.reactor().owner.is_other_process()
    }

    /// The error of serving by other means than these.
    #[cfg(feature = "tokio")]
    pub(crate) fn serve_error(&self, cause: Cause) -> Error {
        self.reactor().error(Phase::Serve, cause)
    }

    /// Counts of the server's work so far.
    pub fn stats(&self) -> Stats {
        self.try_stats().unwrap_or_else(out_of_memory)
    }

    /// [`Server::stats`], or [`Cause::NoMemory`].
    #[doc(hidden)]
    pub fn try_stats(&self) -> Result<Stats, Cause> {
        let reactor = self.reactor();
        // In a child of a fork the lock may be held by a thread that does not exist there.
        let sessions = if reactor.owner.is_other_process() { 0 } else { reactor.sessions.len() };
        reactor.counters.snapshot(sessions)
    }
}

/// The set of descriptors that the server waits for; readable while there is something to
/// [`dispatch`](Server::dispatch).
impl AsFd for Server {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reactor().expose();
        self.reactor().epoll.as_fd()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reactor().fmt(f)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The hook holds the reactor, too. Only in a child of a fork can the lock be held now.
        let cancelled = try_lock(&self.0.cancelled).map(|mut cancelled| cancelled.take());
        drop(cancelled);
        match self.0.owner.is_other_process() {
            true => abandon(&self.0),
            false => self.end(),
        }
    }
}

impl Handle {
    /// Shuts down at once and waits for the threads; without effect where the server belongs to another process.
    fn end(&self) {
        let reactor = &self.0;
        if reactor.owner.is_other_process() {
            return;
        }
        if reactor.owner.is_unknown() {
            return reactor.acceptor.close_here();
        }
        reactor.begin_shutdown(Duration::ZERO);
        if !reactor.workers.is_own_thread() {
            // Aborted calls are no error here, as the caller asked for them.
            let _ = Reactor::finish(reactor, true);
        }
    }
}

/// Closes the descriptors in a process that does not own the server, and leaks the rest. Locks may be held by threads
/// that exist only in the owner.
fn abandon(reactor: &TryArc<Reactor>) {
    std::mem::forget(reactor.clone());
    // Closing an open descriptor cannot fail.
    let close = |fd| {
        let _ = sys::close(fd);
    };
    [reactor.epoll.as_fd(), reactor.wake.as_fd(), reactor.timers.as_fd()].iter().for_each(|fd| close(fd.as_raw_fd()));
    reactor.acceptor.for_each_descriptor(close);
    reactor.sessions.for_each_descriptor(close);
}

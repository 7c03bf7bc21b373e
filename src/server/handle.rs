//! The server as programs have it.
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

/// How often one [`Server::dispatch`] takes what has happened.
const BATCHES: usize = 4;

/// A server: accepts clients, reads their calls, has modules handle them, and sends the responses. Users take turns, so
/// that no client holds up those of others by what it sends or does not take.
///
/// It serves with threads of its own ([`run`](Server::run), [`start`](Server::start)), or from the program's event loop
/// ([`dispatch`](Server::dispatch)). A clone is the same server. When the last one is dropped, what is going on is cut
/// off, and the threads are waited for, also those on which a [`shutdown`](Server::shutdown) has given up: a handler that
/// never returns is waited for without end.
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
/// A server belongs to the process that first starts, runs, waits for or dispatches it: a program may bind, fork or become a
/// daemon, and run it then. In another process it gives errors with [`Cause::Forked`], stopping it has no effect, and when it is dropped the
/// descriptors are closed there and nothing else happens. A process that has never run it leaves the socket file alone, if
/// it was forked after the server was bound, or has forked since.
#[derive(Clone)]
pub struct Server(TryArc<Handle>);

/// What the clones of a server share. The threads do not, so that the last one can be told.
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

    /// Starts the threads that serve the clients. They handle no signals unless [`ServerBuilder::signals`] says so. When one cannot be started, none is
    /// ([`Cause::NoThread`]). The server goes on listening then, and may be started later.
    pub fn start(&self) -> Result<(), Error> {
        let reactor = self.reactor();
        let claimed = reactor.claim().map_err(|cause| reactor.error(Phase::Serve, cause))?;
        let started = if reactor.is_draining() { Err(Cause::Stopped) } else { Reactor::start(reactor) };
        if started.is_err() && claimed {
            reactor.owner.give_back();
        }
        started.map_err(|cause| reactor.error(Phase::Serve, cause))
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
        reactor.claim().map_err(|cause| reactor.error(Phase::Serve, cause))?;
        if reactor.workers.is_own_thread() {
            return Err(reactor.error(Phase::Serve, Cause::Busy));
        }
        if !reactor.has_ended() {
            reactor.wait_for_wake()?;
        }
        reactor.wake_up();
        Reactor::finish(reactor, false)
    }

    /// Serves from this thread: waits for something to happen, at most for `timeout`, and deals with what has. False
    /// when the server has been shut down. Handlers run in this thread. Any number of threads may do this, also
    /// beside those that [`start`](Server::start) has started.
    ///
    /// There is something to do whenever the server's descriptor is readable.
    pub fn dispatch(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        let reactor = self.reactor();
        let (mut timeout, mut events) = (timeout, Events::default());
        sys::ensure_record_buffer().map_err(|cause| reactor.error(Phase::Serve, cause))?;
        for _ in 0..BATCHES {
            // Each time: a handler may have forked, and returned in the child.
            reactor.claim().map_err(|cause| reactor.error(Phase::Serve, cause))?;
            if reactor.has_ended() {
                return Ok(false);
            }
            reactor.wait(timeout, &mut events).map_err(|cause| reactor.error(Phase::Serve, cause))?;
            if events.is_empty() {
                break;
            }
            Reactor::handle(reactor, &events, &mut LeaderGuard::none());
            timeout = Some(Duration::ZERO);
        }
        Ok(!reactor.has_ended())
    }

    /// Begins to shut the server down, and returns at once: as [`shutdown`](Server::shutdown), within the time that
    /// [`ServerBuilder::grace`] has set. It is async-signal-safe.
    pub fn stop(&self) {
        self.reactor().stop();
    }

    /// Shuts the server down: it stops listening and removes the socket file; handlers that run may finish until the
    /// time is over, and their responses go out; then the sessions are closed. Calls that have come and are not being
    /// handled are answered with a failure, and so are those that are still being handled when the time is over:
    /// [`Cause::TimedOut`].
    ///
    /// It may be called by several threads: of several deadlines the earliest holds. In a handler, which the server
    /// would wait for, it begins to shut down and returns.
    pub fn shutdown(&self, time: Duration) -> Result<(), Error> {
        let reactor = self.reactor();
        if reactor.owner.is_open() {
            reactor.leave();
            return Ok(());
        }
        reactor.unshare_descriptors().map_err(|cause| reactor.error(Phase::Shutdown, cause))?;
        reactor.begin_shutdown(time);
        if reactor.workers.is_own_thread() {
            return Ok(());
        }
        Reactor::finish(reactor, false)
    }

    /// Does what dropping the last clone would, while the handlers that run can still use the server: in C they have
    /// nothing but its address.
    #[doc(hidden)]
    pub fn end(&self) {
        self.0.end();
    }

    /// The server belongs to another process, as [described](Server#forks).
    pub fn is_elsewhere(&self) -> bool {
        self.reactor().owner.is_elsewhere()
    }

    /// What the server has done so far.
    pub fn stats(&self) -> Stats {
        self.try_stats().unwrap_or_else(out_of_memory)
    }

    /// The same, if there is memory for it.
    #[doc(hidden)]
    pub fn try_stats(&self) -> Result<Stats, Cause> {
        let reactor = self.reactor();
        // Elsewhere its lock may be held for good.
        let sessions = if reactor.owner.is_elsewhere() { 0 } else { reactor.sessions.len() };
        reactor.counters.snapshot(sessions)
    }
}

/// The set of descriptors that the server waits for; readable when there is something to [`dispatch`](Server::dispatch).
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
        // It has the server, too. What is in the way of its lock is another process's.
        let cancelled = try_lock(&self.0.cancelled).map(|mut cancelled| cancelled.take());
        drop(cancelled);
        match self.0.owner.is_elsewhere() {
            true => abandon(&self.0),
            false => self.end(),
        }
    }
}

impl Handle {
    /// Shuts down at once, and waits for the threads. Does nothing where the server belongs to another process.
    fn end(&self) {
        let reactor = &self.0;
        if reactor.owner.is_elsewhere() {
            return;
        }
        if reactor.owner.is_open() {
            return reactor.acceptor.leave();
        }
        reactor.begin_shutdown(Duration::ZERO);
        if !reactor.workers.is_own_thread() {
            // What is cut off has been wanted so.
            let _ = Reactor::finish(reactor, true);
        }
    }
}

/// Where the server belongs to another process: closes the descriptors and forgets the rest. Locks may be held by threads
/// that are not here, and the other process goes on.
fn abandon(reactor: &TryArc<Reactor>) {
    std::mem::forget(reactor.clone());
    // It fails for no descriptor that is open.
    let close = |fd| {
        let _ = sys::close(fd);
    };
    [reactor.epoll.as_fd(), reactor.wake.as_fd(), reactor.timers.as_fd()].iter().for_each(|fd| close(fd.as_raw_fd()));
    reactor.acceptor.with_descriptors(close);
    reactor.sessions.with_descriptors(close);
}

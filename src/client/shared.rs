//! What the clones of a client share: the settings, the lock around the state, and the work when it is given back.

use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::time::Duration;

use super::budget::Budget;
use super::cancel::{Hook, Target};
use super::connection::Connection;
use super::events::Events;
use super::log_event::{LogEvent, LogEvents};
use super::settings::Settings;
use super::state::State;
use crate::cancel::Cancel;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::{Api, Explanation};
use crate::log::Level;
use crate::log_field::Value;
use crate::overdue::Overdue;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::sys::{self, TryArc};

/// State that the clones of a client share with each other and with the client's thread.
pub(super) struct Shared {
    pub(super) settings: TryArc<Settings>,
    pub(super) state: Mutex<State>,
    /// The epoll set, once the program has asked for it.
    pub(super) events: OnceLock<Events>,
    /// True once the program watches the epoll set, and so runs the completions.
    pub(super) is_watched: AtomicBool,
    /// True once the client ends: completions run by the end cannot connect any more.
    has_ended: AtomicBool,
    /// The process that made the client.
    process: u64,
}

impl Shared {
    pub(super) fn new(settings: Settings) -> Result<Self, Cause> {
        let settings = TryArc::new(settings)?;
        let state = Mutex::new(State::new(settings.clone()));
        let (is_watched, has_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { settings, state, events: OnceLock::new(), is_watched, has_ended, process: sys::process() })
    }

    /// True once the client ends.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Begins the end of the client, and wakes those who dispatch.
    pub(super) fn begin_end(&self) {
        self.has_ended.store(true, Ordering::Release);
        if let Some(events) = self.events.get() {
            events.raise();
        }
    }

    /// True in the process that made the client. In one forked from it, any lock may be held for ever.
    pub(super) fn is_ours(&self) -> bool {
        sys::process() == self.process
    }

    /// Fails with [`Cause::Forked`] in a process forked from the one that made the client.
    pub(super) fn check_process(&self) -> Result<(), Cause> {
        if self.is_ours() { Ok(()) } else { Err(Cause::Forked) }
    }

    /// An error of this client.
    pub(super) fn error(&self, (phase, cause): (Phase, Cause)) -> Error {
        let Settings { path, limits, .. } = &*self.settings;
        let explanation = match (phase, cause) {
            (Phase::Connect, Cause::TimedOut) => {
                Explanation::timed_out(Api::Client, path.path(), self.connect_failure())
            }
            _ => Explanation::new(Api::Client, phase, path.path(), cause).with_message_limit(limits.message),
        };
        Error::explained(path.given(), explanation)
    }

    /// Why the last attempt to connect has failed.
    fn connect_failure(&self) -> Option<Cause> {
        self.is_ours().then(|| lock(&self.state).connect_failure).flatten()
    }

    /// The error of a call, which it names if the call has timed out. `limit` is the time that the call had.
    pub(super) fn call_error(
        &self,
        failure: (Phase, Cause),
        (module, method): (i32, i32),
        limit: Option<Duration>,
    ) -> Error {
        let error = self.error(failure).after(limit);
        let sent = match failure {
            (Phase::Reply, Cause::TimedOut) => true,
            (Phase::Call, Cause::TimedOut) => false,
            _ => return error,
        };
        let server = self.lock().connection.as_ref().and_then(Connection::server_process);
        error.of_overdue(Overdue::new(self.settings.names.call(module, method), sent, limit, server))
    }

    /// The epoll set, made on first use.
    pub(super) fn events(&self) -> Result<&Events, Error> {
        self.check_process().map_err(|cause| self.error((Phase::Progress, cause)))?;
        if self.events.get().is_none() {
            let events = Events::new().map_err(|cause| self.error((Phase::Configure, cause)))?;
            // The state is locked, so that the set misses no change.
            self.with(|_| drop(self.events.set(events)));
        }
        self.events.get().ok_or_else(|| self.error((Phase::Configure, Cause::NoMemory)))
    }

    /// A hook by which a token ends a call. The hook keeps the client alive until it is dropped, at the latest when the
    /// client ends.
    pub(super) fn hook(this: &TryArc<Self>, cancel: &Cancel) -> Result<Hook, Cause> {
        let client = this.clone();
        Hook::new(cancel, move |target| client.cancel(target))
    }

    fn cancel(&self, target: &Target) {
        if self.is_ours() {
            self.with(|state| {
                state.abandon(target.ticket(), Cause::Cancelled);
                state.advance();
            });
        }
    }

    /// Locks the state and renews the budget. A call that was alone until now becomes one of several.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock_alone();
        state.enlist();
        state
    }

    /// Locks the state for the caller that may still be alone.
    pub(super) fn lock_alone(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.budget = Budget::new();
        state
    }

    /// Runs `work` on the state, and then everything that the change requires.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = work(&mut state);
        self.release(state);
        result
    }

    /// Releases the lock after a change. The epoll set is updated before. Other threads are woken after, as they would
    /// only wait for the lock, and log lines are written last.
    pub(super) fn release(&self, mut state: MutexGuard<'_, State>) {
        if let Some(events) = self.events.get() {
            state.register(events);
        }
        state.wake();
        let (wake_list, log_events) = (state.waiters.take_wake_list(), state.log_events.take());
        drop(state);
        wake_list.wake_all();
        if let Some(log_events) = log_events {
            self.write_log(&log_events);
        }
    }

    #[cold]
    fn write_log(&self, log_events: &LogEvents) {
        let (log, path) = (&self.settings.log, Value(self.settings.path.given().as_os_str().as_bytes()));
        for event in log_events.iter() {
            match event {
                LogEvent::Lost(cause) => {
                    log.provoked(Level::Warn, format_args!("lost the connection: {cause} path={path}"));
                }
                LogEvent::Connected => log.provoked(Level::Info, format_args!("connected again path={path}")),
                LogEvent::FellBack => {
                    let what = "the server reads datagrams, as DAOS 0.8 to 2.6 do: connecting anew";
                    log.provoked(Level::Info, format_args!("{what} path={path}"));
                }
                LogEvent::Framing(framing) => {
                    let framing = framing.setting();
                    log.line(
                        Level::Debug,
                        format_args!("the server's framing is found out framing={framing} path={path}"),
                    );
                }
            }
        }
        log.leave_out(log_events.left_out);
    }
}

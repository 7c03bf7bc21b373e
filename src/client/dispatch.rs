//! Running completions, in the program's event loop or in the client's thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use super::pending::Submission;
use super::shared::Shared;
use crate::adaptive_spin::Side;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::log::Level;
use crate::sync::ThreadId;
use crate::sys::{self, BlockedSignals, Started, TryArc};

/// A mark that a thread dispatches, until it is dropped.
struct DispatchGuard<'a>(&'a Shared);

impl<'a> DispatchGuard<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.with(|state| state.registered.dispatching += 1);
        Self(shared)
    }
}

impl Drop for DispatchGuard<'_> {
    fn drop(&mut self) {
        // In the child of a fork that a completion made, the state is the parent's.
        if self.0.is_ours() {
            self.0.with(|state| state.registered.dispatching -= 1);
        }
    }
}

impl Shared {
    /// Waits for the next event, does the work that is due, and runs the completions of the calls that have ended.
    /// Returns how many completions ran.
    pub(super) fn dispatch(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        let events = self.events()?;
        let event = events.wait(self.settings.spin.look(Side::Client), timeout.map_or(-1, sys::whole_ms));
        let event = event.map_err(|cause| self.error((Phase::Progress, cause)))?;
        let _dispatching = DispatchGuard::new(self);
        let (ended, out_of_memory) = self.with(|state| {
            if let Some(event) = event {
                let ready = events.acknowledge(event, &mut state.registered);
                state.progress(ready, None);
            }
            state.advance();
            (state.calls.completions(), state.budget.out_of_memory)
        });
        // Calls that end meanwhile are left for the next dispatch, so that completions which submit do not prolong this
        // one.
        match (0..ended).take_while(|_| self.run_completion()).count() {
            0 if out_of_memory => Err(self.error((Phase::Progress, Cause::NoMemory))),
            completed => Ok(completed),
        }
    }

    /// Runs one completion; false if there is none.
    pub(super) fn run_completion(&self) -> bool {
        if !self.is_ours() {
            return false;
        }
        // Removing a completion changes nothing that others wait for, so that nothing has to follow.
        let next = self.lock().take_completion();
        let Some((Submission { module, method, limit, completion, noted, .. }, outcome)) = next else { return false };
        let result = outcome.map_err(|failure| self.call_error(failure, (module, method), limit));
        if let Some(noted) = noted {
            self.log_call(noted, &result);
        }
        completion(result);
        true
    }
}

/// The client's thread, which dispatches until the client ends.
pub(super) struct Dispatcher {
    /// The thread's identity, once it runs.
    id: TryArc<OnceLock<ThreadId>>,
    thread: Started,
}

impl Dispatcher {
    /// Starts the thread, which is needed in this phase.
    pub(super) fn start(shared: &TryArc<Shared>, phase: Phase) -> Result<Self, Error> {
        shared.events()?;
        Self::try_start(shared).map_err(|cause| shared.error((phase, cause)))
    }

    fn try_start(shared: &TryArc<Shared>) -> Result<Self, Cause> {
        let id = TryArc::new(OnceLock::new())?;
        let (own, client) = (id.clone(), shared.clone());
        let _blocked = BlockedSignals::new();
        let thread = sys::start_thread(c"drpc-client", None, move || {
            own.get_or_init(ThreadId::current);
            dispatch_until_end(&client);
        })?;
        Ok(Self { id, thread })
    }

    /// Waits for the end of the thread, unless the caller is that thread.
    pub(super) fn join(self) {
        if self.id.get() != Some(&ThreadId::current()) {
            self.thread.join();
        }
    }
}

fn dispatch_until_end(shared: &Shared) {
    while !shared.has_ended() {
        let log = |line: std::fmt::Arguments<'_>| shared.settings.log.provoked(Level::Error, line);
        match catch_unwind(AssertUnwindSafe(|| shared.dispatch(None))) {
            Ok(Ok(_)) => {}
            // The child of a fork has no use for its copy of the thread.
            Ok(Err(error)) if error.cause() == Cause::Forked => return,
            Ok(Err(error)) => {
                log(format_args!("{error}"));
                thread::sleep(Duration::from_millis(100));
            }
            Err(_) => log(format_args!("a completion panicked")),
        }
    }
}

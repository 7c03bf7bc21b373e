//! The thread of a client, and its end.

use super::dispatch::Dispatcher;
use super::settings::Settings;
use super::shared::Shared;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::{self, TryArc};

/// State that the clones of a client share with each other, but not with the client's thread.
pub(super) struct Handle {
    pub(super) shared: TryArc<Shared>,
    thread: Mutex<Option<Dispatcher>>,
}

impl Handle {
    pub(super) fn new(settings: Settings) -> Result<Self, Cause> {
        let shared = TryArc::new(Shared::new(settings)?)?;
        Ok(Self { shared, thread: Mutex::new(None) })
    }

    /// Starts the thread, if the client is to have one. Called before the client connects.
    pub(super) fn start(&self) -> Result<(), Error> {
        if self.shared.has_ended() {
            return Err(self.shared.error((Phase::Connect, Cause::NotConnected)));
        }
        if self.shared.settings.thread { self.start_thread(Phase::Connect) } else { Ok(()) }
    }

    /// Starts the thread, unless the program watches the client: a call has no other thread to complete it.
    pub(super) fn start_for_call(&self) -> Result<(), Error> {
        let needed = !self.shared.has_ended() && !self.shared.is_watched.load(Ordering::Relaxed);
        if needed { self.start_thread(Phase::Call) } else { Ok(()) }
    }

    fn start_thread(&self, phase: Phase) -> Result<(), Error> {
        if self.shared.is_ours() {
            let mut thread = lock(&self.thread);
            if thread.is_none() {
                *thread = Some(Dispatcher::start(&self.shared, phase)?);
            }
        }
        Ok(())
    }

    /// Ends the thread, closes the connection, and runs the completions that are left.
    pub(super) fn end(&self) {
        if !self.shared.is_ours() {
            return;
        }
        self.shared.begin_end();
        // The thread is joined without the lock, for which a completion that connects would wait.
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            thread.join();
        }
        self.shared.with(|state| state.close());
        while self.shared.run_completion() {}
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.shared.is_ours() {
            return self.end();
        }
        // The thread belongs to another process.
        if let Ok(thread) = self.thread.get_mut() {
            std::mem::forget(thread.take());
        }
        close_inherited(&self.shared);
    }
}

/// Closes the descriptors of an inherited client, in the child of a fork, and forgets the rest. The child lacks the
/// threads that may hold its locks, and the parent goes on using the connection.
fn close_inherited(shared: &TryArc<Shared>) {
    std::mem::forget(shared.clone());
    // If another thread held this lock during the fork, the descriptors stay open until the process ends or runs
    // another program.
    let Some(state) = try_lock(&shared.state) else { return };
    let socket = state.connection.as_ref().map(|connection| connection.poll_handle().descriptors());
    let events = shared.events.get().map(|events| events.descriptors());
    for fd in socket.into_iter().flatten().chain(events.into_iter().flatten()) {
        // close does not fail for an open descriptor.
        let _ = sys::close(fd);
    }
}

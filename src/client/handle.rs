//! The end of a client.

use super::dispatch::Dispatcher;
use super::settings::Settings;
use super::shared::Shared;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::{self, TryArc};

/// What the clones of a client have in common with each other, but not with its thread.
pub(super) struct Handle {
    pub(super) shared: TryArc<Shared>,
    thread: Mutex<Option<Dispatcher>>,
    /// Its end has begun: completions that are run by it connect no more.
    ended: AtomicBool,
}

impl Handle {
    pub(super) fn new(settings: Settings) -> Result<Self, Cause> {
        let shared = TryArc::new(Shared::new(settings)?)?;
        Ok(Self { shared, thread: Mutex::new(None), ended: AtomicBool::new(false) })
    }

    /// Starts the thread, if the client is to have one, before it is connected.
    pub(super) fn start(&self) -> Result<(), Error> {
        if self.ended.load(Ordering::Acquire) {
            return Err(self.shared.error((Phase::Connect, Cause::NotConnected)));
        }
        if self.shared.settings.thread && self.shared.is_ours() {
            let mut thread = lock(&self.thread);
            if thread.is_none() {
                *thread = Some(Dispatcher::start(&self.shared)?);
            }
        }
        Ok(())
    }

    /// Ends the thread, and the calls that nobody waits for.
    pub(super) fn end(&self) {
        if !self.shared.is_ours() {
            return;
        }
        self.ended.store(true, Ordering::Release);
        // Without the lock, which a completion that connects would wait for.
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread {
            thread.stop(&self.shared);
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
        // The thread is none of this process's.
        if let Ok(thread) = self.thread.get_mut() {
            std::mem::forget(thread.take());
        }
        close_inherited(&self.shared);
    }
}

/// In the child of a fork: closes the descriptors and forgets the rest. Locks may be held by threads that the child does
/// not have, and the connection is the parent's, who goes on using it.
fn close_inherited(shared: &TryArc<Shared>) {
    std::mem::forget(shared.clone());
    // Where another thread used it just then, the descriptors end with the process, or when it runs another program.
    let Some(state) = try_lock(&shared.state) else { return };
    let socket = state.connection.as_ref().map(|connection| connection.poll_handle().descriptors());
    let events = shared.events.get().map(|events| events.descriptors());
    for fd in socket.into_iter().flatten().chain(events.into_iter().flatten()) {
        // It fails for no descriptor that is open.
        let _ = sys::close(fd);
    }
}

//! The listening socket of a server, and whether it is watched: full, pausing, or being accepted from.

use std::os::fd::RawFd;
use std::time::Duration;

use super::listening_socket::{DropAction, ListeningSocket};
use crate::backoff;
use crate::cause::Cause;
use crate::shared_path::SharedPath;
use crate::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::TryArc;

/// The listening socket, and the reasons why it may not be watched now.
#[derive(Debug)]
pub(super) struct Acceptor {
    path: SharedPath,
    state: Mutex<State>,
    /// Flags [`BUSY`] and [`AGAIN`].
    accepting: AtomicU8,
    /// True if a client waited when events were last taken.
    had_client: AtomicBool,
    /// Full lists of events since clients were last looked for.
    full_lists: AtomicU8,
}

/// The number of full lists of events after which clients are looked for.
const LOOK_EVERY: u8 = 8;

/// A thread is accepting.
const BUSY: u8 = 1;
/// Another thread wanted to accept meanwhile.
const AGAIN: u8 = 2;

#[derive(Debug)]
struct State {
    /// `None` once the server has stopped listening.
    listening: Option<TryArc<ListeningSocket>>,
    /// True while the server has as many sessions as it may, so that accepting waits for one to end.
    full: bool,
    /// The pause after the last failed accept; `None` after a success.
    pause: Option<Duration>,
}

impl Acceptor {
    pub(super) fn new(listening: ListeningSocket) -> Result<Self, Cause> {
        let path = listening.path().clone();
        let state = State { listening: Some(TryArc::new(listening)?), full: false, pause: None };
        Ok(Self {
            path,
            state: Mutex::new(state),
            accepting: AtomicU8::new(0),
            had_client: AtomicBool::new(false),
            full_lists: AtomicU8::new(0),
        })
    }

    /// Notes whether a client waits now, and returns whether one waited the last time.
    pub(super) fn note_client(&self, waits: bool) -> bool {
        let before = self.had_client.load(Ordering::Relaxed);
        self.had_client.store(waits, Ordering::Relaxed);
        before
    }

    /// True if a full list of events without the listener's is a reason to look for clients: its event may be among those
    /// that had no room. Their turn comes anyway, so that not every list is.
    pub(super) fn looks_after_full_list(&self) -> bool {
        let lists = (self.full_lists.load(Ordering::Relaxed) + 1) % LOOK_EVERY;
        self.full_lists.store(lists, Ordering::Relaxed);
        lists == 0 && self.is_watched()
    }

    /// Has this thread accept, unless another thread is accepting, which will look again then.
    pub(super) fn begin(&self) -> bool {
        let next = |now| Some(if now == 0 { BUSY } else { now | AGAIN });
        self.accepting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(0)
    }

    /// Ends this thread's accepting. True if another thread wanted to accept meanwhile.
    pub(super) fn finish(&self) -> bool {
        self.accepting.swap(0, Ordering::AcqRel) & AGAIN != 0
    }

    /// Takes the listening socket out.
    pub(super) fn take_listening(&self) -> Option<TryArc<ListeningSocket>> {
        lock(&self.state).listening.take()
    }

    pub(super) fn path(&self) -> &SharedPath {
        &self.path
    }

    /// Closes the listening socket here, and leaves its file to the process that may serve.
    pub(super) fn close_here(&self) {
        if let Some(listening) = self.take_listening() {
            listening.set_drop_action(DropAction::CloseOnly);
        }
    }

    /// Visits the descriptors, for a process that has inherited them. Skips them if the lock is held.
    pub(super) fn for_each_descriptor(&self, work: impl FnMut(RawFd)) {
        let Some(state) = try_lock(&self.state) else { return };
        state.listening.iter().flat_map(|listening| listening.descriptors()).for_each(work);
    }

    pub(super) fn listening(&self) -> Option<TryArc<ListeningSocket>> {
        lock(&self.state).listening.clone()
    }

    /// True while clients are accepted as they come.
    pub(super) fn is_watched(&self) -> bool {
        let State { listening, full, pause } = &*lock(&self.state);
        listening.is_some() && !full && pause.is_none()
    }

    pub(super) fn set_full(&self) {
        lock(&self.state).full = true;
    }

    /// Clears the mark that the server was full, and returns it.
    pub(super) fn clear_full(&self) -> bool {
        std::mem::take(&mut lock(&self.state).full)
    }

    /// The pause before the next attempt, after another failure.
    pub(super) fn next_pause(&self) -> Duration {
        let mut state = lock(&self.state);
        let pause = backoff::after(state.pause);
        state.pause = Some(pause);
        pause
    }

    pub(super) fn reset_pause(&self) {
        lock(&self.state).pause = None;
    }
}

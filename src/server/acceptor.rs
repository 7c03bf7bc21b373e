//! The listening socket of a server, and whether it is watched: not while the server is full or pauses, nor while a second
//! thread asks to accept.

use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

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
    /// True while epoll reports clients that wait.
    watched: bool,
    /// True while the server has as many sessions as it may, so that accepting waits for one to end.
    full: bool,
    /// The pause after the last failed accept; `None` after a success.
    pause: Option<Duration>,
    /// Failures to accept of which no line has told.
    failures: u64,
    /// When a line told of failures last.
    told: Option<Instant>,
    /// True while the last line about accepting is that it fails.
    failing: bool,
}

/// The least time between two lines about failures to accept. They are one trouble, however often accepting is tried.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl Acceptor {
    pub(super) fn new(listening: ListeningSocket) -> Result<Self, Cause> {
        let path = listening.path().clone();
        let state = State {
            listening: Some(TryArc::new(listening)?),
            watched: true,
            full: false,
            pause: None,
            failures: 0,
            told: None,
            failing: false,
        };
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

    /// Has this thread accept, unless another thread is accepting.
    pub(super) fn begin(&self) -> bool {
        self.accepting.compare_exchange(0, BUSY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The same, where this thread has ignored the listener before: whichever thread accepts watches it again at its end.
    pub(super) fn begin_or_ask(&self) -> bool {
        self.accepting.fetch_or(BUSY | AGAIN, Ordering::AcqRel) & BUSY == 0
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

    /// The listening socket while it is watched. An event from before is not for anyone otherwise.
    pub(super) fn watched(&self) -> Option<TryArc<ListeningSocket>> {
        let State { listening, watched, .. } = &*lock(&self.state);
        listening.clone().filter(|_| *watched)
    }

    /// Notes whether the listening socket is watched, while `set` makes it so. `None` once the server has stopped
    /// listening.
    pub(super) fn set_watched<T>(&self, is_watched: bool, set: impl FnOnce(BorrowedFd<'_>) -> T) -> Option<T> {
        let State { listening, watched, .. } = &mut *lock(&self.state);
        *watched = is_watched;
        listening.as_ref().map(|listening| set(listening.as_fd()))
    }

    /// True while clients are accepted as they come.
    pub(super) fn is_watched(&self) -> bool {
        let State { listening, watched, .. } = &*lock(&self.state);
        listening.is_some() && *watched
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

    /// Counts a failure to accept. If a line is due that tells of it, returns the number of failures since the last one.
    pub(super) fn count_failure(&self, now: Instant) -> Option<u64> {
        let mut state = lock(&self.state);
        state.failures += 1;
        let due = state.told.is_none_or(|told| now.saturating_duration_since(told) >= BETWEEN_LINES);
        due.then(|| {
            (state.told, state.failing) = (Some(now), true);
            std::mem::take(&mut state.failures)
        })
    }

    /// Ends the pauses. If the last line was that accepting fails, returns the number of failures since then.
    pub(super) fn reset_pause(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        state.pause = None;
        std::mem::take(&mut state.failing).then(|| std::mem::take(&mut state.failures))
    }
}

//! The state of accepting clients.

use std::os::fd::RawFd;
use std::time::Duration;

use super::listening_socket::{End, ListeningSocket};
use crate::backoff;
use crate::cause::Cause;
use crate::shared_path::SharedPath;
use crate::sync::atomic::{AtomicU8, Ordering};
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::TryArc;

/// The listening socket, and why it may not be watched now.
#[derive(Debug)]
pub(super) struct Acceptor {
    path: SharedPath,
    state: Mutex<State>,
    /// [`BUSY`], and [`AGAIN`], or nothing.
    accepting: AtomicU8,
}

/// A thread takes in clients.
const BUSY: u8 = 1;
/// Another one was to do so meanwhile.
const AGAIN: u8 = 2;

#[derive(Debug)]
struct State {
    /// `None` once the server takes in nobody any more.
    listening: Option<TryArc<ListeningSocket>>,
    /// Waits for a session to end.
    full: bool,
    /// Between the last two attempts when there were no descriptors.
    pause: Option<Duration>,
}

impl Acceptor {
    pub(super) fn new(listening: ListeningSocket) -> Result<Self, Cause> {
        let path = listening.path().clone();
        let state = State { listening: Some(TryArc::new(listening)?), full: false, pause: None };
        Ok(Self { path, state: Mutex::new(state), accepting: AtomicU8::new(0) })
    }

    /// Has this thread accept clients, if no other one does. That one is told to look again.
    pub(super) fn begin(&self) -> bool {
        let next = |now| Some(if now == 0 { BUSY } else { now | AGAIN });
        self.accepting.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(0)
    }

    /// Has this thread accept no more; true if another one was to do so meanwhile.
    pub(super) fn finish(&self) -> bool {
        self.accepting.swap(0, Ordering::AcqRel) & AGAIN != 0
    }

    /// Takes the listening socket away.
    pub(super) fn take_listening(&self) -> Option<TryArc<ListeningSocket>> {
        lock(&self.state).listening.take()
    }

    pub(super) fn path(&self) -> &SharedPath {
        &self.path
    }

    /// Gives the listening socket up in a process that has never served, and leaves it and its file to the other one.
    pub(super) fn leave(&self) {
        if let Some(listening) = lock(&self.state).listening.take() {
            listening.end(End::Leave);
        }
    }

    /// Does something with the descriptors, for a process that has inherited them, as far as they can be looked at.
    pub(super) fn with_descriptors(&self, work: impl FnMut(RawFd)) {
        let Some(state) = try_lock(&self.state) else { return };
        state.listening.iter().flat_map(|listening| listening.descriptors()).for_each(work);
    }

    pub(super) fn listening(&self) -> Option<TryArc<ListeningSocket>> {
        lock(&self.state).listening.clone()
    }

    /// It takes in clients as they come.
    pub(super) fn is_watched(&self) -> bool {
        let State { listening, full, pause } = &*lock(&self.state);
        listening.is_some() && !full && pause.is_none()
    }

    pub(super) fn set_full(&self) {
        lock(&self.state).full = true;
    }

    /// It was full; it is not any more.
    pub(super) fn take_full(&self) -> bool {
        std::mem::take(&mut lock(&self.state).full)
    }

    /// How long to wait after another failure.
    pub(super) fn next_pause(&self) -> Duration {
        let mut state = lock(&self.state);
        let pause = backoff::after(state.pause);
        state.pause = Some(pause);
        pause
    }

    pub(super) fn has_accepted(&self) {
        lock(&self.state).pause = None;
    }
}

//! The modules that the tests' servers serve.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use drpc::{Failure, Module, Request, Session};

/// The longest that any test waits for an event that must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const ECHO: i32 = 7;
pub(crate) const GATE: i32 = 8;
pub(crate) const LATER: i32 = 9;

/// A module that returns the body.
pub(crate) struct Echo;

impl Module for Echo {
    fn id(&self) -> i32 {
        ECHO
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        match method {
            1 => Ok(body.to_vec()),
            2 => panic!("as the caller wishes"),
            _ => Err(Failure::unknown_method()),
        }
    }
}

/// A module whose handlers wait until the test lets them go on.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    state: Arc<(Mutex<Passing>, Condvar)>,
    pub(crate) concurrent: bool,
}

#[derive(Default)]
struct Passing {
    entered: usize,
    granted: usize,
    waiting: usize,
}

impl Gate {
    /// Waits until this many handlers wait at once.
    pub(crate) fn await_waiting(&self, count: usize) {
        let (state, changed) = &*self.state;
        let passing = state.lock().unwrap();
        let waited = changed.wait_timeout_while(passing, PATIENCE, |passing| passing.waiting < count);
        assert!(!waited.unwrap().1.timed_out(), "no {count} handlers");
    }

    /// The number of handlers that have begun.
    pub(crate) fn entered(&self) -> usize {
        self.state.0.lock().unwrap().entered
    }

    /// Lets this many handlers go on.
    pub(crate) fn open(&self, count: usize) {
        self.state.0.lock().unwrap().granted += count;
        self.state.1.notify_all();
    }
}

impl Module for Gate {
    fn id(&self) -> i32 {
        GATE
    }

    fn handle(&self, _session: &Session, _method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let (state, changed) = &*self.state;
        let mut passing = state.lock().unwrap();
        passing.entered += 1;
        passing.waiting += 1;
        changed.notify_all();
        // A test that has failed must end.
        passing = changed.wait_timeout_while(passing, PATIENCE, |passing| passing.granted == 0).unwrap().0;
        passing.granted = passing.granted.saturating_sub(1);
        passing.waiting -= 1;
        Ok(body.to_vec())
    }

    fn concurrent(&self) -> bool {
        self.concurrent
    }
}

/// A module that hands its calls to the test, which answers them when it likes.
pub(crate) struct Later {
    requests: Sender<Request>,
    concurrent: bool,
}

impl Later {
    pub(crate) fn new(concurrent: bool) -> (Self, Receiver<Request>) {
        let (requests, taken) = mpsc::channel();
        (Self { requests, concurrent }, taken)
    }
}

impl Module for Later {
    fn id(&self) -> i32 {
        LATER
    }

    fn serve(&self, request: Request) {
        self.requests.send(request).unwrap();
    }

    fn concurrent(&self) -> bool {
        self.concurrent
    }
}

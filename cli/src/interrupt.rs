//! Ctrl-C, for commands that have something to say when they are ended.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};

use crate::exit::Failure;

/// The signals that end a command: SIGINT, SIGTERM and SIGHUP.
#[derive(Debug)]
pub struct Interrupt {
    is_awaited: Arc<AtomicBool>,
    signals: Receiver<()>,
}

impl Interrupt {
    /// Takes the signals. One that comes before [`Self::await_one`] ends the program, and so does a second one. No other thread
    /// may run yet: threads inherit the mask of signals, and one without it would be ended by a signal.
    pub fn taken() -> Result<Self, Failure> {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block().map_err(std::io::Error::from)?;
        let (sender, receiver) = mpsc::channel();
        let is_awaited = Arc::new(AtomicBool::new(false));
        let this = Self { is_awaited: Arc::clone(&is_awaited), signals: receiver };
        thread::Builder::new().spawn(move || pass_on(signals, &is_awaited, &sender))?;
        Ok(this)
    }

    /// From now on the first signal is for [`Self::within`] and [`Self::has_come`].
    pub fn await_one(&self) {
        self.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Waits for a signal; true if one came within this time.
    pub fn within(&self, time: Duration) -> bool {
        self.signals.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }

    /// True if a signal has come that was not told of yet.
    pub fn has_come(&self) -> bool {
        self.signals.try_recv().is_ok()
    }
}

fn pass_on(signals: SigSet, is_awaited: &AtomicBool, sender: &Sender<()>) {
    while let Ok(signal) = signals.wait() {
        // The receiver stays as long as the command runs.
        if !is_awaited.swap(false, Ordering::Relaxed) || sender.send(()).is_err() {
            process::exit(128 + signal as i32);
        }
    }
}

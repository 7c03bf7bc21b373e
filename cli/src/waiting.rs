//! A line on a terminal that says that an answer is waited for.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::output::{Output, escape};

/// The time after which the line is shown, and between two of its states.
const EVERY: Duration = Duration::from_secs(1);

/// The line, which goes when this is dropped.
#[derive(Debug)]
pub struct Waiting(Option<(Sender<()>, JoinHandle<()>)>);

impl Waiting {
    /// Shows on stderr, if that is a terminal, what is waited for.
    pub fn for_answer(output: &Output, of: &str) -> Self {
        if output.quiet || !io::stderr().is_terminal() {
            return Self(None);
        }
        let (end, ended) = mpsc::channel();
        let text = escape(of);
        let shown = thread::Builder::new().spawn(move || show(&text, &ended));
        Self(shown.ok().map(|thread| (end, thread)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            // A thread that has panicked has nothing to say.
            let _ = thread.join();
        }
    }
}

fn show(text: &str, ended: &Receiver<()>) {
    let mut seconds = 0;
    while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        seconds += 1;
        write(&format!("\r\x1b[K{text}: no answer for {seconds} s"));
    }
    if seconds > 0 {
        write("\r\x1b[K");
    }
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    // Nothing is left to be done where stderr has gone.
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}

//! How far a load is, shown on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::load::Limit;

/// The time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// A line on stderr that is written anew each time; nothing unless stderr is a terminal.
#[derive(Debug)]
pub struct Progress {
    is_wanted: bool,
    is_shown: bool,
    next: Duration,
}

impl Progress {
    /// Progress, unless it is not wanted.
    pub fn new(is_wanted: bool) -> Self {
        Self { is_wanted: is_wanted && io::stderr().is_terminal(), is_shown: false, next: EVERY }
    }

    /// Shows the number of calls made so far, once a second.
    pub fn show(&mut self, made: u64, elapsed: Duration, limit: Limit) {
        if !self.is_wanted || elapsed < self.next {
            return;
        }
        self.next = elapsed + EVERY;
        let seconds = elapsed.as_secs_f64();
        let end = match limit {
            Limit::Calls(calls) => format!("{made} of {calls} calls"),
            Limit::Time(time) => format!("{seconds:.0} of {} s, {made} calls", time.as_secs_f64()),
        };
        self.write(&format!("\r\x1b[K{end}, {:.0} in a second", made as f64 / seconds));
        self.is_shown = true;
    }

    /// Takes the line away.
    pub fn end(&mut self) {
        if self.is_shown {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        let mut stderr = io::stderr().lock();
        // Nothing is left to be done where stderr has gone.
        let _ = stderr.write_all(text.as_bytes());
        let _ = stderr.flush();
    }
}

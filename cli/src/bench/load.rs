//! Calls made under load: in a closed loop, or at a fixed rate.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use drpc::{CallOptions, Client};

use super::progress::Progress;
use super::tally::Tally;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::methods::MethodId;

/// The time after which a load looks up from its work.
const TICK: Duration = Duration::from_millis(100);

/// The calls to make.
#[derive(Clone, Debug)]
pub struct Load {
    /// The method.
    pub method: MethodId,
    /// The body of each call.
    pub body: Vec<u8>,
    /// The calls that are under way at once on each connection.
    pub pipelining: usize,
    /// Calls in a second; `None` for a closed loop, in which a call follows an answer.
    pub rate: Option<f64>,
    /// When to end.
    pub limit: Limit,
    /// The time that each call may take.
    pub timeout: Duration,
}

/// When to end.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After so many calls.
    Calls(u64),
    /// After this time.
    Time(Duration),
}

/// What came of a load.
#[derive(Debug)]
pub struct Outcome {
    /// The calls.
    pub tally: Tally,
    /// The time from the first call to the last answer.
    pub elapsed: Duration,
    /// The calls that were due at a fixed rate and have not been made.
    pub missed: u64,
}

impl Load {
    /// Makes the calls over these connections. Each call under way has a thread, and a free thread takes the next call.
    pub fn run(&self, clients: &[Client], mut progress: Progress, interrupt: &Interrupt) -> Result<Outcome, Failure> {
        let run = Run { load: self, start: Instant::now(), next: AtomicU64::new(0), stopped: AtomicBool::new(false) };
        let (sender, tallies) = mpsc::channel();
        let tally = thread::scope(|scope| {
            for client in clients {
                for _ in 0..self.pipelining {
                    let (run, sender) = (&run, sender.clone());
                    let spawned = thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, move || {
                        // The receiver stays until all have sent.
                        let _ = sender.send(run.work(client));
                    });
                    if let Err(error) = spawned {
                        run.stopped.store(true, Ordering::Relaxed);
                        return Err(Failure::usage(format!(
                            "a thread cannot be started: {error}: ask for fewer connections"
                        )));
                    }
                }
            }
            drop(sender);
            let mut all = Tally::new()?;
            loop {
                match tallies.recv_timeout(TICK) {
                    Ok(tally) => all.add(tally?)?,
                    Err(RecvTimeoutError::Timeout) => progress.show(run.made(), run.start.elapsed(), self.limit),
                    Err(RecvTimeoutError::Disconnected) => return Ok(all),
                }
                if interrupt.has_come() {
                    run.stopped.store(true, Ordering::Relaxed);
                }
            }
        });
        progress.end();
        let (tally, elapsed) = (tally?, run.start.elapsed());
        let missed = run.due_until(elapsed).saturating_sub(tally.calls());
        Ok(Outcome { tally, elapsed, missed })
    }
}

/// A load that is being made.
struct Run<'a> {
    load: &'a Load,
    start: Instant,
    /// The index of the next call.
    next: AtomicU64,
    /// True once a connection has failed, or the user has ended the load.
    stopped: AtomicBool,
}

impl Run<'_> {
    /// Makes calls until there are no more.
    fn work(&self, client: &Client) -> Result<Tally, Failure> {
        let mut tally = Tally::new()?;
        if self.load.rate.is_some() {
            // The kernel wakes a sleeper up to 50 µs late, which would count as the server's time. Without the right to be
            // exact it stays so.
            let _ = nix::sys::prctl::set_timerslack(1);
        }
        let Load { method, body, timeout, .. } = self.load;
        while let Some(due) = self.next_due() {
            self.wait_until(due);
            if self.is_over() {
                break;
            }
            let result = client.call_with(&CallOptions::new().timeout(*timeout), method.module, method.method, body);
            if !tally.record(due.elapsed(), result) {
                self.stopped.store(true, Ordering::Relaxed);
            }
        }
        Ok(tally)
    }

    /// When the next call is due; `None` after the last one. A call that is late counts from when it was due, so that a
    /// server that stalls is not measured less often meanwhile.
    fn next_due(&self) -> Option<Instant> {
        if self.is_over() {
            return None;
        }
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        if matches!(self.load.limit, Limit::Calls(calls) if index >= calls) {
            return None;
        }
        let Some(rate) = self.load.rate else { return Some(Instant::now()) };
        let after = Duration::try_from_secs_f64(index as f64 / rate).ok()?;
        match self.load.limit {
            Limit::Time(time) if after >= time => None,
            _ => self.start.checked_add(after),
        }
    }

    /// Sleeps, if not until then, until the load is over.
    fn wait_until(&self, due: Instant) {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_over() {
                return;
            }
            thread::sleep(left.min(TICK));
        }
    }

    fn is_over(&self) -> bool {
        let is_late = matches!(self.load.limit, Limit::Time(time) if self.start.elapsed() >= time);
        is_late || self.stopped.load(Ordering::Relaxed)
    }

    /// The number of calls that were due at the end of this time.
    fn due_until(&self, elapsed: Duration) -> u64 {
        let Some(rate) = self.load.rate else { return 0 };
        let due = |time: Duration| (time.as_secs_f64() * rate).ceil() as u64;
        match self.load.limit {
            Limit::Calls(calls) => calls.min(due(elapsed)),
            Limit::Time(time) => due(time.min(elapsed)),
        }
    }

    fn made(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }
}

//! The counters of a server.

// Counters do not synchronise threads, so shuttle need not model them.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::log_event::{Fault, Limit, LogEvent};
use crate::adaptive_spin::EndedLook;
use crate::cause::Cause;
use crate::protocol::message::Status;

/// Numbers of [`Status`], and one more for all that it does not know.
const STATUSES: usize = 9;

/// Counts of a [`Server`](crate::Server)'s work so far. Each number is right, but they are not all of the same instant.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let server = drpc::Server::builder().bind(dir.path().join("agent.sock"))?;
/// assert_eq!(server.stats().accepted, 0);
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Sessions that have not ended.
    pub sessions: u64,
    /// Clients accepted.
    pub accepted: u64,
    /// Clients refused by the program.
    pub refused: u64,
    /// Calls answered, by module in ascending order; those to unknown modules at the end.
    pub calls: Vec<ModuleStats>,
    /// Bytes of calls received.
    pub bytes_in: u64,
    /// Bytes of responses sent, or to be sent.
    pub bytes_out: u64,
    /// Errors.
    pub errors: ErrorStats,
    /// How often a limit was met.
    pub limits: LimitStats,
    /// Requests that had to wait because all threads were running handlers, of which one took 50 µs or more.
    pub saturated: u64,
    /// Calls handled by modules.
    pub handled: u64,
    /// The time that handlers ran, all of them together.
    pub handling: Duration,
    /// The longest time that a handler ran.
    pub longest: Duration,
    /// Times that a thread looked for a call before it slept: see [`ServerBuilder::spin`](crate::ServerBuilder::spin).
    pub spins: u64,
    /// Times that it found one.
    pub spin_hits: u64,
    /// The time that all threads looked.
    pub spinning: Duration,
}

/// The calls of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleStats {
    /// The module; `None` for all modules that the server does not have.
    pub module: Option<i32>,
    by_status: [u64; STATUSES],
}

impl ModuleStats {
    /// Calls answered with a status.
    pub fn with(&self, status: Status) -> u64 {
        self.by_status.get(index(status.into())).copied().unwrap_or_default()
    }

    /// Calls answered with a status that [`Status`] does not know.
    pub fn with_unknown_status(&self) -> u64 {
        self.by_status.last().copied().unwrap_or_default()
    }

    /// Calls answered.
    pub fn total(&self) -> u64 {
        self.by_status.iter().sum()
    }
}

fn index(status: i32) -> usize {
    Status::try_from(status).map_or(STATUSES - 1, |status| status as usize)
}

/// Errors by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorStats {
    /// Attempts to accept that failed, and were repeated later.
    pub accept: u64,
    /// Messages that are no calls.
    pub unparsable: u64,
    /// Sessions whose records made no sense.
    pub out_of_step: u64,
    /// Sessions that ended in the middle of a call.
    pub cut: u64,
    /// Responses that could not be sent.
    pub unsendable: u64,
    /// Calls of users that may not call the module.
    pub forbidden: u64,
    /// Calls for which there was no memory.
    pub no_memory: u64,
    /// Handlers that panicked.
    pub panics: u64,
}

/// How often each of [`ServerLimits`](crate::ServerLimits) was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "they are those of ServerLimits")]
pub struct LimitStats {
    pub sessions: u64,
    pub sessions_per_uid: u64,
    pub message: u64,
    pub partial_memory: u64,
    pub message_time: u64,
    pub reply_time: u64,
    pub calls_per_session: u64,
    pub unsent: u64,
    pub idle_time: u64,
}

/// The counters, always on. What each call adds to is in a tally.
#[derive(Debug)]
pub(super) struct Counters {
    modules: Vec<i32>,
    /// A tally for each thread of the pool, which alone adds to it.
    workers: Vec<Tally>,
    /// The tally of all other threads.
    pub(super) others: Tally,
    pub(super) accepted: Counter,
    faults: [Counter; Fault::COUNT],
    limits: [Counter; Limit::COUNT],
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What calls add to. It shares no cache line with the tally of another thread.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Tally {
    /// True if one thread alone adds, so that no locked instruction is needed.
    of_one_thread: bool,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    handled: AtomicU64,
    handling_ns: AtomicU64,
    longest_ns: AtomicU64,
    saturated: AtomicU64,
    spins: AtomicU64,
    spin_hits: AtomicU64,
    spinning_ns: AtomicU64,
    /// One for each module, and one more.
    calls: Vec<Answered>,
}

/// The answers of one module by status.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Answered([AtomicU64; STATUSES]);

impl Tally {
    fn new(modules: usize, of_one_thread: bool) -> Result<Self, Cause> {
        let mut calls = Vec::new();
        calls.try_reserve_exact(modules + 1).map_err(|_| Cause::NoMemory)?;
        calls.extend((0..=modules).map(|_| Answered::default()));
        Ok(Self { of_one_thread, calls, ..Self::default() })
    }

    #[inline(always)]
    fn add<const N: usize>(&self, sums: [(&AtomicU64, u64); N]) {
        match self.of_one_thread {
            true => sums.into_iter().for_each(|(sum, more)| sum.store(sum.load(Relaxed) + more, Relaxed)),
            false => sums.into_iter().for_each(|(sum, more)| {
                sum.fetch_add(more, Relaxed);
            }),
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.add([(&self.bytes_in, bytes as u64)]);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.add([(&self.bytes_out, bytes as u64)]);
    }

    #[cold]
    pub(super) fn saturated(&self) {
        self.add([(&self.saturated, 1)]);
    }

    /// Counts a call of a module that was answered with so many bytes.
    pub(super) fn answered(&self, slot: usize, status: i32, bytes: usize) {
        if let Some(calls) = self.calls.get(slot).and_then(|calls| calls.0.get(index(status))) {
            self.add([(calls, 1), (&self.bytes_out, bytes as u64)]);
        }
    }

    /// Counts a look for a call.
    pub(super) fn spun(&self, look: EndedLook) {
        let sums = [(&self.spins, 1), (&self.spin_hits, u64::from(look.found)), (&self.spinning_ns, look.time)];
        self.add(sums);
    }

    /// Counts a handler that ran for this many nanoseconds.
    pub(super) fn handled(&self, ns: u64) {
        self.add([(&self.handled, 1), (&self.handling_ns, ns)]);
        // Checked first, as a load is cheaper and the maximum rarely changes.
        if ns > self.longest_ns.load(Relaxed) {
            self.longest_ns.fetch_max(ns, Relaxed);
        }
    }
}

impl Counters {
    /// Counters for a pool of so many threads, and for these modules. A module's calls are counted at its index in
    /// `modules`, those of unknown modules at the end.
    pub(super) fn new(workers: usize, modules: impl ExactSizeIterator<Item = i32>) -> Result<Self, Cause> {
        let (mut known, mut tallies) = (Vec::new(), Vec::new());
        let count = modules.len();
        known.try_reserve_exact(count).map_err(|_| Cause::NoMemory)?;
        known.extend(modules);
        tallies.try_reserve_exact(workers).map_err(|_| Cause::NoMemory)?;
        for _ in 0..workers {
            tallies.extend([Tally::new(count, true)?]);
        }
        Ok(Self {
            modules: known,
            workers: tallies,
            others: Tally::new(count, false)?,
            accepted: Counter::default(),
            faults: Default::default(),
            limits: Default::default(),
        })
    }

    /// The tally of the thread with this number in the pool; that of all others if none has.
    #[inline(always)]
    pub(super) fn tally(&self, worker: usize) -> &Tally {
        self.workers.get(worker).unwrap_or(&self.others)
    }

    pub(super) fn event(&self, event: LogEvent) {
        let counter = match event {
            LogEvent::Limit(limit) => self.limits.get(limit as usize),
            LogEvent::LargeCall(_) => self.limits.get(Limit::Message as usize),
            LogEvent::Forbidden(_) => self.faults.get(Fault::Forbidden as usize),
            LogEvent::Fault(fault, _) => self.faults.get(fault as usize),
        };
        if let Some(counter) = counter {
            counter.add(1);
        }
    }

    pub(super) fn snapshot(&self, sessions: usize) -> Result<Stats, Cause> {
        let modules = self.modules.iter().copied().map(Some).chain([None]);
        let tallies = || self.workers.iter().chain([&self.others]);
        let sum = |of: fn(&Tally) -> &AtomicU64| tallies().map(|tally| of(tally).load(Relaxed)).sum();
        let mut all = Vec::new();
        all.try_reserve_exact(self.modules.len() + 1).map_err(|_| Cause::NoMemory)?;
        all.extend(modules.enumerate().map(|(slot, module)| {
            let mut by_status = [0; STATUSES];
            for calls in tallies().filter_map(|tally| tally.calls.get(slot)) {
                by_status.iter_mut().zip(&calls.0).for_each(|(to, from)| *to += from.load(Relaxed));
            }
            ModuleStats { module, by_status }
        }));
        let fault = |fault: Fault| self.faults.get(fault as usize).map_or(0, Counter::get);
        let limit = |limit: Limit| self.limits.get(limit as usize).map_or(0, Counter::get);
        Ok(Stats {
            sessions: sessions as u64,
            accepted: self.accepted.get(),
            refused: fault(Fault::Refused),
            calls: all,
            bytes_in: sum(|tally| &tally.bytes_in),
            bytes_out: sum(|tally| &tally.bytes_out),
            errors: ErrorStats {
                accept: fault(Fault::Accept),
                unparsable: fault(Fault::Unparsable),
                out_of_step: fault(Fault::OutOfStep),
                cut: fault(Fault::Cut),
                unsendable: fault(Fault::Unsendable),
                forbidden: fault(Fault::Forbidden),
                no_memory: fault(Fault::NoMemory),
                panics: fault(Fault::Panic),
            },
            limits: LimitStats {
                sessions: limit(Limit::Sessions),
                sessions_per_uid: limit(Limit::SessionsPerUid),
                message: limit(Limit::Message),
                partial_memory: limit(Limit::PartialMemory),
                message_time: limit(Limit::MessageTime),
                reply_time: limit(Limit::ReplyTime),
                calls_per_session: limit(Limit::CallsPerSession),
                unsent: limit(Limit::Unsent),
                idle_time: limit(Limit::IdleTime),
            },
            saturated: sum(|tally| &tally.saturated),
            handled: sum(|tally| &tally.handled),
            handling: Duration::from_nanos(sum(|tally| &tally.handling_ns)),
            longest: Duration::from_nanos(
                tallies().map(|tally| tally.longest_ns.load(Relaxed)).max().unwrap_or_default(),
            ),
            spins: sum(|tally| &tally.spins),
            spin_hits: sum(|tally| &tally.spin_hits),
            spinning: Duration::from_nanos(sum(|tally| &tally.spinning_ns)),
        })
    }
}

//! Pairs take turns: what disturbs one soon disturbs the others, and a ratio is one of neighbours.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::cpus::Cpus;
use crate::pair::{Pair, baseline};
use crate::plan::{Case, Plan};
use crate::process::Running;
use crate::statistics::{Calls, Percentiles, Spread, median};

/// Nanoseconds of a call that each side spent on a CPU, medians of the rounds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Cpu {
    pub(crate) client: f64,
    pub(crate) server: f64,
}

/// What one pair did in one case.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Measurement {
    #[serde(flatten)]
    pub(crate) case: Case,
    pub(crate) pair: String,
    pub(crate) rounds: usize,
    /// Of the rounds' medians, or where only all calls are timed, of their averages.
    pub(crate) ns_per_call: Spread,
    /// Of the rounds: time of a call over that of the baseline in the same round.
    pub(crate) ratio: Spread,
    /// Older results have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<Cpu>,
    /// Of all calls, where each is timed.
    pub(crate) calls: Option<Percentiles>,
}

impl Measurement {
    pub(crate) fn per_second(&self) -> f64 {
        1e9 / self.ns_per_call.median
    }
}

/// A pair that could not be measured, and why.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Failure {
    pub(crate) case: String,
    pub(crate) pair: String,
    pub(crate) reason: String,
}

/// More samples than this say nothing new.
const MOST: u64 = 50_000;

/// A pair in a case.
struct Entrant<'a> {
    pair: &'a Pair,
    case: Case,
    running: Option<Running>,
    /// Calls in a turn.
    count: u64,
    /// Nanoseconds of a call, of each round so far. Nothing where the pair has failed.
    rounds: Vec<Option<f64>>,
    /// The same of the CPUs' time of each side, in rounds that were measured.
    cpu: Vec<Cpu>,
    calls: Calls,
    failure: Option<String>,
}

impl<'a> Entrant<'a> {
    fn new(pair: &'a Pair, case: Case) -> Self {
        Self {
            pair,
            case,
            running: None,
            count: 0,
            rounds: Vec::new(),
            cpu: Vec::new(),
            calls: Calls::new(),
            failure: None,
        }
    }

    /// Starts the programs, and calls until memory and caches are as they stay; finds out how many calls make a turn.
    fn start(&mut self, cpus: &Cpus, socket: &Path, turn: Duration) -> io::Result<()> {
        self.running = None;
        let mut running = Running::start(self.pair, cpus, self.case.cores, socket)?;
        let mut count = self.case.least();
        let begin = Instant::now();
        // The first calls find nothing in its place; when they take long already there are no others.
        for calls in 1.. {
            let turn_begin = Instant::now();
            if running.ask(&self.case.command(count, self.pair.idle))?.is_none() {
                return Ok(());
            }
            let per_call = turn_begin.elapsed().as_secs_f64() / count as f64;
            count = ((turn.as_secs_f64() / per_call) as u64).clamp(self.case.least(), MOST);
            let warm = if calls > 2 { turn } else { 10 * turn };
            if begin.elapsed() >= warm {
                break;
            }
        }
        (self.count, self.running) = (count, Some(running));
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let before = running.cpu()?;
        let Some(samples) = running.ask(&self.case.command(self.count, self.pair.idle))? else { return Ok(()) };
        let after = running.cpu()?;
        let spent = |before: Duration, after: Duration| (after - before).as_nanos() as f64 / self.count as f64;
        self.cpu.push(Cpu { client: spent(before.client, after.client), server: spent(before.server, after.server) });
        let per_call = if self.case.experiment.is_throughput() {
            samples.iter().sum::<u64>() as f64 / self.count as f64
        } else {
            self.calls.add(&samples);
            median(&samples)
        };
        if let Some(round) = self.rounds.last_mut() {
            *round = Some(per_call);
        }
        Ok(())
    }

    /// Does not take part any more after an error.
    fn keep(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            self.running = None;
            self.failure = Some(error.to_string());
        }
    }

    fn measurement(&self, base: &[Option<f64>]) -> Option<Measurement> {
        let done = self.rounds.iter().copied().flatten();
        let ratios = self.rounds.iter().zip(base).filter_map(|(ours, base)| Some(ours.as_ref()? / base.as_ref()?));
        let rounds = done.clone().count();
        (rounds > 0 && self.failure.is_none()).then(|| Measurement {
            case: self.case,
            pair: self.pair.name.clone(),
            rounds,
            ns_per_call: Spread::of(done),
            ratio: Spread::of(ratios),
            cpu: Some(Cpu {
                client: Spread::of(self.cpu.iter().map(|cpu| cpu.client)).median,
                server: Spread::of(self.cpu.iter().map(|cpu| cpu.server)).median,
            }),
            calls: (!self.case.experiment.is_throughput()).then(|| self.calls.percentiles()),
        })
    }
}

pub(crate) fn run(
    case: Case,
    pairs: &[Pair],
    plan: &Plan,
    cpus: &Cpus,
    folder: &Path,
) -> (Vec<Measurement>, Vec<Failure>) {
    let entrants = pairs.iter().filter(|pair| case.is_for(pair)).map(|pair| Entrant::new(pair, case));
    let mut entrants = entrants.collect::<Vec<_>>();
    let begin = Instant::now();
    for start in 1..=plan.starts {
        for (number, entrant) in entrants.iter_mut().enumerate().filter(|(_, entrant)| entrant.failure.is_none()) {
            let started = entrant.start(cpus, &folder.join(format!("{number}.sock")), plan.turn);
            entrant.keep(started);
        }
        for round in 0..plan.rounds {
            entrants.iter_mut().for_each(|entrant| entrant.rounds.push(None));
            // Each gets to be the first, and to follow another one.
            let turns = entrants.len();
            for turn in 0..turns {
                if let Some(entrant) = entrants.get_mut((turn + round as usize) % turns) {
                    let result = entrant.turn();
                    entrant.keep(result);
                }
            }
            if begin.elapsed() / start > plan.case / plan.starts {
                break;
            }
        }
    }
    let is_base = |entrant: &&Entrant<'_>| entrant.pair.name == baseline(case.experiment);
    let base = entrants.iter().find(is_base).map(|entrant| entrant.rounds.clone()).unwrap_or_default();
    let measured = entrants.iter().filter_map(|entrant| entrant.measurement(&base)).collect();
    let failed = entrants.iter().filter_map(|entrant| {
        Some(Failure { case: case.title(), pair: entrant.pair.name.clone(), reason: entrant.failure.clone()? })
    });
    (measured, failed.collect())
}

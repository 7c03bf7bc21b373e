//! Pairs take turns: what disturbs one soon disturbs the others, and a ratio is one of neighbours.

use std::io;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::pair::{Experiment, Pair, baseline};
use crate::plan::{Case, Plan};
use crate::process::{Place, Running};
use crate::round::{Comparison, Cpu, Round};
use crate::statistics::{Calls, Percentiles, Spread, median};

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
    /// Medians of the rounds. Older results have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<Cpu>,
    /// Calls of all pairs in a second, pauses included, where these are of interest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) calls_per_second: Option<f64>,
    /// How far a busy loop beside counted in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<f64>,
    /// What part of a core the server's looks took, by its own count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server_looking: Option<f64>,
    /// With the pair that never looks for a message before it sleeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) never_looking: Option<Comparison>,
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
    /// Nothing where the pair has failed.
    rounds: Vec<Option<Round>>,
    calls: Calls,
    failure: Option<String>,
}

impl<'a> Entrant<'a> {
    fn new(pair: &'a Pair, case: Case) -> Self {
        Self { pair, case, running: None, count: 0, rounds: Vec::new(), calls: Calls::new(), failure: None }
    }

    /// Starts the programs, and calls until memory and caches are as they stay; finds out how many calls make a turn.
    fn start(&mut self, place: &Place<'_>, number: usize, plan: &Plan) -> io::Result<()> {
        self.running = None;
        let mut running = Running::start(self.pair, self.case, place, number)?;
        let turn = plan.turn_of(self.case);
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
            let warm = if calls > 2 { plan.turn } else { 10 * plan.turn };
            if begin.elapsed() >= warm {
                break;
            }
        }
        (self.count, self.running) = (count, Some(running));
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let looked_before = self.pair.counts_looks.then(|| running.looked()).transpose()?;
        let before = running.cpu()?;
        let Some(answer) = running.ask(&self.case.command(self.count, self.pair.idle))? else { return Ok(()) };
        let after = running.cpu()?;
        let looked_after = self.pair.counts_looks.then(|| running.looked()).transpose()?;
        let (samples, calls) = (answer.samples, (self.count * self.case.setting.pairs) as f64);
        let spent = |before: Duration, after: Duration| (after - before).as_nanos() as f64 / calls;
        let cpu = Cpu { client: spent(before.client, after.client), server: spent(before.server, after.server) };
        let (per_second, counted) = (calls / answer.time.as_secs_f64(), answer.counted);
        let looked = looked_after.zip(looked_before).map(|(after, before)| after - before);
        let server_looking = looked.map(|looked| looked.as_secs_f64() / answer.time.as_secs_f64());
        let ns_per_call = if self.case.experiment.is_throughput() {
            samples.iter().sum::<u64>() as f64 / calls
        } else {
            self.calls.add(&samples);
            median(&samples)
        };
        if let Some(round) = self.rounds.last_mut() {
            *round = Some(Round { ns_per_call, cpu, per_second, counted, server_looking });
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

    fn measurement(&self, base: &[Option<Round>], never_looking: &[Option<Round>]) -> Option<Measurement> {
        let done = self.rounds.iter().flatten();
        let rounds = done.clone().count();
        let all = |of: fn(&Round) -> f64| Spread::of(done.clone().map(of));
        // Where each round has one.
        let some =
            |of: fn(&Round) -> Option<f64>| Some(Spread::of(done.clone().map(of).collect::<Option<Vec<_>>>()?).median);
        let of_interest = self.case.experiment == Experiment::Waits;
        (rounds > 0 && self.failure.is_none()).then(|| Measurement {
            case: self.case,
            pair: self.pair.name.clone(),
            rounds,
            ns_per_call: all(|round| round.ns_per_call),
            ratio: Comparison::new(&self.rounds, base).map(|found| found.time).unwrap_or_default(),
            cpu: Some(Cpu {
                client: all(|round| round.cpu.client).median,
                server: all(|round| round.cpu.server).median,
            }),
            calls_per_second: of_interest.then(|| all(|round| round.per_second).median),
            counted: some(|round| round.counted),
            server_looking: some(|round| round.server_looking),
            never_looking: Comparison::new(&self.rounds, never_looking),
            calls: (!self.case.experiment.is_throughput()).then(|| self.calls.percentiles()),
        })
    }
}

pub(crate) fn run(case: Case, pairs: &[Pair], plan: &Plan, place: &Place<'_>) -> (Vec<Measurement>, Vec<Failure>) {
    let entrants = pairs.iter().filter(|pair| case.is_for(pair)).map(|pair| Entrant::new(pair, case));
    let mut entrants = entrants.collect::<Vec<_>>();
    let begin = Instant::now();
    let starts = plan.starts_of(case);
    for start in 1..=starts {
        for (number, entrant) in entrants.iter_mut().enumerate().filter(|(_, entrant)| entrant.failure.is_none()) {
            let started = entrant.start(place, number, plan);
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
            if begin.elapsed() / start > plan.limit_of(case) / starts {
                break;
            }
        }
    }
    let of = |name: &str| entrants.iter().find(|entrant| entrant.pair.name == name).map(|entrant| &entrant.rounds[..]);
    let base = of(baseline(case.experiment)).unwrap_or_default();
    let measured = entrants.iter().filter_map(|entrant| {
        let never_looking = entrant.pair.never_looking.and_then(of).unwrap_or_default();
        entrant.measurement(base, never_looking)
    });
    let measured = measured.collect();
    let failed = entrants.iter().filter_map(|entrant| {
        Some(Failure { case: case.title(), pair: entrant.pair.name.clone(), reason: entrant.failure.clone()? })
    });
    (measured, failed.collect())
}

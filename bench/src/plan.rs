//! What is measured, and for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cpus::Layout;
use crate::options::Options;
use crate::pair::{Experiment, Pair};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const SIZES: [u64; 10] = [0, 64, KIB, 4 * KIB, 14 * KIB, 64 * KIB, 120 * KIB, MIB, 16 * MIB, 64 * MIB];
/// Those of the goals, and the ends of ranges. No goal is about large bodies on two cores.
const QUICK_SIZES: [u64; 8] = [0, 64, 14 * KIB, 64 * KIB, 120 * KIB, MIB, 16 * MIB, 64 * MIB];
const QUICK_LARGEST: u64 = MIB;
pub(crate) const SMALL: u64 = 64;
const CLIENTS: [u64; 4] = [1, 8, 64, 512];
const DEPTHS: [u64; 7] = [1, 2, 4, 8, 16, 32, 64];
const QUICK_DEPTHS: [u64; 3] = [1, 8, 64];
/// Clients that call beside those that do not.
pub(crate) const ACTIVE: u64 = 64;
const PLACED_SIZES: [u64; 2] = [120 * KIB, MIB];
/// Of a body in its page: where malloc puts one, the neighbours of that, and multiples of all kinds.
const OFFSETS: [u64; 9] = [0, 8, 16, 32, 64, 80, 128, 512, 2048];
const QUICK_OFFSETS: [u64; 4] = [0, 16, 64, 2048];
/// Calls a second that each of the pairs can do.
pub(crate) const RATE: u64 = 5000;

/// One measurement of each pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Case {
    pub(crate) experiment: Experiment,
    pub(crate) cores: Layout,
    /// Of the body.
    pub(crate) size: u64,
    /// Clients, depth, rate or offset; 1 where there is none.
    pub(crate) parameter: u64,
}

impl Case {
    /// The command for a pair that has so many connections beside.
    pub(crate) fn command(&self, count: u64, idle: u64) -> String {
        let Self { experiment, size, parameter, .. } = self;
        match experiment {
            Experiment::Latency => format!("calls {size} {count}"),
            Experiment::Connect => format!("connects {size} {count}"),
            Experiment::Paced => format!("paced {size} {count} {parameter}"),
            Experiment::Pipeline => format!("pipeline {size} {count} {parameter}"),
            Experiment::Clients => format!("clients {size} {count} {parameter}"),
            Experiment::Idle => format!("clients {size} {count} {parameter} {idle}"),
            Experiment::Placement => format!("placed {size} {count} {parameter}"),
        }
    }

    /// Calls that a command has at least: each connection takes part, and what is late has time to catch up.
    pub(crate) fn least(&self) -> u64 {
        match self.experiment {
            Experiment::Latency | Experiment::Connect | Experiment::Placement => 1,
            Experiment::Paced => 100,
            Experiment::Pipeline | Experiment::Clients | Experiment::Idle => 4 * self.parameter,
        }
    }

    /// Whether a pair can take part.
    pub(crate) fn is_for(&self, pair: &Pair) -> bool {
        pair.experiments.contains(&self.experiment) && (!pair.spins || self.cores == Layout::Two)
    }

    /// The title without the experiment.
    pub(crate) fn short_title(&self) -> String {
        let title = self.title();
        title.split_once(", ").map(|(_, rest)| rest.to_owned()).unwrap_or(title)
    }

    pub(crate) fn title(&self) -> String {
        let Self { experiment, cores, size, parameter } = self;
        let (name, cores, size) = (experiment.name(), cores.name(), bytes(*size));
        match experiment {
            Experiment::Latency | Experiment::Connect => format!("{name}, {cores}, {size}"),
            Experiment::Paced => format!("{name}, {cores}, {size}, {parameter} a second"),
            Experiment::Pipeline => format!("{name}, {cores}, {size}, {parameter} deep"),
            Experiment::Clients | Experiment::Idle => format!("{name}, {cores}, {size}, {parameter} clients"),
            Experiment::Placement => format!("{name}, {cores}, {size} at {parameter}"),
        }
    }
}

/// A number of bytes as one reads it.
pub(crate) fn bytes(number: u64) -> String {
    match number {
        0..KIB => format!("{number} B"),
        KIB..MIB => format!("{} KiB", number / KIB),
        _ => format!("{} MiB", number / MIB),
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Plan {
    /// How often the programs are started: addresses and caches are others each time.
    pub(crate) starts: u32,
    /// Turns that each pair gets between two starts.
    pub(crate) rounds: u32,
    /// How long a turn lasts.
    pub(crate) turn: Duration,
    /// Rounds are left out when a case takes longer, but for one a start.
    pub(crate) case: Duration,
    #[serde(skip)]
    pub(crate) cases: Vec<Case>,
}

impl Plan {
    pub(crate) fn new(options: &Options, layouts: &[Layout]) -> Self {
        let (starts, rounds, turn, case) = if options.quick { (1, 6, 4, 700) } else { (5, 6, 20, 8000) };
        let layouts = layouts.iter().filter(|layout| options.layout.is_none_or(|wanted| wanted == **layout));
        let cases = options
            .only
            .iter()
            .flat_map(|&experiment| layouts.clone().flat_map(move |&cores| of_experiment(experiment, cores, options)));
        Self {
            starts: options.starts.unwrap_or(starts),
            rounds: options.rounds.unwrap_or(rounds),
            turn: Duration::from_millis(turn),
            // Who asks for so many rounds gets them.
            case: if options.rounds.is_some() { Duration::MAX } else { Duration::from_millis(case) },
            cases: cases.collect(),
        }
    }
}

fn of_experiment(experiment: Experiment, cores: Layout, options: &Options) -> Vec<Case> {
    let depths: &[u64] = if options.quick { &QUICK_DEPTHS } else { &DEPTHS };
    let case = |size, parameter| Case { experiment, cores, size, parameter };
    let small = |parameters: &[u64]| parameters.iter().map(|&parameter| case(SMALL, parameter)).collect();
    match experiment {
        Experiment::Latency => {
            let sizes: &[u64] = if options.quick { &QUICK_SIZES } else { &SIZES };
            let sizes = options.sizes.as_deref().unwrap_or(sizes);
            let is_left_out = |size| options.quick && cores == Layout::Two && size > QUICK_LARGEST;
            sizes.iter().filter(|&&size| !is_left_out(size)).map(|&size| case(size, 1)).collect()
        }
        Experiment::Connect => small(&[1]),
        Experiment::Paced => small(&[RATE]),
        Experiment::Pipeline => small(depths),
        Experiment::Clients => small(&CLIENTS),
        Experiment::Idle => small(&[ACTIVE]),
        // On two cores the noise is larger than what a place costs.
        Experiment::Placement if cores == Layout::Two => Vec::new(),
        Experiment::Placement => {
            let offsets: &[u64] = if options.quick { &QUICK_OFFSETS } else { &OFFSETS };
            PLACED_SIZES.iter().flat_map(|&size| offsets.iter().map(move |&offset| case(size, offset))).collect()
        }
    }
}

//! What is measured, and for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cpus::Layout;
use crate::options::Options;
use crate::pair::{Experiment, Pair};
use crate::setting::{self, Setting};

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
    #[serde(default, skip_serializing_if = "Setting::is_default")]
    pub(crate) setting: Setting,
}

impl Case {
    /// The command for a pair that has so many connections beside.
    pub(crate) fn command(&self, count: u64, idle: u64) -> String {
        let Self { experiment, size, parameter, setting, .. } = self;
        match experiment {
            Experiment::Latency => format!("calls {size} {count}"),
            Experiment::Connect => format!("connects {size} {count}"),
            Experiment::Paced => format!("paced {size} {count} {parameter}"),
            Experiment::Pipeline => format!("pipeline {size} {count} {parameter}"),
            Experiment::Clients => format!("clients {size} {count} {parameter}"),
            Experiment::Idle => format!("clients {size} {count} {parameter} {idle}"),
            Experiment::Placement => format!("placed {size} {count} {parameter}"),
            Experiment::Waits if setting.rate == 0 => format!("calls {size} {count}"),
            Experiment::Waits => format!("naps {size} {count} {} {}", setting.rate, setting.burst),
        }
    }

    /// Calls that a command has at least: each connection takes part, and what is late has time to catch up.
    pub(crate) fn least(&self) -> u64 {
        match self.experiment {
            Experiment::Latency | Experiment::Connect | Experiment::Placement => 1,
            Experiment::Paced => 100,
            Experiment::Pipeline | Experiment::Clients | Experiment::Idle => 4 * self.parameter,
            Experiment::Waits => 20.max(self.setting.burst),
        }
    }

    /// How many times as long a turn has to be. Processes that run as the system likes it has to place first: one pair takes it up to
    /// 60 ms, several take longer.
    fn times_as_long(&self) -> u32 {
        match (self.cores, self.setting.pairs) {
            (Layout::Free, 1) => 10,
            (Layout::Free, _) => 15,
            _ => 1,
        }
    }

    /// How many times as often the programs have to be started. How the system has placed them moves a whole start by up to a fifth.
    fn times_as_often(&self) -> u32 {
        if self.cores == Layout::Free { 3 } else { 1 }
    }

    /// Whether a pair can take part.
    pub(crate) fn is_for(&self, pair: &Pair) -> bool {
        pair.experiments.contains(&self.experiment) && (pair.takes_part)(self)
    }

    /// The title without the experiment.
    pub(crate) fn short_title(&self) -> String {
        let title = self.title();
        title.split_once(", ").map(|(_, rest)| rest.to_owned()).unwrap_or(title)
    }

    pub(crate) fn title(&self) -> String {
        let Self { experiment, cores, size, parameter, setting } = self;
        let (name, cores, size) = (experiment.name(), cores.name(), bytes(*size));
        match experiment {
            Experiment::Latency | Experiment::Connect => format!("{name}, {cores}, {size}"),
            Experiment::Paced => format!("{name}, {cores}, {size}, {parameter} a second"),
            Experiment::Pipeline => format!("{name}, {cores}, {size}, {parameter} deep"),
            Experiment::Clients | Experiment::Idle => format!("{name}, {cores}, {size}, {parameter} clients"),
            Experiment::Placement => format!("{name}, {cores}, {size} at {parameter}"),
            Experiment::Waits => format!("{name}, {cores}, {size}, {}", setting.title()),
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

    /// How long a turn in a case lasts.
    pub(crate) fn turn_of(&self, case: Case) -> Duration {
        case.times_as_long() * self.turn
    }

    /// How often the programs of a case are started.
    pub(crate) fn starts_of(&self, case: Case) -> u32 {
        self.starts * case.times_as_often()
    }

    /// How long a case takes before rounds are left out. What is compared among ways to wait differs by little.
    pub(crate) fn limit_of(&self, case: Case) -> Duration {
        let times = if case.experiment == Experiment::Waits { 3 } else { 1 };
        self.case.saturating_mul(times * case.times_as_often())
    }
}

fn of_experiment(experiment: Experiment, cores: Layout, options: &Options) -> Vec<Case> {
    let depths: &[u64] = if options.quick { &QUICK_DEPTHS } else { &DEPTHS };
    let case = |size, parameter| Case { experiment, cores, size, parameter, setting: Setting::default() };
    let small = |parameters: &[u64]| parameters.iter().map(|&parameter| case(SMALL, parameter)).collect();
    match experiment {
        // Where processes run as the system likes is of interest there only.
        Experiment::Waits => {
            let settings: &[Setting] = match cores {
                Layout::One => &[setting::BACK_TO_BACK],
                Layout::Two => &[],
                Layout::Free if options.quick => &setting::QUICK,
                Layout::Free => &setting::ALL,
            };
            settings.iter().map(|&setting| Case { setting, ..case(SMALL, 1) }).collect()
        }
        _ if cores == Layout::Free => Vec::new(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{self, Peer};
    use crate::setting::{BACK_TO_BACK, BUSY, at_once, at_rate};

    const LAYOUTS: [Layout; 3] = [Layout::One, Layout::Two, Layout::Free];

    fn plan(quick: bool) -> Plan {
        Plan::new(&Options { quick, ..Options::new("bin".into()) }, &LAYOUTS)
    }

    fn of(plan: &Plan, experiment: Experiment, cores: Layout) -> Vec<Case> {
        let is_it = |case: &&Case| (case.experiment, case.cores) == (experiment, cores);
        plan.cases.iter().filter(is_it).copied().collect()
    }

    fn waits(cores: Layout, setting: Setting) -> Case {
        Case { experiment: Experiment::Waits, cores, size: SMALL, parameter: 1, setting }
    }

    #[test]
    fn waits_are_measured_where_a_thread_may_look_and_once_where_it_may_not() {
        let plan = plan(false);
        assert_eq!(of(&plan, Experiment::Waits, Layout::One), [waits(Layout::One, BACK_TO_BACK)]);
        assert_eq!(of(&plan, Experiment::Waits, Layout::Two), []);
        assert_eq!(of(&plan, Experiment::Waits, Layout::Free).len(), setting::ALL.len());
    }

    #[test]
    fn other_experiments_are_as_without_the_free_layout() {
        let all = plan(false).cases;
        let pinned = Plan::new(&Options::new("bin".into()), &[Layout::One, Layout::Two]).cases;
        let others = |cases: &[Case]| {
            cases.iter().filter(|case| case.experiment != Experiment::Waits).copied().collect::<Vec<_>>()
        };
        assert_eq!(others(&all), others(&pinned));
    }

    #[test]
    fn a_quick_plan_has_few_waits() {
        assert_eq!(of(&plan(true), Experiment::Waits, Layout::Free).len(), 2);
    }

    #[test]
    fn a_setting_is_a_command() {
        let command = |setting| waits(Layout::Free, setting).command(7, 0);
        assert_eq!(command(BACK_TO_BACK), "calls 64 7");
        assert_eq!(command(at_once(2)), "calls 64 7");
        assert_eq!(command(at_rate(5000)), "naps 64 7 5000 1");
        assert_eq!(command(Setting { burst: 20, ..at_rate(50) }), "naps 64 7 50 20");
    }

    #[test]
    fn turns_are_longer_where_the_system_places_the_processes() {
        let plan = plan(false);
        let of = |(cores, setting)| (plan.turn_of(waits(cores, setting)) / 20, plan.starts_of(waits(cores, setting)));
        let cases = [(Layout::One, BACK_TO_BACK), (Layout::Free, at_rate(5000)), (Layout::Free, at_once(2))];
        assert_eq!(cases.map(of), [(1, 5), (10, 15), (15, 15)].map(|(ms, starts)| (Duration::from_millis(ms), starts)));
    }

    #[test]
    fn who_asks_for_rounds_gets_them() {
        let options = Options { rounds: Some(9), ..Options::new("bin".into()) };
        let plan = Plan::new(&options, &LAYOUTS);
        assert_eq!(plan.limit_of(waits(Layout::Free, BUSY)), Duration::MAX);
    }

    #[test]
    fn peers_are_compared_back_to_back() -> Result<(), serde_json::Error> {
        let peer: Peer = serde_json::from_str(r#"{ "name": "zbus", "server": ["s"], "client": ["c"] }"#)?;
        let takes_part = |cores, setting| waits(cores, setting).is_for(&peer.pair());
        assert!(takes_part(Layout::Free, BACK_TO_BACK));
        assert!(!takes_part(Layout::Free, at_rate(1000)) && !takes_part(Layout::One, BACK_TO_BACK));
        let calls = of(&plan(false), Experiment::Latency, Layout::One);
        assert!(calls.iter().all(|case| case.is_for(&peer.pair())));
        Ok(())
    }

    #[test]
    fn a_floor_that_waits_like_a_library_is_there_for_small_calls_on_one_core() {
        let pairs = pair::ours(&Options::new("bin".into()));
        let sizes = |cores| {
            let cases = of(&plan(false), Experiment::Latency, cores).into_iter();
            let is_for = |case: &Case| pairs.iter().any(|pair| pair.name == pair::FLOOR_WAIT && case.is_for(pair));
            cases.filter(is_for).map(|case| case.size).collect::<Vec<_>>()
        };
        assert_eq!(sizes(Layout::One), [64, 4 * KIB, 14 * KIB]);
        assert_eq!(sizes(Layout::Two), [0; 0]);
    }

    /// The pair that another one is compared with takes part in the same cases.
    #[test]
    fn who_may_look_has_the_same_without() {
        let pairs = pair::ours(&Options::new("bin".into()));
        let lookers = pairs.iter().filter_map(|pair| Some((pair, pair.never_looking?))).collect::<Vec<_>>();
        assert_eq!(lookers.len(), 3);
        for (pair, name) in lookers {
            let other = pairs.iter().find(|other| other.name == name && other.experiments == pair.experiments);
            let Some(other) = other else { panic!("{name} is not there") };
            let last = other.environment.last().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(last, Some(("DRPC_SPIN_US", "0")));
            assert_eq!((&other.server, &other.client), (&pair.server, &pair.client));
        }
    }
}

//! The figures of one run of the benchmark.

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::cpus::Layout;
use crate::goals::Goal;
use crate::machine::Machine;
use crate::pair::{self, Experiment};
use crate::plan::Plan;
use crate::rounds::{Failure, Measurement};

/// A contender, or why it is none.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Another RPC system.
    pub(crate) peer: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Part of the CPUs' time that other virtual machines took meanwhile.
    pub(crate) stolen: f64,
    pub(crate) plan: Plan,
    pub(crate) contenders: Vec<Contender>,
    /// They follow from the rest.
    #[serde(skip)]
    pub(crate) goals: Vec<Goal>,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) counts: Counts,
}

impl Report {
    /// What was measured in one experiment.
    pub(crate) fn of(&self, experiment: Experiment, cores: Layout) -> Vec<&Measurement> {
        let is_meant = |found: &&Measurement| (found.case.experiment, found.case.cores) == (experiment, cores);
        self.measurements.iter().filter(is_meant).collect()
    }

    /// The pairs of an experiment, in the order in which they were first measured.
    pub(crate) fn pairs(&self, experiment: Experiment) -> impl Iterator<Item = &str> {
        let mut pairs = Vec::new();
        for found in self.measurements.iter().filter(|found| found.case.experiment == experiment) {
            if !pairs.contains(&found.pair.as_str()) {
                pairs.push(&found.pair);
            }
        }
        pairs.into_iter()
    }

    /// What the columns of a table or a plot stand for.
    pub(crate) fn columns(&self, experiment: Experiment, cores: Layout, of: fn(&Measurement) -> u64) -> Vec<u64> {
        let mut columns = self.of(experiment, cores).into_iter().map(of).collect::<Vec<_>>();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// True for pairs that are named after one of the library's APIs.
    pub(crate) fn is_ours(&self, pair: &str) -> bool {
        !self.is_peer(pair) && !pair::is_raw(pair)
    }

    pub(crate) fn is_peer(&self, pair: &str) -> bool {
        self.contenders.iter().any(|contender| contender.peer && contender.name == pair)
    }
}

//! On which CPUs a pair runs.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// Whether client and server share a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    One,
    Two,
}

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one core",
            Self::Two => "two cores",
        }
    }
}

/// The CPUs that this process may use.
pub(crate) struct Cpus {
    all: CpuSet,
    numbers: Vec<usize>,
}

impl Cpus {
    pub(crate) fn new() -> io::Result<Self> {
        let all = sched_getaffinity(None)?;
        let numbers = (0..CpuSet::MAX_CPU).filter(|&cpu| all.is_set(cpu)).collect();
        Ok(Self { all, numbers })
    }

    pub(crate) fn count(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn layouts(&self) -> &'static [Layout] {
        if self.numbers.len() > 1 { &[Layout::One, Layout::Two] } else { &[Layout::One] }
    }

    pub(crate) fn server(&self, layout: Layout) -> usize {
        match layout {
            // The first one is where most interrupts go.
            Layout::One => self.client(),
            Layout::Two => self.numbers.iter().rev().nth(1).copied().unwrap_or_default(),
        }
    }

    pub(crate) fn client(&self) -> usize {
        self.numbers.last().copied().unwrap_or_default()
    }

    /// Runs a function on one CPU. What it starts stays there.
    pub(crate) fn on<T>(&self, cpu: usize, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut one = CpuSet::new();
        one.set(cpu);
        sched_setaffinity(None, &one)?;
        let result = run();
        sched_setaffinity(None, &self.all)?;
        result
    }
}

//! On which CPUs a pair runs.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// The CPUs of client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    /// The same one for both.
    One,
    /// One for each.
    Two,
    /// Both may run on the same two, as the system likes.
    Free,
}

impl Layout {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one core",
            Self::Two => "two cores",
            Self::Free => "two processors, not pinned",
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
        if self.numbers.len() > 1 { &[Layout::One, Layout::Two, Layout::Free] } else { &[Layout::One] }
    }

    /// The last two at most: the first one is where most interrupts go.
    fn both(&self) -> &[usize] {
        self.numbers.split_at_checked(self.numbers.len().saturating_sub(2)).map(|(_, last)| last).unwrap_or_default()
    }

    pub(crate) fn server(&self, layout: Layout) -> &[usize] {
        match layout {
            Layout::One => self.client(layout),
            Layout::Two => self.both().first().map(std::slice::from_ref).unwrap_or_default(),
            Layout::Free => self.both(),
        }
    }

    pub(crate) fn client(&self, layout: Layout) -> &[usize] {
        match layout {
            Layout::One | Layout::Two => self.both().last().map(std::slice::from_ref).unwrap_or_default(),
            Layout::Free => self.both(),
        }
    }

    /// Runs a function on some CPUs. What it starts stays there.
    pub(crate) fn on<T>(&self, cpus: &[usize], run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut some = CpuSet::new();
        cpus.iter().for_each(|&cpu| some.set(cpu));
        sched_setaffinity(None, &some)?;
        let result = run();
        sched_setaffinity(None, &self.all)?;
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(numbers: &[usize]) -> Cpus {
        Cpus { all: CpuSet::new(), numbers: numbers.to_vec() }
    }

    #[test]
    fn a_layout_says_which_cpus_each_side_has() {
        let cpus = with(&[0, 2, 5]);
        let sides = |layout| (cpus.server(layout), cpus.client(layout));
        assert_eq!(sides(Layout::One), (&[5][..], &[5][..]));
        assert_eq!(sides(Layout::Two), (&[2][..], &[5][..]));
        assert_eq!(sides(Layout::Free), (&[2, 5][..], &[2, 5][..]));
    }

    #[test]
    fn one_cpu_has_one_layout() {
        let cpus = with(&[3]);
        assert_eq!(cpus.layouts(), [Layout::One]);
        assert_eq!((cpus.server(Layout::One), cpus.client(Layout::One)), (&[3][..], &[3][..]));
    }
}

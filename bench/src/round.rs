//! What a pair did in one turn, and how two pairs compare in the same rounds.

use serde::{Deserialize, Serialize};

use crate::statistics::Spread;

/// Nanoseconds of a call that each side spent on a CPU.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Cpu {
    pub(crate) client: f64,
    pub(crate) server: f64,
}

impl Cpu {
    pub(crate) fn both(&self) -> f64 {
        self.client + self.server
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// The median call, or where only all calls are timed, the average one.
    pub(crate) ns_per_call: f64,
    pub(crate) cpu: Cpu,
    /// Calls of all pairs in a second of the turn, pauses included.
    pub(crate) per_second: f64,
    /// How far the busy loop counted in a second.
    pub(crate) counted: Option<f64>,
    /// What part of a core the server's looks took.
    pub(crate) server_looking: Option<f64>,
}

impl Round {
    /// What part of a core the client took.
    fn client_core(&self) -> f64 {
        self.cpu.client * self.per_second / 1e9
    }
}

/// A pair over another one that differs from it in one thing. Medians and quartiles of the rounds.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Comparison {
    /// Of the time of a call.
    pub(crate) time: Spread,
    /// Of the CPU time of a call, both sides together.
    pub(crate) cpu: Spread,
    /// Of the calls in a second.
    pub(crate) per_second: Spread,
    /// Of what part of a core the client took: not a ratio, but a difference.
    pub(crate) client_core: Spread,
    /// Of how far the busy loop counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) counted: Option<Spread>,
}

impl Comparison {
    /// Nothing if they have no round in common.
    pub(crate) fn new(rounds: &[Option<Round>], others: &[Option<Round>]) -> Option<Self> {
        let pairs = rounds.iter().zip(others).filter_map(|(ours, other)| Some((ours.as_ref()?, other.as_ref()?)));
        let pairs = pairs.collect::<Vec<_>>();
        let ratio = |of: fn(&Round) -> f64| Spread::of(pairs.iter().map(|(ours, other)| of(ours) / of(other)));
        let counted = pairs.iter().map(|(ours, other)| Some(ours.counted? / other.counted?));
        (!pairs.is_empty()).then(|| Self {
            time: ratio(|round| round.ns_per_call),
            cpu: ratio(|round| round.cpu.both()),
            per_second: ratio(|round| round.per_second),
            client_core: Spread::of(pairs.iter().map(|(ours, other)| ours.client_core() - other.client_core())),
            counted: counted.collect::<Option<Vec<_>>>().map(Spread::of),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND: Round = Round {
        ns_per_call: 5e3,
        cpu: Cpu { client: 4e3, server: 6e3 },
        per_second: 1e3,
        counted: None,
        server_looking: None,
    };

    #[test]
    fn rounds_of_both_are_compared_one_by_one() {
        let twice = Round { ns_per_call: 10e3, ..ROUND };
        let ours = [Some(twice), None, Some(ROUND)];
        let others = [Some(ROUND), Some(twice), Some(twice)];
        let Some(found) = Comparison::new(&ours, &others) else { panic!("there are rounds of both") };
        assert_eq!((found.time.lower_quartile, found.time.median, found.time.upper_quartile), (0.875, 1.25, 1.625));
        assert!(Comparison::new(&[None], &[Some(ROUND)]).is_none());
    }

    #[test]
    fn a_part_of_a_core_is_what_calls_cost_times_how_many_there_are() {
        // 1,000 calls/s of 6 µs in place of 4.
        let more = Round { cpu: Cpu { client: 6e3, server: 6e3 }, counted: Some(99.0), ..ROUND };
        let Some(found) = Comparison::new(&[Some(more)], &[Some(ROUND)]) else { panic!("there is a round") };
        assert!((found.client_core.median - 0.002).abs() < 1e-9);
        assert!((found.cpu.median - 1.2).abs() < 1e-9);
        assert!(found.counted.is_none(), "only one had a busy loop");
        let counted = Round { counted: Some(100.0), ..ROUND };
        let found = Comparison::new(&[Some(more)], &[Some(counted)]).and_then(|found| found.counted);
        assert_eq!(found.map(|counted| counted.median), Some(0.99));
    }
}

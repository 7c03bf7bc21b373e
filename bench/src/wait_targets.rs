//! The goals of pairs that may look for a message before they sleep.
//!
//! Most compare a pair with the same one that never looks, round by round. Where a pair must not be worse, its limit leaves
//! room: 5 % for times between two processors, 3 % for calls a second, 1 % for a busy loop, and for processor time 2 % and
//! the noise of its own rounds.

use crate::cpus::Layout;
use crate::goals::{Goals, Which, thousands};
use crate::pair::{self, Experiment};
use crate::plan::SMALL;
use crate::round::Comparison;
use crate::setting::{self, BACK_TO_BACK, RARE_AND_BUSY, Setting};
use crate::statistics::Spread;

/// Part of a core that looks of a side may take.
const LOOKING: f64 = 0.002;

/// Those who look unless they are told otherwise.
const LOOKERS: [&str; 2] = [pair::SHARED, pair::RUST];

const NONE: &str = "none";

fn free(pair: &'static str, setting: Setting) -> Which {
    let cores = Layout::Free;
    Which { experiment: Experiment::Waits, cores, pair, sizes: (SMALL, SMALL), parameter: None, setting }
}

pub(crate) fn add(goals: &mut Goals<'_>) {
    for pair in LOOKERS {
        quick(goals, pair);
        ahead_of_peers(goals, pair);
        for rate in [1000, 5000] {
            let (which, what) = (free(pair, setting::at_rate(rate)), format!("{} calls/s", thousands(rate as f64)));
            let limit = Limit::AtMost(1.05);
            compared(
                goals,
                format!("p50, {what}, not pinned, of never looking, {pair}"),
                limit,
                |c| Some(c.time),
                which,
            );
            server_looking(goals, format!("looks of the server, {what}, not pinned, {pair}"), which);
            client_looking(goals, format!("looks of the client, {what}, not pinned, {pair}"), which);
        }
        cpu(goals, pair);
        let one_core = Which { cores: Layout::One, ..free(pair, BACK_TO_BACK) };
        let what = format!("p50, 64 B, one core, of never looking, {pair}");
        compared(goals, what, Limit::AtMost(1.015), |c| Some(c.time), one_core);
        for pairs in [2, 4] {
            let what = format!("calls/s, {pairs} pairs at once, not pinned, of never looking, {pair}");
            compared(goals, what, Limit::AtLeast(0.97), |c| Some(c.per_second), free(pair, setting::at_once(pairs)));
        }
        let what = format!("a busy loop beside 1,000 calls/s, of the same beside never looking, {pair}");
        compared(goals, what, Limit::AtLeast(0.99), |c| c.counted, free(pair, RARE_AND_BUSY));
    }
}

fn quick(goals: &mut Goals<'_>, pair: &'static str) {
    const LIMIT: f64 = 6.0;
    let found = goals.find(free(pair, BACK_TO_BACK)).next();
    let measured = found.map(|found| {
        let us = found.ns_per_call.median / 1e3;
        (format!("{us:.1} µs"), us <= LIMIT)
    });
    goals.push(format!("p50, 64 B, back to back, not pinned, {pair}"), format!("≤ {LIMIT} µs"), NONE, measured);
}

fn ahead_of_peers(goals: &mut Goals<'_>, pair: &'static str) {
    let is_peer = |name: &str| goals.contenders.iter().any(|contender| contender.peer && contender.name == name);
    let case = goals.find(free(pair, BACK_TO_BACK)).next();
    let measured = case.and_then(|ours| {
        let peers = goals.measured.iter().filter(|found| found.case == ours.case && is_peer(&found.pair));
        let best = peers.min_by(|a, b| a.ns_per_call.median.total_cmp(&b.ns_per_call.median))?;
        let ratio = ours.ns_per_call.median / best.ns_per_call.median;
        Some((format!("{ratio:.2} of {}", best.pair), ratio < 1.0))
    });
    goals.push(
        format!("p50, 64 B, back to back, not pinned, of the best peer, {pair}"),
        "< 1".to_owned(),
        NONE,
        measured,
    );
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(limit) => format!("≤ {limit}"),
            Self::AtLeast(limit) => format!("≥ {limit}"),
        }
    }
}

/// A ratio to the pair that never looks.
fn compared(goals: &mut Goals<'_>, what: String, limit: Limit, ratio: fn(&Comparison) -> Option<Spread>, which: Which) {
    let found = goals.find(which).next().and_then(|found| ratio(found.never_looking.as_ref()?));
    let measured = found.map(|ratio| (precise(&ratio), limit.holds(ratio.median)));
    goals.push(what, limit.text(), NONE, measured);
}

/// With a digit more than others: some limits are nearer to 1 than a hundredth.
fn precise(ratio: &Spread) -> String {
    let Spread { median, lower_quartile, upper_quartile } = ratio;
    format!("{median:.3} ({lower_quartile:.3}–{upper_quartile:.3})")
}

fn percent(part: f64) -> String {
    format!("{:.2}", part * 100.0)
}

/// By its own count.
fn server_looking(goals: &mut Goals<'_>, what: String, which: Which) {
    let found = goals.find(which).next().and_then(|found| found.server_looking);
    let measured = found.map(|part| (format!("{} %", percent(part)), part <= LOOKING));
    goals.push(what, format!("≤ {} % of a core", LOOKING * 100.0), NONE, measured);
}

/// How well the median of so many rounds is known, as the notch of a box plot says.
fn error(rounds: usize, ratio: &Spread) -> f64 {
    1.57 * (ratio.upper_quartile - ratio.lower_quartile) / (rounds as f64).sqrt()
}

/// A client has no count. Looks in vain are what it takes more than one that never looks, if that is more than noise.
fn client_looking(goals: &mut Goals<'_>, what: String, which: Which) {
    let found = goals.find(which).next().and_then(|found| Some((found.rounds, found.never_looking?.client_core)));
    let measured = found.map(|(rounds, more)| {
        let (median, error) = (more.median, error(rounds, &more));
        (format!("{} ± {} %", percent(median), percent(error)), median - error <= LOOKING)
    });
    goals.push(what, format!("≤ {} % of a core, or noise", LOOKING * 100.0), NONE, measured);
}

/// In the row where it is the most, beyond what may be noise.
fn cpu(goals: &mut Goals<'_>, pair: &'static str) {
    const LIMIT: f64 = 1.02;
    let rows = goals.measured.iter().filter(|found| found.case.experiment == Experiment::Waits && found.pair == pair);
    let rows = rows.filter_map(|found| {
        let ratio = found.never_looking?.cpu;
        Some((found.case, ratio.median, error(found.rounds, &ratio)))
    });
    let worst = rows.max_by(|(_, a, a_error), (_, b, b_error)| (a - a_error).total_cmp(&(b - b_error)));
    let measured = worst.map(|(case, median, error)| {
        let row = format!("{}, {}", case.setting.title(), case.cores.name());
        (format!("{median:.3} ± {error:.3} at {row}"), median - error <= LIMIT)
    });
    let what = format!("CPU time of a call, both sides, worst row, of never looking, {pair}");
    goals.push(what, format!("≤ {LIMIT}, or noise"), NONE, measured);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Counts;
    use crate::plan::Case;
    use crate::report::Contender;
    use crate::rounds::Measurement;
    use crate::setting::at_rate;

    const SAME: Spread = Spread { median: 1.0, lower_quartile: 1.0, upper_quartile: 1.0 };
    const NO_MORE: Spread = Spread { median: 0.0, lower_quartile: 0.0, upper_quartile: 0.0 };
    const EQUAL: Comparison =
        Comparison { time: SAME, cpu: SAME, per_second: SAME, client_core: NO_MORE, counted: Some(SAME) };

    fn spread(median: f64) -> Spread {
        Spread { median, ..SAME }
    }

    fn measured(pair: &str, setting: Setting, us: f64, never_looking: Option<Comparison>) -> Measurement {
        let cores = Layout::Free;
        Measurement {
            case: Case { experiment: Experiment::Waits, cores, size: SMALL, parameter: 1, setting },
            pair: pair.to_owned(),
            rounds: 1,
            ns_per_call: spread(us * 1e3),
            ratio: SAME,
            cpu: None,
            calls_per_second: None,
            counted: None,
            server_looking: None,
            never_looking,
            calls: None,
        }
    }

    /// What becomes of the one goal whose text begins so and is about the shared client.
    fn goal(measured: &[Measurement], begin: &str) -> (Option<String>, Option<bool>) {
        let peer = |name: &str| Contender { name: name.to_owned(), about: String::new(), peer: true, missing: None };
        let contenders = ["zbus", "tonic"].map(peer);
        let mut goals = Goals { measured, counts: &Counts::default(), contenders: &contenders, list: Vec::new() };
        add(&mut goals);
        let of_it = |what: &str| what.starts_with(begin) && what.ends_with(pair::SHARED);
        let mut found = goals.list.into_iter().filter(|goal| of_it(&goal.what));
        match (found.next(), found.next()) {
            (Some(goal), None) => (goal.measured, goal.met),
            _ => panic!("not one goal: {begin}"),
        }
    }

    #[test]
    fn what_was_not_measured_is_not_met_and_not_missed() {
        let mut goals = Goals { measured: &[], counts: &Counts::default(), contenders: &[], list: Vec::new() };
        add(&mut goals);
        assert!(!goals.list.is_empty());
        assert!(goals.list.iter().all(|goal| goal.measured.is_none() && goal.met.is_none()));
    }

    #[test]
    fn back_to_back_is_compared_with_the_quickest_peer() {
        let at = |pair, us| measured(pair, BACK_TO_BACK, us, None);
        let all = [at(pair::SHARED, 5.0), at("zbus", 20.0), at("tonic", 50.0), at("floor", 1.0)];
        assert_eq!(
            goal(&all, "p50, 64 B, back to back, not pinned, of the best peer"),
            (Some("0.25 of zbus".to_owned()), Some(true))
        );
        assert_eq!(goal(&all, "p50, 64 B, back to back, not pinned, shared"), (Some("5.0 µs".to_owned()), Some(true)));
        let slow = [at(pair::SHARED, 25.0), at("zbus", 20.0)];
        assert_eq!(goal(&slow, "p50, 64 B, back to back, not pinned, of the best peer").1, Some(false));
        assert_eq!(goal(&slow, "p50, 64 B, back to back, not pinned, shared").1, Some(false));
    }

    #[test]
    fn looks_of_a_server_may_take_a_five_hundredth_of_a_core() {
        let met = |part| {
            let found = Measurement { server_looking: Some(part), ..measured(pair::SHARED, at_rate(5000), 40.0, None) };
            goal(&[found], "looks of the server, 5,000").1
        };
        assert_eq!([0.0, 0.002, 0.0021].map(met), [Some(true), Some(true), Some(false)]);
    }

    #[test]
    fn looks_of_a_client_count_where_they_are_more_than_noise() {
        let met = |median, width| {
            let client_core = Spread { median, lower_quartile: median, upper_quartile: median + width };
            let compared = Comparison { client_core, ..EQUAL };
            let found = measured(pair::SHARED, at_rate(5000), 40.0, Some(compared));
            goal(&[Measurement { rounds: 16, ..found }], "looks of the client, 5,000").1
        };
        assert_eq!(met(-0.01, 0.0), Some(true));
        assert_eq!(met(0.002, 0.0), Some(true));
        assert_eq!(met(0.0021, 0.0), Some(false));
        assert_eq!((met(0.01, 0.01), met(0.01, 0.03)), (Some(false), Some(true)));
    }

    #[test]
    fn the_row_that_takes_most_cpu_time_counts() {
        let row = |setting, cpu| measured(pair::SHARED, setting, 5.0, Some(Comparison { cpu: spread(cpu), ..EQUAL }));
        let rows = [row(BACK_TO_BACK, 0.3), row(at_rate(5000), 1.5), row(at_rate(100), 1.0)];
        let (text, met) = goal(&rows, "CPU time");
        assert_eq!((text.is_some_and(|text| text.contains("5,000 calls/s")), met), (true, Some(false)));
    }

    #[test]
    fn a_row_with_much_noise_may_take_more_cpu_time() {
        let met = |width| {
            let cpu = Spread { median: 1.05, lower_quartile: 1.05, upper_quartile: 1.05 + width };
            let row = measured(pair::SHARED, at_rate(100), 5.0, Some(Comparison { cpu, ..EQUAL }));
            goal(&[Measurement { rounds: 16, ..row }], "CPU time").1
        };
        assert_eq!((met(0.01), met(0.1)), (Some(false), Some(true)));
    }

    #[test]
    fn pairs_at_once_and_a_busy_loop_must_not_lose() {
        let met = |setting, compared, begin| goal(&[measured(pair::SHARED, setting, 5.0, Some(compared))], begin).1;
        let pairs = |per_second| {
            let compared = Comparison { per_second: spread(per_second), ..EQUAL };
            met(setting::at_once(2), compared, "calls/s, 2 pairs")
        };
        assert_eq!([1.2, 0.5].map(pairs), [Some(true), Some(false)]);
        let busy = |counted| met(RARE_AND_BUSY, Comparison { counted: Some(spread(counted)), ..EQUAL }, "a busy loop");
        assert_eq!([0.995, 0.9].map(busy), [Some(true), Some(false)]);
    }
}

//! What was to be reached, and what was.

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::cpus::Layout;
use crate::pair::{self, Experiment};
use crate::plan::{SMALL, bytes};
use crate::rounds::Measurement;
use crate::statistics::Spread;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) goal: String,
    /// Nothing where it was not measured.
    pub(crate) measured: Option<String>,
    pub(crate) met: Option<bool>,
    /// What DAOS's own libraries do, measured in the same way.
    pub(crate) originals: String,
}

/// Which of the measurements.
#[derive(Clone, Copy)]
struct Which {
    experiment: Experiment,
    cores: Layout,
    pair: &'static str,
    sizes: (u64, u64),
    parameter: u64,
}

struct Goals<'a> {
    measured: &'a [Measurement],
    counts: &'a Counts,
    list: Vec<Goal>,
}

impl Goals<'_> {
    fn find(&self, which: Which) -> impl Iterator<Item = &Measurement> {
        self.measured.iter().filter(move |Measurement { case, pair, .. }| {
            (case.experiment, case.cores, case.parameter) == (which.experiment, which.cores, which.parameter)
                && pair == which.pair
                && (which.sizes.0..=which.sizes.1).contains(&case.size)
        })
    }

    fn push(&mut self, what: String, goal: String, originals: &str, measured: Option<(String, bool)>) {
        let (measured, met) = measured.unzip();
        self.list.push(Goal { what, goal, measured, met, originals: originals.to_owned() });
    }

    /// The largest ratio to the baseline.
    fn at_most(&mut self, what: impl Into<String>, limit: f64, originals: &'static str, which: Which) {
        let by_ratio = |a: &&Measurement, b: &&Measurement| a.ratio.median.total_cmp(&b.ratio.median);
        let worst = self.find(which).max_by(by_ratio);
        let measured = worst.map(|measurement| {
            let Measurement { ratio, case, .. } = measurement;
            let place =
                if which.sizes.0 == which.sizes.1 { String::new() } else { format!(" at {}", bytes(case.size)) };
            (format!("{}{place}", spread(ratio)), rounded(ratio.median) <= limit)
        });
        self.push(what.into(), format!("≤ {limit}"), originals, measured);
    }

    /// Calls a second as a part of the baseline's, and perhaps a number of them that is enough by itself.
    fn part(&mut self, what: &str, limit: f64, enough: Option<f64>, originals: &'static str, which: Which) {
        let measured = self.find(which).next().map(|measurement| {
            let (part, rate) = (inverse(&measurement.ratio), measurement.per_second());
            let met = rounded(part.median) >= limit || enough.is_some_and(|enough| rate >= enough);
            (format!("{}: {}/s", spread(&part), thousands(rate)), met)
        });
        let enough = enough.map(|enough| format!(", or {}/s", thousands(enough))).unwrap_or_default();
        self.push(format!("{what}, {}", which.cores.name()), format!("≥ {limit}{enough}"), originals, measured);
    }

    fn count(&mut self, what: String, limit: f64, originals: &'static str, value: Option<f64>) {
        let measured = value.map(|value| (thousands(value), value <= limit));
        self.push(what, format!("≤ {}", thousands(limit)), originals, measured);
    }
}

/// As it is printed: what reads as the limit is at the limit.
fn rounded(ratio: f64) -> f64 {
    (ratio * 100.0).round() / 100.0
}

/// A ratio with its quartiles.
pub(crate) fn spread(ratio: &Spread) -> String {
    let Spread { median, lower_quartile, upper_quartile } = ratio;
    format!("{median:.2} ({lower_quartile:.2}–{upper_quartile:.2})")
}

/// Times to rates.
pub(crate) fn inverse(ratio: &Spread) -> Spread {
    Spread {
        median: 1.0 / ratio.median,
        lower_quartile: 1.0 / ratio.upper_quartile,
        upper_quartile: 1.0 / ratio.lower_quartile,
    }
}

/// A number with commas. Small ones keep a digit behind the point.
pub(crate) fn thousands(value: f64) -> String {
    if value.abs() < 100.0 && rounded(value).fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn of(measured: &[Measurement], counts: &Counts) -> Vec<Goal> {
    let mut goals = Goals { measured, counts, list: Vec::new() };
    let latency = |pair, low, high| Which {
        experiment: Experiment::Latency,
        cores: Layout::One,
        pair,
        sizes: (low, high),
        parameter: 1,
    };
    for (pair, originals) in [(pair::PLAIN_08, "1.2–1.3"), (pair::PLAIN_28, "1.35–1.45")] {
        goals.at_most(format!("p50, 0–14 KiB, {pair}"), 1.05, originals, latency(pair, 0, 14 * KIB));
    }
    let large = [
        (64 * KIB, 1.04, "4.2"),
        (120 * KIB, 1.08, "14"),
        (MIB, 1.05, "10"),
        (16 * MIB, 1.0, "6.2"),
        (64 * MIB, 1.15, "8.2"),
    ];
    for (size, limit, originals) in large {
        let what = format!("p50, {}, {}", bytes(size), pair::PLAIN_28);
        goals.at_most(what, limit, originals, latency(pair::PLAIN_28, size, size));
    }
    for (pair, limit, originals) in [(pair::PLAIN_08, 1.08, "1.10"), (pair::PLAIN_28, 1.17, "1.26")] {
        let which = Which { experiment: Experiment::Connect, ..latency(pair, SMALL, SMALL) };
        goals.at_most(format!("connect, call, close, 64 B, {pair}"), limit, originals, which);
    }
    for cores in [Layout::One, Layout::Two] {
        let small = Which { cores, ..latency(pair::MANAGED, SMALL, SMALL) };
        let clients = Which { experiment: Experiment::Clients, parameter: 64, ..small };
        goals.part("managed server, 64 clients, of a raw epoll server", 0.9, None, "Go: 0.2", clients);
    }
    for cores in [Layout::One, Layout::Two] {
        let small = Which { cores, ..latency(pair::SHARED_RAW, SMALL, SMALL) };
        let pipeline = Which { experiment: Experiment::Pipeline, parameter: 64, ..small };
        goals.part("shared client, 64 deep, of a raw pipe", 0.85, Some(250_000.0), "none", pipeline);
    }
    spin(&mut goals, latency);
    counted(&mut goals);
    goals.list
}

/// Against a raw pair that does not sleep either, which is no baseline.
fn spin(goals: &mut Goals<'_>, latency: impl Fn(&'static str, u64, u64) -> Which) {
    const LIMIT: f64 = 1.3;
    let of = |pair| goals.find(Which { cores: Layout::Two, ..latency(pair, SMALL, SMALL) }).next();
    let (ours, raw) = (of(pair::PLAIN_SPIN), of(pair::FLOOR_SPIN));
    let measured = ours.zip(raw).map(|(ours, raw)| {
        let ratio = ours.ns_per_call.median / raw.ns_per_call.median;
        (format!("{ratio:.2}"), rounded(ratio) <= LIMIT)
    });
    let what = "p50, 64 B, spinning on two cores, of a raw spinning pair".to_owned();
    goals.push(what, format!("≤ {LIMIT}"), "none", measured);
}

fn counted(goals: &mut Goals<'_>) {
    let counts = goals.counts;
    let worst = |pair: &str, what, size| counts.worst(pair, what, |count| count.size == Some(size));
    for pair in [pair::PLAIN_08, pair::PLAIN_28] {
        let value = worst(pair, "instructions", 0);
        goals.count(format!("instructions a side, empty call, {pair}"), 900.0, "135,000", value);
    }
    let value = worst(pair::PLAIN_28, "instructions without copies", MIB);
    goals.count("instructions a side, 1 MiB, copies aside, plain 2.8".to_owned(), 20_000.0, "542,000", value);
    let value = counts.worst(pair::PLAIN_28, "page faults", |count| count.size.is_some_and(|size| size <= 16 * MIB));
    goals.count("page faults a side and call, to 16 MiB, plain 2.8".to_owned(), 0.0, "58 at 120 KiB", value);
    for (pair, limit) in [(pair::PLAIN_08, 2.0), (pair::PLAIN_28, 2.0), (pair::LOOP, 3.0)] {
        let originals = if limit > 2.0 { "3" } else { "2" };
        goals.count(format!("system calls a side, 64 B, {pair}"), limit, originals, worst(pair, "system calls", SMALL));
    }
    for what in ["idle session, connected", "idle session, after a call"] {
        let value = counts.worst(pair::MANAGED, what, |_| true);
        goals.count(format!("managed server, bytes of an {what}"), 1024.0, "128 KiB at each receive", value);
    }
}

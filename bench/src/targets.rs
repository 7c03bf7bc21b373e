//! The goals, one by one.

use crate::counts::Counts;
use crate::cpus::Layout;
use crate::goals::{Goal, Goals, Which};
use crate::pair::{self, Experiment};
use crate::plan::{ACTIVE, SMALL, bytes};
use crate::report::Contender;
use crate::rounds::Measurement;
use crate::setting::BACK_TO_BACK;
use crate::wait_targets;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// DAOS has nothing to be compared with.
const NONE: &str = "none";
const CORES: [Layout; 2] = [Layout::One, Layout::Two];

pub(crate) fn of(measured: &[Measurement], counts: &Counts, contenders: &[Contender]) -> Vec<Goal> {
    let mut goals = Goals { measured, counts, contenders, list: Vec::new() };
    latency(&mut goals);
    placement(&mut goals);
    connect(&mut goals);
    two_cores(&mut goals);
    clients(&mut goals);
    pipeline(&mut goals);
    spin(&mut goals);
    wait_targets::add(&mut goals);
    costs(&mut goals);
    memory(&mut goals);
    goals.list
}

fn p50(found: &Measurement) -> f64 {
    found.ns_per_call.median
}

/// In the same rounds, so that what slows the machine down for a while does not matter.
fn times_the_baseline(found: &Measurement) -> f64 {
    found.ratio.median
}

/// One call after the other, on one core.
fn calls(pair: &'static str, low: u64, high: u64) -> Which {
    Which {
        experiment: Experiment::Latency,
        cores: Layout::One,
        pair,
        sizes: (low, high),
        parameter: None,
        setting: BACK_TO_BACK,
    }
}

fn latency(goals: &mut Goals<'_>) {
    let ranges = [
        (pair::PLAIN_08, "0–14 KiB", (0, 14 * KIB), 1.05, "1.2–1.3"),
        (pair::PLAIN_28, "0–14 KiB", (0, 14 * KIB), 1.05, "1.35–1.45"),
        (pair::MANAGED, "0–120 KiB", (0, 120 * KIB), 1.06, NONE),
        (pair::SHARED, "0–14 KiB", (0, 14 * KIB), 1.08, NONE),
        (pair::SHARED, "64 KiB–1 MiB", (64 * KIB, MIB), 1.1, NONE),
        (pair::RUST, "0–1 MiB", (0, MIB), 1.1, NONE),
    ];
    for (pair, name, (low, high), limit, originals) in ranges {
        goals.at_most(format!("p50, {name}, {pair}"), limit, originals, calls(pair, low, high));
    }
    let sizes = [
        (pair::PLAIN_28, 64 * KIB, 1.04, "4.2"),
        (pair::PLAIN_28, 120 * KIB, 1.08, "14"),
        (pair::PLAIN_28, MIB, 1.05, "10"),
        (pair::PLAIN_28, 16 * MIB, 1.0, "6.2"),
        (pair::PLAIN_28, 64 * MIB, 1.15, "8.2"),
        (pair::MANAGED, MIB, 1.08, NONE),
        (pair::MANAGED, 16 * MIB, 1.0, NONE),
        (pair::MANAGED, 64 * MIB, 1.2, NONE),
        (pair::SHARED, 16 * MIB, 1.05, NONE),
        (pair::SHARED, 64 * MIB, 1.25, NONE),
        (pair::RUST, 16 * MIB, 1.05, NONE),
        (pair::RUST, 64 * MIB, 1.25, NONE),
    ];
    for (pair, size, limit, originals) in sizes {
        goals.at_most(format!("p50, {}, {pair}", bytes(size)), limit, originals, calls(pair, size, size));
    }
}

fn placement(goals: &mut Goals<'_>) {
    let which = Which { experiment: Experiment::Placement, ..calls(pair::PLAIN_28, 120 * KIB, 120 * KIB) };
    goals.at_most(format!("p50, 120 KiB at the worst place, {}", pair::PLAIN_28), 1.3, NONE, which);
}

fn connect(goals: &mut Goals<'_>) {
    let limits = [
        (pair::PLAIN_08, 1.08, "1.10"),
        (pair::PLAIN_28, 1.17, "1.26"),
        (pair::MANAGED, 1.2, NONE),
        (pair::SHARED, 1.3, NONE),
        (pair::RUST, 1.3, NONE),
        (pair::LISTENER, 1.3, NONE),
    ];
    for (pair, limit, originals) in limits {
        let which = Which { experiment: Experiment::Connect, ..calls(pair, SMALL, SMALL) };
        goals.at_most(format!("connect, call, close, 64 B, {pair}"), limit, originals, which);
    }
}

/// There the floor is slower than what it is a floor for.
fn two_cores(goals: &mut Goals<'_>) {
    let which = |pair| Which { cores: Layout::Two, ..calls(pair, MIB, MIB) };
    for pair in [pair::PLAIN_08, pair::PLAIN_28, pair::MANAGED, pair::SHARED, pair::RUST, pair::LISTENER] {
        let what = format!("p50, 1 MiB, two cores, of {}, {pair}", pair::SD_BUS);
        goals.against(what, 1.0, p50, which(pair), which(pair::SD_BUS));
    }
}

fn clients(goals: &mut Goals<'_>) {
    let which = |experiment, cores, pair, clients| Which {
        experiment,
        cores,
        parameter: Some(clients),
        ..calls(pair, SMALL, SMALL)
    };
    let limits = [(pair::MANAGED, 64, 0.9, "Go: 0.2"), (pair::MANAGED, 512, 0.93, NONE), (pair::RUST, 512, 0.93, NONE)];
    for (pair, clients, limit, originals) in limits {
        for cores in CORES {
            let what = format!("{pair}, {clients} clients, of a raw epoll server");
            goals.part(&what, limit, None, originals, which(Experiment::Clients, cores, pair, clients));
        }
    }
    // No slower, but for the noise.
    const LIMIT: f64 = 1.02;
    for (alone, crowded) in [(pair::MANAGED, pair::MANAGED_CROWDED), (pair::RUST, pair::RUST_CROWDED)] {
        for cores in CORES {
            let which = |pair| which(Experiment::Idle, cores, pair, ACTIVE);
            let what = format!("{alone}, {ACTIVE} of 4,096 sessions active, of {ACTIVE} alone, {}", cores.name());
            goals.against(what, LIMIT, times_the_baseline, which(crowded), which(alone));
        }
    }
}

fn pipeline(goals: &mut Goals<'_>) {
    for cores in CORES {
        let small = calls(pair::SHARED_RAW, SMALL, SMALL);
        let which = Which { experiment: Experiment::Pipeline, cores, parameter: Some(64), ..small };
        goals.part("shared client, 64 deep, of a raw pipe", 0.85, Some(250_000.0), NONE, which);
    }
}

/// Against a raw pair that does not sleep either.
fn spin(goals: &mut Goals<'_>) {
    let which = |pair| Which { cores: Layout::Two, ..calls(pair, SMALL, SMALL) };
    let what = "p50, 64 B, spinning on two cores, of a raw spinning pair".to_owned();
    goals.against(what, 1.3, p50, which(pair::PLAIN_SPIN), which(pair::FLOOR_SPIN));
}

/// What a call costs a side, counted.
fn costs(goals: &mut Goals<'_>) {
    let counts = goals.counts;
    let worst = |pair: &str, what, size| counts.worst(pair, what, |count| count.size == Some(size));
    let empty = [
        (pair::PLAIN_08, 900.0, "135,000"),
        (pair::PLAIN_28, 900.0, "135,000"),
        (pair::SHARED, 1288.0, NONE),
        (pair::MANAGED, 1300.0, NONE),
    ];
    for (pair, limit, originals) in empty {
        let value = worst(pair, "instructions", 0);
        goals.count(format!("instructions a side, empty call, {pair}"), limit, originals, value);
    }
    let value = worst(pair::PLAIN_28, "instructions without copies", MIB);
    goals.count("instructions a side, 1 MiB, copies aside, plain 2.8".to_owned(), 20_000.0, "542,000", value);
    for (pair, limit) in [(pair::PLAIN_08, 2.0), (pair::PLAIN_28, 2.0), (pair::LOOP, 3.0)] {
        let originals = if limit > 2.0 { "3" } else { "2" };
        goals.count(format!("system calls a side, 64 B, {pair}"), limit, originals, worst(pair, "system calls", SMALL));
    }
    let all = [pair::PLAIN_08, pair::PLAIN_28, pair::LOOP, pair::MANAGED, pair::SHARED, pair::RUST];
    for pair in all {
        let value = counts.worst(pair, "page faults", |count| count.size.is_some_and(|size| size <= 16 * MIB));
        let originals = if pair == pair::PLAIN_28 { "58 at 120 KiB" } else { NONE };
        goals.count(format!("page faults a side and call, to 16 MiB, {pair}"), 0.0, originals, value);
    }
    for pair in all {
        // A record may be copied to a better place.
        const RECORD: f64 = 131_072.0;
        let value = worst(pair, "bytes copied", MIB);
        goals.count(format!("bytes copied a side, 1 MiB, {pair}"), RECORD, NONE, value);
    }
}

/// What a server keeps, in bytes.
fn memory(goals: &mut Goals<'_>) {
    let counts = goals.counts;
    for what in ["idle session, connected", "idle session, after a call"] {
        let value = counts.worst(pair::MANAGED, what, |_| true);
        goals.count(format!("managed server, bytes of an {what}"), 1024.0, "128 KiB at each receive", value);
    }
    // 33 MiB of free blocks stay for the next bodies.
    const LEFT_MAX: f64 = 36.0 * MIB as f64;
    for pair in [pair::MANAGED, pair::RUST] {
        let value = counts.worst(pair, "left of 30 sessions, 8 MiB", |_| true);
        goals.count(format!("{pair}, bytes left after 30 sessions of 8 MiB"), LEFT_MAX, NONE, value);
    }
}

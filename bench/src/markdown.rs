//! The report as tables.

use std::fmt::Write;

use crate::best_peer;
use crate::cpus::Layout;
use crate::goals::{inverse, spread, thousands};
use crate::pair::{self, Experiment, FLOOR_AGAIN};
use crate::plan::{ACTIVE, RATE, SMALL, bytes};
use crate::plots;
use crate::report::Report;
use crate::rounds::Measurement;
use crate::statistics::Spread;
use crate::table::Table;
use crate::waits;

/// Microseconds, three digits.
pub(crate) fn microseconds(ns: f64) -> String {
    let us = ns / 1e3;
    match us {
        ..100.0 => format!("{us:.1}"),
        _ => thousands(us),
    }
}

/// One experiment: what is in the columns, and what a cell says of a measurement.
struct Section<'a> {
    report: &'a Report,
    experiment: Experiment,
    /// What the columns stand for, which one a measurement belongs to, and its heading.
    columns: &'static str,
    column: fn(&Measurement) -> u64,
    heading: fn(u64) -> String,
}

impl Section<'_> {
    /// A table for each layout.
    fn tables(&self, text: &mut String, title: &str, cell: impl Fn(&Measurement) -> Option<String>) {
        for cores in [Layout::One, Layout::Two] {
            let measured = self.report.of(self.experiment, cores);
            let columns = self.report.columns(self.experiment, cores, self.column);
            if columns.is_empty() {
                continue;
            }
            let rows = self.report.pairs(self.experiment).map(|pair| {
                let at = |column| {
                    let is_there = |found: &&&Measurement| found.pair == pair && (self.column)(found) == column;
                    measured.iter().find(is_there).and_then(|found| cell(found))
                };
                (pair.to_owned(), columns.iter().copied().map(at).collect::<Vec<_>>())
            });
            let headings = columns.iter().copied().map(self.heading).collect::<Vec<_>>();
            // Older results have nothing to say of some figures.
            let rows = rows.collect::<Vec<_>>();
            if rows.iter().any(|(_, cells)| cells.iter().any(Option::is_some)) {
                let _ = writeln!(text, "{title}, {}:\n", cores.name());
                Table::pivot(self.columns, &headings, rows.into_iter()).write(text);
            }
        }
    }

    /// What each side spends on a CPU, and how the best peer compares.
    fn costs(&self, text: &mut String) {
        self.tables(text, "Microseconds of CPU time a call, client + server", cpu);
        best_peer::table(self.report, self.experiment, text);
    }
}

fn cpu(found: &Measurement) -> Option<String> {
    found.cpu.map(|cpu| format!("{} + {}", microseconds(cpu.client), microseconds(cpu.server)))
}

/// Not what the others are compared with, whose ratio is always 1.
fn is_compared(found: &Measurement) -> bool {
    found.pair != pair::baseline(found.case.experiment)
}

fn machine(report: &Report, text: &mut String) {
    let machine = &report.machine;
    let kind = if machine.virtual_machine {
        "a virtual machine on hardware that others use, too"
    } else {
        "no virtual machine"
    };
    let _ = writeln!(
        text,
        "Measured on {}: {}, {} CPUs ({kind}), {} of memory, {}, {}; {}; {}. Transparent huge pages: {}; \
         `net.core.wmem_max`: {}. Other virtual machines took {:.1} % of the CPUs' time meanwhile.\n",
        machine.date,
        machine.cpu,
        machine.cpus,
        machine.memory,
        machine.kernel,
        machine.libc,
        machine.compiler,
        machine.rust,
        machine.huge_pages,
        machine.largest_send_buffer,
        report.stolen * 100.0,
    );
    if machine.cpus < 2 {
        text.push_str("There is one CPU only: what takes two cores was left out.\n\n");
    }
    noise(report, text);
}

/// How far the floor is from itself. The large bodies have few rounds, and depend on what is in the caches.
fn noise(report: &Report, text: &mut String) {
    text.push_str("Noise, as the floor measured against itself shows it; smaller differences mean nothing:\n\n");
    let mut table = Table::new(["bodies", "", "largest distance of a median from 1", "widest quartiles"]);
    for (bodies, sizes) in [("to 120 KiB", 0..=120 << 10), ("larger", 1 << 20..=u64::MAX)] {
        for cores in [Layout::One, Layout::Two] {
            let again = report.of(Experiment::Latency, cores).into_iter();
            let again = again.filter(|found| found.pair == FLOOR_AGAIN && sizes.contains(&found.case.size));
            let ratios = again.map(|found| &found.ratio).collect::<Vec<_>>();
            let largest = |of: fn(&Spread) -> f64| ratios.iter().map(|ratio| of(ratio)).fold(0.0, f64::max);
            if !ratios.is_empty() {
                let distance = largest(|ratio| (ratio.median - 1.0).abs());
                let width = largest(|ratio| ratio.upper_quartile - ratio.lower_quartile);
                table.row([
                    bodies.to_owned(),
                    cores.name().to_owned(),
                    format!("{distance:.3}"),
                    format!("{width:.3}"),
                ]);
            }
        }
    }
    table.write(text);
}

fn goals(report: &Report, text: &mut String) {
    let mut table = Table::new(["", "goal", "measured", "met", "DAOS's own"]);
    for goal in &report.goals {
        let met = match goal.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let measured = goal.measured.clone().unwrap_or_else(|| "not measured".to_owned());
        table.row([goal.what.clone(), goal.goal.clone(), measured, met.to_owned(), goal.originals.clone()]);
    }
    text.push_str("## Goals\n\np50 and connecting: times the floor, on one core.\n\n");
    table.write(text);
}

fn latency(report: &Report, text: &mut String) {
    text.push_str(include_str!("limits.md"));
    text.push_str("\n## Latency against size\n\n");
    let section = Section {
        report,
        experiment: Experiment::Latency,
        columns: "body",
        column: |measurement| measurement.case.size,
        heading: bytes,
    };
    text.push_str(&plots::link(report, "latency"));
    section.tables(text, "Microseconds of a call, p50", |found| Some(microseconds(found.ns_per_call.median)));
    text.push_str(&plots::link(report, "ratio"));
    section.tables(text, "Times the floor", |found| is_compared(found).then(|| spread(&found.ratio)));
    text.push_str("Percentiles of all calls with 64 B, in microseconds (those of all sizes are in bench/results):\n\n");
    percentiles(report, Experiment::Latency, text);
    section.costs(text);
}

/// A small part of the latency of large bodies is where they lie.
fn placement(report: &Report, text: &mut String) {
    let measured = report.of(Experiment::Placement, Layout::One);
    let offsets = report.columns(Experiment::Placement, Layout::One, |found| found.case.parameter);
    if offsets.is_empty() {
        return;
    }
    text.push_str(
        "## Places of a body\n\nTimes the floor at its usual place, on one core, where the client's body begins so many \
         bytes after the start of a page:\n\n",
    );
    let sizes = report.columns(Experiment::Placement, Layout::One, |found| found.case.size);
    let pairs = report.pairs(Experiment::Placement).filter(|&pair| pair != pair::FLOOR);
    let rows = pairs.flat_map(|pair| sizes.iter().map(move |&size| (pair, size))).map(|(pair, size)| {
        let at = |offset: &u64| {
            let is_it = |found: &&&Measurement| {
                found.pair == pair && (found.case.size, found.case.parameter) == (size, *offset)
            };
            measured.iter().find(is_it).map(|found| found.ratio.median)
        };
        let ratios = offsets.iter().map(at).collect::<Vec<_>>();
        let there = ratios.iter().copied().flatten();
        let summary = [there.clone().reduce(f64::max), Some(Spread::of(there).median)];
        let cells = ratios.into_iter().chain(summary).map(|ratio| ratio.map(|ratio| format!("{ratio:.2}")));
        (format!("{pair}, {}", bytes(size)), cells.collect())
    });
    let headings = offsets.iter().map(u64::to_string).chain(["worst", "median"].map(str::to_owned));
    Table::pivot("offset", &headings.collect::<Vec<_>>(), rows).write(text);
}

fn percentiles(report: &Report, experiment: Experiment, text: &mut String) {
    let mut table = Table::new(["", "", "calls", "p50", "p99", "p99.9", "longest"]);
    for cores in [Layout::One, Layout::Two] {
        let measured = report.of(experiment, cores).into_iter().filter(|found| found.case.size == SMALL);
        for (found, calls) in measured.filter_map(|found| Some((found, found.calls?))) {
            let us = |ns| microseconds(ns as f64);
            table.row([
                found.pair.clone(),
                cores.name().to_owned(),
                thousands(calls.samples as f64),
                us(calls.p50),
                us(calls.p99),
                us(calls.p999),
                us(calls.max),
            ]);
        }
    }
    table.write(text);
}

fn connect(report: &Report, text: &mut String) {
    text.push_str("## Connect, call, close\n\n");
    let section = Section {
        report,
        experiment: Experiment::Connect,
        columns: "body",
        column: |found| found.case.size,
        heading: bytes,
    };
    section.tables(text, "With 64 B, microseconds (p50) and times the floor", |found| {
        Some(format!("{} µs, {}", microseconds(found.ns_per_call.median), spread(&found.ratio)))
    });
    section.costs(text);
}

fn paced(report: &Report, text: &mut String) {
    let _ = writeln!(
        text,
        "## At a fixed rate\n\n{} calls a second with 64 B, in microseconds from when a call was due:\n",
        thousands(RATE as f64)
    );
    percentiles(report, Experiment::Paced, text);
    text.push_str("The client looks at the clock until a call is due, so that it spends all of its CPU's time.\n\n");
    let section = Section {
        report,
        experiment: Experiment::Paced,
        columns: "calls a second",
        column: |found| found.case.parameter,
        heading: |rate| rate.to_string(),
    };
    section.costs(text);
}

/// Sessions that do nothing, beside those that call.
fn idle(report: &Report, text: &mut String) {
    let pairs = [
        (pair::RAW_EPOLL, pair::EPOLL_CROWDED),
        (pair::MANAGED, pair::MANAGED_CROWDED),
        (pair::RUST, pair::RUST_CROWDED),
    ];
    let mut table = Table::new(["", "", "alone", "beside the others", "part"]);
    let mut is_empty = true;
    for cores in [Layout::One, Layout::Two] {
        let measured = report.of(Experiment::Idle, cores);
        let of = |pair| measured.iter().find(|found| found.pair == pair);
        for (alone, crowded) in pairs {
            let Some((alone, crowded)) = of(alone).zip(of(crowded)) else { continue };
            table.row([
                alone.pair.clone(),
                cores.name().to_owned(),
                thousands(alone.per_second()),
                thousands(crowded.per_second()),
                format!("{:.2}", alone.ratio.median / crowded.ratio.median),
            ]);
            is_empty = false;
        }
    }
    if !is_empty {
        let _ = writeln!(
            text,
            "## Idle sessions\n\nCalls a second with 64 B of {ACTIVE} sessions, alone, and beside others that have called \
             and do nothing, with which they are 4,096:\n"
        );
        table.write(text);
    }
}

fn throughput(report: &Report, text: &mut String) {
    let rate = |found: &Measurement| Some(thousands(found.per_second()));
    let part = |found: &Measurement| is_compared(found).then(|| spread(&inverse(&found.ratio)));
    let parameter = |found: &Measurement| found.case.parameter;
    text.push_str("## Many clients\n\n");
    let clients = Section {
        report,
        experiment: Experiment::Clients,
        columns: "clients",
        column: parameter,
        heading: |clients| clients.to_string(),
    };
    text.push_str(&plots::link(report, "clients"));
    clients.tables(text, "Calls a second with 64 B", rate);
    clients.tables(text, &format!("Part of the {}'s", pair::baseline(Experiment::Clients)), part);
    text.push_str("Peers in Rust connect anew at each turn, which is part of their CPU time.\n\n");
    clients.costs(text);
    text.push_str("## Many calls on one connection\n\n");
    let depth = Section {
        report,
        experiment: Experiment::Pipeline,
        columns: "unanswered calls",
        column: parameter,
        heading: |depth| depth.to_string(),
    };
    text.push_str(&plots::link(report, "pipeline"));
    depth.tables(text, "Calls a second with 64 B", rate);
    depth.tables(text, &format!("Part of the {}'s", pair::baseline(Experiment::Pipeline)), part);
    depth.costs(text);
}

fn counts(report: &Report, text: &mut String) {
    let counts = &report.counts.counts;
    if counts.is_empty() {
        text.push_str("## Counts\n\nNothing was counted.\n\n");
        return;
    }
    text.push_str("## Counts\n\nPer call and side: what noise does not touch.\n\n");
    report.counts.notes.iter().for_each(|note| text.push_str(&format!("* {note}\n")));
    text.push('\n');
    let unique = |values: Vec<String>| {
        let mut seen = Vec::new();
        values.into_iter().for_each(|value| {
            if !seen.contains(&value) {
                seen.push(value)
            }
        });
        seen
    };
    for what in unique(counts.iter().map(|count| count.what.clone()).collect()) {
        let these = counts.iter().filter(|count| count.what == what).collect::<Vec<_>>();
        let mut sizes = these.iter().map(|count| count.size).collect::<Vec<_>>();
        sizes.sort_unstable();
        sizes.dedup();
        let heading = |size: &Option<u64>| size.map_or_else(|| "bytes".to_owned(), bytes);
        let who = unique(these.iter().map(|count| format!("{}, {}", count.contender, count.side)).collect());
        let rows = who.into_iter().map(|who| {
            let at = |size: &Option<u64>| {
                let is_it = |count: &&&crate::counts::Count| {
                    format!("{}, {}", count.contender, count.side) == who && count.size == *size
                };
                these.iter().find(is_it).map(|count| thousands(count.value))
            };
            let cells = sizes.iter().map(at).collect();
            (who, cells)
        });
        Table::pivot(&what, &sizes.iter().map(heading).collect::<Vec<_>>(), rows).write(text);
    }
}

fn contenders(report: &Report, text: &mut String) {
    text.push_str("## Who takes part\n\n");
    for contender in &report.contenders {
        let missing = contender.missing.as_ref().map(|reason| format!(" Missing: {reason}.")).unwrap_or_default();
        let _ = writeln!(text, "* **{}**: {}.{missing}", contender.name, contender.about);
    }
    text.push('\n');
    if !report.failures.is_empty() {
        text.push_str("These failed:\n\n");
        let failures = report.failures.iter();
        failures.for_each(|failure| {
            let _ = writeln!(text, "* {} ({}): {}", failure.pair, failure.case, failure.reason);
        });
        text.push('\n');
    }
}

pub(crate) fn of(report: &Report) -> String {
    let mut text = format!(
        "# Benchmarks\n\nWritten by `make bench`; what is measured and how is in \
         [bench/README.md](../bench/README.md), all figures in [bench/results](../bench/results/{}), beside those of \
         other machines. The floor is a raw `SOCK_SEQPACKET` ping-pong in C of the same bytes. In brackets are the \
         quartiles of the rounds.\n\n",
        report.machine.file()
    );
    machine(report, &mut text);
    goals(report, &mut text);
    latency(report, &mut text);
    placement(report, &mut text);
    connect(report, &mut text);
    paced(report, &mut text);
    waits::section(report, &mut text);
    throughput(report, &mut text);
    idle(report, &mut text);
    counts(report, &mut text);
    contenders(report, &mut text);
    text.truncate(text.trim_end().len());
    text + "\n"
}

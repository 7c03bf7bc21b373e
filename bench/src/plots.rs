//! The report as pictures.

use std::fs;
use std::io;
use std::path::Path;

use crate::chart::{Chart, Line, Scale};
use crate::cpus::Layout;
use crate::goals::thousands;
use crate::pair::{Experiment, FLOOR_AGAIN, baseline};
use crate::plan::bytes;
use crate::report::Report;
use crate::rounds::Measurement;

/// Told apart by people who see colours differently, too (Okabe and Ito).
const COLOURS: [&str; 9] =
    ["#0072b2", "#d55e00", "#785ef0", "#009e73", "#cc79a7", "#882255", "#b8860b", "#56b4e9", "#44aa99"];
/// Of what has no library, and of other RPC systems; but for the baseline they are dashed.
const RAW: &str = "#000000";
const PEER: &str = "#888888";

/// What a file shows.
struct Plot {
    file: &'static str,
    title: &'static str,
    axis: &'static str,
    scale: Scale,
    experiment: Experiment,
    column: fn(&Measurement) -> u64,
    heading: fn(u64) -> String,
    value: fn(&Measurement) -> f64,
}

fn size(found: &Measurement) -> u64 {
    found.case.size
}

fn parameter(found: &Measurement) -> u64 {
    found.case.parameter
}

const PLOTS: [Plot; 4] = [
    Plot {
        file: "latency",
        title: "Time of a call against size of its body",
        axis: "µs, p50",
        scale: Scale::Logarithmic,
        experiment: Experiment::Latency,
        column: size,
        heading: bytes,
        value: |found| found.ns_per_call.median / 1e3,
    },
    Plot {
        file: "ratio",
        title: "Time of a call, times the floor, against size of its body",
        axis: "times",
        scale: Scale::Logarithmic,
        experiment: Experiment::Latency,
        column: size,
        heading: bytes,
        value: |found| found.ratio.median,
    },
    Plot {
        file: "clients",
        title: "Calls a second against clients, bodies of 64 B",
        axis: "calls/s",
        scale: Scale::Linear,
        experiment: Experiment::Clients,
        column: parameter,
        heading: |clients| clients.to_string(),
        value: Measurement::per_second,
    },
    Plot {
        file: "pipeline",
        title: "Calls a second against unanswered calls on one connection, bodies of 64 B",
        axis: "calls/s",
        scale: Scale::Linear,
        experiment: Experiment::Pipeline,
        column: parameter,
        heading: |depth| depth.to_string(),
        value: Measurement::per_second,
    },
];

fn name(file: &str, cores: Layout) -> String {
    format!("{file}-{}.svg", cores.name().replace(' ', "-"))
}

/// The pictures of a plot, for the report's text.
pub(crate) fn link(report: &Report, file: &str) -> String {
    let plots = PLOTS.iter().filter(|plot| plot.file == file);
    let pictures = plots.flat_map(|plot| {
        let layouts = [Layout::One, Layout::Two].into_iter();
        let measured = layouts.filter(|&cores| !report.of(plot.experiment, cores).is_empty());
        measured.map(|cores| format!("![{}, {}](benchmarks/{})\n\n", plot.title, cores.name(), name(file, cores)))
    });
    pictures.collect()
}

impl Plot {
    fn chart(&self, report: &Report, cores: Layout) -> Chart {
        let measured = report.of(self.experiment, cores);
        let columns = report.columns(self.experiment, cores, self.column);
        // The same in all plots.
        let coloured = Experiment::ALL.iter().flat_map(|&experiment| report.pairs(experiment));
        let coloured = coloured.filter(|pair| report.is_ours(pair)).collect::<Vec<_>>();
        let lines = report.pairs(self.experiment).filter(|&pair| pair != FLOOR_AGAIN).map(|pair| {
            let value = |column: &u64| {
                let found = measured.iter().find(|found| found.pair == pair && (self.column)(found) == *column)?;
                Some((self.value)(found))
            };
            let place = coloured.iter().position(|other| *other == pair);
            let colour = match place.and_then(|place| COLOURS.iter().cycle().nth(place)) {
                Some(colour) => colour,
                None if report.is_peer(pair) => PEER,
                None => RAW,
            };
            let dashed = place.is_none() && pair != baseline(self.experiment);
            Line { name: pair.to_owned(), colour, dashed, values: columns.iter().map(value).collect() }
        });
        Chart {
            title: format!("{}, {}", self.title, cores.name()),
            axis: self.axis,
            scale: self.scale,
            lines: lines.collect(),
            columns: columns.iter().copied().map(self.heading).collect(),
            label: thousands,
        }
    }
}

pub(crate) fn write(report: &Report, folder: &Path) -> io::Result<()> {
    for plot in &PLOTS {
        for cores in [Layout::One, Layout::Two] {
            if !report.of(plot.experiment, cores).is_empty() {
                fs::write(folder.join(name(plot.file, cores)), plot.chart(report, cores).svg())?;
            }
        }
    }
    Ok(())
}

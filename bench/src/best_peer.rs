//! Which of the peers is the quickest in a case, and how our pairs compare with it.

use crate::goals::thousands;
use crate::markdown::microseconds;
use crate::pair::Experiment;
use crate::report::Report;
use crate::rounds::Measurement;
use crate::table::Table;

/// A number of ours over that of the best peer: of times, or of calls a second.
struct Comparison<'a> {
    pair: &'a str,
    ratio: f64,
    is_behind: bool,
}

impl<'a> Comparison<'a> {
    fn new(ours: &'a Measurement, best: &Measurement) -> Self {
        let times = ours.ns_per_call.median / best.ns_per_call.median;
        let ratio = if ours.case.experiment.is_throughput() { 1.0 / times } else { times };
        Self { pair: &ours.pair, ratio, is_behind: times > 1.0 }
    }
}

fn bold_if(is_bold: bool, text: String) -> String {
    if is_bold { format!("**{text}**") } else { text }
}

/// A row for each case of an experiment; nothing where no peer takes part.
pub(crate) fn table(report: &Report, experiment: Experiment, text: &mut String) {
    let measured = report.measurements.iter().filter(|found| found.case.experiment == experiment).collect::<Vec<_>>();
    let mut cases = measured.iter().map(|found| found.case).collect::<Vec<_>>();
    cases.dedup();
    let ours = report.pairs(experiment).filter(|&pair| report.is_ours(pair)).collect::<Vec<_>>();
    let rows = cases.iter().filter_map(|case| {
        let these = || measured.iter().copied().filter(|found| found.case == *case);
        let peers = these().filter(|found| report.is_peer(&found.pair));
        let best = peers.min_by(|a, b| a.ns_per_call.median.total_cmp(&b.ns_per_call.median))?;
        let compared = these().filter(|found| report.is_ours(&found.pair));
        let compared = compared.map(|found| Comparison::new(found, best)).collect::<Vec<_>>();
        let is_behind = compared.iter().any(|comparison| comparison.is_behind);
        let value = if experiment.is_throughput() {
            format!("{}/s", thousands(best.per_second()))
        } else {
            format!("{} µs", microseconds(best.ns_per_call.median))
        };
        let cells =
            [Some(bold_if(is_behind, best.pair.clone())), Some(value)].into_iter().chain(ours.iter().map(|pair| {
                let found = compared.iter().find(|comparison| comparison.pair == *pair);
                found.map(|found| bold_if(found.is_behind, format!("{:.2}", found.ratio)))
            }));
        Some((bold_if(is_behind, case.short_title()), cells.collect()))
    });
    let rows = rows.collect::<Vec<_>>();
    if rows.is_empty() {
        return;
    }
    text.push_str(if experiment.is_throughput() {
        "Of the calls a second of the best peer; **bold** where that makes more:\n\n"
    } else {
        "Times the p50 of the best peer; **bold** where that is quicker:\n\n"
    });
    let columns = ["best peer", "its figure"].into_iter().chain(ours.iter().copied()).map(str::to_owned);
    Table::pivot("", &columns.collect::<Vec<_>>(), rows.into_iter()).write(text);
}

//! The report on how calls wait where threads may look for a message before they sleep.

use crate::best_peer;
use crate::goals::{spread, thousands};
use crate::markdown::microseconds;
use crate::pair::Experiment;
use crate::plan::Case;
use crate::report::Report;
use crate::rounds::Measurement;
use crate::table::Table;

const TEXT: &str = include_str!("waits.md");

/// A heading, and what a row says of a measurement.
type Column = (&'static str, fn(&Measurement) -> Option<String>);

const COLUMNS: [Column; 10] = [
    ("p50, µs", |found| Some(microseconds(found.calls?.p50 as f64))),
    ("p99, µs", |found| Some(microseconds(found.calls?.p99 as f64))),
    ("CPU time a call, µs, client + server", |found| {
        found.cpu.map(|cpu| format!("{} + {}", microseconds(cpu.client), microseconds(cpu.server)))
    }),
    ("% of a core, client + server", |found| {
        let (cpu, rate) = found.cpu.zip(found.calls_per_second)?;
        let percent = |ns: f64| format!("{:.1}", ns * rate / 1e7);
        Some(format!("{} + {}", percent(cpu.client), percent(cpu.server)))
    }),
    ("server's looks, % of a core", |found| found.server_looking.map(|part| format!("{:.2}", part * 100.0))),
    ("calls/s", |found| found.calls_per_second.map(thousands)),
    ("p50, times never looking", |found| found.never_looking.map(|compared| spread(&compared.time))),
    ("CPU time, times never looking", |found| found.never_looking.map(|compared| spread(&compared.cpu))),
    ("busy loop, M/s", |found| found.counted.map(|counted| thousands(counted / 1e6))),
    ("busy loop, times never looking", |found| found.never_looking?.counted.map(|counted| spread(&counted))),
];

/// Each case a table, without the columns that say nothing there.
fn table(report: &Report, case: Case, text: &mut String) {
    let rows = report.measurements.iter().filter(|found| found.case == case).collect::<Vec<_>>();
    let says = |(_, cell): &Column| rows.iter().any(|found| cell(found).is_some());
    let columns = COLUMNS.into_iter().filter(says).collect::<Vec<_>>();
    let headings = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect::<Vec<_>>();
    let cells = |found: &Measurement| columns.iter().map(|(_, cell)| cell(found)).collect();
    let rows = rows.iter().map(|found| (found.pair.clone(), cells(found)));
    text.push_str(&format!("### {}\n\n", heading(case)));
    Table::pivot("", &headings, rows).write(text);
}

fn heading(case: Case) -> String {
    let title = format!("{}, {}", case.setting.title(), case.cores.name());
    let mut letters = title.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

pub(crate) fn section(report: &Report, text: &mut String) {
    text.push_str(TEXT);
    text.push('\n');
    let mut cases = report.measurements.iter().map(|found| found.case).collect::<Vec<_>>();
    cases.retain(|case| case.experiment == Experiment::Waits);
    cases.dedup();
    if cases.is_empty() {
        text.push_str("It was not measured.\n\n");
    }
    cases.into_iter().for_each(|case| table(report, case, text));
    best_peer::table(report, Experiment::Waits, text);
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;
    use crate::cpus::Layout;
    use crate::pair;
    use crate::results;
    use crate::setting::{BUSY, Setting};

    /// An older report, with a measurement of each pair.
    fn report(setting: Setting, counted: Option<f64>) -> io::Result<Report> {
        let mut report = results::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("results"))?;
        let mut found = report.measurements.first().cloned().ok_or_else(|| io::Error::other("no measurements"))?;
        found.case = Case { experiment: Experiment::Waits, cores: Layout::Free, setting, ..found.case };
        found.counted = counted;
        report.measurements =
            [pair::FLOOR, pair::SHARED].map(|name| Measurement { pair: name.to_owned(), ..found.clone() }).to_vec();
        Ok(report)
    }

    fn text(setting: Setting, counted: Option<f64>) -> io::Result<String> {
        let mut text = String::new();
        section(&report(setting, counted)?, &mut text);
        Ok(text)
    }

    #[test]
    fn a_case_is_a_table_with_a_row_for_each_pair() -> io::Result<()> {
        let text = text(Setting::default(), None)?;
        assert!(text.contains("### Back to back, two processors, not pinned\n"));
        assert!(text.contains("\n| floor |") && text.contains("\n| shared client |"));
        Ok(())
    }

    #[test]
    fn columns_without_values_are_left_out() -> io::Result<()> {
        assert!(!text(Setting::default(), None)?.contains("busy loop, M/s"));
        assert!(text(BUSY, Some(1.5e9))?.contains("1,500 |"));
        Ok(())
    }

    #[test]
    fn results_keep_the_setting_and_older_ones_have_none() -> io::Result<()> {
        let old = results::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("results"))?;
        assert!(old.measurements.iter().any(|found| found.case.setting.is_default()));
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("results.json");
        results::write(&report(BUSY, Some(1.0))?, &file)?;
        let again = results::read(&file)?;
        assert!(again.measurements.iter().all(|found| found.case.setting == BUSY && found.counted == Some(1.0)));
        Ok(())
    }
}

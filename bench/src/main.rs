//! Runs pairs of a server and a client against each other, and reports what their calls cost. See README.md.

mod best_peer;
mod chart;
mod counts;
mod cpus;
mod goals;
mod machine;
mod markdown;
mod options;
mod pair;
mod plan;
mod plots;
mod process;
mod report;
mod results;
mod round;
mod rounds;
mod setting;
mod statistics;
mod table;
mod targets;
mod wait_targets;
mod waits;

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use counts::Counts;
use cpus::Cpus;
use machine::{Machine, Spent};
use options::{Options, USAGE};
use pair::{Pair, Peer, baseline};
use plan::Plan;
use process::Place;
use report::{Contender, Report};
use rounds::Measurement;

/// What is printed of a case while the next one runs.
fn print(title: &str, measurements: &[Measurement]) {
    println!("{title}");
    for Measurement { pair, ns_per_call, ratio, rounds, .. } in measurements {
        let (us, rate) = (ns_per_call.median / 1e3, 1e9 / ns_per_call.median);
        let (median, lower, upper) = (ratio.median, ratio.lower_quartile, ratio.upper_quartile);
        println!("  {pair:32} {us:11.2} us {rate:9.0}/s  {median:7.3} [{lower:.3}, {upper:.3}]  {rounds} rounds");
    }
}

fn peers(options: &Options) -> Result<Vec<Peer>, Box<dyn Error>> {
    match fs::read(&options.peers) {
        Ok(text) => Ok(serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", options.peers.display()))?),
        Err(_) => Ok(Vec::new()),
    }
}

/// For the report: who is there, once each, and who is not.
fn contenders(pairs: &[Pair], peers: &[Peer]) -> Vec<Contender> {
    let is_peer = |name: &str| peers.iter().any(|peer| peer.name == name);
    let there = pairs.iter().map(|pair| {
        let experiments = pair.experiments.iter().map(|experiment| experiment.name()).collect::<Vec<_>>().join(", ");
        let about = format!("{} ({experiments})", pair.about);
        Contender { name: pair.name.clone(), about, peer: is_peer(&pair.name), missing: None }
    });
    let absent = peers.iter().filter(|peer| peer.missing.is_some()).map(|peer| {
        let Peer { name, about, missing, .. } = peer.clone();
        Contender { name, about, peer: true, missing }
    });
    there.chain(absent).collect()
}

fn measure(options: &Options) -> Result<Report, Box<dyn Error>> {
    let cpus = Cpus::new()?;
    let plan = Plan::new(options, cpus.layouts());
    let peers = peers(options)?;
    let is_baseline = |pair: &Pair| pair.experiments.iter().any(|&experiment| baseline(experiment) == pair.name);
    let present = peers.iter().filter(|peer| peer.missing.is_none()).map(Peer::pair);
    let mut pairs = pair::ours(options).into_iter().chain(present).collect::<Vec<_>>();
    pairs.retain(|pair| is_baseline(pair) || options.wants(&pair.name));
    process::allow_descriptors()?;
    let counts = Counts::read(&options.counts)?;
    let folder = tempfile::tempdir()?;
    let place = Place { cpus: &cpus, folder: folder.path(), busy_loop: options.programs.join("busy_loop") };
    let (mut measurements, mut failures) = (Vec::new(), Vec::new());
    let spent = Spent::now();
    for &case in &plan.cases {
        let (measured, failed) = rounds::run(case, &pairs, &plan, &place);
        print(&case.title(), &measured);
        failed.iter().for_each(|failure| println!("  {}: {}", failure.pair, failure.reason));
        measurements.extend(measured);
        failures.extend(failed);
    }
    let stolen = spent.stolen_since();
    let machine = Machine::new(cpus.count());
    let contenders = contenders(&pairs, &peers);
    let goals = targets::of(&measurements, &counts, &contenders);
    Ok(Report { machine, stolen, plan, contenders, goals, measurements, failures, counts })
}

fn write_pages(report: &Report, folder: &Path) -> io::Result<()> {
    let plots = folder.join("benchmarks");
    fs::create_dir_all(&plots)?;
    fs::write(folder.join("benchmarks.md"), markdown::of(report))?;
    plots::write(report, &plots)?;
    println!("written: {}", folder.join("benchmarks.md").display());
    Ok(())
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let report = match &options.from {
        Some(path) => {
            let report = results::read(path)?;
            Report { goals: targets::of(&report.measurements, &report.counts, &report.contenders), ..report }
        }
        None => measure(options)?,
    };
    if let Some(path) = &options.results {
        results::write(&report, path)?;
    }
    if let Some(folder) = &options.report {
        write_pages(&report, folder)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let done = match Options::from_arguments() {
        Ok(Some(options)) => run(&options),
        Ok(None) => {
            print!("{USAGE}");
            Ok(())
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-run: {error}");
            ExitCode::FAILURE
        }
    }
}

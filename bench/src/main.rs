//! Runs pairs of a server and a client against each other, and reports what their calls cost. See README.md.

mod cpus;
mod options;
mod pair;
mod plan;
mod process;
mod rounds;
mod statistics;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use cpus::Cpus;
use options::{Options, USAGE};
use pair::{Experiment, Pair, Peer, baseline};
use plan::Plan;
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

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let cpus = Cpus::new()?;
    let plan = Plan::new(options, cpus.layouts());
    let peers = peers(options)?;
    let is_baseline = |pair: &Pair| Experiment::ALL.iter().any(|&experiment| baseline(experiment) == pair.name);
    let present = peers.iter().filter(|peer| peer.missing.is_none()).map(Peer::pair);
    let mut pairs = pair::ours(options).into_iter().chain(present).collect::<Vec<_>>();
    pairs.retain(|pair| is_baseline(pair) || options.wants(&pair.name));
    let folder = tempfile::tempdir()?;
    for &case in &plan.cases {
        let (measured, failed) = rounds::run(case, &pairs, &plan, &cpus, folder.path());
        print(&case.title(), &measured);
        failed.iter().for_each(|failure| println!("  {}: {}", failure.pair, failure.reason));
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

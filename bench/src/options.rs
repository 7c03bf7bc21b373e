//! The command line.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::cpus::Layout;
use crate::pair::Experiment;

pub(crate) const USAGE: &str = "\
bench-run [OPTION]...
  --quick              fewer and shorter rounds
  --only NAME,...      of latency, connect, paced, pipeline, clients, idle, placement,
                       waits
  --sizes SIZE,...     of bodies, for latency: 64, 14K, 1M
  --cores 1|2|free     client and server on one core, on two, or on any of two, instead of all ways
  --rounds N           rounds for which the programs are started once
  --starts N           how often the programs are started
  --pairs NAME,...     pairs whose names begin so, and the ones that they are compared with
  --lib NAME=DIR       also measures the C programs with the libraries in DIR; any number of times
  --programs DIR       the C programs; unless set build/bench
  --peers FILE         the manifest of peers; unless set peers.json beside the C programs
  --counts FILE        the counts; unless set counts.json beside the C programs
  --results PATH       writes all figures there; in a folder, to a file with the machine's name
  --report DIR         writes benchmarks.md and benchmarks/*.svg there
  --from PATH          measures nothing: reports the figures that --results has written there; of a folder,
                       the newest
";

pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) only: Vec<Experiment>,
    pub(crate) sizes: Option<Vec<u64>>,
    pub(crate) layout: Option<Layout>,
    pub(crate) rounds: Option<u32>,
    pub(crate) starts: Option<u32>,
    pub(crate) pairs: Vec<String>,
    pub(crate) libraries: Vec<(String, PathBuf)>,
    pub(crate) programs: PathBuf,
    pub(crate) rust_programs: PathBuf,
    pub(crate) peers: PathBuf,
    pub(crate) counts: PathBuf,
    pub(crate) results: Option<PathBuf>,
    pub(crate) report: Option<PathBuf>,
    pub(crate) from: Option<PathBuf>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

impl Options {
    /// Without any arguments.
    pub(crate) fn new(rust_programs: PathBuf) -> Self {
        Self {
            quick: false,
            only: Experiment::ALL.to_vec(),
            sizes: None,
            layout: None,
            rounds: None,
            starts: None,
            pairs: Vec::new(),
            libraries: Vec::new(),
            programs: PathBuf::from("build/bench"),
            rust_programs,
            peers: PathBuf::new(),
            counts: PathBuf::new(),
            results: None,
            report: None,
            from: None,
        }
    }

    /// Nothing if only the usage was asked for.
    pub(crate) fn from_arguments() -> Result<Option<Self>> {
        let here = env::current_exe()?;
        let mut options = Self::new(here.parent().map(Into::into).unwrap_or_default());
        let (mut peers, mut counts) = (None, None);
        let mut arguments = lexopt::Parser::from_env();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("quick") => options.quick = true,
                Long("only") => options.only = list(&arguments.value()?.string()?, experiment)?,
                Long("sizes") => options.sizes = Some(list(&arguments.value()?.string()?, size)?),
                Long("cores") => options.layout = Some(layout(&arguments.value()?.string()?)?),
                Long("rounds") => options.rounds = Some(arguments.value()?.parse()?),
                Long("starts") => options.starts = Some(arguments.value()?.parse()?),
                Long("pairs") => options.pairs = list(&arguments.value()?.string()?, |name| Ok(name.to_owned()))?,
                Long("lib") => options.libraries.push(library(&arguments.value()?.string()?)?),
                Long("programs") => options.programs = arguments.value()?.into(),
                Long("peers") => peers = Some(arguments.value()?.into()),
                Long("counts") => counts = Some(arguments.value()?.into()),
                Long("results") => options.results = Some(arguments.value()?.into()),
                Long("from") => options.from = Some(arguments.value()?.into()),
                Long("report") => options.report = Some(arguments.value()?.into()),
                Long("help") => return Ok(None),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.from.is_some() {
            return Ok(Some(options));
        }
        // Programs are looked up in the folder of this process, and libraries by their absolute paths.
        options.programs = options
            .programs
            .canonicalize()
            .map_err(|error| format!("{}: {error}: make -C bench builds the C programs", options.programs.display()))?;
        options.peers = peers.unwrap_or_else(|| options.programs.join("peers.json"));
        options.counts = counts.unwrap_or_else(|| options.programs.join("counts.json"));
        Ok(Some(options))
    }

    /// Whether a pair is wanted by name.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.pairs.is_empty() || self.pairs.iter().any(|wanted| name.starts_with(wanted))
    }
}

fn list<T>(text: &str, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    text.split(',').map(parse).collect()
}

fn experiment(name: &str) -> Result<Experiment> {
    let found = Experiment::ALL.into_iter().find(|experiment| experiment.name() == name);
    found.ok_or_else(|| format!("{name}: no such experiment").into())
}

fn size(text: &str) -> Result<u64> {
    let (number, unit) = match text.chars().last() {
        Some('K') => (text.trim_end_matches('K'), 1 << 10),
        Some('M') => (text.trim_end_matches('M'), 1 << 20),
        _ => (text, 1),
    };
    Ok(number.parse::<u64>()? * unit)
}

fn layout(text: &str) -> Result<Layout> {
    match text {
        "1" => Ok(Layout::One),
        "2" => Ok(Layout::Two),
        "free" => Ok(Layout::Free),
        _ => Err("--cores is 1, 2 or free".into()),
    }
}

fn library(text: &str) -> Result<(String, PathBuf)> {
    let (name, folder) = text.split_once('=').ok_or("--lib wants NAME=DIR")?;
    Ok((name.to_owned(), PathBuf::from(folder).canonicalize()?))
}

//! `drpc doctor`: each step from a path to an answer, and what to do about the one that fails.

use std::env;
use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::Entry;
use crate::address::{Address, Places, is_hidden, may_not_be_listed, shown};
use crate::deadline;
use crate::diagnosis::{self, Check, Question};
use crate::exit::{Exit, Failure};
use crate::options;
use crate::output::{Output, Style, escape};

pub(super) const COMMAND: Entry = Entry {
    name: "doctor",
    about: "Find out why a server does not answer, and what to do; nothing is changed",
    arguments,
    run,
};

const EXAMPLES: &str = "\
Examples:
  drpc doctor
  sudo -u alice drpc doctor agent
  drpc doctor --release 2.6 agent
  drpc doctor --json ./drpc.sock | jq '.checks[] | select(.ok | not)'

Without ADDR the agent, the server and all engines of this host are examined. Rights are those of the \
user that runs the command. A server is asked which framing it reads, and an agent for GET_ATTACH_INFO; \
both change nothing. Each step has the time of --timeout. \
The exit code is that of the first step that fails: see `drpc --help`; a version mismatch is 7.
With --json: {\"ok\", \"checks\": [{\"name\", \"ok\", \"detail\", \"cure\", \"address\"}]}; the cure is null for a good check.";

fn arguments(command: Command) -> Command {
    command
        .args([
            options::address().required(false),
            options::release().help("The release of DAOS that the servers are to be of"),
            Arg::new("sys")
                .long("sys")
                .value_name("NAME")
                .help("The name of the DAOS system, for an agent; `daos_server` or what the agent has, if left out"),
            options::timeout().help("Time for each step: 10s, 500ms, 2m; a bare number is seconds"),
            options::json(),
            options::quiet(),
        ])
        .after_help(EXAMPLES)
}

/// What is examined: a socket, or a check that is made already.
enum Subject {
    Socket { role: &'static str, path: PathBuf },
    Done(String, Check, Exit),
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let mut checks = Vec::new();
    let mut worst = Exit::Good;
    let (address, timeout) = (options::optional_address_of(matches)?, options::timeout_of(matches));
    let Some(subjects) = deadline::within(timeout, move || subjects(address)) else {
        let text = "the file system of DAOS's sockets does not answer: `findmnt` lists file systems, and one may have lost its server";
        return Err(Failure::new(Exit::NoAnswer, text));
    };
    for subject in subjects {
        let (name, role) = match &subject {
            Subject::Socket { role, path } => (shown(path), *role),
            Subject::Done(name, ..) => (name.clone(), ""),
        };
        if !output.json {
            output.line(&output.paint(Style::Bold, &escape(&name)))?;
        }
        let mut report = |check: Check| {
            if !output.json {
                write(&output, &check)?;
                progress(&output, "  …\r")?;
            }
            checks.push(json_of(&check, &name));
            Ok(())
        };
        let exit = match subject {
            Subject::Socket { path, .. } => {
                let question = Question {
                    timeout,
                    release: options::release_of(matches),
                    is_agent: role == "agent" || Address::is_agent(&path),
                    system: matches.get_one::<String>("sys").cloned(),
                };
                diagnosis::examine(&path, &question, &mut report)?
            }
            Subject::Done(_, check, exit) => {
                report(check)?;
                exit
            }
        };
        if !output.json {
            progress(&output, "   \r")?;
        }
        if worst == Exit::Good {
            worst = exit;
        }
    }
    if output.json {
        output.json(&json!({ "ok": worst == Exit::Good, "checks": checks }))?;
    }
    Ok(worst)
}

/// What an address stands for; without one, all of DAOS on this host.
fn subjects(address: Option<Address>) -> Vec<Subject> {
    let places = Places::default();
    if let Some(address) = address {
        return sockets(&address, &places, true);
    }
    let mut others = sockets(&Address::Server, &places, false);
    others.extend(sockets(&Address::Engine(None), &places, false));
    let is_asked = env::var_os("DAOS_AGENT_DRPC_DIR").is_some();
    // A host of servers need not have an agent, but where there is nothing at all, something is wrong.
    let is_needed = is_asked || others.iter().all(|subject| matches!(subject, Subject::Done(..)));
    let mut all = sockets(&Address::Agent, &places, is_needed);
    if is_asked {
        all.insert(0, environment(&places.agent));
    }
    all.extend(others);
    all
}

/// The sockets of an address that exist. Where there is none, the newest name is examined if it is needed.
fn sockets(address: &Address, places: &Places, is_needed: bool) -> Vec<Subject> {
    let (role, candidates) = (address.role(), address.candidates(places));
    let socket = |path: &PathBuf| Subject::Socket { role, path: path.clone() };
    if let Address::Path(path) = address {
        return vec![socket(path)];
    }
    let existing: Vec<_> = candidates.iter().filter(|path| path.symlink_metadata().is_ok()).map(socket).collect();
    match (candidates.first(), is_needed) {
        _ if !existing.is_empty() => existing,
        (Some(newest), is_needed) if is_needed || is_hidden(newest) => vec![socket(newest)],
        (Some(newest), _) => {
            let text = format!("this host runs none: there is no {}", shown(newest));
            vec![Subject::Done(role.to_owned(), Check::good("file", text), Exit::Good)]
        }
        (None, true) => {
            let failure = address.resolve(places).err();
            let text = failure.map_or(String::new(), |failure| failure.text);
            let (detail, cure) = text.rsplit_once(": ").unwrap_or((&text, "start it"));
            vec![Subject::Done(role.to_owned(), Check::bad("file", detail, cure), Exit::CannotConnect)]
        }
        (None, false) => {
            let text = match may_not_be_listed(&places.server) {
                true => format!("not known: this user may not list {}", shown(&places.server)),
                false => format!("this host runs none: there is no socket of one in {}", shown(&places.server)),
            };
            vec![Subject::Done(role.to_owned(), Check::good("file", text), Exit::Good)]
        }
    }
}

/// Says what the environment makes of the agent's directory.
fn environment(directory: &Path) -> Subject {
    let text = format!("DAOS_AGENT_DRPC_DIR is set: clients look for the agent in {}", shown(directory));
    Subject::Done("environment".to_owned(), Check::good("environment", text), Exit::Good)
}

fn write(output: &Output, check: &Check) -> Result<(), Failure> {
    let (mark, style) = if check.ok { ("✓", Style::Good) } else { ("✗", Style::Bad) };
    output.line(&format!("  {} {:<11} {}", output.paint(style, mark), check.name, escape(&check.detail)))?;
    match &check.cure {
        Some(cure) => output.line(&format!("    {}", escape(&format!("cure: {cure}")))),
        None => Ok(()),
    }
}

/// Shows on a terminal that more is to come. The next line is written over it.
fn progress(output: &Output, text: &str) -> Result<(), Failure> {
    if output.is_terminal() { output.bytes(text.as_bytes()) } else { Ok(()) }
}

fn json_of(check: &Check, address: &str) -> Value {
    json!({ "name": check.name, "ok": check.ok, "detail": check.detail, "cure": check.cure, "address": address })
}

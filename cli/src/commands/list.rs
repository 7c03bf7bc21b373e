//! `drpc list`: modules and methods.

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::methods::{self, Method};
use crate::options;
use crate::output::Output;
use crate::release::Release;

pub(super) const COMMAND: Entry = Entry { name: "list", about: "List the modules and methods of DAOS", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc list
  drpc list mgmt --release 2.8
  drpc list --json | jq -r '.[] | select(.class == \"read\").name'

The class says what harm a method may do: read (none), credential (a secret passes), change (of
state), danger (may cost data or a server). Columns: number, name, class, who serves it, releases.
With --json: [{\"module\", \"method\", \"name\", \"class\", \"servers\": [...], \"releases\": [...]}]";

fn arguments(command: Command) -> Command {
    command
        .args([
            Arg::new("MODULE").help("A module by name or number; all if left out"),
            options::release(),
            options::json(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let release = options::release_of(matches);
    let module = matches.get_one::<String>("MODULE").map(|name| known_module(name)).transpose()?;
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for id in methods::ids() {
        let versions: Vec<_> = id.rows().filter(|row| release.is_none_or(|release| row.release == release)).collect();
        if versions.is_empty() || module.is_some_and(|module| module != id.module) {
            continue;
        }
        let releases: Vec<Release> = versions.iter().map(|row| row.release).collect();
        let class = id.class(&releases, None).name();
        let servers = servers(&versions);
        let names: Vec<&str> = releases.iter().map(|release| release.name()).collect();
        rows.push(vec![
            format!("{}/{}", id.module, id.method),
            id.name(),
            class.to_owned(),
            servers.join(" "),
            names.join(" "),
        ]);
        objects.push(json!({
            "module": id.module, "method": id.method, "name": id.name(), "class": class,
            "servers": servers, "releases": names,
        }));
    }
    match output.json {
        true => output.json(&Value::from(objects))?,
        false => output.table(&["NUMBER", "NAME", "CLASS", "SERVER", "RELEASES"], &rows)?,
    }
    Ok(Exit::Good)
}

fn known_module(given: &str) -> Result<i32, Failure> {
    let number = methods::module_number(given);
    number.filter(|number| methods::MODULES.iter().any(|(known, _)| known == number)).ok_or_else(|| {
        let names = methods::MODULES.map(|(_, name)| name).join(", ");
        Failure::usage(format!("there is no module {given}: the modules are {names}"))
    })
}

/// Who serves a method in any of these releases.
fn servers(versions: &[&Method]) -> Vec<&'static str> {
    let mut servers: Vec<_> =
        versions.iter().flat_map(|row| row.server.split(';')).filter(|name| *name != "none").collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

//! `drpc list`: modules and methods.

use clap::{Arg, ArgMatches, Command};
use serde_json::{Value, json};

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::methods::{self, Method, MethodId};
use crate::options;
use crate::output::Output;
use crate::release::Release;

pub(super) const COMMAND: Entry = Entry { name: "list", about: "List the modules and methods of DAOS", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc list
  drpc list mgmt --release 2.8
  drpc list attach
  drpc list --json | jq -r '.[] | select(.class == \"read\").name'

The class says what harm a method may do: read (none), credential (a secret passes), change (of \
state), danger (may cost data or a server). Columns: number, name, class, who serves it, releases.
With --json: [{\"module\", \"method\", \"name\", \"class\", \"servers\": [...], \"releases\": [...]}]";

fn arguments(command: Command) -> Command {
    command
        .args([
            Arg::new("NAME").help("A module by name or number, or a part of a method's name; all if left out"),
            options::release(),
            options::json(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let release = options::release_of(matches);
    let ids = match matches.get_one::<String>("NAME") {
        Some(name) => named(name)?,
        None => methods::ids(),
    };
    let mut rows = Vec::new();
    let mut objects = Vec::new();
    for id in ids {
        let versions: Vec<_> = id.rows().filter(|row| release.is_none_or(|release| row.release == release)).collect();
        if versions.is_empty() {
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

/// The methods of a module, or those with a part of their name.
fn named(given: &str) -> Result<Vec<MethodId>, Failure> {
    let module = methods::module_number(given).filter(|number| methods::is_module(*number));
    let found: Vec<_> = match module {
        Some(module) => methods::ids().into_iter().filter(|id| id.module == module).collect(),
        None => methods::with_part(given),
    };
    if found.is_empty() {
        let names = methods::MODULES.map(|(_, name)| name).join(", ");
        return Err(Failure::usage(format!("no method has {given} in its name, and the modules are {names}")));
    }
    Ok(found)
}

/// Who serves a method in any of these releases.
fn servers(versions: &[&Method]) -> Vec<&'static str> {
    let mut servers: Vec<_> =
        versions.iter().flat_map(|row| row.server.split(';')).filter(|name| !["", "none"].contains(name)).collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

//! `drpc status`: what the kernel knows of an endpoint.

use std::path::{Path, PathBuf};

use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use super::Entry;
use crate::address::{Address, Places, is_abstract, is_hidden, shown};
use crate::deadline;
use crate::endpoint::{self, Endpoint};
use crate::exit::{Exit, Failure};
use crate::options;
use crate::output::{Output, Style, counted, escape};

pub(super) const COMMAND: Entry = Entry {
    name: "status",
    about: "Show who listens on a socket, its connections, queue and mode; nothing is sent",
    arguments,
    run,
};

const EXAMPLES: &str = "\
Examples:
  drpc status
  drpc status agent
  drpc status --json ./drpc.sock | jq .queue

Without ADDR all sockets of DAOS that are found are shown. Which process has a socket open is shown \
of your own processes, and to root of all. The exit code is 3 where no server listens. \
A server that hangs has connections with unread bytes, or a queue that does not shrink; `drpc doctor` asks it.
With --json, one line for each socket: {\"address\", \"file\": {\"type\", \"mode\", \"uid\", \"gid\", \"owner\", \"group\"}, \
\"listening\", \"socket_type\", \"servers\": [{\"pid\", \"program\", \"uid\", \"state\"}], \"queue\": {\"used\", \"limit\"}, \
\"connections\", \"unread\", \"clients\": [{\"pid\", \"program\", \"uid\", \"state\", \"connections\"}], \"displaced\": [...], \
\"all_processes_seen\"}. What is not known is null.";

fn arguments(command: Command) -> Command {
    command
        .args([
            options::address().required(false),
            options::timeout().help("Time for the file system: 10s, 500ms, 2m; a bare number is seconds"),
            options::json(),
            options::quiet(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let timeout = options::timeout_of(matches);
    let mut exit = Exit::Good;
    let address = options::optional_address_of(matches)?;
    let silent = || Failure::new(Exit::NoAnswer, "the file system of the socket has not answered in time");
    for path in deadline::within(timeout, move || paths(address)).ok_or_else(silent)?? {
        let looked = {
            let path = path.clone();
            deadline::within(timeout, move || Endpoint::look(&path))
        };
        let endpoint = match looked {
            Some(Ok(endpoint)) => endpoint,
            Some(Err(error)) => {
                return Err(Failure::not_understood(format!("the kernel does not list its sockets: {error}")));
            }
            None => {
                let text = format!("status {}: the file system has not answered in time", shown(&path));
                return Err(Failure::new(Exit::NoAnswer, text));
            }
        };
        if endpoint.listeners.is_empty() {
            exit = Exit::CannotConnect;
        }
        if output.json { output.json(&json_of(&path, &endpoint))? } else { write(&output, &path, &endpoint)? }
    }
    Ok(exit)
}

/// The socket that was asked for, or all sockets of DAOS.
fn paths(address: Option<Address>) -> Result<Vec<PathBuf>, Failure> {
    let places = Places::default();
    if let Some(address) = address {
        return Ok(match address {
            Address::Engine(None) => {
                let all = address.candidates(&places);
                if all.is_empty() { vec![address.resolve(&places)?] } else { all }
            }
            _ => vec![address.resolve(&places)?],
        });
    }
    let all = [Address::Agent, Address::Server, Address::Engine(None)];
    let candidates = all.iter().flat_map(|address| address.candidates(&places));
    let existing: Vec<_> = candidates.filter(|path| path.symlink_metadata().is_ok() || is_hidden(path)).collect();
    match existing.is_empty() {
        false => Ok(existing),
        true => {
            let (agent, server) = (shown(&places.agent), shown(&places.server));
            let text = format!("there is no socket of DAOS in {agent} or {server}: give the path of one");
            Err(Failure::new(Exit::CannotConnect, text))
        }
    }
}

fn json_of(path: &Path, endpoint: &Endpoint) -> Value {
    let file = endpoint.file.as_ref().map(|file| {
        use std::os::unix::fs::MetadataExt;
        json!({ "type": endpoint::type_name(file), "mode": endpoint::mode(file), "uid": file.uid(), "gid": file.gid(),
            "owner": endpoint::owner(file), "group": endpoint::group(file) })
    });
    let clients = endpoint.clients().into_iter().map(|(process, count)| {
        let mut json = process.json();
        if let Some(fields) = json.as_object_mut() {
            fields.insert("connections".to_owned(), count.into());
        }
        json
    });
    let displaced = endpoint.displaced.iter().flat_map(|socket| endpoint.holders.of(socket.inode));
    json!({
        "address": shown(path),
        "file": file,
        "listening": endpoint.hidden_by.is_none().then_some(!endpoint.listeners.is_empty()),
        "socket_type": endpoint.listeners.first().map(|socket| socket.kind),
        "servers": endpoint.servers().into_iter().map(|process| process.json()).collect::<Vec<_>>(),
        "queue": endpoint.queue.map(|queue| json!({ "used": queue.used, "limit": queue.limit })),
        "connections": endpoint.connections.len(),
        "unread": endpoint.unread(),
        "clients": clients.collect::<Vec<_>>(),
        "displaced": displaced.map(|process| process.json()).collect::<Vec<_>>(),
        "all_processes_seen": !endpoint.holders.is_partial,
    })
}

fn write(output: &Output, path: &Path, endpoint: &Endpoint) -> Result<(), Failure> {
    output.line(&output.paint(Style::Bold, &escape(&shown(path))))?;
    let row = |name: &str, text: &str| output.line(&format!("  {name:<12} {text}", text = escape(text)));
    match &endpoint.file {
        Some(file) => row("file", &format!("{}, {}", endpoint::type_name(file), endpoint::describe_mode(file)))?,
        None if is_abstract(path) => row("file", "none, as the name is abstract")?,
        None => match &endpoint.hidden_by {
            Some(directory) => {
                row("file", &format!("not seen: {} does not let this user go through it", shown(directory)))?;
            }
            None => row("file", "none: no such file or directory")?,
        },
    }
    for socket in &endpoint.displaced {
        row(
            "displaced",
            &format!("{}; the socket's file has been removed or replaced", endpoint.describe_holders(socket)),
        )?;
    }
    if endpoint.listeners.is_empty() {
        return match endpoint.hidden_by {
            Some(_) => row("server", "not known, as the file is not seen"),
            None => row("server", "none listens in this network namespace"),
        };
    }
    for socket in &endpoint.listeners {
        let kind = if socket.kind == "seqpacket" { String::new() } else { format!(", a {} socket", socket.kind) };
        row("server", &format!("{}{kind}", endpoint.describe_holders(socket)))?;
    }
    if let Some(queue) = endpoint.queue {
        let limit = queue.limit.map_or(String::new(), |limit| format!(" of {limit}"));
        row("queue", &format!("{}{limit} wait to be accepted", queue.used))?;
    }
    let clients = endpoint.clients();
    let known: usize = clients.iter().map(|(_, count)| count).sum();
    let mut rows: Vec<_> =
        clients.iter().map(|(process, count)| format!("{count} of {}", process.describe())).collect();
    if known < endpoint.connections.len() {
        rows.push(format!("{} of processes that are not shown", endpoint.connections.len() - known));
    }
    let from = if rows.is_empty() { String::new() } else { format!(": {}", rows.join("; ")) };
    row("connections", &format!("{}{from}", endpoint.connections.len()))?;
    match endpoint.unread() {
        Some(0) | None => Ok(()),
        Some(unread) => {
            row("unread", &format!("{} with bytes that the server has not read", counted(unread, "connection")))
        }
    }
}

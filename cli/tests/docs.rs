//! The examples of `docs/drpc.md`, run as they stand.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use drpc::{Existing, Failure, Server};

use crate::support::{Folder, Handled, finish, for_everyone, is_root, silent};

/// The agent of the examples.
fn management(_: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
    match body {
        b"\x0a\x05other" => Ok(b"\x08\x95\xf8\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
        _ => Ok(b"\x12\x18\x08\x01\x12\x12ofi+tcp://10.0.0.1\x20\x02\x1a\x01\x01\x28\x07".to_vec()),
    }
}

fn credential(_: i32, _: &[u8]) -> Result<Vec<u8>, Failure> {
    Ok(b"\x12\x18\x0a\x07\x08\x01\x12\x03tok\x12\x05\x12\x03ver\x1a\x06myhost".to_vec())
}

/// A command and what it prints.
type Example = (String, String);

/// The examples of each block of `console`.
fn examples(page: &str) -> Vec<Vec<Example>> {
    let mut blocks: Vec<Vec<Example>> = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        match (is_inside, line.strip_prefix("$ ")) {
            (false, _) if line == "```console" => {
                is_inside = true;
                blocks.push(Vec::new());
            }
            (false, _) => {}
            (true, _) if line == "```" => is_inside = false,
            (true, Some(command)) => blocks.last_mut().unwrap().push((command.to_owned(), String::new())),
            (true, None) => {
                let (_, output) = blocks.last_mut().unwrap().last_mut().unwrap();
                *output += line;
                output.push('\n');
            }
        }
    }
    blocks
}

/// Examples of another user, as root runs them. Only root may become another user, and needs no sudo for it.
fn as_nobody(block: Vec<Example>) -> Vec<Example> {
    let other = |(line, expected): Example| match line.strip_prefix("sudo -u nobody ") {
        Some(_) if !is_root() => None,
        Some(command) => Some((format!("setpriv --reuid 65534 --regid 65534 --clear-groups {command}"), expected)),
        None => Some((line, expected)),
    };
    block.into_iter().filter_map(other).collect()
}

/// What stands between the outputs of two commands.
const END: &str = "\u{1}\n";

/// The commands of a block for one shell. A server in the background is waited for: its output goes to a file.
fn script(block: &[Example]) -> String {
    let one = |(command, _): &Example| {
        let wait = match command.strip_suffix(" &").and_then(|server| server.rsplit_once('>')) {
            Some((_, file)) => format!("until [ -s {file} ]; do sleep 0.01; done"),
            None => String::new(),
        };
        format!("{{ {command}\n}} 2>&1\n{wait}\nprintf '{END}'\n")
    };
    block.iter().map(one).collect()
}

/// A line of `drpc bench` without what was measured.
fn without_measures(line: &str) -> &str {
    match line.split_once(['\t', ' ']) {
        Some((name, _))
            if line.contains('\t')
                && ["calls/s", "min", "p50", "p75", "p90", "p99", "p99.9", "p99.99", "max"].contains(&name) =>
        {
            name
        }
        _ if line.contains('█') || line.contains(" – ") => "",
        Some((calls, rest)) if rest.starts_with("calls in ") => calls,
        _ => line,
    }
}

/// A text in which words that differ from run to run are alike: process ids, times, dates, users, modes, limits.
fn normal(text: &str) -> String {
    let comm = fs::read_to_string("/proc/self/comm").unwrap();
    let mut words = Vec::new();
    let lines: Vec<_> = text.lines().map(without_measures).collect();
    for word in lines.join("\n").trim_end().replace(comm.trim_end(), "daos_agent").split(' ') {
        let varies = |before: &str| words.last().is_some_and(|last: &String| last.ends_with(before));
        let varying = ["since", "pid", "uid", "-p", "mode", "owner", "group", "of"];
        words.push(if varying.iter().any(|before| varies(before)) { "N".to_owned() } else { word.to_owned() });
        if word.starts_with("µs") {
            let at = words.len() - 2;
            words[at] = "N".to_owned();
        }
    }
    let text = words.join(" ");
    match text.split_once("\"elapsed_us\":") {
        Some((before, rest)) => {
            format!("{before}{}", rest.trim_start_matches(|character: char| character.is_ascii_digit()))
        }
        None => text,
    }
}

#[test]
fn the_examples_of_the_page_are_true() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/drpc.md")).unwrap();
    let folder = Folder::new();
    let builder = Server::builder().module(Handled(2, management)).module(Handled(1, credential));
    let server = builder.existing(Existing::ReplaceStale).bind(folder.at("daos_agent.sock")).unwrap();
    server.start().unwrap();
    let _silent = silent(folder.at("silent.sock"));
    fs::set_permissions(folder.at("silent.sock"), Permissions::from_mode(0o755)).unwrap();
    drop(silent(folder.at("stale.sock")));
    let program = Path::new(env!("CARGO_BIN_EXE_drpc")).parent().unwrap();
    let _private = silent(folder.at("private.sock"));
    fs::set_permissions(folder.at("private.sock"), Permissions::from_mode(0o600)).unwrap();
    for_everyone(&folder);
    let blocks = examples(&page).into_iter().map(as_nobody).filter(|block| !block.is_empty()).collect::<Vec<_>>();
    assert!(blocks.len() > 5, "{blocks:?}");
    for block in blocks {
        let says = || {
            // Commands of the page run in the folder of the sockets, by a shell that finds the program.
            let mut run = Command::new("sh");
            let path = format!("{}:{}:{}", folder.at(""), program.display(), std::env::var("PATH").unwrap());
            run.args(["-c", &script(&block)]).current_dir(folder.at("")).env("PATH", path);
            run.env("DAOS_AGENT_DRPC_DIR", ".").env_remove("DRPC_FRAMING");
            finish(run, b"").stdout.replace("./daos_agent.sock", "daos_agent.sock")
        };
        // A process that another test starts has this one's sockets, too, until it runs its program, and `status` names it.
        let is_starting =
            |said: &String| said.lines().any(|line| line.trim().starts_with("server") && line.contains("; pid"));
        let said = (0..20).map(|_| says()).find(|said| !is_starting(said)).unwrap_or_else(says);
        for ((command, expected), found) in block.iter().zip(said.split(END)) {
            assert_eq!(normal(found), normal(expected), "$ {command}\n{found}");
        }
        assert_eq!(said.matches(END).count(), block.len(), "{said}");
    }
}

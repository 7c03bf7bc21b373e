//! Help, completions, manual pages, and output in a pipe.

use std::fs;
use std::process::Command;

use drpc::Framing;

use crate::support::{Folder, Run, command as program, drpc, finish, serve, silent};

const COMMANDS: [&str; 13] = [
    "call",
    "ping",
    "serve",
    "bench",
    "status",
    "doctor",
    "list",
    "describe",
    "template",
    "decode",
    "errno",
    "completions",
    "man",
];

/// Runs a program that `scripts/setup.sh check` installs where it is missing.
fn sh(program: &str, arguments: &[&str], input: &str) -> Run {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success();
    assert!(found, "{program} is not installed: type scripts/setup.sh check");
    let mut command = Command::new(program);
    command.args(arguments);
    finish(command, input.as_bytes())
}

/// Where the sockets of engines are.
const SERVER: &str = "/var/run/daos_server";

/// A folder with the sockets of two engines, to take its place.
fn with_engines() -> Folder {
    let folder = Folder::new();
    folder.write("daos_engine_7.sock", "");
    folder.write("daos_io_server_42.sock", "");
    folder
}

#[test]
fn each_command_has_help_with_examples() {
    let all = drpc(["--help"]);
    for command in COMMANDS {
        assert!(all.good().contains(&format!("\n  {command} ")), "{command}");
        let help = drpc([command, "--help"]);
        assert!(help.good().contains("Examples:\n  ") && help.stdout.contains(&format!("drpc {command}")), "{help:?}");
        for width in [60, 80, 100] {
            let mut narrow = program([command, "--help"]);
            narrow.env("COLUMNS", width.to_string());
            let help = finish(narrow, b"");
            let wide = help.good().lines().filter(|line| line.chars().count() > width).collect::<Vec<_>>();
            assert_eq!(wide, Vec::<&str>::new());
        }
    }
    assert_eq!(drpc(["help", "call"]).good(), drpc(["call", "--help"]).good());
    assert_eq!(drpc(["help"]).good(), all.stdout);
    assert!(drpc(Vec::<&str>::new()).failure(2).contains("Usage: drpc"));
    assert!(drpc(["pong"]).failure(2).contains("a similar subcommand exists: 'ping'"));
}

#[test]
fn bash_completes_commands_options_addresses_and_methods() {
    let folder = with_engines();
    let script = drpc(["completions", "bash"]).good().replace(SERVER, folder.at("").trim_end_matches('/'));
    let complete = |words: &str| {
        let word_list = words.split(' ').map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
        let ask = format!(
            "{script}\nCOMP_WORDS=({word_list}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _drpc drpc \"${{COMP_WORDS[COMP_CWORD]}}\" \
             \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        sh("bash", &["-c", &ask], "").good().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("drpc pi"), ["ping"]);
    assert_eq!(complete("drpc call ag"), ["agent"]);
    assert_eq!(complete("drpc status engi"), ["engine", "engine:7", "engine:42"]);
    // Bash takes a colon for a word.
    assert_eq!(complete("drpc call engine :"), ["7", "42"]);
    assert_eq!(complete("drpc call engine : 4"), ["42"]);
    assert_eq!(complete("drpc call agent mgmt.get_at"), ["mgmt.get_attach_info"]);
    assert_eq!(complete("drpc template sec.v"), ["sec.validate_creds"]);
    assert_eq!(complete("drpc call --ti"), ["--timeout"]);
    assert_eq!(complete("drpc list --release 2"), ["2.6", "2.8"]);
}

#[test]
fn zsh_and_fish_read_their_completions() {
    let zsh = drpc(["completions", "zsh"]).good().to_owned();
    assert!(
        zsh.contains("_drpc_addresses()") && zsh.contains(":_drpc_addresses'") && zsh.contains("mgmt.get_attach_info")
    );
    assert_eq!(sh("zsh", &["-n"], &zsh).code, 0);
    let folder = with_engines();
    let here = folder.at("");
    let function = zsh.split("\n\n").find(|function| function.starts_with("_drpc_addresses()")).unwrap();
    let function = function.replace(SERVER, here.trim_end_matches('/'));
    let ask = format!("_alternative() {{ echo $drpc_words }}\n{function}\n_drpc_addresses");
    assert_eq!(sh("zsh", &["-f", "-c", &ask], "").good(), "agent server engine engine:7 engine:42\n");
    let none = ask.replace(here.trim_end_matches('/'), "/nonexistent");
    assert_eq!(sh("zsh", &["-f", "-c", &none], "").good(), "agent server engine\n");
    let fish = drpc(["completions", "fish"]).good().replace(SERVER, here.trim_end_matches('/'));
    let complete = |words: &str| {
        let ask = format!("{fish}\ncomplete -C '{words}'");
        sh("fish", &["-c", &ask], "").good().to_owned()
    };
    assert!(complete("drpc call agent mgmt.get_at").contains("mgmt.get_attach_info"));
    let engines = complete("drpc call engi");
    assert!(["engine\n", "engine:7\n", "engine:42\n"].iter().all(|word| engines.contains(word)), "{engines}");
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = Folder::new();
    drpc(["man", &folder.at("")]).good();
    assert!(drpc(["man"]).good().contains(".TH DRPC 1 2026-11-30"));
    for page in COMMANDS.map(|command| format!("drpc-{command}.1")).into_iter().chain(["drpc.1".to_owned()]) {
        let text = fs::read_to_string(folder.at(&page)).unwrap();
        assert!(text.contains(".TH") && text.contains("SYNOPSIS"), "{page}");
        let run = sh("mandoc", &["-T", "lint", "-W", "warning", &folder.at(&page)], "");
        assert_eq!(run.code, 0, "{run:?}");
    }
    assert!(drpc(["man", "/nonexistent"]).failure(2).contains("/nonexistent/drpc"));
}

#[test]
fn a_reader_that_goes_early_is_no_failure() {
    let program = env!("CARGO_BIN_EXE_drpc");
    let run = sh("bash", &["-c", &format!("{program} list | head -1; echo ${{PIPESTATUS[0]}}")], "");
    assert_eq!(run.good(), "0/0\ttest.greeting\tread\ttest\t0.8 2.6 2.8\n0\n");
    assert_eq!(run.stderr, "");
}

/// Who waits for more than a second sees that, and the line goes at the end.
#[test]
fn a_terminal_shows_that_an_answer_is_waited_for() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = silent(&path);
    for command in ["ping", "call --release 2.8"] {
        let run = |time| {
            let line = format!("{} {command} --timeout {time} {path}", env!("CARGO_BIN_EXE_drpc"));
            let line = if command == "ping" { line } else { format!("{line} 2/206") };
            sh("script", &["-qec", &line, "/dev/null"], "").stdout
        };
        let said = Some(run("1500ms")).filter(|said| said.contains("for 1 s")).unwrap_or_else(|| run("10s"));
        assert!(said.contains(&format!("\r\x1b[K{path}: no answer for 1 s")), "{said}");
        assert!(said.contains("\r\x1b[K\x1b[31mdrpc:\x1b[0m reply "), "{said}");
    }
}

/// The histogram of a load keeps to the terminal.
#[test]
fn a_narrow_terminal_has_short_bars() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, |_, _| Ok(Vec::new()));
    let bars = |columns: u32| {
        let drpc = env!("CARGO_BIN_EXE_drpc");
        let line = format!("stty cols {columns}; NO_COLOR=1 {drpc} bench {path} mgmt.ping_rank -n 100");
        let said = sh("script", &["-qec", &line, "/dev/null"], "").good().replace('\r', "");
        said.lines().map(|line| line.matches('█').count()).max().unwrap()
    };
    assert_eq!((bars(50), bars(200)), (18, 40));
}

/// A terminal has colours and columns, unless NO_COLOR says otherwise.
#[test]
fn a_terminal_has_colours() {
    let program = env!("CARGO_BIN_EXE_drpc");
    let on_terminal = |before: &str| {
        let line = format!("{before} TERM=xterm {program} list sec");
        sh("script", &["-qec", &line, "/dev/null"], "").good().replace('\r', "")
    };
    let columns = "NUMBER  NAME                CLASS       SERVER  RELEASES";
    let row = "4/401   sec.validate_creds  credential  server  0.8 2.6 2.8\n";
    assert_eq!(on_terminal(""), format!("\x1b[1m{columns}\x1b[0m\n{row}"));
    assert_eq!(on_terminal("NO_COLOR=1"), format!("{columns}\n{row}"));
}

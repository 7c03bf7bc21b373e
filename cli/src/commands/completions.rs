//! `drpc completions`: the completions of a shell.

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::options;
use crate::output::Output;

pub(super) const COMMAND: Entry =
    Entry { name: "completions", about: "Write the completions of a shell to stdout", arguments, run };

const EXAMPLES: &str = "\
Examples:
  source <(drpc completions bash)
  drpc completions zsh >~/.zfunc/_drpc
  drpc completions fish >~/.config/fish/completions/drpc.fish";

fn arguments(command: Command) -> Command {
    command
        .arg(Arg::new("SHELL").required(true).value_parser(["bash", "zsh", "fish"]).help("The shell"))
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let shell = match matches.get_one::<String>("SHELL").map(String::as_str) {
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => Shell::Bash,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::program(), "drpc", &mut script);
    let script = String::from_utf8_lossy(&script);
    let script = match shell {
        Shell::Zsh => with_socket_files(&script),
        Shell::Fish => with_words(&script),
        _ => script.into_owned(),
    };
    Output::of(matches).bytes(script.as_bytes())?;
    Ok(Exit::Good)
}

/// The generated script of zsh offers either words or files. An address may be one of the words, or a socket file.
fn with_socket_files(script: &str) -> String {
    let roles = options::addresses().join(" ");
    let function =
        format!("_drpc_addresses() {{\n    _alternative 'roles:role:({roles})' 'files:socket:_files'\n}}\n\n");
    let script = script.replace(&format!(":({roles})'"), ":_drpc_addresses'");
    match script.split_once("\n\n") {
        Some((head, rest)) => format!("{head}\n\n{function}{rest}"),
        None => script,
    }
}

/// The generated script of fish leaves the words out.
fn with_words(script: &str) -> String {
    let mut script = script.to_owned();
    let mut program = super::program();
    program.build();
    for command in program.get_subcommands() {
        for words in command.get_positionals().map(|argument| argument.get_possible_values()) {
            let words = words.iter().map(|word| word.get_name()).collect::<Vec<_>>().join(" ");
            if !words.is_empty() {
                let condition = format!("__fish_drpc_using_subcommand {}", command.get_name());
                script += &format!("complete -c drpc -n \"{condition}\" -a \"{words}\"\n");
            }
        }
    }
    script
}

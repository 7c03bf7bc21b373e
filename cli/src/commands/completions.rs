//! `drpc completions`: the completions of a shell.

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;

use super::Entry;
use crate::exit::{Exit, Failure};
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
    Output::of(matches).bytes(&script)?;
    Ok(Exit::Good)
}

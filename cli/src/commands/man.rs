//! `drpc man`: manual pages.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(super) const COMMAND: Entry = Entry { name: "man", about: "Write the manual pages", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc man | man -l -
  drpc man /usr/local/share/man/man1";

fn arguments(command: Command) -> Command {
    command
        .arg(
            Arg::new("DIR")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("The directory for drpc.1 and a page for each command; without it drpc.1 goes to stdout"),
        )
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let mut program = super::program();
    match matches.get_one::<PathBuf>("DIR") {
        Some(directory) => {
            clap_mangen::generate_to(program, directory)
                .map_err(|error| Failure::usage(format!("{}: {error}", directory.display())))?;
        }
        None => {
            program.build();
            let mut page = Vec::new();
            clap_mangen::Man::new(program).render(&mut page)?;
            Output::of(matches).bytes(&page)?;
        }
    }
    Ok(Exit::Good)
}

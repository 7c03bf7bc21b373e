//! `drpc errno`: the name of a DAOS error number.

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::options;
use crate::output::Output;

pub(super) const COMMAND: Entry = Entry { name: "errno", about: "Say what a DAOS error number means", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc errno -1003
  drpc errno 2008 --json

With --json: {\"number\", \"name\", \"meaning\"}";

fn arguments(command: Command) -> Command {
    command
        .args([
            Arg::new("N")
                .required(true)
                .allow_negative_numbers(true)
                .value_parser(value_parser!(i32))
                .help("The number, as functions and answers have it (negative) or as the header has it"),
            options::json(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let number: i32 = matches.get_one("N").copied().unwrap_or_default();
    let Some((name, meaning)) = known(number) else {
        return Err(Failure::usage(format!("{number} is not a DAOS error number")));
    };
    match output.json {
        true => output.json(&json!({ "number": number, "name": name, "meaning": meaning }))?,
        false => output.line(&format!("{number} {name}: {meaning}"))?,
    }
    Ok(Exit::Good)
}

/// The name and the meaning of a DAOS error number, of either sign.
pub(crate) fn known(number: i32) -> Option<(&'static str, &'static str)> {
    drpc::der::text(number).to_str().ok()?.split_once(": ")
}

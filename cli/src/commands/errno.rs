//! `drpc errno`: the name of a DAOS error number, or of a dRPC status.

use std::ops::RangeInclusive;

use clap::{Arg, ArgMatches, Command};
use drpc::Status;
use drpc::der::DER_UNKNOWN;
use serde_json::json;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::options;
use crate::output::Output;

pub(super) const COMMAND: Entry =
    Entry { name: "errno", about: "Say what a DAOS error number or a dRPC status means", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc errno -1003
  drpc errno 5
  drpc errno DER_BUSY
  drpc errno 2008 --json

Numbers from 1 to 7 are those of a dRPC status, which an answer has beside its body.
With --json: {\"number\", \"name\", \"meaning\"}";

fn arguments(command: Command) -> Command {
    command
        .args([
            Arg::new("N")
                .required(true)
                .allow_negative_numbers(true)
                .help("The number, as answers have it (negative) or as the header has it; or its name"),
            options::json(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let given = matches.get_one::<String>("N").map(String::as_str).unwrap_or_default();
    let found = match given.parse() {
        Ok(number) => numbered(number),
        Err(_) => named(given),
    };
    let Some((number, name, meaning)) = found else {
        return Err(Failure::usage(format!("{given} is neither a DAOS error number nor a dRPC status")));
    };
    match output.json {
        true => output.json(&json!({ "number": number, "name": name, "meaning": meaning }))?,
        false => output.line(&format!("{number} {name}: {meaning}"))?,
    }
    Ok(Exit::Good)
}

/// Where DAOS error numbers are: those of gurt, those of DAOS, and one of their own.
const NUMBERS: [RangeInclusive<i32>; 3] = [0..=1999, 2000..=2999, DER_UNKNOWN..=DER_UNKNOWN];

type Found = (i32, &'static str, &'static str);

fn numbered(number: i32) -> Option<Found> {
    let of_status = || Status::try_from(number).ok().map(|status| (number, status.as_str_name(), meaning(status)));
    known(number).map(|(name, meaning)| (number, name, meaning)).or_else(of_status)
}

/// The number of a name in any case, with and without `DER_`. It is negative, as answers have it.
fn named(given: &str) -> Option<Found> {
    let given = given.to_uppercase();
    let status = Status::from_str_name(&given).filter(|status| *status != Status::Success);
    if let Some(status) = status {
        return numbered(status.into());
    }
    let is_it = |(_, name, _): &Found| *name == given || name.strip_prefix("DER_") == Some(&given);
    NUMBERS.into_iter().flatten().filter_map(|number| numbered(-number)).find(is_it)
}

fn meaning(status: Status) -> &'static str {
    match status {
        Status::Success => "the call has a result",
        Status::Submitted => "the call has been taken, and has no result yet",
        Status::Failure => "the call failed in the server, whose log may say why",
        Status::UnknownModule => "the server does not serve the module",
        Status::UnknownMethod => "the server does not serve the method",
        Status::FailedUnmarshalCall => "the server could not read the call",
        Status::FailedUnmarshalPayload => "the server could not read the body of the call",
        Status::FailedMarshal => "the server could not send its answer",
    }
}

/// The name and the meaning of a DAOS error number, of either sign.
pub(crate) fn known(number: i32) -> Option<(&'static str, &'static str)> {
    drpc::der::text(number).to_str().ok()?.split_once(": ")
}

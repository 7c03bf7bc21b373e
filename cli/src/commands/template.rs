//! `drpc template`: the body of a call, to be filled in.

use clap::{ArgMatches, Command};
use serde_json::json;

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::messages;
use crate::methods;
use crate::options;
use crate::output::Output;
use crate::skeleton;

pub(super) const COMMAND: Entry =
    Entry { name: "template", about: "Write the JSON of a method's call, to be filled in", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc template mgmt.pool_query
  drpc template mgmt.get_attach_info --release 2.6 >call.json

Without --release it is the newest release that has the method. Every field has its zero; a list has \
one element, and of a choice (oneof) the first alternative is there. The output is JSON anyway.";

fn arguments(command: Command) -> Command {
    command.args([options::method(), options::release()]).after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let method = methods::find(&options::method_of(matches))?;
    let row = super::describe::row_of(method, options::release_of(matches))?;
    let json = match row.request {
        Some(name) => skeleton::of(&messages::message(row.release, name)?),
        None => json!({}),
    };
    Output::of(matches).pretty_json(&json)?;
    Ok(Exit::Good)
}

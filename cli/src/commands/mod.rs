//! The commands, one in each file.

mod bench;
mod call;
mod completions;
mod decode;
mod describe;
mod doctor;
mod errno;
mod list;
mod man;
mod ping;
mod serve;
mod status;
mod template;

use clap::{ArgMatches, Command};

use crate::exit::{Exit, Failure};

/// A command: its name, a line about it, its arguments, and what it does.
struct Entry {
    name: &'static str,
    about: &'static str,
    arguments: fn(Command) -> Command,
    run: fn(&ArgMatches) -> Result<Exit, Failure>,
}

/// The commands, as `drpc --help` lists them.
const ALL: &[Entry] = &[
    call::COMMAND,
    ping::COMMAND,
    serve::COMMAND,
    bench::COMMAND,
    status::COMMAND,
    doctor::COMMAND,
    list::COMMAND,
    describe::COMMAND,
    template::COMMAND,
    decode::COMMAND,
    errno::COMMAND,
    completions::COMMAND,
    man::COMMAND,
];

const ABOUT: &str = "Calls, lists and diagnoses any dRPC endpoint";

const MORE: &str = "\
Examples:
  drpc ping agent
  drpc doctor
  drpc call agent mgmt.get_attach_info
  drpc list attach

`drpc COMMAND --help` has more.

Exit codes:
  0  good
  2  wrong arguments; an unknown method or field; a dangerous method without --yes
  3  cannot connect
  4  no answer in time
  5  the dRPC status of the answer is not SUCCESS
  6  the body of the answer has the code of a failure
  7  the answer, or the input, is not understood

Environment:
  DAOS_AGENT_DRPC_DIR  the directory of the agent's socket
  DRPC_FRAMING         datagram or chunked: what `call` and `bench` then do not ask for
  NO_COLOR             no colours";

/// The widest that help gets.
const WIDTH: usize = 100;

/// The program with all commands. The arguments of a command are made when it is asked for.
pub fn program() -> Command {
    let commands = ALL.iter().map(|entry| Command::new(entry.name).about(entry.about).defer(entry.arguments));
    Command::new("drpc")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(MORE)
        .max_term_width(WIDTH)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands(commands)
}

/// Runs the command that was asked for.
pub fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let Some((name, matches)) = matches.subcommand() else { return Ok(Exit::Usage) };
    match ALL.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.run)(matches),
        None => Ok(Exit::Usage),
    }
}

/// The name of a DAOS error number, of either sign.
pub(crate) fn der_name(number: i32) -> Option<&'static str> {
    errno::known(number).map(|(name, _)| name)
}

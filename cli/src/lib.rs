//! The command `drpc`.
//!
//! Each command is a file in [`commands`], with its arguments and what it does. Beside them stand what several share:
//! [`address`] finds sockets, [`methods`] knows numbers, names and dangers, [`messages`] turns bodies into JSON and back,
//! [`output`] writes to terminals and pipes, [`exit`] has the exit codes, [`options`] the arguments.

pub mod address;
pub mod answer;
pub mod attach_info;
pub mod bench;
pub mod body;
pub mod commands;
pub mod deadline;
pub mod diagnosis;
pub mod endpoint;
pub mod exit;
pub mod input;
pub mod interrupt;
pub mod json;
pub mod messages;
pub mod methods;
pub mod options;
pub mod output;
pub mod own_messages;
pub mod path_walk;
pub mod peer;
pub mod probe;
pub mod processes;
pub mod records;
pub mod release;
pub mod secrets;
pub mod serve;
pub mod skeleton;
pub mod unix_sockets;
pub mod waiting;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::exit::Exit;

/// Runs the program with its arguments, of which the first is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = help_as_option(arguments.into_iter().collect());
    let matches = match commands::program().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Nothing can be said where the terminal has gone.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Good }.into();
        }
    };
    match commands::run(&matches) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if !failure.text.is_empty() {
                output::complain(&failure.text);
            }
            failure.exit.into()
        }
    }
}

/// `drpc help call` is `drpc call --help`.
fn help_as_option(mut arguments: Vec<OsString>) -> Vec<OsString> {
    if arguments.get(1).is_some_and(|first| first == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    arguments
}

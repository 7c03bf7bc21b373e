//! `drpc`: calls, lists and diagnoses any dRPC endpoint from the shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    drpc_cli::run(std::env::args_os())
}

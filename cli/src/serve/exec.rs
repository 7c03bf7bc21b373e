//! Commands that answer calls.

use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use drpc::{Call, Credentials};

use crate::methods::MethodId;

/// Runs a shell command with a body on its stdin; its stdout is the result. Its stderr is that of the server.
pub fn run(command: &OsStr, call: &Call, peer: Credentials, input: &[u8]) -> Result<Vec<u8>, String> {
    let method = MethodId { module: call.module, method: call.method };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .env("DRPC_METHOD", method.name())
        .env("DRPC_NUMBER", format!("{}/{}", call.module, call.method))
        .env("DRPC_PEER_PID", peer.pid.to_string())
        .env("DRPC_PEER_UID", peer.uid.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("sh: {error}"))?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        // The command may write before it has read all. One that does not read is none to complain of.
        scope.spawn(|| stdin.map(|mut stdin| stdin.write_all(input)));
        child.wait_with_output()
    });
    match output {
        Ok(output) if output.status.success() => Ok(output.stdout),
        Ok(output) => Err(output.status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

//! Tests that need a process of their own, with limits or descriptors that the harness must not have.

use std::env;
use std::process::{Command, Stdio};

/// Says to a test that it runs in a process of its own.
const ALONE: &str = "DRPC_TEST_ALONE";

/// This is the process that `run_alone` has started.
pub(crate) fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

/// Runs a test of this program once more in another process, which a shell makes ready with `prelude`, and gives it
/// `stdin`.
pub(crate) fn run_alone(test: &str, prelude: &str, stdin: Stdio) {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{prelude}\nexec \"$@\""), "sh"]).arg(env::current_exe().unwrap());
    let output = shell.args(["--exact", test, "--nocapture"]).env(ALONE, "1").stdin(stdin).output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text.lines().filter(|line| line.starts_with("# ")).for_each(|line| println!("{line}"));
}

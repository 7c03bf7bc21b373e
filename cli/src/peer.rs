//! The process at the other end, in words.

use std::path::Path;

/// A process and its user. The kernel gives no process id across a process namespace.
pub fn describe(pid: i32, uid: u32) -> String {
    match program(pid) {
        Some(program) => format!("pid {pid} ({program}), uid {uid}"),
        None if pid > 0 => format!("pid {pid}, uid {uid}"),
        None => format!("a process of another namespace, uid {uid}"),
    }
}

/// The name of the program that a process runs.
pub fn program(pid: i32) -> Option<String> {
    let name = std::fs::read(Path::new("/proc").join(pid.to_string()).join("comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}

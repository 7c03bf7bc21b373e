//! Processes, as /proc shows them: what they run, and which sockets they have open.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde_json::{Value, json};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name of the program that it runs, which a process may change.
    pub program: String,
    /// Its effective user.
    pub uid: u32,
    /// What it does, by a letter as in `T`; proc(5) lists them.
    pub state: char,
}

impl Process {
    /// The process of this number, if there is one.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read(Path::new("/proc").join(pid.to_string()).join("status")).ok()?;
        let status = String::from_utf8_lossy(&status).into_owned();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Self {
            pid,
            program: field("Name:")?.to_owned(),
            uid: field("Uid:")?.split_whitespace().nth(1)?.parse().ok()?,
            state: field("State:")?.chars().next()?,
        })
    }

    /// The state in a word.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            'R' => "running",
            'S' | 'I' => "sleeping",
            'D' => "waiting for a device",
            'T' => "stopped",
            't' => "stopped by a debugger",
            'Z' | 'X' => "dead",
            _ => "in another state",
        }
    }

    /// True if it neither runs nor waits as processes do.
    pub fn is_held(&self) -> bool {
        !matches!(self.state, 'R' | 'S' | 'I')
    }

    /// The process in words. The state is left out where it is as usual.
    pub fn describe(&self) -> String {
        let state = if self.is_held() { format!(", {}", self.state_name()) } else { String::new() };
        format!("pid {} ({}), uid {}{state}", self.pid, self.program, self.uid)
    }

    /// The process for `--json`.
    pub fn json(&self) -> Value {
        json!({ "pid": self.pid, "program": self.program, "uid": self.uid, "state": self.state_name() })
    }
}

/// Who has which socket open.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    by_inode: HashMap<u64, Vec<Process>>,
    /// True if processes of others were not shown: only root may look at all.
    pub is_partial: bool,
}

impl Holders {
    /// Looks at the open files of all processes.
    pub fn find(inodes: &[u64]) -> Self {
        let mut this = Self::default();
        let Ok(processes) = fs::read_dir("/proc") else { return Self { is_partial: true, ..this } };
        for entry in processes.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            match sockets_of(&entry.path()) {
                Ok(open) => {
                    let mut held: Vec<_> = open.into_iter().filter(|inode| inodes.contains(inode)).collect();
                    held.sort_unstable();
                    held.dedup();
                    let Some(process) = (!held.is_empty()).then(|| Process::of(pid)).flatten() else { continue };
                    for inode in held {
                        this.by_inode.entry(inode).or_default().push(process.clone());
                    }
                }
                Err(error) => this.is_partial |= error.kind() == io::ErrorKind::PermissionDenied,
            }
        }
        this
    }

    /// The processes that have a socket open.
    pub fn of(&self, inode: u64) -> &[Process] {
        self.by_inode.get(&inode).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The numbers of the sockets that a process has open.
fn sockets_of(process: &Path) -> io::Result<Vec<u64>> {
    let mut sockets = Vec::new();
    for entry in fs::read_dir(process.join("fd"))?.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let number = target.as_os_str().as_bytes().strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
        sockets.extend(number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok()));
    }
    Ok(sockets)
}

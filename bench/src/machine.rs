//! What it was measured on.

use std::fs;
use std::process::Command;

use rustix::system::uname;
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    /// Whether another system runs below this one.
    pub(crate) virtual_machine: bool,
    pub(crate) memory: String,
    pub(crate) kernel: String,
    pub(crate) libc: String,
    pub(crate) compiler: String,
    pub(crate) rust: String,
    pub(crate) huge_pages: String,
    pub(crate) largest_send_buffer: String,
}

impl Machine {
    pub(crate) fn new(cpus: usize) -> Self {
        let info = text("/proc/cpuinfo");
        let field = |name: &str| {
            let line = info.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.to_owned()).unwrap_or_default()
        };
        let memory = text("/proc/meminfo").lines().find_map(|line| {
            let kib: u64 = line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(format!("{:.0} GiB", kib as f64 / f64::from(1 << 20)))
        });
        Self {
            date: output("date", &["-u", "+%Y-%m-%d"]),
            cpu: Some(field("model name"))
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| uname().machine().to_string_lossy().into_owned()),
            cpus,
            virtual_machine: field("flags").split(' ').any(|flag| flag == "hypervisor"),
            memory: memory.unwrap_or_default(),
            kernel: format!("Linux {}", uname().release().to_string_lossy()),
            libc: output("getconf", &["GNU_LIBC_VERSION"]),
            compiler: output("cc", &["--version"]),
            rust: output("rustc", &["--version"]),
            huge_pages: text("/sys/kernel/mm/transparent_hugepage/enabled"),
            largest_send_buffer: text("/proc/sys/net/core/wmem_max"),
        }
    }

    /// The name of a file with the machine's results, which stays as long as CPU, CPUs and kernel do.
    pub(crate) fn file(&self) -> String {
        let cpu = self.cpu.split('@').next().unwrap_or_default().replace("(R)", "").replace("(TM)", "");
        let cpu = cpu.replace("Processor", "").replace("CPU", "");
        format!("{}-{}-cpus-{}.json", slug(&cpu), self.cpus, slug(&self.kernel))
    }
}

/// A name in small letters, digits and points, with a dash between words.
fn slug(name: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let words = name.split(|letter| !is_part(letter)).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

/// The first line that a command prints.
fn output(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

/// How the time of the CPUs has been spent so far.
pub(crate) struct Spent {
    total: u64,
    stolen: u64,
}

impl Spent {
    pub(crate) fn now() -> Self {
        let stat = text("/proc/stat");
        let ticks =
            stat.lines().next().unwrap_or_default().split_ascii_whitespace().filter_map(|word| word.parse().ok());
        // user, nice, system, idle, iowait, irq, softirq, steal; guests' time is part of the first two.
        let ticks = ticks.take(8).collect::<Vec<u64>>();
        Self { total: ticks.iter().sum(), stolen: ticks.get(7).copied().unwrap_or_default() }
    }

    /// Which part of the time since then other machines on the same hardware took.
    pub(crate) fn stolen_since(&self) -> f64 {
        let now = Self::now();
        (now.stolen - self.stolen) as f64 / ((now.total - self.total) as f64).max(1.0)
    }
}

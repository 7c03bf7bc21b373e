//! The programs of a pair, while they run.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cpus::{Cpus, Layout};
use crate::pair::Pair;

/// A program that says nothing for so long has failed.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };
/// For a program to end once its input has.
const GRACE: Duration = Duration::from_secs(5);

/// Lets the programs have as many connections as the system allows.
pub(crate) fn allow_descriptors() -> io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?)
}

/// Times of the CPUs, of the two sides.
#[derive(Clone, Copy)]
pub(crate) struct Sides {
    pub(crate) client: Duration,
    pub(crate) server: Duration,
}

struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &[PathBuf], environment: &[(String, String)], socket: &Path) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .arg(socket)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let name = program.file_name().unwrap_or(OsStr::new("program")).to_string_lossy().into_owned();
        let output = BufReader::new(output.ok_or_else(|| io::Error::other("no output"))?);
        Ok(Self { name, child, input, output })
    }

    /// The time that all its threads have spent on CPUs, those that have ended among them.
    fn cpu(&self) -> io::Result<Duration> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        Ok(clock_gettime(clock_getcpuclockid(Pid::from_raw(pid))?)?.into())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.buffer().is_empty() {
            let mut fds = [PollFd::from_borrowed_fd(self.output.get_ref().as_fd(), PollFlags::IN)];
            if poll(&mut fds, Some(&PATIENCE))? == 0 {
                return Err(self.failed("no answer"));
            }
        }
        match self.output.read_line(&mut line)? {
            0 => Err(self.failed("ended")),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn failed(&self, what: &str) -> io::Error {
        io::Error::other(format!("{}: {what}", self.name))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.input.take());
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if begin.elapsed() > GRACE {
                eprintln!("{}: does not end", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A pair that runs; the client ends first.
pub(crate) struct Running {
    client: Program,
    server: Program,
}

impl Running {
    pub(crate) fn start(pair: &Pair, cpus: &Cpus, layout: Layout, socket: &Path) -> io::Result<Self> {
        // Left by the pair before, of which no process is there any more.
        let _ = fs::remove_file(socket);
        let start = |command, cpu| cpus.on(cpu, || Program::start(command, &pair.environment, socket));
        let mut server = start(&pair.server, cpus.server(layout))?;
        if server.line()? != "ready" {
            return Err(server.failed("is not ready"));
        }
        Ok(Self { client: start(&pair.client, cpus.client())?, server })
    }

    pub(crate) fn cpu(&self) -> io::Result<Sides> {
        Ok(Sides { client: self.client.cpu()?, server: self.server.cpu()? })
    }

    /// The samples that answer a command, in nanoseconds; nothing if it is not supported.
    pub(crate) fn ask(&mut self, command: &str) -> io::Result<Option<Vec<u64>>> {
        let client = &mut self.client;
        if let Some(input) = &mut client.input {
            writeln!(input, "{command}")?;
        }
        let line = client.line()?;
        if line == "unsupported" {
            return Ok(None);
        }
        let count: usize = line.parse().map_err(|_| client.failed("says what is no number"))?;
        let mut bytes = vec![0; count * size_of::<u64>()];
        client.output.read_exact(&mut bytes)?;
        let numbers = bytes.chunks_exact(size_of::<u64>()).filter_map(|bytes| bytes.try_into().ok());
        Ok(Some(numbers.map(u64::from_ne_bytes).collect()))
    }
}

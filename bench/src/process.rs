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

use crate::cpus::Cpus;
use crate::pair::Pair;
use crate::plan::Case;

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
    fn start(command: &[PathBuf], environment: &[(String, String)], socket: Option<&Path>) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("an empty command"))?;
        let mut child = Command::new(program)
            .args(arguments)
            .args(socket)
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

    fn tell(&mut self, command: &str) -> io::Result<()> {
        match &mut self.input {
            Some(input) => writeln!(input, "{command}"),
            None => Ok(()),
        }
    }

    /// The samples that answer a command; nothing if it is not supported.
    fn samples(&mut self) -> io::Result<Option<Vec<u64>>> {
        let line = self.line()?;
        if line == "unsupported" {
            return Ok(None);
        }
        let count: usize = line.parse().map_err(|_| self.failed("says what is no number"))?;
        let mut bytes = vec![0; count * size_of::<u64>()];
        self.output.read_exact(&mut bytes)?;
        let numbers = bytes.chunks_exact(size_of::<u64>()).filter_map(|bytes| bytes.try_into().ok());
        Ok(Some(numbers.map(u64::from_ne_bytes).collect()))
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

/// A client and a server that run; the client ends first.
struct Ends {
    client: Program,
    server: Program,
}

impl Ends {
    fn start(pair: &Pair, case: Case, place: &Place<'_>, socket: &Path) -> io::Result<Self> {
        // Left by the pair before, of which no process is there any more.
        let _ = fs::remove_file(socket);
        let mut environment = pair.environment.clone();
        if case.setting.work_us > 0 {
            environment.push(("BENCH_WORK_US".to_owned(), case.setting.work_us.to_string()));
        }
        let start = |command, cpus| place.cpus.on(cpus, || Program::start(command, &environment, Some(socket)));
        let mut server = start(&pair.server, place.cpus.server(case.cores))?;
        if server.line()? != "ready" {
            return Err(server.failed("is not ready"));
        }
        Ok(Self { client: start(&pair.client, place.cpus.client(case.cores))?, server })
    }
}

/// Where programs run.
pub(crate) struct Place<'a> {
    pub(crate) cpus: &'a Cpus,
    /// Of the sockets.
    pub(crate) folder: &'a Path,
    /// The program that only counts.
    pub(crate) busy_loop: PathBuf,
}

/// What a command has brought.
pub(crate) struct Answer {
    /// In nanoseconds, of all clients.
    pub(crate) samples: Vec<u64>,
    /// From the command to the last answer.
    pub(crate) time: Duration,
    /// How far the busy loop has counted in a second.
    pub(crate) counted: Option<f64>,
}

/// A pair that runs, several times at once if the case says so.
pub(crate) struct Running {
    ends: Vec<Ends>,
    busy: Option<Program>,
}

impl Running {
    /// The number tells the sockets of pairs apart.
    pub(crate) fn start(pair: &Pair, case: Case, place: &Place<'_>, number: usize) -> io::Result<Self> {
        let socket = |end| place.folder.join(format!("{number}-{end}.sock"));
        let ends = (0..case.setting.pairs).map(|end| Ends::start(pair, case, place, &socket(end)));
        let ends = ends.collect::<io::Result<Vec<_>>>()?;
        let command = [place.busy_loop.clone()];
        let busy = || place.cpus.on(place.cpus.client(case.cores), || Program::start(&command, &[], None));
        Ok(Self { ends, busy: case.setting.busy.then(busy).transpose()? })
    }

    pub(crate) fn cpu(&self) -> io::Result<Sides> {
        let sum = |side: fn(&Ends) -> &Program| self.ends.iter().map(|ends| side(ends).cpu()).sum::<io::Result<_>>();
        Ok(Sides { client: sum(|ends| &ends.client)?, server: sum(|ends| &ends.server)? })
    }

    /// For how long the servers have looked for calls so far.
    pub(crate) fn looked(&mut self) -> io::Result<Duration> {
        let mut all = Duration::ZERO;
        for Ends { server, .. } in &mut self.ends {
            server.tell("looks")?;
            let Some(&[ns]) = server.samples()?.as_deref() else {
                return Err(server.failed("does not say how long it looked"));
            };
            all += Duration::from_nanos(ns);
        }
        Ok(all)
    }

    /// Has all clients do the same at once. Nothing if they cannot.
    pub(crate) fn ask(&mut self, command: &str) -> io::Result<Option<Answer>> {
        if let Some(busy) = &mut self.busy {
            busy.tell("count")?;
        }
        let begin = Instant::now();
        for ends in &mut self.ends {
            ends.client.tell(command)?;
        }
        let answers = self.ends.iter_mut().map(|ends| ends.client.samples()).collect::<Vec<_>>();
        let time = begin.elapsed();
        let counted = match &mut self.busy {
            None => None,
            Some(busy) => {
                busy.tell("stop")?;
                match busy.samples()?.as_deref() {
                    Some(&[count, ns]) => Some(count as f64 * 1e9 / ns as f64),
                    _ => return Err(busy.failed("does not say how far it has counted")),
                }
            }
        };
        let samples = answers.into_iter().collect::<io::Result<Option<Vec<_>>>>()?;
        Ok(samples.map(|samples| Answer { samples: samples.concat(), time, counted }))
    }
}

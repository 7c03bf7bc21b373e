//! Every step from a path to an answer, until one fails.

use std::env;
use std::fmt::Display;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use drpc::{Cause, Framing, Phase, Pong};
use rustix::fs::Access;

use crate::address::{is_abstract, shown};
use crate::attach_info;
use crate::deadline;
use crate::endpoint::{self, Endpoint, Queue};
use crate::exit::{Exit, Failure};
use crate::output::counted;
use crate::path_walk::{self, Blocked, Seen};
use crate::probe;
use crate::processes::Process;
use crate::release::{Release, framing_name};

/// One step, and what has come of it.
#[derive(Clone, Debug)]
pub struct Check {
    /// The name of the step.
    pub name: &'static str,
    /// Whether all is well.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do, where all is not well.
    pub cure: Option<String>,
}

impl Check {
    /// A step that has gone well.
    pub fn good(name: &'static str, detail: impl Display) -> Self {
        Self { name, ok: true, detail: detail.to_string(), cure: None }
    }

    /// A step that has failed.
    pub fn bad(name: &'static str, detail: impl Display, cure: impl Display) -> Self {
        Self { name, ok: false, detail: detail.to_string(), cure: Some(cure.to_string()) }
    }
}

/// What is asked of an endpoint.
#[derive(Clone, Debug)]
pub struct Question {
    /// The time that each step has.
    pub timeout: Duration,
    /// The release of DAOS that the server is to be of.
    pub release: Option<Release>,
    /// True for an agent, which is asked for what its clients ask for.
    pub is_agent: bool,
    /// The name of the DAOS system, for an agent.
    pub system: Option<String>,
}

/// Where checks go as they are done.
pub type Report<'a> = dyn FnMut(Check) -> Result<(), Failure> + 'a;

/// A step that has failed, and the exit code for it.
pub(crate) struct Stop(pub(crate) Check, pub(crate) Exit);

/// Why no further step is done.
enum Halt {
    Stop(Stop),
    /// What has been found cannot be written.
    Output(Failure),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Output(failure)
    }
}

/// Examines an endpoint. The exit code is that of the step that has failed.
pub fn examine(path: &Path, question: &Question, report: &mut Report) -> Result<Exit, Failure> {
    match steps(path, question, report) {
        Ok(()) => Ok(Exit::Good),
        Err(Halt::Output(failure)) => Err(failure),
        Err(Halt::Stop(Stop(check, exit))) => {
            report(check)?;
            Ok(exit)
        }
    }
}

fn steps(path: &Path, question: &Question, report: &mut Report) -> Result<(), Halt> {
    let timeout = question.timeout;
    let blocked = if is_abstract(path) {
        report(Check::good("file", "none, as the name is abstract"))?;
        None
    } else {
        go(path, timeout, report)?
    };
    if let Some((name, before)) = blocked {
        // The attempt to connect fails at once, and says why.
        return Err(match ping(path, timeout) {
            Err(stop) => renamed(stop, name, before),
            Ok(_) => Stop(Check::bad(name, "it has changed just now", "try again"), Exit::CannotConnect),
        }
        .into());
    }
    let looked = {
        let path = path.to_owned();
        deadline::within(timeout, move || Endpoint::look(&path))
    };
    let endpoint = looked.and_then(Result::ok);
    let listens = endpoint.as_ref().is_some_and(|endpoint| !endpoint.listeners.is_empty());
    let servers = endpoint.as_ref().map(Endpoint::describe_servers).unwrap_or_default();
    if listens {
        report(Check::good("listening", &servers))?;
    }
    let pong = match ping(path, timeout) {
        Ok(pong) => pong,
        Err(stop) => {
            if stop.0.name == "answer" {
                if !listens {
                    report(Check::good("listening", "a process of another network namespace"))?;
                }
                queue(endpoint.as_ref(), report)?;
            }
            return Err(with_process(stop, endpoint.as_ref()).into());
        }
    };
    if !listens {
        let text = format!("pid {}, uid {}, of another namespace perhaps", pong.peer.pid, pong.peer.uid);
        report(Check::good("listening", text))?;
    }
    queue(endpoint.as_ref(), report)?;
    let time = pong.round_trip.as_micros();
    report(Check::good("answer", format!("{} within {time} µs", describe_framing(pong.framing))))?;
    framing(pong.framing, question)?;
    if question.is_agent {
        let text = attach_info::ask(path, pong.framing, question)?;
        report(Check::good("attach_info", text))?;
    }
    Ok(())
}

/// Where the way to a path is blocked: the name of the step, and what to put before the words of the library.
type Obstacle = (&'static str, &'static str);

/// Goes to the path, and looks at what is there.
fn go(path: &Path, timeout: Duration, report: &mut Report) -> Result<Option<Obstacle>, Halt> {
    let (sender, receiver) = mpsc::channel();
    let walked = path.to_owned();
    let walk = move || {
        path_walk::walk(&walked, &mut |seen| {
            // The receiver has gone where the time has passed.
            let _ = sender.send(seen);
        });
    };
    thread::Builder::new().spawn(walk).map_err(Failure::usage)?;
    let mut next = PathBuf::from(".");
    let mut has_links = false;
    let end = loop {
        match receiver.recv_timeout(timeout) {
            Ok(Seen::Next(path)) => next = path,
            Ok(Seen::Directory(path, file)) => {
                let text = format!("{}: {}", shown(&path), endpoint::describe_mode(&file));
                report(Check::good("directory", text))?;
            }
            Ok(Seen::Link(path, target)) => {
                has_links = true;
                report(Check::good("link", format!("{} leads to {}", shown(&path), shown(&target))))?;
            }
            Ok(Seen::File(path, file)) => break Ok((path, file)),
            Ok(Seen::Blocked(blocked)) => break Err(blocked),
            Err(_) => {
                let text = format!("the file system of {} does not answer within {timeout:?}", shown(&next));
                let cure = format!("`findmnt -T '{}'` names the file system: is its server up?", shown(&next));
                return Err(Stop(Check::bad("directory", text, cure), Exit::NoAnswer).into());
            }
        }
    };
    Ok(match end {
        Err(Blocked::InDirectory) => Some(("directory", "")),
        Err(Blocked::Nothing(at)) if has_links && at != path => Some(("file", "dangling link: ")),
        Err(Blocked::Nothing(_)) => Some(("file", "")),
        Ok((_, file)) if file.is_dir() => {
            let cure = "use the path of the server's socket";
            return Err(Stop(Check::bad("file", "the path is a directory", cure), Exit::CannotConnect).into());
        }
        Ok((_, file)) if !file.file_type().is_socket() => Some(("file", "")),
        Ok((at, file)) => {
            report(Check::good("file", format!("socket, {}", endpoint::describe_mode(&file))))?;
            let uid = rustix::process::geteuid().as_raw();
            match path_walk::may(&at, Access::WRITE_OK) {
                Ok(()) => {
                    let text = format!("uid {uid} may connect; the mode lets {}", endpoint::who_may_connect(&file));
                    report(Check::good("permission", text))?;
                    None
                }
                Err(_) => Some(("permission", "")),
            }
        }
    })
}

/// Reports how many connections wait, and how many there are.
fn queue(endpoint: Option<&Endpoint>, report: &mut Report) -> Result<(), Failure> {
    let Some((endpoint, Queue { used, limit })) = endpoint.and_then(|endpoint| Some((endpoint, endpoint.queue?)))
    else {
        return Ok(());
    };
    let limit = limit.map_or(String::new(), |limit| format!(" of {limit}"));
    let unread = match endpoint.unread() {
        Some(unread) if unread > 0 => format!(", {unread} with bytes that the server has not read"),
        _ => String::new(),
    };
    let connections = counted(endpoint.connections.len(), "connection");
    report(Check::good("queue", format!("{used}{limit} wait to be accepted; {connections}{unread}")))
}

/// Asks the server which framing it reads.
fn ping(path: &Path, timeout: Duration) -> Result<Pong, Stop> {
    // The way to the path may hang where it did not before.
    match probe::ping_within(path, timeout) {
        Some(result) => result.map_err(|error| stop_of(&error)),
        None => {
            let text = format!("does not answer: connecting has not come to an end within {timeout:?}");
            Err(Stop(Check::bad("answer", text, "find out what the file system waits for"), Exit::NoAnswer))
        }
    }
}

/// The step that has failed by an error of the library, with its words.
pub(crate) fn stop_of(error: &drpc::Error) -> Stop {
    let (name, before) = match (error.phase(), error.cause()) {
        (Phase::Connect, Cause::Os(errno)) if errno == rustix::io::Errno::CONNREFUSED.raw_os_error() => {
            ("listening", if is_abstract(error.socket()) { "no server listens: " } else { "stale: " })
        }
        (Phase::Connect, Cause::Os(errno)) if errno == rustix::io::Errno::PROTOTYPE.raw_os_error() => ("type", ""),
        (Phase::Connect, Cause::TimedOut) => ("queue", ""),
        (Phase::Connect, _) => ("connection", ""),
        (_, Cause::TimedOut) => ("answer", "does not answer: "),
        _ => ("answer", ""),
    };
    let (words, cure) = words(error);
    let usual = match (error.phase(), error.cause()) {
        (_, Cause::BadPath(_)) => "use a shorter path, as from the directory of the socket",
        _ if name == "listening" => "start the server",
        (Phase::Connect, _) => "use the path of the server's socket",
        _ => "the server's log may say more",
    };
    let mut check = Check::bad(name, format!("{before}{words}"), cure.as_deref().unwrap_or(usual));
    if let (Phase::Reply, Cause::TimedOut) = (error.phase(), error.cause()) {
        let process = error.silent_pid().and_then(|pid| Process::of(pid.try_into().ok()?));
        describe_hang(&mut check, process.as_ref());
    }
    Stop(check, Failure::from(error.clone()).exit)
}

/// What an error says of its cause, and what to do, which is its last part.
fn words(error: &drpc::Error) -> (String, Option<String>) {
    let text = Failure::from(error.clone()).text;
    let before = format!("{} {}: ", error.phase(), shown(error.socket()));
    let words = text.strip_prefix(&before).unwrap_or(&text);
    match words.rsplit_once(": ") {
        Some((cause, cure)) if error.cause() != Cause::TimedOut || error.phase() == Phase::Connect => {
            (cause.to_owned(), Some(cure.to_owned()))
        }
        _ => (words.strip_prefix("timed out: ").unwrap_or(words).to_owned(), None),
    }
}

/// The same stop at the step that has been found before, which says more of where it is.
fn renamed(Stop(check, exit): Stop, name: &'static str, before: &str) -> Stop {
    let detail = check.detail.strip_prefix("stale: ").unwrap_or(&check.detail);
    Stop(Check { name, detail: format!("{before}{detail}"), ..check }, exit)
}

/// The stop with what is known of the server's process.
fn with_process(Stop(mut check, exit): Stop, endpoint: Option<&Endpoint>) -> Stop {
    let Some(endpoint) = endpoint else { return Stop(check, exit) };
    match check.name {
        "queue" => {
            let servers = endpoint.servers();
            check.detail = format!("{}; the server is {}", check.detail, endpoint.describe_servers());
            if let Some(process) = servers.first() {
                check.cure = Some(cure_of(Some(process)));
            }
        }
        "listening" => {
            for process in endpoint.displaced.iter().flat_map(|socket| endpoint.holders.of(socket.inode)) {
                let process = process.describe();
                check.detail = format!("{}; {process} listens on a socket that was here before", check.detail);
                check.cure = Some("restart that server: its socket has been removed or replaced".to_owned());
            }
        }
        _ => {}
    }
    Stop(check, exit)
}

fn describe_hang(check: &mut Check, process: Option<&Process>) {
    if let Some(process) = process.filter(|process| process.is_held()) {
        check.detail = format!("{}, which is {}", check.detail, process.state_name());
    }
    check.cure = Some(cure_of(process));
}

/// What to do about a process that hangs.
pub(crate) fn cure_of(process: Option<&Process>) -> String {
    let Some(Process { pid, state, .. }) = process else {
        return "find out what the server waits for, or restart it".to_owned();
    };
    match state {
        'T' => format!("`kill -CONT {pid}` lets it go on"),
        't' => "let the debugger go on, or detach it".to_owned(),
        'D' => format!("/proc/{pid}/stack shows what it waits for, and the kernel's log may say why"),
        _ => format!("find out what it waits for, as by `gdb -p {pid}`, or restart it"),
    }
}

fn describe_framing(framing: Framing) -> String {
    let releases = match framing {
        Framing::Datagram => "of DAOS 2.6 and before",
        _ => "of DAOS 2.8",
    };
    format!("{}, the framing {releases},", framing_name(framing))
}

/// Whether clients are set to what the server reads.
fn framing(framing: Framing, question: &Question) -> Result<(), Stop> {
    let read = describe_framing(framing);
    let read = read.trim_end_matches(',');
    if let Some(release) = question.release.filter(|release| !Release::of_framing(framing).contains(release)) {
        let text = format!("version mismatch: the server reads {read}, and DAOS {release} has the other one");
        let cure = format!("run the server of DAOS {release}, or its clients of the server's release");
        return Err(Stop(Check::bad("release", text, cure), Exit::NotUnderstood));
    }
    let other = if framing == Framing::Datagram { Framing::Chunked } else { Framing::Datagram };
    if env::var("DRPC_FRAMING").is_ok_and(|set| set == framing_name(other)) {
        let text = format!("version mismatch: DRPC_FRAMING is {}, and the server reads {read}", framing_name(other));
        return Err(Stop(Check::bad("release", text, "unset DRPC_FRAMING"), Exit::NotUnderstood));
    }
    Ok(())
}

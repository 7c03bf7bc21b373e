//! What the tests share: running the program, and servers for it.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use drpc::{Failure, Framing, Listener, Module, Server, Session};
use rustix::net;
use serde_json::Value;

/// A run of the program that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Its output, which has to be JSON; it has to have ended with this exit code.
    pub(crate) fn json(&self, code: i32) -> Value {
        assert_eq!(self.code, code, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its output; it has to have ended well.
    pub(crate) fn good(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        &self.stdout
    }

    /// What it has written; it has to have ended with this exit code, and to have complained of nothing.
    pub(crate) fn failure_out(&self, code: i32) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (code, ""), "{self:?}");
        &self.stdout
    }

    /// What it complains of; it has to have ended with this exit code.
    pub(crate) fn failure(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        &self.stderr
    }
}

/// True if the tests run as root, so that some of them can run the program as another user.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A copy of the program that every user can run: what cargo builds may be in a directory of root's.
pub(crate) fn for_everyone(folder: &Folder) -> String {
    fs::set_permissions(folder.at(""), Permissions::from_mode(0o755)).unwrap();
    let copy = folder.at("drpc");
    fs::copy(env!("CARGO_BIN_EXE_drpc"), &copy).unwrap();
    copy
}

/// The program run by a user without any rights.
pub(crate) fn nobody<S: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).uid(65_534).gid(65_534).current_dir("/").env_clear();
    command
}

/// The program with arguments, without what the environment may say.
pub(crate) fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_drpc"));
    command.args(arguments);
    for name in ["DAOS_AGENT_DRPC_DIR", "DRPC_FRAMING", "NO_COLOR"] {
        command.env_remove(name);
    }
    command
}

/// Runs the program.
pub(crate) fn drpc<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    finish(command(arguments), b"")
}

/// Runs the program with this input.
pub(crate) fn drpc_reading<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>, input: &[u8]) -> Run {
    finish(command(arguments), input)
}

/// Runs a command with this input.
pub(crate) fn finish(mut command: Command, input: &[u8]) -> Run {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not read may have ended already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the program, and sends it SIGINT as soon as this function returns.
pub(crate) fn interrupted(arguments: &[&str], wait: impl FnOnce(&mut dyn BufRead)) -> Run {
    let mut child = command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    wait(&mut stdout);
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    stdout.read_to_string(&mut text).unwrap();
    let output = child.wait_with_output().unwrap();
    Run { code: output.status.code().unwrap(), stdout: text, stderr: String::from_utf8(output.stderr).unwrap() }
}

/// A folder for one test, removed at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("drpc-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The path of a name in the folder.
    pub(crate) fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.at(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A handler: the method's number and the body of the call; the body of the answer.
pub(crate) type Handler = fn(i32, &[u8]) -> Result<Vec<u8>, Failure>;

/// A module of a test's server.
pub(crate) struct Handled(pub(crate) i32, pub(crate) Handler);

impl Module for Handled {
    fn id(&self) -> i32 {
        self.0
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        (self.1)(method, body)
    }
}

/// A server of one module. `framing` is the only one that it reads: as a server of DAOS 2.8 or of one before.
pub(crate) fn serve(path: impl AsRef<Path>, framing: Framing, module: i32, handler: Handler) -> Server {
    let server = Server::builder().framing(framing).module(Handled(module, handler)).bind(path).unwrap();
    server.start().unwrap();
    server
}

/// A server that accepts nobody and answers nothing: its kernel takes connections all the same.
pub(crate) fn silent(path: impl AsRef<Path>) -> Listener {
    Listener::bind(path).unwrap()
}

/// A socket that listens with so much room in its queue, and accepts nobody.
pub(crate) fn listening(path: &str, backlog: i32) -> OwnedFd {
    let socket = net::socket(net::AddressFamily::UNIX, net::SocketType::SEQPACKET, None).unwrap();
    net::bind(&socket, &net::SocketAddrUnix::new(path).unwrap()).unwrap();
    net::listen(&socket, backlog).unwrap();
    socket
}

/// Both framings.
pub(crate) const FRAMINGS: [Framing; 2] = [Framing::Chunked, Framing::Datagram];

/// Repeats a run with more and more time, from the first one up to 10 s, until it ends as it should. For a run whose end is that time is over:
/// on a busy machine a short time may be over too early.
fn repeat(first: &str, is_right: impl Fn(&Run) -> bool, run: impl Fn(&str) -> Run) -> Run {
    let short = [first, "1s"].into_iter().map(&run).find(is_right);
    short.unwrap_or_else(|| run("10s"))
}

/// Repeats a run until it says this of a time that is over.
pub(crate) fn until_it_says(text: &str, run: impl Fn(&str) -> Run) -> Run {
    repeat("20ms", |run| run.stdout.contains(text) || run.stderr.contains(text), run)
}

/// Repeats a run until it has this exit code.
pub(crate) fn patiently(code: i32, run: impl Fn(&str) -> Run) -> Run {
    repeat("100ms", |run| run.code == code, run)
}

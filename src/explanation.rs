//! Why an operation has failed, in words: the cause, what a look after the failure has found, and what to do.
//!
//! Every API has its texts from here. A text has the same words in all of them, but for the names of options.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::num::NonZeroU32;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use crate::cause::Cause;
use crate::overdue::Overdue;
use crate::phase::Phase;
use crate::sys::{self, Attempt, Component, Obstacle, PathListener, PathStatus, Program, Right};

/// The API that an operation belongs to, which says what the options are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// The plain C API.
    Plain,
    /// `drpc/client.h`.
    CClient,
    /// `drpc/server.h`.
    CServer,
    /// `Listener` and `Connection`.
    Listener,
    /// `Client`.
    Client,
    /// `Server`.
    Server,
}

impl Api {
    /// The C API that stands on this one.
    pub fn in_c(self) -> Self {
        match self {
            Self::Client => Self::CClient,
            Self::Server => Self::CServer,
            api => api,
        }
    }

    /// What sets the largest message.
    fn message_limit(self) -> &'static str {
        match self {
            Self::Plain => "drpc_set_max_message",
            Self::CClient => "DRPC_CLIENT_MAX_MESSAGE",
            Self::CServer => "DRPC_SERVER_MAX_MESSAGE",
            Self::Listener => "ListenerBuilder::message_limit",
            Self::Client => "ClientBuilder::message_limit",
            Self::Server => "ServerLimits::message",
        }
    }

    /// What sets the largest datagram.
    fn datagram_limit(self) -> &'static str {
        match self {
            Self::Plain => "drpc_set_max_datagram",
            Self::CClient => "DRPC_CLIENT_MAX_DATAGRAM",
            Self::CServer => "DRPC_SERVER_MAX_DATAGRAM",
            Self::Listener => "ListenerBuilder::datagram_limit",
            Self::Client => "ClientBuilder::datagram_limit",
            Self::Server => "ServerLimits::datagram",
        }
    }

    /// What sets the owner and the group of the socket file.
    fn owner(self) -> (&'static str, &'static str) {
        match self {
            Self::Server => ("ServerBuilder::owner", "ServerBuilder::group"),
            _ => ("DRPC_SERVER_OWNER", "DRPC_SERVER_GROUP"),
        }
    }

    /// What connects a client for the first time.
    fn connect(self) -> &'static str {
        match self {
            Self::Client => "Client::open",
            _ => "drpc_client_connect",
        }
    }

    /// What to do about a socket file of a server that is gone.
    fn replace_stale(self) -> &'static str {
        match self {
            Self::CServer => "set DRPC_SERVER_REPLACE_STALE to 1",
            Self::Server => "use Existing::ReplaceStale",
            _ => "remove the file",
        }
    }
}

/// Which of two limits a message exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeLimit {
    Message,
    Datagram,
}

/// What a look after the failure has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// What is in the way of an operation on a path.
    Path(Obstacle),
    /// The server that has not answered a call in time.
    Overdue(Overdue),
}

/// The explanation of a failure. It takes no memory, as a cause does, and leaves an error smaller than 128 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    phase: Phase,
    cause: Cause,
    api: Api,
    /// The milliseconds that were waited in vain, if they are known.
    waited_ms: Option<NonZeroU32>,
    /// The errno of the last attempt before the end of the wait; 0 for none.
    last: i32,
    found: Found,
    size_limit: Option<SizeLimit>,
}

impl Explanation {
    /// The explanation of a failure at a path, which is looked at if that may tell more.
    pub fn new(api: Api, phase: Phase, path: &Path, cause: Cause) -> Self {
        let mut this = Self {
            phase,
            cause,
            api,
            waited_ms: None,
            last: 0,
            found: Found::Path(Obstacle::Unknown),
            size_limit: None,
        };
        match cause {
            Cause::Locked { pid } => this.found = Found::Path(Obstacle::Holder(sys::program_of(pid))),
            cause => this.look(path, cause, true),
        }
        this
    }

    /// The explanation of a connection that could not be made in time, with the failure of the last attempt.
    pub fn timed_out(api: Api, path: &Path, last: Option<Cause>) -> Self {
        let mut this = Self::new(api, Phase::Connect, path, Cause::TimedOut);
        this.last = last.map_or(0, Cause::errno);
        if let Some(last) = last {
            this.look(path, last, false);
        }
        this
    }

    /// The same for a wait of this length.
    #[must_use]
    pub fn after(mut self, waited: Option<Duration>) -> Self {
        let ms = waited.map(|waited| u32::try_from(waited.as_millis()).unwrap_or(u32::MAX));
        self.waited_ms = ms.and_then(NonZeroU32::new);
        self
    }

    /// The same where messages of so many bytes are allowed. Only a datagram can have a limit below that.
    #[must_use]
    pub fn with_message_limit(mut self, bytes: usize) -> Self {
        if let Cause::TooBig { limit, .. } = self.cause {
            self.size_limit = match limit.cmp(&bytes) {
                std::cmp::Ordering::Less => Some(SizeLimit::Datagram),
                std::cmp::Ordering::Equal => Some(SizeLimit::Message),
                std::cmp::Ordering::Greater => None,
            };
        }
        self
    }

    /// The same for a call that was not answered in time, if there was one.
    #[must_use]
    pub fn naming(mut self, overdue: Option<Overdue>) -> Self {
        self.found = overdue.map_or(self.found, Found::Overdue);
        self
    }

    /// The same with the names that options have in C.
    #[must_use]
    pub fn in_c(mut self) -> Self {
        self.api = self.api.in_c();
        self
    }

    /// The operation that failed.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The cause of the failure.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// The process that has not answered in time, if that is the cause and the process is known.
    pub fn silent_pid(&self) -> Option<i32> {
        if let Found::Overdue(overdue) = self.found { overdue.pid() } else { None }
    }

    /// The text, for the path that has been looked at.
    pub fn text<'a>(&'a self, path: &'a Path) -> Text<'a> {
        Text { explanation: self, path }
    }

    fn obstacle(&self) -> Obstacle {
        if let Found::Path(obstacle) = self.found { obstacle } else { Obstacle::Unknown }
    }

    fn look(&mut self, path: &Path, cause: Cause, may_wait: bool) {
        let (attempt, errno) = match (self.phase, cause) {
            (Phase::Connect, Cause::Os(errno)) => (Attempt::Connect, errno),
            (Phase::Listen, Cause::Os(errno)) => (Attempt::Listen, errno),
            (Phase::Listen, Cause::NotASocket) => (Attempt::Listen, libc::EADDRINUSE),
            _ => return,
        };
        const LOOKED_AT: [i32; 7] = [
            libc::ECONNREFUSED,
            libc::EADDRINUSE,
            libc::EACCES,
            libc::ENOENT,
            libc::ENOTDIR,
            libc::ELOOP,
            libc::EAGAIN,
        ];
        if LOOKED_AT.contains(&errno) {
            let found = sys::find_obstacle(path.as_os_str().as_bytes(), attempt, errno, may_wait);
            // Something else may be there by now.
            self.found = Found::Path(if explains(found, errno) { found } else { Obstacle::Unknown });
        }
    }

    /// Whether the call had been sent as a whole, where the server has closed the connection instead of answering it.
    fn sent_before_the_end(&self) -> Option<bool> {
        match (self.phase, self.cause) {
            (Phase::Call, Cause::Closed | Cause::Os(libc::EPIPE | libc::ECONNRESET)) => Some(false),
            (Phase::Reply, Cause::Closed | Cause::NoReply | Cause::Os(libc::EPIPE | libc::ECONNRESET)) => Some(true),
            _ => None,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
        let again = match self.api {
            Api::Plain | Api::Listener => "connect again",
            _ => "call again",
        };
        match (self.sent_before_the_end(), self.cause) {
            (Some(false), _) => {
                write!(f, "the server closed the connection before the whole call was sent: {again}, as nothing was done")
            }
            (Some(true), _) => f.write_str(
                "the server closed the connection after the call was sent, without a reply: find out from the server's log whether \
                 the call was executed",
            ),
            (None, Cause::TimedOut) if self.phase == Phase::Connect => {
                match self.waited_ms {
                    Some(ms) => write!(f, "timed out after {ms} ms: ")?,
                    None => f.write_str("timed out: ")?,
                }
                match self.last {
                    0 => f.write_str("that left no time for an attempt: allow more"),
                    last => self.write_cause(f, path, Cause::Os(last)),
                }
            }
            (None, cause) => match self.found {
                Found::Overdue(overdue) => write!(f, "{cause}: {overdue}"),
                Found::Path(_) => self.write_cause(f, path, cause),
            },
        }
    }

    /// Writes a cause, what has been found, and what to do.
    fn write_cause(&self, f: &mut fmt::Formatter<'_>, path: &Path, cause: Cause) -> fmt::Result {
        match (self.phase, cause) {
            (Phase::Connect, Cause::Os(libc::EAGAIN)) => f.write_str("the server runs but does not accept")?,
            (_, Cause::Owner { uid, gid, .. }) => {
                let (owner, group) = self.api.owner();
                let (option, id) = uid.map_or((group, gid), |uid| (owner, Some(uid)));
                write!(f, "{cause}: {option} is {}", id.unwrap_or_default())?;
            }
            (_, Cause::Locked { pid }) => {
                f.write_str("another server ")?;
                write_process(
                    f,
                    pid,
                    if let Obstacle::Holder(program) = self.obstacle() { program } else { Program::default() },
                )?;
                write!(f, "has the lock file {}.lock", path.display())?;
            }
            _ => write!(f, "{cause}")?,
        }
        self.write_obstacle(f, path)?;
        match (self.phase, cause) {
            _ if !matches!(self.obstacle(), Obstacle::Unknown | Obstacle::Missing { .. }) => Ok(()),
            (Phase::Listen, Cause::Os(libc::ENOENT)) => f.write_str(": make it"),
            (_, Cause::TooBig { .. }) => match self.size_limit {
                Some(SizeLimit::Message) => write!(f, ": {} raises it", self.api.message_limit()),
                Some(SizeLimit::Datagram) => {
                    write!(
                        f,
                        " for a datagram, which is what this peer is sent: {} raises it",
                        self.api.datagram_limit()
                    )
                }
                None => Ok(()),
            },
            (_, Cause::NotConnected) => write!(f, ": {} has to succeed first", self.api.connect()),
            (phase, cause) => hint(phase, cause).map_or(Ok(()), |hint| write!(f, ": {hint}")),
        }
    }

    fn write_obstacle(&self, f: &mut fmt::Formatter<'_>, path: &Path) -> fmt::Result {
        let connects = self.phase == Phase::Connect;
        let other = if connects { "use the path of the server's socket" } else { "choose another path" };
        match self.obstacle() {
            Obstacle::Unknown | Obstacle::Holder(_) | Obstacle::Missing { at: Component::Given(_), is_last: true } => {
                Ok(())
            }
            Obstacle::Missing { at, is_last: true } => {
                write!(f, ": links lead to {}, which does not exist", at.shown(path))
            }
            Obstacle::Missing { at, .. } => write!(f, ": there is no directory {}", at.shown(path)),
            Obstacle::NoDirectory(at) => write!(f, ": {} is no directory: {other}", at.shown(path)),
            Obstacle::Loop(at) => {
                write!(f, ": the link {} is one too many, as in a circle: {other}", at.shown(path))
            }
            Obstacle::Refusal { at, status, right } => {
                let (what, cure) = match right {
                    Right::Pass => ("go through it", "give that user the right to execute (x)"),
                    Right::MakeFile => ("make a file in it", "give that user the right to write (w)"),
                    Right::Connect => ("connect to it", "give that user the right to write (w)"),
                };
                let at = at.shown(path);
                write!(f, ": {at} ({status}) does not let uid {} {what}: {cure}", status.caller)
            }
            Obstacle::Directory => write!(f, ": the path is a directory: {other}"),
            Obstacle::RegularFile => write!(f, ": the path is a regular file: {other}"),
            Obstacle::OtherFile => write!(f, ": the path is no socket: {other}"),
            Obstacle::Link => write!(f, ": the path is a symbolic link: choose the path that it leads to"),
            Obstacle::Socket { status, made, listener } => self.write_socket(f, status, UtcTime(made), listener),
        }
    }

    fn write_socket(
        &self,
        f: &mut fmt::Formatter<'_>,
        status: PathStatus,
        made: UtcTime,
        listener: PathListener,
    ) -> fmt::Result {
        match (self.phase, listener) {
            _ if self.last == libc::EAGAIN => {
                write!(f, ": its socket ({status}) has a full queue: find out what the server waits for")
            }
            (Phase::Connect, _) => {
                write!(f, ": no server listens on the socket, which is there since {made}: start the server")
            }
            (_, PathListener::None) => {
                let cure = self.api.replace_stale();
                write!(f, ": no server listens on the socket, which is there since {made}: {cure}")
            }
            (_, PathListener::Process(pid, program)) => {
                f.write_str(": another server ")?;
                write_process(f, pid, program)?;
                f.write_str("listens on the socket: stop that server")
            }
            (_, PathListener::Unknown) => {
                write!(f, ": there is a socket ({status}) since {made}: choose another path")
            }
        }
    }
}

fn write_process(f: &mut fmt::Formatter<'_>, pid: i32, program: Program) -> fmt::Result {
    match pid {
        0 => Ok(()),
        pid if program.is_empty() => write!(f, "(pid {pid}) "),
        pid => write!(f, "(pid {pid}, {program}) "),
    }
}

/// The text of an explanation.
#[derive(Debug)]
pub struct Text<'a> {
    explanation: &'a Explanation,
    path: &'a Path,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.explanation.write(f, self.path)
    }
}

/// True if an obstacle leads to an error of this number.
fn explains(obstacle: Obstacle, errno: i32) -> bool {
    match obstacle {
        Obstacle::Unknown => true,
        Obstacle::Holder(_) => false,
        Obstacle::Missing { .. } => errno == libc::ENOENT,
        Obstacle::NoDirectory(_) => errno == libc::ENOTDIR,
        Obstacle::Loop(_) => errno == libc::ELOOP,
        Obstacle::Refusal { .. } => errno == libc::EACCES,
        Obstacle::Directory | Obstacle::RegularFile | Obstacle::OtherFile => {
            [libc::ECONNREFUSED, libc::EADDRINUSE].contains(&errno)
        }
        Obstacle::Link => errno == libc::EADDRINUSE,
        Obstacle::Socket { .. } => [libc::ECONNREFUSED, libc::EADDRINUSE, libc::EAGAIN].contains(&errno),
    }
}

/// What to do about a cause, where that does not depend on what has been found.
pub(crate) fn hint(phase: Phase, cause: Cause) -> Option<&'static str> {
    Some(match (phase, cause) {
        (Phase::Connect, Cause::Os(libc::ENOENT)) => "the server is not running, or uses another path",
        (Phase::Connect | Phase::Listen, Cause::Os(libc::EACCES)) => {
            "no component of the path was found that refuses this user"
        }
        (Phase::Connect, Cause::Os(libc::EPROTOTYPE)) => {
            "the socket is not of type SOCK_SEQPACKET, so it is not that of a dRPC server: use the path of the server's socket"
        }
        (Phase::Listen, Cause::Os(libc::EADDRINUSE)) => "choose another path",
        // What is said of an overdue call says more. Else a thread has waited for its turn.
        (Phase::Call, Cause::TimedOut) => "other threads of this program use the client",
        (_, Cause::Owner { errno: libc::EPERM, uid: Some(_), .. }) => {
            "only root can give the socket file to another user, so start the server as root"
        }
        (_, Cause::Owner { errno: libc::EPERM, .. }) => {
            "the server's user has to be in the group of the socket file, so add it there"
        }
        (_, Cause::NotOurs) => {
            "use a directory that no other user can change, or an umask that leaves the mode as it is to be"
        }
        (_, Cause::NoThread(libc::EAGAIN)) => {
            "raise the limit of the user's processes (RLIMIT_NPROC, ulimit -u) or of the service's tasks (TasksMax)"
        }
        (_, Cause::NoThread(_)) => "a thread needs memory for its stack",
        (_, Cause::Os(libc::EMFILE)) => "raise the limit of open files (ulimit -n)",
        (_, Cause::Os(libc::EPIPE | libc::ECONNRESET)) => "the peer has closed the connection",
        (_, Cause::Os(libc::EMSGSIZE)) => "larger than the send buffer of the socket (net.core.wmem_default)",
        (Phase::Call | Phase::Reply | Phase::Receive, Cause::Header(_) | Cause::Malformed) => {
            "the peer may speak another release's wire format"
        }
        (_, Cause::Unanswered) => {
            "look whether the server has ended; if not, and if it is of DAOS 2.6 or before, set DRPC_FRAMING=datagram"
        }
        (_, Cause::Unclear) => "if the server is of DAOS 2.6 or before, set DRPC_FRAMING=datagram",
        (_, Cause::NotHanded { instead: Some(_) }) => "is that the path in the unit of the service manager?",
        (_, Cause::Replaced) => "connect again",
        (_, Cause::OtherFraming { .. }) => "with \"auto\" a client finds out what its server speaks",
        _ => return None,
    })
}

/// A time in seconds from 1970, as RFC 3339 writes it.
struct UtcTime(i64);

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: i64 = 24 * 60 * 60;
        let (days, second) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Year, month and day of a day that is counted from 1970. Years are counted from March on, so that the day of a leap year
/// comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_a_date() {
        let shown = [0, 951_782_399, 951_782_400, 1_709_164_800, 4_107_542_400, -1].map(|s| UtcTime(s).to_string());
        let expected = [
            "1970-01-01T00:00:00Z",
            "2000-02-28T23:59:59Z",
            "2000-02-29T00:00:00Z",
            "2024-02-29T00:00:00Z",
            "2100-03-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_limit_that_was_hit_is_the_one_named() {
        let text = |api, limit| {
            let cause = Cause::TooBig { size: 20_010, limit };
            Explanation::new(api, Phase::Call, Path::new(""), cause)
                .with_message_limit(1 << 20)
                .text(Path::new(""))
                .to_string()
        };
        assert_eq!(
            text(Api::CClient, 1 << 20),
            "message of 20010 bytes, the limit is 1048576: DRPC_CLIENT_MAX_MESSAGE raises it"
        );
        assert_eq!(
            text(Api::Plain, 16_384),
            "message of 20010 bytes, the limit is 16384 for a datagram, which is what this peer is sent: drpc_set_max_datagram raises it"
        );
        assert_eq!(text(Api::Plain, 1 << 30), "message of 20010 bytes, the limit is 1073741824");
    }
}

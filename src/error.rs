//! Errors of the Rust API: a phase, a socket and a cause, each with its text.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::path::Path;

pub use crate::cause::{Cause, HeaderFault, PathFault};
use crate::overdue::Overdue;
use crate::protocol::framing::Framing;
use crate::shared_path::SharedPath;
use crate::sys;

/// The operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Connecting to a socket.
    Connect,
    /// Creating a listening socket.
    Listen,
    /// Taking a new connection.
    Accept,
    /// Sending a call.
    Call,
    /// Waiting for the reply to a call.
    Reply,
    /// Receiving a call.
    Receive,
    /// Sending a response.
    Respond,
    /// Registering handlers.
    Register,
    /// Running the progress loop.
    Progress,
    /// Setting an option.
    Configure,
    /// Closing a connection, or counting its references.
    Close,
    /// Running a server.
    Serve,
    /// Shutting a server down.
    Shutdown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Listen => "listen",
            Self::Accept => "accept",
            Self::Call => "call",
            Self::Reply => "reply",
            Self::Receive => "receive",
            Self::Respond => "respond",
            Self::Register => "register",
            Self::Progress => "progress",
            Self::Configure => "configure",
            Self::Close => "close",
            Self::Serve => "serve",
            Self::Shutdown => "shut down",
        })
    }
}

impl Cause {
    /// Advice for the reader of the message, if there is any.
    pub fn hint(self, phase: Phase) -> Option<&'static str> {
        Some(match (phase, self) {
            (Phase::Connect, Self::Os(libc::ECONNREFUSED)) => "the socket exists but no process listens",
            (Phase::Connect, Self::Os(libc::ENOENT)) => "the server is not running, or uses another path",
            (Phase::Connect | Phase::Listen | Phase::Serve, Self::Os(libc::EACCES)) => {
                "check the modes of the socket and of the directories above it"
            }
            (Phase::Connect, Self::Os(libc::EPROTOTYPE)) => "the socket is not of type SOCK_SEQPACKET",
            (Phase::Listen | Phase::Serve, Self::Os(libc::EADDRINUSE)) => {
                "remove the socket file if no server uses it any more"
            }
            (Phase::Connect, Self::TimedOut) => {
                "the server is not running, is too busy, uses another path, or does not let this user connect"
            }
            // The error of a call says more itself. Else a thread has waited for its turn.
            (Phase::Call, Self::TimedOut) => "other threads of this program use the client",
            (Phase::Listen | Phase::Serve, Self::Os(libc::ENOENT)) => "the directory does not exist",
            (_, Self::NotOurs) => {
                "use a directory that no other user can change, or an umask that leaves the mode as it is to be"
            }
            (_, Self::NoThread(libc::EAGAIN)) => {
                "raise the limit of the user's processes (RLIMIT_NPROC, ulimit -u) or of the service's tasks (TasksMax)"
            }
            (_, Self::NoThread(_)) => "a thread needs memory for its stack",
            (_, Self::Os(libc::EMFILE)) => "raise the limit of open files (ulimit -n)",
            (_, Self::Os(libc::EPIPE | libc::ECONNRESET)) => "the peer has closed the connection",
            (_, Self::Os(libc::EMSGSIZE)) => "larger than the send buffer of the socket (net.core.wmem_default)",
            (_, Self::NoReply) => "the peer crashed, refused the call, or speaks another release's wire format",
            (Phase::Call | Phase::Reply | Phase::Receive, Self::Header(_) | Self::Malformed) => {
                "the peer may speak another release's wire format"
            }
            (_, Self::TooBig { .. }) => {
                "the limit can be changed: drpc_set_max_message and drpc_set_max_datagram, or MAX_... of the server or client"
            }
            (_, Self::Unanswered | Self::Unclear) => {
                "if the server is of DAOS 2.6 or before, set DRPC_FRAMING=datagram or the framing of the client (drpc_set_framing)"
            }
            (_, Self::NotHanded { instead: Some(_) }) => "is that the path in the unit of the service manager?",
            (_, Self::Replaced) => "connect again",
            (_, Self::OtherFraming { .. }) => "with \"auto\" a client finds out what its server speaks",
            _ => return None,
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Os(errno) => sys::write_errno(f, errno),
            Self::NoThread(errno) => {
                f.write_str("no thread could be started: ")?;
                sys::write_errno(f, errno)
            }
            Self::TimedOut => f.write_str("timed out"),
            Self::Closed => f.write_str("the peer closed the connection"),
            Self::NoReply => f.write_str("the peer closed the connection without a reply"),
            Self::Cut => f.write_str("the peer closed the connection in the middle of a message"),
            Self::Truncated { room } => write!(f, "datagram larger than the {room} bytes that can be received"),
            Self::Header(fault) => fault.fmt(f),
            Self::SentShort { sent, size } => write!(f, "the socket took {sent} of {size} bytes"),
            Self::Malformed => f.write_str("the bytes received are not a dRPC message"),
            Self::TooBig { size, limit } => write!(f, "message of {size} bytes, the limit is {limit}"),
            Self::NoMemory => f.write_str("out of memory"),
            Self::BadPath(PathFault::Empty) => f.write_str("the socket path is empty"),
            Self::BadPath(PathFault::TooLong { len }) => {
                write!(f, "socket path of {len} bytes, the longest possible is {}", sys::PATH_MAX)
            }
            Self::BadPath(PathFault::Nul) => f.write_str("the socket path contains a zero byte"),
            Self::Invalid(what) => f.write_str(what),
            Self::Busy => f.write_str("already in progress"),
            Self::Uninitialised => f.write_str("drpc_hdlr_init has not been called"),
            Self::Exists => f.write_str("the module has a handler already"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::NotConnected => f.write_str("not connected"),
            Self::Forked => f.write_str("it belongs to another process, as this program has forked"),
            Self::Unattributable => f.write_str("the server could not decode one of several calls"),
            Self::UnexpectedReply { sequence } => write!(f, "reply {sequence} answers no call of this connection"),
            Self::SessionEnded => f.write_str("the session has ended, or the call has been answered"),
            Self::Stopped => f.write_str("the server has been shut down"),
            Self::Locked { pid: 0 } => f.write_str("another server has the lock file"),
            Self::Locked { pid } => write!(f, "another server (pid {pid}) has the lock file"),
            Self::NotASocket => f.write_str("what is at the path is no socket"),
            Self::NotOurs => f.write_str(
                "what is at the path cannot be told to be the socket just made, so its mode and its owner are left alone",
            ),
            Self::NotHanded { instead } => {
                f.write_str("no such socket was handed to the process")?;
                write_handed(f, instead.unwrap_or(0))
            }
            Self::Replaced => {
                f.write_str("the server speaks the wire format of DAOS 0.8 to 2.6, and another one has taken its place")
            }
            Self::Probe(_) => f.write_str("the peer has asked which wire format is read here, and connects anew"),
            Self::Unanswered => f.write_str(
                "the peer closed the connection without an answer to the first message, which had the wire format of DAOS 2.8",
            ),
            Self::Unclear => f.write_str("the answer to the first message does not tell which wire format the server speaks"),
            Self::OtherFraming { speaks, set } => {
                let own = if speaks == Framing::Chunked { Framing::Datagram } else { Framing::Chunked };
                write!(f, "the server speaks {}, this client is set to {}", speaks.name(), own.name())?;
                set.map_or(Ok(()), |set| write!(f, " ({set})"))
            }
        }
    }
}

/// Writes the names of the sockets among `count` descriptors handed over by the service manager.
fn write_handed(f: &mut fmt::Formatter<'_>, count: u64) -> fmt::Result {
    let mut before = ", but";
    for fd in sys::inherited_fds(count).filter(|fd| sys::is_free_listener(*fd)) {
        let named = sys::local_path(fd, |path| write!(f, "{before} {} (descriptor {fd})", path.display()));
        named.unwrap_or_else(|| write!(f, "{before} descriptor {fd} without a path"))?;
        before = " and";
    }
    Ok(())
}

impl fmt::Display for HeaderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Missing { len } => write!(f, "record of {len} bytes, too short for a chunk header"),
            Self::Oversize { data } => write!(f, "chunk announces {data} bytes, more than a record can hold"),
            Self::NoChunks => f.write_str("chunk header announces no chunks"),
            Self::Surplus { data, missing } => {
                write!(f, "chunk announces {data} bytes where the message lacks {missing}")
            }
            Self::Short { data, due } => write!(f, "chunk announces {data} bytes where {due} are due"),
            Self::Inconsistent { total, count } => {
                write!(f, "chunk header with total size {total} in {count} chunks contradicts itself or the first one")
            }
            Self::IndexOutOfRange { index, count } => write!(f, "chunk index {index} in a message of {count} chunks"),
            Self::OutOfOrder { index, expected } => write!(f, "chunk {index} where chunk {expected} is due"),
            Self::Stub { len, announced } => write!(f, "record of {len} bytes whose header announces {announced}"),
        }
    }
}

/// An error of the Rust API: the operation that failed, its socket, and the cause.
///
/// ```
/// use drpc::{Cause, Client, Phase};
///
/// let error = Client::connect("/nonexistent/agent.sock").unwrap_err();
/// assert_eq!((error.phase(), error.cause()), (Phase::Connect, Cause::Os(2)));
/// assert_eq!(
///     error.to_string(),
///     "connect /nonexistent/agent.sock: no such file or directory: the server is not running, or uses another path"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    phase: Phase,
    socket: SharedPath,
    cause: Cause,
    /// The call that has timed out, where there was one.
    overdue: Option<Overdue>,
}

impl Error {
    /// The error of an operation on a socket. Making one takes no memory.
    pub(crate) fn new(phase: Phase, socket: &SharedPath, cause: Cause) -> Self {
        Self { phase, socket: socket.clone(), cause, overdue: None }
    }

    /// The same error, which names the call that has timed out.
    pub(crate) fn of_overdue(self, overdue: Overdue) -> Self {
        Self { overdue: Some(overdue), ..self }
    }

    /// The call that has timed out, where there was one.
    #[doc(hidden)]
    pub fn overdue(&self) -> Option<Overdue> {
        self.overdue
    }

    /// The operation that failed.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The socket's path; empty where there was no memory for it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The cause of the failure.
    pub fn cause(&self) -> Cause {
        self.cause
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.phase, self.socket.display(), self.cause)?;
        if let Cause::Locked { .. } = self.cause {
            write!(f, " {}.lock", self.socket.display())?;
        }
        if let Some(overdue) = self.overdue {
            return write!(f, ": {overdue}");
        }
        match self.cause.hint(self.phase) {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

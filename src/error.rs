//! What can go wrong, why, and which DAOS error number says so.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::path::Path;

use crate::der;
use crate::framing::Framing;
use crate::shared_path::SharedPath;
use crate::sys;

/// What was being done when something went wrong.
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

/// Why something went wrong. Needs no memory of its own, so that running out of memory can be told, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The system said no; the number is its errno.
    Os(i32),
    /// The system starts no more threads; the number is its errno.
    NoThread(i32),
    /// The time set for it ran out.
    TimedOut,
    /// The peer closed the connection between two messages.
    Closed,
    /// The peer closed the connection instead of replying.
    NoReply,
    /// The peer closed the connection in the middle of a message.
    Cut,
    /// The datagram was longer than the receive buffer, and the kernel cut it.
    Truncated {
        /// Size of the buffer.
        room: usize,
    },
    /// A chunk's header is wrong, or does not go with those before.
    Header(HeaderFault),
    /// The socket took only a part of a record.
    SentShort {
        /// Bytes it took.
        sent: usize,
        /// Bytes of the record.
        size: usize,
    },
    /// The bytes are no call or response.
    Malformed,
    /// The message is larger than allowed.
    TooBig {
        /// Its size.
        size: u64,
        /// The largest size allowed.
        limit: usize,
    },
    /// There is no memory for it.
    NoMemory,
    /// The socket path cannot be one.
    BadPath(PathFault),
    /// An argument is missing or makes no sense; the text says which.
    Invalid(&'static str),
    /// It is being done already.
    Busy,
    /// Nothing can be registered yet.
    Uninitialised,
    /// The module has a handler already.
    Exists,
    /// It has been cancelled.
    Cancelled,
    /// The client has not been connected, or has been closed.
    NotConnected,
    /// The client or server belongs to another process, from which this one was forked or which was forked from it.
    Forked,
    /// The server could not decode one of several calls, and did not say which.
    Unattributable,
    /// The reply answers no call of this connection.
    UnexpectedReply {
        /// The sequence in the reply.
        sequence: i64,
    },
    /// The session that a call came on has ended, or the call has been answered for it.
    SessionEnded,
    /// The server has been shut down.
    Stopped,
    /// Another server has the lock file of the socket, the path with `.lock` behind it.
    Locked {
        /// The number of its process; 0 where that is not known.
        pid: i32,
    },
    /// What is at the path is no socket.
    NotASocket,
    /// What is at the path cannot be told to be the socket that has just been bound there, so that its mode and its owner stay
    /// as they are.
    NotOurs,
    /// The service manager has not handed such a socket to the process.
    NotHanded {
        /// How many descriptors it has handed over, if another listening socket is among them that no server has taken.
        instead: Option<u64>,
    },
    /// The server reads datagrams, and another one has taken its place.
    Replaced,
    /// The peer closed the connection instead of answering the first message, which was sent in chunks.
    Unanswered,
    /// The peer has asked, by a message in this framing, which framing is read here. It connects anew once it has the
    /// answer.
    Probe(Framing),
    /// The peer has answered the first message in a way that does not tell which framing it reads.
    Unclear,
}

/// What is wrong with a socket path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathFault {
    /// It is empty.
    Empty,
    /// It does not fit a socket address.
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It contains a zero byte.
    Nul,
}

/// What is wrong with the header of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The record is too short to hold a header.
    Missing {
        /// Length of the record.
        len: usize,
    },
    /// It announces more data than a chunk can hold.
    Oversize {
        /// The size announced.
        data: u64,
    },
    /// It announces no chunk at all.
    NoChunks,
    /// It announces more data than the message lacks.
    Surplus {
        /// The size announced.
        data: u64,
        /// Bytes that the message still lacks.
        missing: u64,
    },
    /// It announces less data than its place in the message asks for.
    Short {
        /// The size announced.
        data: u64,
        /// The size due.
        due: u64,
    },
    /// Total size and number of chunks contradict each other or those of the first chunk.
    Inconsistent {
        /// Total size of the message in this header.
        total: u64,
        /// Number of chunks in this header.
        count: u32,
    },
    /// The index is not one of the chunks announced.
    IndexOutOfRange {
        /// The index.
        index: u32,
        /// Number of chunks.
        count: u32,
    },
    /// The chunk is not the next one.
    OutOfOrder {
        /// Index of the chunk.
        index: u32,
        /// Index expected.
        expected: u32,
    },
    /// The record holds less than its header says.
    Stub {
        /// Length of the record.
        len: usize,
        /// Bytes it should hold.
        announced: usize,
    },
}

impl Cause {
    /// The negative DAOS error number for this cause, as the given release tells it.
    pub fn code(self, release: der::Release) -> i32 {
        -match self {
            Self::Os(errno) | Self::NoThread(errno) => release.from_errno(errno),
            Self::TimedOut => der::DER_TIMEDOUT,
            Self::NoReply | Self::Unanswered => der::DER_NOREPLY,
            Self::Closed | Self::Probe(_) | Self::Cut | Self::Truncated { .. } | Self::SentShort { .. } => {
                der::DER_TRUNC
            }
            Self::Header(fault) => match fault {
                HeaderFault::Missing { .. }
                | HeaderFault::Oversize { .. }
                | HeaderFault::Surplus { .. }
                | HeaderFault::Stub { .. } => der::DER_TRUNC,
                HeaderFault::OutOfOrder { .. } => der::DER_MISMATCH,
                HeaderFault::NoChunks
                | HeaderFault::Short { .. }
                | HeaderFault::Inconsistent { .. }
                | HeaderFault::IndexOutOfRange { .. } => der::DER_PROTO,
            },
            Self::Malformed => der::DER_PROTO,
            Self::TooBig { .. } => der::DER_OVERFLOW,
            Self::NoMemory => der::DER_NOMEM,
            Self::BadPath(_) => der::DER_BADPATH,
            Self::Invalid(_) => der::DER_INVAL,
            Self::Busy => der::DER_BUSY,
            Self::Uninitialised => der::DER_UNINIT,
            Self::Exists | Self::NotASocket => der::DER_EXIST,
            Self::NotOurs => der::DER_NO_PERM,
            Self::Cancelled => der::DER_CANCELED,
            Self::NotConnected | Self::SessionEnded => der::DER_UNREACH,
            Self::Forked => der::DER_NO_HDL,
            Self::Unattributable => der::DER_PROTO,
            Self::UnexpectedReply { .. } => der::DER_MISMATCH,
            Self::Stopped => der::DER_SHUTDOWN,
            Self::Locked { .. } => der::DER_BUSY,
            Self::NotHanded { .. } => der::DER_NONEXIST,
            Self::Replaced | Self::Unclear => der::DER_PROTO,
        }
    }

    /// The errno that comes nearest to this cause.
    pub fn errno(self) -> i32 {
        match self {
            Self::Os(errno) | Self::NoThread(errno) => errno,
            Self::TimedOut => libc::ETIMEDOUT,
            Self::Closed | Self::Probe(_) | Self::NoReply | Self::Unanswered | Self::Cut => libc::ECONNRESET,
            Self::Truncated { .. } | Self::SentShort { .. } | Self::TooBig { .. } => libc::EMSGSIZE,
            Self::Header(_) | Self::Malformed | Self::Unattributable | Self::UnexpectedReply { .. } => libc::EPROTO,
            Self::NoMemory => libc::ENOMEM,
            Self::BadPath(PathFault::TooLong { .. }) => libc::ENAMETOOLONG,
            Self::BadPath(_) | Self::Invalid(_) => libc::EINVAL,
            Self::Busy => libc::EBUSY,
            Self::Uninitialised => libc::EINVAL,
            Self::Exists => libc::EEXIST,
            Self::Cancelled => libc::ECANCELED,
            Self::NotConnected => libc::ENOTCONN,
            Self::Forked => libc::EBADFD,
            Self::SessionEnded => libc::EPIPE,
            Self::Stopped => libc::ESHUTDOWN,
            Self::Locked { .. } => libc::EADDRINUSE,
            Self::NotASocket => libc::ENOTSOCK,
            Self::NotOurs => libc::EPERM,
            Self::NotHanded { .. } => libc::ENOENT,
            Self::Replaced | Self::Unclear => libc::EPROTO,
        }
    }

    /// Nothing was there yet, on a socket that does not wait.
    pub fn is_would_block(self) -> bool {
        matches!(self, Self::Os(libc::EAGAIN))
    }

    /// The connection may be of no use any more, rather than a call, or the time for it.
    pub fn ends_connection(self) -> bool {
        !(self.is_would_block()
            || self.is_too_big()
            || matches!(self, Self::TimedOut | Self::NoMemory | Self::Invalid(_) | Self::Os(libc::ENOMEM)))
    }

    /// A message has come that is spoilt, or cannot be taken.
    pub fn is_about_a_message(self) -> bool {
        matches!(
            self,
            Self::Malformed | Self::TooBig { .. } | Self::NoMemory | Self::Truncated { .. } | Self::Header(_)
        )
    }

    /// The message is larger than allowed, or than the socket takes.
    pub fn is_too_big(self) -> bool {
        matches!(self, Self::TooBig { .. } | Self::Os(libc::EMSGSIZE))
    }

    /// What the reader can do about it, where that is known.
    pub fn hint(self, phase: Phase) -> Option<&'static str> {
        Some(match (phase, self) {
            (Phase::Connect, Self::Os(libc::ECONNREFUSED)) => "the socket exists but nobody listens",
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
            (Phase::Call | Phase::Reply, Self::TimedOut) => {
                "the server did not answer within the time that this program allows"
            }
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
        }
    }
}

/// Names the sockets that have been handed over.
fn write_handed(f: &mut fmt::Formatter<'_>, count: u64) -> fmt::Result {
    let mut before = ", but";
    for fd in sys::handed_over(count).filter(|fd| sys::is_free_listener(*fd)) {
        let named = sys::own_path(fd, |path| write!(f, "{before} {} (descriptor {fd})", path.display()));
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

/// An error of the Rust API: what was being done, on which socket, and what went wrong.
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
}

impl Error {
    /// Takes no memory, of which there may be none.
    pub(crate) fn new(phase: Phase, socket: &SharedPath, cause: Cause) -> Self {
        Self { phase, socket: socket.clone(), cause }
    }

    /// What was being done.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The socket's path; empty where there was no memory for it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What went wrong.
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
        match self.cause.hint(self.phase) {
            Some(hint) => write!(f, ": {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

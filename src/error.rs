//! Errors of the Rust API: a phase, a socket and a cause, each with its text.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::path::Path;
use std::time::Duration;

pub use crate::cause::{Cause, HeaderFault, OptionOwner, OptionValues, PathFault, UnpackFault};
use crate::explanation::{Api, Explanation};
use crate::overdue::Overdue;
pub use crate::phase::Phase;
use crate::protocol::framing::Framing;
use crate::shared_path::SharedPath;
use crate::sys;

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
            Self::Unpack(UnpackFault::Malformed) => f.write_str("the body is no message of the method's type"),
            Self::Unpack(UnpackFault::Depth { limit }) => {
                write!(f, "the body has messages inside one another, more than {limit} deep")
            }
            Self::Unpack(UnpackFault::Memory { limit }) => {
                write!(f, "the unpacked body takes more than {limit} bytes of memory")
            }
            Self::TooBig { size, limit } => write!(f, "message of {size} bytes, the limit is {limit}"),
            Self::NoMemory => f.write_str("out of memory"),
            Self::BadPath(PathFault::Empty) => f.write_str("the socket path is empty"),
            Self::BadPath(PathFault::TooLong { len }) => {
                write!(f, "socket path of {len} bytes, the longest possible is {}", sys::PATH_MAX)
            }
            Self::BadPath(PathFault::Nul) => f.write_str("the socket path contains a zero byte"),
            Self::Invalid(what) => f.write_str(what),
            Self::OptionValue { option: OptionValues { name, values }, value } => {
                write!(f, "{name} cannot be {value}: it can be {values}")
            }
            Self::UnknownOption { of: OptionOwner::Client, number } => {
                write!(f, "the option {number} is none of DRPC_CLIENT_...")
            }
            Self::UnknownOption { of: OptionOwner::Server, number } => {
                write!(f, "the option {number} is none of DRPC_SERVER_...")
            }
            Self::Owner { errno, .. } => sys::write_errno(f, errno),
            Self::Busy => f.write_str("already in progress"),
            Self::Uninitialised => f.write_str("drpc_hdlr_init has not been called"),
            Self::Exists => f.write_str("the module has a handler already"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::NotConnected => f.write_str("not connected"),
            Self::Forked => f.write_str("it belongs to another process, as this program has forked"),
            Self::Unattributable => f.write_str("the server could not decode one of several calls"),
            Self::UnexpectedReply { sequence } => write!(f, "reply {sequence} answers no call of this connection"),
            Self::SessionEnded => f.write_str("the session of the call has ended"),
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
                "the server closed the connection without an answer to the first message, which had the wire format of DAOS 2.8",
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
/// let text = "no such file or directory: there is no directory /nonexistent";
/// assert!(error.to_string().starts_with(&format!("connect /nonexistent/agent.sock: {text}: ")));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    socket: SharedPath,
    explanation: Explanation,
}

impl Error {
    /// The error of an operation on a socket, whose path may be looked at. Making one takes no memory.
    pub(crate) fn new(api: Api, phase: Phase, socket: &SharedPath, cause: Cause) -> Self {
        Self::explained(socket, Explanation::new(api, phase, socket, cause))
    }

    /// The error with an explanation.
    pub(crate) fn explained(socket: &SharedPath, explanation: Explanation) -> Self {
        Self { socket: socket.clone(), explanation }
    }

    /// The error of a wait of this length.
    #[must_use]
    pub(crate) fn after(mut self, waited: Option<Duration>) -> Self {
        self.explanation = self.explanation.after(waited);
        self
    }

    /// The same error, which names the call that has timed out.
    pub(crate) fn of_overdue(mut self, overdue: Overdue) -> Self {
        self.explanation = self.explanation.naming(Some(overdue));
        self
    }

    /// The operation that failed.
    pub fn phase(&self) -> Phase {
        self.explanation.phase()
    }

    /// The socket's path; empty where there was no memory for it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The cause of the failure.
    pub fn cause(&self) -> Cause {
        self.explanation.cause()
    }

    /// The server's process, where it has not answered in time and the kernel tells which it is.
    pub fn silent_pid(&self) -> Option<i32> {
        self.explanation.silent_pid()
    }

    /// The explanation of the failure.
    #[doc(hidden)]
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.phase(), self.socket.display(), self.explanation.text(&self.socket))
    }
}

/// The sentence, too: a `main` that returns an error prints it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

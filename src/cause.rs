//! Why something went wrong, and which DAOS error number says so.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use crate::der;
use crate::protocol::framing::Framing;

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
}

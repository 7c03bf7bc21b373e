//! The causes of errors, and their DAOS error numbers.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use crate::der;
use crate::protocol::framing::{Framing, FramingChoice};

/// The cause of an error. A cause takes no memory, so that running out of memory can be reported, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A system call failed; the number is its errno.
    Os(i32),
    /// A thread could not be started; the number is the errno.
    NoThread(i32),
    /// The time limit of the operation has passed.
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
    /// The header of a chunk is wrong, or contradicts those before.
    Header(HeaderFault),
    /// The socket took only a part of a record.
    SentShort {
        /// Bytes that the socket took.
        sent: usize,
        /// Bytes of the record.
        size: usize,
    },
    /// The bytes received are no call or response.
    Malformed,
    /// The message is larger than allowed.
    TooBig {
        /// The size of the message.
        size: u64,
        /// The largest size allowed.
        limit: usize,
    },
    /// Memory has run out.
    NoMemory,
    /// The socket path is invalid.
    BadPath(PathFault),
    /// An argument is missing or invalid; the text says which.
    Invalid(&'static str),
    /// An option of the C API cannot have this value.
    OptionValue {
        /// The option.
        option: &'static OptionValues,
        /// The value.
        value: u64,
    },
    /// The C API has no such option.
    UnknownOption {
        /// The object that has the options.
        of: OptionOwner,
        /// The number of the option.
        number: i32,
    },
    /// The socket file cannot be given to its owner or its group.
    Owner {
        /// The errno.
        errno: i32,
        /// The owner, if the file has another one.
        uid: Option<u32>,
        /// The group, if the file has another one.
        gid: Option<u32>,
    },
    /// The operation is in progress already.
    Busy,
    /// The registry of handlers has not been initialised.
    Uninitialised,
    /// The module has a handler already.
    Exists,
    /// The operation has been cancelled.
    Cancelled,
    /// The client has not been connected, or has been closed.
    NotConnected,
    /// The client or server belongs to another process: a parent or a child of this one by fork.
    Forked,
    /// The server could not decode one of several calls, and did not say which.
    Unattributable,
    /// The reply answers no call of this connection.
    UnexpectedReply {
        /// The sequence in the reply.
        sequence: i64,
    },
    /// The session of the call has ended, or the call has been answered already.
    SessionEnded,
    /// The server has been shut down.
    Stopped,
    /// Another server holds the lock file of the socket, whose path is the socket's with `.lock` behind it.
    Locked {
        /// The process of the other server; 0 if unknown.
        pid: i32,
    },
    /// The file at the path is no socket.
    NotASocket,
    /// The file at the path cannot be proved to be the socket just bound there. Its mode and its owner stay as they are.
    NotOurs,
    /// The service manager has handed no listening socket with this path to the process.
    NotHanded {
        /// The number of descriptors handed over, if a listening socket that no server has taken is among them.
        instead: Option<u64>,
    },
    /// The server reads datagrams, and another server has taken over its path.
    Replaced,
    /// The peer closed the connection instead of answering the first message, which was sent in chunks.
    Unanswered,
    /// The message is a probe in this framing: the peer asks which framing is read here. After the answer the peer connects
    /// anew.
    Probe(Framing),
    /// The answer to the first message does not tell which framing the peer reads.
    Unclear,
    /// The body does not unpack as a message of its type.
    Unpack(UnpackFault),
    /// The answer is in another framing than that of the client.
    OtherFraming {
        /// The framing of the answer.
        speaks: Framing,
        /// Where the framing of the client was chosen, if it is known.
        set: Option<FramingChoice>,
    },
}

/// Why a body does not unpack as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnpackFault {
    /// The bytes are no message of the type.
    Malformed,
    /// Messages are inside one another deeper than allowed.
    Depth {
        /// The largest depth allowed.
        limit: usize,
    },
    /// The unpacked message takes more memory than allowed.
    Memory {
        /// The number of bytes allowed.
        limit: usize,
    },
}

/// The name of an option of the C API, and the values that it can have.
#[derive(Debug, PartialEq, Eq)]
pub struct OptionValues {
    /// The name.
    pub name: &'static str,
    /// The values, in words.
    pub values: &'static str,
}

/// An object of the C API that has options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionOwner {
    /// The shared client.
    Client,
    /// The managed server.
    Server,
}

/// The fault of a socket path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathFault {
    /// The path is empty.
    Empty,
    /// The path does not fit a socket address.
    TooLong {
        /// The length in bytes.
        len: usize,
    },
    /// The path contains a zero byte.
    Nul,
}

/// The fault of a chunk's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// The record is too short to hold a header.
    Missing {
        /// Length of the record.
        len: usize,
    },
    /// The header announces more data than a chunk can hold.
    Oversize {
        /// The size announced.
        data: u64,
    },
    /// The header announces no chunk at all.
    NoChunks,
    /// The header announces more data than the message lacks.
    Surplus {
        /// The size announced.
        data: u64,
        /// Bytes that the message still lacks.
        missing: u64,
    },
    /// The header announces less data than is due at this index.
    Short {
        /// The size announced.
        data: u64,
        /// The size that is due.
        due: u64,
    },
    /// The total size and the number of chunks contradict each other, or those of the first chunk.
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
        /// Bytes that the record should hold.
        announced: usize,
    },
}

impl Cause {
    /// The negative DAOS error number of this cause in a release.
    pub fn code(self, release: der::Release) -> i32 {
        -match self {
            Self::Os(errno) | Self::NoThread(errno) | Self::Owner { errno, .. } => release.from_errno(errno),
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
            Self::Malformed | Self::Unpack(UnpackFault::Malformed | UnpackFault::Depth { .. }) => der::DER_PROTO,
            Self::TooBig { .. } | Self::Unpack(UnpackFault::Memory { .. }) => der::DER_OVERFLOW,
            Self::NoMemory => der::DER_NOMEM,
            Self::BadPath(_) => der::DER_BADPATH,
            Self::Invalid(_) | Self::OptionValue { .. } | Self::UnknownOption { .. } => der::DER_INVAL,
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
            Self::Replaced | Self::Unclear | Self::OtherFraming { speaks: Framing::Chunked, .. } => der::DER_PROTO,
            // The record was too short for a chunk.
            Self::OtherFraming { speaks: Framing::Datagram, .. } => der::DER_TRUNC,
        }
    }

    /// The errno that is nearest to this cause.
    pub fn errno(self) -> i32 {
        match self {
            Self::Os(errno) | Self::NoThread(errno) | Self::Owner { errno, .. } => errno,
            Self::TimedOut => libc::ETIMEDOUT,
            Self::Closed | Self::Probe(_) | Self::NoReply | Self::Unanswered | Self::Cut => libc::ECONNRESET,
            Self::Truncated { .. }
            | Self::SentShort { .. }
            | Self::TooBig { .. }
            | Self::Unpack(UnpackFault::Memory { .. }) => libc::EMSGSIZE,
            Self::Header(_)
            | Self::Malformed
            | Self::Unattributable
            | Self::UnexpectedReply { .. }
            | Self::Unpack(_) => libc::EPROTO,
            Self::NoMemory => libc::ENOMEM,
            Self::BadPath(PathFault::TooLong { .. }) => libc::ENAMETOOLONG,
            Self::BadPath(_) | Self::Invalid(_) | Self::OptionValue { .. } | Self::UnknownOption { .. } => libc::EINVAL,
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
            Self::Replaced | Self::Unclear | Self::OtherFraming { .. } => libc::EPROTO,
        }
    }

    /// True if a nonblocking socket had nothing to give, or no room.
    pub fn is_would_block(self) -> bool {
        matches!(self, Self::Os(libc::EAGAIN))
    }

    /// True if the connection may be unusable; false if only one call has failed.
    pub fn ends_connection(self) -> bool {
        !(self.is_would_block()
            || self.is_too_big()
            || matches!(self, Self::TimedOut | Self::NoMemory | Self::Invalid(_) | Self::Os(libc::ENOMEM)))
    }

    /// True if a message was received that is malformed, or cannot be stored.
    pub fn is_about_a_message(self) -> bool {
        matches!(
            self,
            Self::Malformed
                | Self::TooBig { .. }
                | Self::NoMemory
                | Self::Truncated { .. }
                | Self::Header(_)
                | Self::OtherFraming { .. }
        )
    }

    /// True if the message is larger than allowed, or than the socket takes.
    pub fn is_too_big(self) -> bool {
        matches!(self, Self::TooBig { .. } | Self::Os(libc::EMSGSIZE))
    }
}

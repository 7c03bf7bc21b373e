//! The framing of messages: how they are laid into socket records. Free of I/O.
//!
//! DAOS up to 2.6 sends one message as one record ([`Framing::Datagram`]). From 2.8 on a message is one or more records
//! that each begin with a header ([`chunked`]). Nothing on the wire says which. A server finds out from a client's first
//! record ([`detect`]), a client from the server's first answer ([`fallback`]).

mod choice;
pub mod chunked;
pub mod datagram;
pub mod detect;
pub mod fallback;

pub use choice::FramingChoice;

/// The way messages are laid into records.
///
/// ```
/// // A server for clients of DAOS 0.8 alone.
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let listener = drpc::Listener::builder().framing(drpc::Framing::Datagram).bind(path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Framing {
    /// One record, one message: DAOS 0.8 to 2.6.
    Datagram,
    /// Records with headers: DAOS 2.8 and later.
    Chunked,
}

impl Framing {
    /// This framing as `DRPC_FRAMING` has it.
    #[doc(hidden)]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Datagram => "datagram",
            Self::Chunked => "chunked",
        }
    }

    /// What messages are in this framing, for texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Datagram => "datagrams",
            Self::Chunked => "chunks",
        }
    }
}

/// The default limit of the messages sent and accepted.
pub const DEFAULT_MESSAGE_LIMIT: usize = 128 << 20;

/// The sizes of the largest messages that are sent and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message sent or accepted.
    pub message: usize,
    /// The largest message sent as a datagram, because the peer would cut a larger one.
    pub datagram: usize,
}

impl Limits {
    /// The largest message that is sent in a framing.
    #[inline]
    pub fn send(self, framing: Framing) -> usize {
        match framing {
            Framing::Datagram => self.message.min(self.datagram),
            Framing::Chunked => self.message,
        }
    }
}

impl Default for Limits {
    /// Limits for all releases: a datagram is sent only if the oldest one can receive it whole.
    fn default() -> Self {
        Self { message: DEFAULT_MESSAGE_LIMIT, datagram: datagram::MAX_0_8 }
    }
}

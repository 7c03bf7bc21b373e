//! How messages are laid into socket records. Free of I/O.
//!
//! DAOS up to 2.6 sends one message as one record ([`Framing::Datagram`]); from 2.8 on a message is one or more
//! records that each begin with a header ([`chunked`]). Nothing on the wire says which: a server tells by what a client
//! sends first ([`detect`]), a client by what the server answers ([`fallback`]).

pub mod chunked;
pub mod datagram;
pub mod detect;
pub mod fallback;

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

/// The largest message sent or accepted, unless the program asks for another limit.
pub const DEFAULT_MESSAGE_LIMIT: usize = 128 << 20;

/// The largest messages that are sent and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Larger ones are neither sent nor accepted.
    pub message: usize,
    /// Larger ones are not sent as a datagram, as the peer would cut them.
    pub datagram: usize,
}

impl Limits {
    /// The largest message that is sent.
    #[inline]
    pub fn send(self, framing: Framing) -> usize {
        match framing {
            Framing::Datagram => self.message.min(self.datagram),
            Framing::Chunked => self.message,
        }
    }
}

impl Default for Limits {
    /// A datagram is sent only if the oldest release can receive it whole.
    fn default() -> Self {
        Self { message: DEFAULT_MESSAGE_LIMIT, datagram: datagram::MAX_0_8 }
    }
}

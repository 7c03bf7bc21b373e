//! How messages are laid into socket records. Free of I/O.
//!
//! DAOS up to 2.6 sends one message as one record ([`Framing::Datagram`]); from 2.8 on a message is one or more
//! records that each begin with a header ([`chunked`]).

pub mod chunked;
pub mod datagram;

/// The way messages are laid into records.
///
/// ```
/// // A server for clients of DAOS 0.8.
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

/// The largest message accepted, and the largest one sent in chunks, unless the program asks for another limit.
pub const DEFAULT_MESSAGE_LIMIT: usize = 128 << 20;

/// The largest messages that are sent and accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Larger ones are not sent.
    pub send: usize,
    /// Larger ones are not accepted.
    pub receive: usize,
}

impl Limits {
    /// The limits for a framing, where the program has `chosen` one or not. Without a choice a datagram is sent only
    /// if the oldest release can receive it whole.
    pub fn new(framing: Framing, chosen: Option<usize>) -> Self {
        let send = match framing {
            Framing::Datagram => datagram::MAX_0_8,
            Framing::Chunked => DEFAULT_MESSAGE_LIMIT,
        };
        Self { send: chosen.unwrap_or(send), receive: chosen.unwrap_or(DEFAULT_MESSAGE_LIMIT) }
    }
}

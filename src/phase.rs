//! The operations that can fail.

use std::fmt;

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

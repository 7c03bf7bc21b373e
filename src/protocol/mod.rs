//! The protocol: messages, how they are encoded, and how they are laid into records. Free of I/O.

pub mod framing;
pub(crate) mod message;
pub(crate) mod sequence;
pub mod wire;

//! The protocol: messages, their encoding, and their framing in records. Free of I/O.

pub(crate) mod detail;
pub mod framing;
pub(crate) mod message;
pub(crate) mod sequence;
pub mod wire;

//! The framing of one message as one record, without a header. All there is to it is the size that peers can receive.

/// The largest datagram that DAOS 0.8 to 1.0 receive. They cut a longer one silently.
pub const MAX_0_8: usize = 16 << 10;

/// The largest datagram that DAOS 1.2 to 2.6 receive.
pub const MAX_2_6: usize = 128 << 10;

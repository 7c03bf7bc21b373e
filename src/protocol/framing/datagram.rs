//! One message, one record. There is no header, so all there is to it is the size that peers can take.

/// What DAOS 0.8 to 1.0 receive: longer datagrams they cut without a word.
pub const MAX_0_8: usize = 16 << 10;

/// What DAOS 1.2 to 2.6 receive.
pub const MAX_2_6: usize = 128 << 10;

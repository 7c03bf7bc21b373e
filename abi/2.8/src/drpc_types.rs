//! `daos/drpc_types.h` as in DAOS 2.8.

/// The largest record that is sent or received, in bytes.
pub const UNIXCOMM_MAXMSGSIZE: usize = 1 << 17;

/// What every record begins with.
#[repr(C)]
pub struct drpc_header {
    /// Size of the whole message.
    pub total_data_size: usize,
    /// Size of the data in this record.
    pub chunk_data_size: usize,
    /// Which record of the message this is, from 0.
    pub chunk_idx: u32,
    /// Number of records of the message.
    pub total_chunks: u32,
}

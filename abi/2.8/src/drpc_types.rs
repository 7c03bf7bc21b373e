//! `daos/drpc_types.h` as in DAOS 2.8.

/// The largest record that is sent or received, in bytes.
pub const UNIXCOMM_MAXMSGSIZE: usize = 1 << 17;

/// The header of every record.
#[repr(C)]
pub struct drpc_header {
    /// The size of the whole message.
    pub total_data_size: usize,
    /// The size of the data in this record.
    pub chunk_data_size: usize,
    /// The number of this record in the message, from 0.
    pub chunk_idx: u32,
    /// The number of records of the message.
    pub total_chunks: u32,
}

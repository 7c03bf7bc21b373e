//! The header of a chunk, and the number of chunks of a message.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

/// Size of a chunk's header.
pub const HEADER_LEN: usize = 24;

/// Size of a full record.
pub const MAX_RECORD: usize = 128 << 10;

/// Data bytes in a full record.
pub const MAX_DATA: usize = MAX_RECORD - HEADER_LEN;

/// The smallest total size that [`is_first_chunk`] rejects.
const TOTAL_END: u64 = 1 << 40;

/// The header of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Size of the whole message.
    pub total: u64,
    /// Size of the data in this chunk.
    pub data: u64,
    /// The index of this chunk, from 0.
    pub index: u32,
    /// Number of chunks in the message.
    pub count: u32,
}

impl Header {
    /// The header of a message that fits into one chunk.
    #[inline]
    pub fn only(len: usize) -> Self {
        Self { total: len as u64, data: len as u64, index: 0, count: 1 }
    }

    /// The data of a record that is the only chunk of a message; `None` for any other record.
    #[inline]
    pub fn only_data(record: &[u8]) -> Option<&[u8]> {
        let (header, data) = Self::split(record)?;
        (data.len() <= MAX_DATA && header == Self::only(data.len())).then_some(data)
    }

    /// The header as bytes of a record.
    #[inline]
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let (total, rest) = bytes.split_at_mut(8);
        let (data, rest) = rest.split_at_mut(8);
        let (index, count) = rest.split_at_mut(4);
        total.copy_from_slice(&self.total.to_ne_bytes());
        data.copy_from_slice(&self.data.to_ne_bytes());
        index.copy_from_slice(&self.index.to_ne_bytes());
        count.copy_from_slice(&self.count.to_ne_bytes());
        bytes
    }

    /// Splits a record into its header and what follows; `None` when it is too short.
    #[inline]
    pub fn split(record: &[u8]) -> Option<(Self, &[u8])> {
        let (header, rest) = record.split_first_chunk::<HEADER_LEN>()?;
        let (total, header) = header.split_first_chunk()?;
        let (data, header) = header.split_first_chunk()?;
        let (index, header) = header.split_first_chunk()?;
        let (count, _) = header.split_first_chunk()?;
        let header = Self {
            total: u64::from_ne_bytes(*total),
            data: u64::from_ne_bytes(*data),
            index: u32::from_ne_bytes(*index),
            count: u32::from_ne_bytes(*count),
        };
        Some((header, rest))
    }
}

/// Number of chunks that a message of this size takes.
#[inline]
pub(super) fn chunk_count(total: u64) -> u64 {
    total.div_ceil(MAX_DATA as u64).max(1)
}

/// True if the record can be the first chunk of a message, cut as known senders do.
#[inline]
pub fn is_first_chunk(record: &[u8]) -> bool {
    let Some((Header { total, data, index, count }, rest)) = Header::split(record) else { return false };
    index == 0
        && total < TOTAL_END
        && u64::from(count) == chunk_count(total)
        && data == total.min(MAX_DATA as u64)
        && data <= rest.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(header: Header, data: usize) -> Vec<u8> {
        [&header.to_bytes()[..], &vec![0x22; data]].concat()
    }

    #[test]
    fn what_no_sender_begins_with_is_no_first_chunk() {
        let good = Header { total: 100, data: 100, index: 0, count: 1 };
        let large = Header { total: 200_000, data: MAX_DATA as u64, index: 0, count: 2 };
        assert!([good, large].iter().all(|header| is_first_chunk(&chunk(*header, MAX_DATA))));
        let bad = [
            Header { index: 1, ..good },
            Header { count: 0, ..good },
            Header { count: 2, ..good },
            Header { data: 99, ..good },
            Header { data: 101, ..good },
            Header { total: 101, ..good },
            Header { index: 1, ..large },
            Header { count: 1, ..large },
            Header { data: MAX_DATA as u64 - 1, ..large },
            Header { data: 200_000, ..large },
            Header { total: TOTAL_END, data: MAX_DATA as u64, index: 0, count: chunk_count(TOTAL_END) as u32 },
        ];
        for header in bad {
            assert!(!is_first_chunk(&chunk(header, MAX_RECORD)), "{header:?}");
        }
    }
}

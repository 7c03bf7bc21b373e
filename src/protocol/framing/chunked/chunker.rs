//! The cutting of a message into chunks.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ops::Range;

use super::header::{Header, MAX_DATA, chunk_count};
use crate::cause::Cause;

/// The chunks of a message to be sent: each a header and the range of the message that follows it.
#[derive(Clone, Debug)]
pub struct Chunks {
    total: usize,
    next: u32,
    count: u32,
}

impl Chunks {
    /// Cuts a message of `total` bytes.
    #[inline]
    pub fn new(total: usize) -> Result<Self, Cause> {
        let too_big = |_| Cause::TooBig { size: total as u64, limit: u32::MAX as usize * MAX_DATA };
        Ok(Self { total, next: 0, count: u32::try_from(chunk_count(total as u64)).map_err(too_big)? })
    }

    /// These chunks from the one with this index on.
    #[inline]
    pub fn from(self, index: u32) -> Self {
        Self { next: index.min(self.count), ..self }
    }
}

impl Iterator for Chunks {
    type Item = (Header, Range<usize>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let start = self.next as usize * MAX_DATA;
        let range = start..self.total.min(start + MAX_DATA);
        let header = Header { total: self.total as u64, data: range.len() as u64, index: self.next, count: self.count };
        self.next += 1;
        Some((header, range))
    }
}

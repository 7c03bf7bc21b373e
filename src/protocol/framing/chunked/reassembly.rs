//! The reassembly of a message from its chunks.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use super::header::{HEADER_LEN, Header, MAX_DATA, chunk_count};
use crate::cause::{Cause, HeaderFault};
use crate::large_block::{self, MAPPED_MIN};
use crate::protocol::wire::BodyPlace;

/// The capacity first reserved for a message of several chunks. The capacity doubles while data keeps arriving.
const FIRST_CAPACITY: usize = 2 * MAX_DATA;

/// The whole body is reserved once one part in so many has come. Until data arrives, the reservation is no more than
/// addresses.
const RESERVE_FACTOR: usize = 64;

/// A message being put together from its chunks.
///
/// No claim of a header is believed: memory grows with the data that has arrived. A message that memory cannot hold is
/// still read to its end, so that the next one is found where it begins.
#[derive(Debug)]
pub struct Reassembly {
    limit: usize,
    /// The number of the field that gets a buffer of its own; 0 for none.
    body_field: u8,
    /// The parts of a message in several records, or of one that may be large. Nearly all messages are neither.
    parts: Option<Parts>,
}

/// The parts that have come of a message.
#[derive(Debug, Default)]
struct Parts {
    total: u64,
    count: u32,
    /// The index of the next chunk; 0 if none has come, or all have.
    next: u32,
    /// The body, if `head` is not empty; otherwise the message.
    data: Vec<u8>,
    /// True once memory could not hold the message. The chunks that follow are dropped.
    discarded: bool,
    /// The bytes before the body, if the body has a buffer of its own.
    head: Vec<u8>,
    /// The length of the fields in `head`, which end before the key of the body.
    fields: usize,
}

/// The state of a message after a chunk.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// More chunks are to come.
    Partial,
    /// The message is complete.
    Complete(&'a [u8]),
}

/// The buffer of a body, which the data of the next chunk can be received into.
#[derive(Debug)]
pub struct BodyBuffer<'a> {
    /// The part of the body that has come. Its capacity has room for the data of the next chunk.
    pub bytes: &'a mut Vec<u8>,
    /// The length of that data.
    pub due: usize,
    /// True if memory has just been newly mapped for the whole body.
    pub newly_mapped: bool,
}

/// A complete message.
#[derive(Debug)]
pub struct Message<'a> {
    /// The message, or the fields before its body if that has a buffer of its own.
    pub bytes: &'a [u8],
    /// The buffer of the body, if it has one of its own.
    pub body: Option<&'a mut Vec<u8>>,
}

impl Reassembly {
    /// A reassembly of messages of at most `limit` bytes.
    #[inline]
    pub fn new(limit: usize) -> Self {
        Self::with_body(limit, 0)
    }

    /// A reassembly whose bodies, the field `number`, get buffers of their own if they come in several chunks.
    #[inline]
    pub fn with_body(limit: usize, number: u8) -> Self {
        Self { limit, body_field: number, parts: None }
    }

    /// The size of the largest message accepted.
    #[inline]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number of the field that gets a buffer of its own; 0 for none.
    #[inline]
    pub fn body_field(&self) -> u8 {
        self.body_field
    }

    /// The buffer of the body, filled or [reserved](Reassembly::reserve_body).
    pub fn body_mut(&mut self) -> &mut Vec<u8> {
        &mut self.parts.get_or_insert_default().data
    }

    /// Has bodies stay in their messages from now on.
    pub fn disable_body_buffer(&mut self) {
        self.body_field = 0;
    }

    /// True while a message has begun and is not complete.
    #[inline]
    pub fn is_partial(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.next != 0)
    }

    /// The memory held, in bytes. Of the capacity reserved for a body, twice the data that has come counts, because the
    /// rest is no memory yet.
    pub fn held(&self) -> usize {
        match &self.parts {
            Some(Parts { data, head, .. }) if head.is_empty() => data.capacity(),
            Some(Parts { data, .. }) => data.capacity().min(FIRST_CAPACITY.max(2 * data.len())),
            None => 0,
        }
    }

    /// The bytes that may be reserved for the message begun, by the data that has come of it.
    pub fn reservation(&self) -> usize {
        let reserved = |parts: &Parts| RESERVE_FACTOR * MAX_DATA * parts.next as usize;
        self.parts.as_ref().map_or(0, |parts| reserved(parts).min(parts.total as usize))
    }

    /// The bytes that have come of a message begun, without a body in a buffer of its own.
    pub fn partial(&self) -> &[u8] {
        match &self.parts {
            Some(Parts { next: 1.., data, head, .. }) if head.is_empty() => data,
            Some(Parts { next: 1.., head, .. }) => head,
            _ => &[],
        }
    }

    /// Drops the message begun, and its memory.
    #[inline(always)]
    pub fn reset(&mut self) {
        if self.parts.is_some() {
            self.parts = None;
        }
    }

    /// The buffer for the data of the next chunk. `None` if the chunk is to be received elsewhere.
    pub fn body_buffer(&mut self) -> Option<BodyBuffer<'_>> {
        self.parts.as_mut()?.body_buffer()
    }

    /// An empty buffer for `size` bytes of the body of a message that is expected. `None` if memory has run out. No message may
    /// have begun. No more than these is reserved, but a free block with room for the `whole` body is taken if there is one.
    pub fn reserve_body(&mut self, size: usize, whole: usize) -> Option<&mut Vec<u8>> {
        let body = self.body_mut();
        body.clear();
        if body.capacity() < size
            && let Some(idle) = large_block::take_idle(whole)
        {
            large_block::retire(std::mem::replace(body, idle));
        }
        large_block::reserve(body, size).ok()?;
        Some(body)
    }

    /// Takes the next record. After an error, as after a complete message, the next record begins a new one.
    #[inline]
    pub fn push<'a>(&'a mut self, record: &'a [u8]) -> Result<Progress<'a>, Cause> {
        Ok(self.accept(record, false)?.map_or(Progress::Partial, |message| Progress::Complete(message.bytes)))
    }

    /// Takes the next record, whose data may be [in place](Reassembly::body_buffer) already. `None` if more chunks are to
    /// come.
    #[inline(always)]
    pub fn accept<'a>(&'a mut self, record: &'a [u8], in_place: bool) -> Result<Option<Message<'a>>, Cause> {
        match Header::only_data(record) {
            Some(bytes) if !self.is_partial() && bytes.len() <= self.limit => Ok(Some(Message { bytes, body: None })),
            _ => self.accept_checked(record, in_place),
        }
    }

    #[cold]
    fn accept_checked<'a>(&'a mut self, record: &'a [u8], in_place: bool) -> Result<Option<Message<'a>>, Cause> {
        let (header, data) = match self.check(record) {
            Ok(checked) => checked,
            Err(cause) => {
                self.reset();
                return Err(cause);
            }
        };
        if header.count == 1 {
            return Ok(Some(Message { bytes: data, body: None }));
        }
        self.parts.get_or_insert_default().store(header, data, in_place, self.body_field)
    }

    /// Verifies a record against its own header and the chunks before. The checks have the order of the original's, because
    /// the order decides the error of a record with several faults.
    fn check<'a>(&self, record: &'a [u8]) -> Result<(Header, &'a [u8]), Cause> {
        let fault = |fault| Err(Cause::Header(fault));
        let Some((header, data)) = Header::split(record) else {
            return fault(HeaderFault::Missing { len: record.len() });
        };
        let Header { total, data: size, index, count } = header;
        let begun = self.parts.as_ref().filter(|parts| parts.next != 0);
        let next = begun.map_or(0, |parts| parts.next);
        let missing = begun.map_or(total, |parts| parts.total.saturating_sub(u64::from(next) * MAX_DATA as u64));
        if count == 0 {
            return fault(HeaderFault::NoChunks);
        }
        if size > MAX_DATA as u64 {
            return fault(HeaderFault::Oversize { data: size });
        }
        if size > missing {
            return fault(HeaderFault::Surplus { data: size, missing });
        }
        let is_another = begun.is_some_and(|parts| total != parts.total || count != parts.count);
        if u64::from(count) != chunk_count(total) || is_another {
            return fault(HeaderFault::Inconsistent { total, count });
        }
        if index >= count {
            return fault(HeaderFault::IndexOutOfRange { index, count });
        }
        if index != next {
            return fault(HeaderFault::OutOfOrder { index, expected: next });
        }
        let due = missing.min(MAX_DATA as u64);
        if size < due {
            return fault(HeaderFault::Short { data: size, due });
        }
        if total > self.limit as u64 {
            return Err(Cause::TooBig { size: total, limit: self.limit });
        }
        match data.get(..size as usize) {
            Some(data) => Ok((header, data)),
            None => fault(HeaderFault::Stub { len: record.len(), announced: HEADER_LEN + size as usize }),
        }
    }
}

impl Parts {
    /// The buffer for the data of the next chunk, if that is all of the body.
    fn body_buffer(&mut self) -> Option<BodyBuffer<'_>> {
        if self.head.is_empty() || self.next == 0 {
            return None;
        }
        let done = self.next as usize * MAX_DATA;
        let due = (self.total as usize).checked_sub(done)?.min(MAX_DATA);
        // A record that did not belong to the message may have left bytes there.
        self.data.truncate(done.checked_sub(self.head.len())?);
        let Ok(newly_mapped) = self.reserve(due) else {
            self.discard();
            return None;
        };
        Some(BodyBuffer { bytes: &mut self.data, due, newly_mapped })
    }

    /// Adds the next chunk. Its data is copied unless it is in place. The field `body_field` gets a buffer of its own.
    fn store(
        &mut self,
        header: Header,
        mut data: &[u8],
        in_place: bool,
        body_field: u8,
    ) -> Result<Option<Message<'_>>, Cause> {
        if self.next == 0 {
            self.total = header.total;
            self.count = header.count;
            if !in_place {
                self.data.clear();
            }
            data = self.split_head(data, body_field).unwrap_or(data);
        }
        if in_place {
            data = &[];
        }
        // A body in place is of no use without the bytes before it.
        let known = !in_place || !self.head.is_empty();
        if !self.discarded && known && self.reserve(data.len()).is_ok() {
            self.data.extend_from_slice(data);
        } else {
            self.discard();
        }
        self.next += 1;
        if self.next < self.count {
            return Ok(None);
        }
        self.next = 0;
        if std::mem::take(&mut self.discarded) {
            return Err(Cause::NoMemory);
        }
        Ok(Some(match self.head.get(..self.fields) {
            Some(bytes) if !self.head.is_empty() => Message { bytes, body: Some(&mut self.data) },
            _ => Message { bytes: &self.data, body: None },
        }))
    }

    /// Splits the data of the first chunk, if the body is to have a buffer of its own: the bytes before the body are kept,
    /// and the rest is returned.
    fn split_head<'a>(&mut self, data: &'a [u8], body_field: u8) -> Option<&'a [u8]> {
        self.head.clear();
        if body_field == 0 {
            return None;
        }
        let BodyPlace { fields, start } = BodyPlace::find(data, body_field, self.total as usize)?;
        let (head, body) = data.split_at_checked(start)?;
        self.head.try_reserve_exact(start).ok()?;
        self.head.extend_from_slice(head);
        self.fields = fields;
        Some(body)
    }

    /// Drops a message that memory cannot hold. The rest of its chunks will be dropped, too.
    fn discard(&mut self) {
        self.discarded = true;
        large_block::retire(std::mem::take(&mut self.data));
        self.head.clear();
    }

    /// Reserves capacity for `more` bytes, or takes a free block with room for the whole body. True if the memory has been
    /// [newly mapped](BodyBuffer::newly_mapped).
    fn reserve(&mut self, more: usize) -> Result<bool, Cause> {
        let needed = self.data.len() + more;
        if needed <= self.data.capacity() {
            return Ok(false);
        }
        let whole = self.total as usize - self.head.len();
        let arrived = self.data.len().max(more);
        let all = !self.head.is_empty() && whole / RESERVE_FACTOR <= arrived;
        if !all
            && !self.head.is_empty()
            && let Some(mut idle) = large_block::take_idle(whole)
        {
            idle.extend_from_slice(&self.data);
            large_block::retire(std::mem::replace(&mut self.data, idle));
            return Ok(false);
        }
        let room = if all { whole } else { FIRST_CAPACITY.max(2 * self.data.capacity()).min(whole) };
        let more = room.max(needed) - self.data.len();
        large_block::reserve(&mut self.data, more)?;
        Ok(all && whole >= MAPPED_MIN)
    }
}

impl Drop for Parts {
    #[inline(always)]
    fn drop(&mut self) {
        if large_block::is_large(self.data.capacity()) {
            large_block::retire(std::mem::take(&mut self.data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chunks, MAX_RECORD};
    use super::*;

    /// The records in which a sender sends `message`.
    fn records(message: &[u8]) -> Vec<Vec<u8>> {
        let chunks = Chunks::new(message.len()).unwrap();
        chunks.map(|(header, range)| [&header.to_bytes(), &message[range]].concat()).collect()
    }

    fn reassemble(records: &[Vec<u8>]) -> Result<Option<Vec<u8>>, Cause> {
        let mut reassembly = Reassembly::new(1 << 24);
        for record in records {
            if let Progress::Complete(message) = reassembly.push(record)? {
                return Ok(Some(message.to_vec()));
            }
        }
        Ok(None)
    }

    #[test]
    fn chunk_boundaries() {
        for (len, count) in [(0, 1), (1, 1), (MAX_DATA, 1), (MAX_DATA + 1, 2), (3 * MAX_DATA, 3)] {
            let message: Vec<u8> = (0..len).map(|i| (i * 31 + 7) as u8).collect();
            let records = records(&message);
            assert_eq!(records.len(), count);
            assert_eq!(reassemble(&records), Ok(Some(message)));
        }
    }

    #[test]
    fn empty_message_is_one_chunk() {
        let header = [0; 20].iter().chain(&1u32.to_ne_bytes()).copied().collect::<Vec<u8>>();
        assert_eq!(records(b""), [header]);
    }

    #[test]
    fn surplus_bytes_are_ignored() {
        let mut records = records(b"message");
        records[0].resize(MAX_RECORD, 0xee);
        assert_eq!(reassemble(&records), Ok(Some(b"message".to_vec())));
    }

    #[test]
    fn each_fault_has_its_name() {
        let big = vec![5; 2 * MAX_DATA + 100];
        let with = |index: usize, change: fn(&mut Header)| {
            let mut records = records(&big);
            let (mut header, data) = Header::split(&records[index]).map(|(h, d)| (h, d.to_vec())).unwrap();
            change(&mut header);
            records[index] = [&header.to_bytes(), &data[..]].concat();
            reassemble(&records)
        };
        let total = big.len() as u64;
        use HeaderFault::*;
        type Case = (usize, fn(&mut Header), HeaderFault);
        let cases: [Case; 11] = [
            (0, |h| h.data += 1, Oversize { data: MAX_DATA as u64 + 1 }),
            (0, |h| h.count = 0, NoChunks),
            (0, |h| h.count = 4, Inconsistent { total, count: 4 }),
            (0, |h| h.total = 1, Surplus { data: MAX_DATA as u64, missing: 1 }),
            (0, |h| h.index = 3, IndexOutOfRange { index: 3, count: 3 }),
            (0, |h| h.index = 1, OutOfOrder { index: 1, expected: 0 }),
            (0, |h| h.data = 0, Short { data: 0, due: MAX_DATA as u64 }),
            (1, |h| h.total += 1, Inconsistent { total: total + 1, count: 3 }),
            (2, |h| h.data += 1, Surplus { data: 101, missing: 100 }),
            (2, |h| h.data -= 1, Short { data: 99, due: 100 }),
            (2, |h| h.index = 1, OutOfOrder { index: 1, expected: 2 }),
        ];
        for (index, change, fault) in cases {
            assert_eq!(with(index, change), Err(Cause::Header(fault)));
        }
    }

    #[test]
    fn short_records_are_not_padded() {
        let mut records = records(b"message");
        records[0].pop();
        let stub = HeaderFault::Stub { len: 30, announced: 31 };
        assert_eq!(reassemble(&records), Err(Cause::Header(stub)));
        records[0].truncate(23);
        assert_eq!(reassemble(&records), Err(Cause::Header(HeaderFault::Missing { len: 23 })));
    }

    #[test]
    fn claimed_size_is_capped_and_not_allocated() {
        let total = (MAX_DATA as u64) * u64::from(u32::MAX);
        let header = Header { total, data: MAX_DATA as u64, index: 0, count: u32::MAX };
        let record = [&header.to_bytes()[..], &[0; MAX_DATA]].concat();
        let mut reassembly = Reassembly::new(1 << 20);
        assert_eq!(reassembly.push(&record), Err(Cause::TooBig { size: total, limit: 1 << 20 }));
        let mut reassembly = Reassembly::new(usize::MAX);
        assert_eq!(reassembly.push(&record), Ok(Progress::Partial));
        assert_eq!(reassembly.held(), FIRST_CAPACITY);
    }

    #[test]
    fn a_new_message_follows_an_error() {
        let mut reassembly = Reassembly::new(1 << 20);
        assert_eq!(reassembly.push(&records(&[1; MAX_DATA + 1])[0]), Ok(Progress::Partial));
        assert!(reassembly.is_partial());
        assert!(reassembly.push(b"?").is_err());
        assert!(!reassembly.is_partial());
        assert_eq!(reassembly.push(&records(b"next")[0]), Ok(Progress::Complete(b"next")));
    }
}

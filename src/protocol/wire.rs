//! The Protocol Buffers encoding of the two messages, on borrowed data.
//!
//! No function here allocates, so that none can fail for want of memory: the C functions, which promise an error code where
//! others abort, use this module. The decoder is our own for that reason, because prost's reports a malformed message in a
//! `Box`. Of messages of up to [`MAX_FIELDS`] our decoder accepts and refuses exactly those that protobuf-c does.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::io::IoSlice;
use std::ops::Range;

use prost::encoding::{WireType, encode_varint};

use crate::cause::Cause;

/// The largest size of a head, the fields before the body with its key and length: four keys, four varints of ten bytes.
pub(crate) const HEAD_CAPACITY: usize = 44;

/// The most fields of a message from a peer. DAOS's have three or four; a field takes two bytes, and some 15 ns.
pub const MAX_FIELDS: usize = 1024;

/// The most bytes of a varint.
pub const VARINT_MAX: usize = 10;

/// The most bytes of a key or a length.
const VARINT32_MAX: usize = 5;

/// The key of a call's body.
const BODY_OF_CALL: u8 = key_byte(4, WireType::LengthDelimited);

/// A call that borrows its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallRef<'a> {
    /// The number of the module.
    pub module: i32,
    /// The number of the method.
    pub method: i32,
    /// The number of the call, which the caller sets and the response repeats.
    pub sequence: i64,
    /// The argument of the method.
    pub body: &'a [u8],
}

/// A response that borrows its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseRef<'a> {
    /// The sequence of the call.
    pub sequence: i64,
    /// The number of a [`Status`](crate::Status), or one that this version does not know.
    pub status: i32,
    /// The result of the method.
    pub body: &'a [u8],
}

impl<'a> CallRef<'a> {
    /// Number of the last field; every other number is unknown.
    pub const LAST_FIELD: u32 = 4;

    /// Number of the body.
    pub const BODY: u8 = 4;

    /// Decodes a call. Of a repeated field the last one counts; unknown fields are skipped. More than [`MAX_FIELDS`] are
    /// malformed.
    pub fn decode(message: &'a [u8]) -> Result<Self, Cause> {
        Ok(Self::decode_counting(message, MAX_FIELDS)?.0)
    }

    /// Decodes a call of at most `most` fields, and counts its unknown ones.
    #[inline(always)]
    pub fn decode_counting(message: &'a [u8], most: usize) -> Result<(Self, usize), Cause> {
        let mut fields = Fields::new(message);
        let mut call = Self {
            module: fields.int(1) as i32,
            method: fields.int(2) as i32,
            sequence: fields.int(3),
            body: fields.bytes(4),
        };
        let unknown = if fields.rest.is_empty() { 0 } else { call.collect(message, most)? };
        Ok((call, unknown))
    }

    #[cold]
    fn collect(&mut self, message: &'a [u8], most: usize) -> Result<usize, Cause> {
        let mut unknown = 0;
        let mut fields = Fields::new(message);
        for field in fields.by_ref().take(most) {
            let field = field?;
            match field.number {
                1 => self.module = field.int()? as i32,
                2 => self.method = field.int()? as i32,
                3 => self.sequence = field.int()?,
                4 => self.body = field.bytes()?,
                _ => unknown += 1,
            }
        }
        if fields.rest.is_empty() { Ok(unknown) } else { Err(Cause::Malformed) }
    }

    /// The sequence of a call of which only the beginning has come; `None` if its first [`MAX_FIELDS`] do not contain it.
    pub fn sequence_in(part: &[u8]) -> Option<i64> {
        let mut fields = Fields::new(part);
        let mut sequence = None;
        let mut rest = part;
        for _ in 0..MAX_FIELDS {
            let Some(Ok(field)) = fields.next() else { break };
            rest = fields.rest;
            if field.number == 3 {
                sequence = field.int().ok();
            }
        }
        // All senders write the fields in order, and leave out a sequence of 0.
        let body_follows = rest.first() == Some(&BODY_OF_CALL);
        sequence.or_else(|| body_follows.then_some(0))
    }

    /// Encodes the call; `unknown` are encoded fields that follow the known ones.
    #[inline(always)]
    pub fn encode(&self, unknown: &'a [u8]) -> Encoded<'a> {
        let mut encoded = Encoded::new(self.body, unknown);
        self.encode_head(&mut encoded);
        encoded
    }

    /// Encodes the call with a sequence of `more` bytes than needed. `None` if the sequence is zero, which is not written,
    /// or does not fit a varint then.
    pub fn encode_longer(&self, unknown: &'a [u8], more: usize) -> Option<Encoded<'a>> {
        let mut encoded = Encoded::new(self.body, unknown);
        encoded.head.int(1, self.module.into());
        encoded.head.int(2, self.method.into());
        encoded.head.int(3, self.sequence);
        if more > 0 {
            encoded.head.lengthen(more, self.sequence)?;
        }
        encoded.head.body(4, encoded.body.len());
        Some(encoded)
    }

    /// Encodes everything but the body, and the unknown fields, which `encoded` has got.
    #[inline(always)]
    pub fn encode_head(&self, encoded: &mut Encoded<'_>) {
        encoded.head.int(1, self.module.into());
        encoded.head.int(2, self.method.into());
        encoded.head.int(3, self.sequence);
        encoded.head.body(4, encoded.body.len());
    }
}

impl<'a> ResponseRef<'a> {
    /// Number of the last field; every other number is unknown.
    pub const LAST_FIELD: u32 = 3;

    /// Number of the body.
    pub const BODY: u8 = 3;

    /// Decodes a response. Of a repeated field the last one counts; unknown fields are skipped. More than [`MAX_FIELDS`] are
    /// malformed.
    pub fn decode(message: &'a [u8]) -> Result<Self, Cause> {
        Ok(Self::decode_counting(message, MAX_FIELDS)?.0)
    }

    /// Decodes a response of at most `most` fields, and counts its unknown ones.
    #[inline(always)]
    pub fn decode_counting(message: &'a [u8], most: usize) -> Result<(Self, usize), Cause> {
        let mut fields = Fields::new(message);
        let mut response = Self { sequence: fields.int(1), status: fields.int(2) as i32, body: fields.bytes(3) };
        let unknown = if fields.rest.is_empty() { 0 } else { response.collect(message, most)? };
        Ok((response, unknown))
    }

    #[cold]
    fn collect(&mut self, message: &'a [u8], most: usize) -> Result<usize, Cause> {
        let mut unknown = 0;
        let mut fields = Fields::new(message);
        for field in fields.by_ref().take(most) {
            let field = field?;
            match field.number {
                1 => self.sequence = field.int()?,
                2 => self.status = field.int()? as i32,
                3 => self.body = field.bytes()?,
                _ => unknown += 1,
            }
        }
        if fields.rest.is_empty() { Ok(unknown) } else { Err(Cause::Malformed) }
    }

    /// Encodes the response; `unknown` are encoded fields that follow the known ones.
    #[inline(always)]
    pub fn encode(&self, unknown: &'a [u8]) -> Encoded<'a> {
        let mut encoded = Encoded::new(self.body, unknown);
        self.encode_head(&mut encoded);
        encoded
    }

    /// Encodes everything but the body, and the unknown fields, which `encoded` has got.
    #[inline(always)]
    pub fn encode_head(&self, encoded: &mut Encoded<'_>) {
        encoded.head.int(1, self.sequence);
        encoded.head.int(2, self.status.into());
        encoded.head.body(3, encoded.body.len());
    }
}

/// An encoded message in three pieces, of which only the first is a copy.
#[derive(Clone, Debug)]
pub struct Encoded<'a> {
    head: Head,
    body: &'a [u8],
    unknown: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// A message without its head, which is [still to come](CallRef::encode_head). (The head is written where it stays,
    /// because moving it costs more than encoding it.)
    #[inline(always)]
    pub fn new(body: &'a [u8], unknown: &'a [u8]) -> Self {
        Self { head: Head::new(), body, unknown }
    }

    /// A message that has been encoded already, or the rest of one.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self::new(bytes, &[])
    }

    /// A message of a head and the body that follows it.
    pub(crate) fn of(head: Head, body: &'a [u8]) -> Self {
        Self { head, body, unknown: &[] }
    }

    /// The head and the body, of a message without unknown fields.
    pub(crate) fn split(&self) -> (Head, &'a [u8]) {
        (self.head, self.body)
    }

    /// The length of the message in bytes.
    #[expect(clippy::len_without_is_empty, reason = "an empty message is nothing special here")]
    #[inline]
    pub fn len(&self) -> usize {
        self.head.len + self.body.len() + self.unknown.len()
    }

    /// Copies the head to the beginning of `to`, and returns its length. `None` unless there is room for the largest head.
    #[inline]
    pub fn copy_head_to(&self, to: &mut [u8]) -> Option<usize> {
        // All of the array is copied, because a copy of fixed length takes no call.
        *to.first_chunk_mut()? = self.head.bytes;
        Some(self.head.len)
    }

    /// Copies the message to the beginning of `to`. `None` unless there is room for it, and for the largest head.
    #[inline]
    pub fn copy_to(&self, to: &mut [u8]) -> Option<()> {
        let head = self.copy_head_to(to)?;
        let mut rest = to.get_mut(head..)?;
        for piece in [self.body, self.unknown] {
            if !piece.is_empty() {
                let (room, behind) = rest.split_at_mut_checked(piece.len())?;
                room.copy_from_slice(piece);
                rest = behind;
            }
        }
        Some(())
    }

    /// The three pieces in order; any may be empty.
    pub fn pieces(&self) -> [&[u8]; 3] {
        [self.head.bytes(), self.body, self.unknown]
    }

    /// The slices of the three pieces that make up a range of the message.
    pub fn slices(&self, range: Range<usize>) -> [IoSlice<'_>; 3] {
        let mut before = 0;
        self.pieces().map(|piece| {
            let start = range.start.saturating_sub(before).min(piece.len());
            let end = range.end.saturating_sub(before).min(piece.len());
            before += piece.len();
            IoSlice::new(piece.get(start..end).unwrap_or_default())
        })
    }
}

/// The head of a message: the fields before the body, as they are being encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; HEAD_CAPACITY],
    len: usize,
}

impl Head {
    /// A head of no bytes.
    #[inline]
    pub(crate) fn new() -> Self {
        Self { bytes: [0; HEAD_CAPACITY], len: 0 }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Writes a field. Every key has one byte, and nearly every value one or two.
    #[inline(always)]
    fn put(&mut self, number: u8, wire_type: WireType, value: u64) {
        let key = key_byte(number, wire_type);
        match self.bytes.get_mut(self.len..) {
            Some([first, second, ..]) if value < 0x80 => {
                (*first, *second) = (key, value as u8);
                self.len += 2;
            }
            Some([first, second, third, ..]) if value < 0x4000 => {
                (*first, *second, *third) = (key, value as u8 | 0x80, (value >> 7) as u8);
                self.len += 3;
            }
            Some([first, free @ ..]) => {
                let (bytes, len) = varint_bytes(value);
                if let (Some(to), Some(bytes)) = (free.get_mut(..len), bytes.get(..len)) {
                    *first = key;
                    to.copy_from_slice(bytes);
                    self.len += 1 + len;
                }
            }
            _ => {}
        }
    }

    /// Writes an integer. proto3 leaves zero out; a negative number takes ten bytes whatever its type.
    #[inline]
    fn int(&mut self, number: u8, value: i64) {
        if value != 0 {
            self.put(number, WireType::Varint, value as u64);
        }
    }

    /// Lengthens the varint at the end, which is `value`, by `more` bytes that add nothing to the value.
    fn lengthen(&mut self, more: usize, value: i64) -> Option<()> {
        let (_, len) = varint_bytes(value as u64);
        if value == 0 || len + more > VARINT_MAX {
            return None;
        }
        let added = self.bytes.get_mut(self.len - 1..self.len + more)?;
        let (last, added) = added.split_first_mut()?;
        *last |= 0x80;
        added.fill(0x80);
        *added.last_mut()? = 0;
        self.len += more;
        Some(())
    }

    /// Writes the key and the length of the body that follows. An empty body is left out.
    #[inline]
    fn body(&mut self, number: u8, len: usize) {
        if len > 0 {
            self.put(number, WireType::LengthDelimited, len as u64);
        }
    }
}

/// The key of an encoded field, and its length.
pub fn key(number: u32, wire_type: u8) -> ([u8; VARINT_MAX], usize) {
    varint_bytes((u64::from(number) << 3) | u64::from(wire_type))
}

/// An encoded number, and its length.
#[inline(never)]
pub(crate) fn varint_bytes(value: u64) -> ([u8; VARINT_MAX], usize) {
    let mut bytes = [0; VARINT_MAX];
    let mut free = &mut bytes[..];
    encode_varint(value, &mut free);
    let len = VARINT_MAX - free.len();
    (bytes, len)
}

/// One field of an encoded message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// The number of the field.
    pub number: u32,
    /// The encoding of the value: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
    pub wire_type: u8,
    /// The encoded value, with its length if it has one.
    pub value: &'a [u8],
    /// The value of a varint, or the number of bytes that a length takes.
    int: u64,
}

impl<'a> Field<'a> {
    #[inline]
    fn int(&self) -> Result<i64, Cause> {
        if self.wire_type == 0 { Ok(self.int as i64) } else { Err(Cause::Malformed) }
    }

    #[inline]
    fn bytes(&self) -> Result<&'a [u8], Cause> {
        match self.wire_type {
            2 => self.value.get(self.int as usize..).ok_or(Cause::Malformed),
            _ => Err(Cause::Malformed),
        }
    }
}

/// An iterator over the fields of an encoded message. It ends after the first malformed field.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Iterates over the fields of `message`.
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field if it is the integer `number`, else 0. All known senders write their fields in order.
    #[inline(always)]
    fn int(&mut self, number: u8) -> i64 {
        let value = self.after_key(number, WireType::Varint).and_then(|rest| {
            let (value, len) = varint(rest, VARINT_MAX)?;
            self.rest = rest.get(len..)?;
            Some(value as i64)
        });
        value.unwrap_or_default()
    }

    /// The next field if it is the bytes `number`, else nothing.
    #[inline(always)]
    fn bytes(&mut self, number: u8) -> &'a [u8] {
        let value = self.after_key(number, WireType::LengthDelimited).and_then(|rest| {
            let (prefix, len) = delimited(rest)?;
            let (value, rest) = rest.split_at_checked(len)?;
            self.rest = rest;
            value.get(prefix..)
        });
        value.unwrap_or_default()
    }

    #[inline]
    fn after_key(&self, number: u8, wire_type: WireType) -> Option<&'a [u8]> {
        let (key, rest) = self.rest.split_first()?;
        (*key == key_byte(number, wire_type)).then_some(rest)
    }

    #[inline]
    fn field(&mut self) -> Option<Field<'a>> {
        let (key, key_len) = varint(self.rest, VARINT32_MAX)?;
        let (first, _) = self.rest.split_first()?;
        // Zero is no field number. (Spelt in several bytes protobuf-c lets it pass, and so do we.)
        if first & 0xf8 == 0 {
            return None;
        }
        let value = self.rest.get(key_len..)?;
        let wire_type = (key & 7) as u8;
        let (int, len) = match wire_type {
            0 => varint(value, VARINT_MAX)?,
            1 => (0, 8),
            2 => {
                let (prefix, len) = delimited(value)?;
                (prefix as u64, len)
            }
            5 => (0, 4),
            _ => return None,
        };
        let (value, rest) = value.split_at_checked(len)?;
        self.rest = rest;
        Some(Field { number: (key >> 3) as u32, wire_type, value, int })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Cause>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field().ok_or(Cause::Malformed);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// The place of the body in an encoded message, behind a head of known fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyPlace {
    /// The length of the fields before the key of the body.
    pub fields: usize,
    /// The index of the first byte of the body.
    pub start: usize,
}

impl BodyPlace {
    /// Finds the body in a message of `len` bytes that begins with `beginning`. `None` unless the message is as known
    /// senders write it: some numbers, then the body, which is the field `number` and goes to the end.
    #[inline]
    pub fn find(beginning: &[u8], number: u8, len: usize) -> Option<Self> {
        let mut fields = Fields::new(beginning);
        for before in 1..number {
            fields.int(before);
        }
        let before = beginning.len() - fields.rest.len();
        let (prefix, end) = delimited(fields.after_key(number, WireType::LengthDelimited)?)?;
        let start = before + 1 + prefix;
        (before + 1 + end == len && start <= HEAD_CAPACITY).then_some(Self { fields: before, start })
    }
}

/// The bytes in the encoded value of a field that has a length.
pub(crate) fn without_length(value: &[u8]) -> Option<&[u8]> {
    let (prefix, end) = delimited(value)?;
    value.get(prefix..end)
}

/// The size of the length that `input` begins with, and the size of that length and its bytes together.
#[inline]
fn delimited(input: &[u8]) -> Option<(usize, usize)> {
    let (len, prefix) = varint(input, VARINT32_MAX)?;
    Some((prefix, prefix + usize::try_from(i32::try_from(len).ok()?).ok()?))
}

#[inline]
const fn key_byte(number: u8, wire_type: WireType) -> u8 {
    (number << 3) | wire_type as u8
}

/// The varint that `input` begins with and its size; `None` if it takes more than `max` bytes. Bits over 64 are dropped.
#[inline]
fn varint(input: &[u8], max: usize) -> Option<(u64, usize)> {
    match *input {
        [first, ..] if first < 0x80 => Some((u64::from(first), 1)),
        [first, second, ..] if second < 0x80 => Some((u64::from(first & 0x7f) | u64::from(second) << 7, 2)),
        _ => long_varint(input, max),
    }
}

#[inline(never)]
fn long_varint(input: &[u8], max: usize) -> Option<(u64, usize)> {
    let (mut value, mut shift) = (0, 0);
    for byte in input.get(..max).unwrap_or(input) {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            return Some((value, shift / 7));
        }
    }
    None
}

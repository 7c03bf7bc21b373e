//! The Protocol Buffers encoding of the two messages, on borrowed data.
//!
//! Nothing here allocates, and nothing here can fail for want of memory: the C functions, which promise an error
//! code where others abort, run through this module. That is also why the decoder is our own: prost's reports a
//! malformed message in a `Box`. It accepts and refuses exactly what protobuf-c does.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::io::IoSlice;
use std::ops::Range;

use prost::encoding::{WireType, encode_key, encode_varint};

use crate::error::Cause;

/// Room for the fields before the body, and the body's key and length: four keys, four varints of ten bytes.
const HEAD_CAPACITY: usize = 44;

/// A varint has at most this many bytes.
pub const VARINT_MAX: usize = 10;

/// Keys and lengths have at most this many.
const VARINT32_MAX: usize = 5;

/// The key of a call's body.
const BODY_OF_CALL: u8 = (4 << 3) | WireType::LengthDelimited as u8;

/// A call, its body borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallRef<'a> {
    /// Number of the module.
    pub module: i32,
    /// Number of the method.
    pub method: i32,
    /// Set by the caller, copied into the response.
    pub sequence: i64,
    /// Argument of the method.
    pub body: &'a [u8],
}

/// A response, its body borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseRef<'a> {
    /// Sequence of the call.
    pub sequence: i64,
    /// A number of [`Status`](crate::Status), or one that this version does not know.
    pub status: i32,
    /// Result of the method.
    pub body: &'a [u8],
}

impl<'a> CallRef<'a> {
    /// Number of the last field; every other number is unknown.
    pub const LAST_FIELD: u32 = 4;

    /// Reads a call; of a repeated field the last one counts, unknown ones are passed over.
    pub fn decode(message: &'a [u8]) -> Result<Self, Cause> {
        Ok(Self::decode_counting(message)?.0)
    }

    /// The same, and says how many unknown fields there are.
    #[inline]
    pub fn decode_counting(message: &'a [u8]) -> Result<(Self, usize), Cause> {
        Self::collect(Fields::new(message))
    }

    /// Reads a call as protobuf-c before 1.3.2 does, which takes zero for a field number like any other.
    pub fn decode_with_number_zero(message: &'a [u8]) -> Result<Self, Cause> {
        Ok(Self::collect(Fields { rest: message, zero: true })?.0)
    }

    #[inline]
    fn collect(fields: Fields<'a>) -> Result<(Self, usize), Cause> {
        let mut call = Self::default();
        let mut unknown = 0;
        for field in fields {
            let field = field?;
            match field.number {
                1 => call.module = field.int()? as i32,
                2 => call.method = field.int()? as i32,
                3 => call.sequence = field.int()?,
                4 => call.body = field.bytes()?,
                _ => unknown += 1,
            }
        }
        Ok((call, unknown))
    }

    /// The sequence of a call of which only the beginning has come; `None` when it cannot be told.
    pub fn sequence_in(part: &[u8]) -> Option<i64> {
        let mut fields = Fields::new(part);
        let mut sequence = None;
        let mut rest = part;
        while let Some(Ok(field)) = fields.next() {
            rest = fields.rest;
            if field.number == 3 {
                sequence = field.int().ok();
            }
        }
        // Everybody writes the fields in order, and leaves out a sequence of 0.
        let body_follows = rest.first() == Some(&BODY_OF_CALL);
        sequence.or_else(|| body_follows.then_some(0))
    }

    /// Encodes the call; `unknown` are encoded fields that follow the known ones.
    pub fn encode(&self, unknown: &'a [u8]) -> Encoded<'a> {
        let mut head = Head::new();
        head.int(1, self.module.into());
        head.int(2, self.method.into());
        head.int(3, self.sequence);
        head.body(4, self.body, unknown)
    }
}

impl<'a> ResponseRef<'a> {
    /// Number of the last field; every other number is unknown.
    pub const LAST_FIELD: u32 = 3;

    /// Reads a response; of a repeated field the last one counts, unknown ones are passed over.
    pub fn decode(message: &'a [u8]) -> Result<Self, Cause> {
        Ok(Self::decode_counting(message)?.0)
    }

    /// The same, and says how many unknown fields there are.
    #[inline]
    pub fn decode_counting(message: &'a [u8]) -> Result<(Self, usize), Cause> {
        let mut response = Self::default();
        let mut unknown = 0;
        for field in Fields::new(message) {
            let field = field?;
            match field.number {
                1 => response.sequence = field.int()?,
                2 => response.status = field.int()? as i32,
                3 => response.body = field.bytes()?,
                _ => unknown += 1,
            }
        }
        Ok((response, unknown))
    }

    /// Encodes the response; `unknown` are encoded fields that follow the known ones.
    pub fn encode(&self, unknown: &'a [u8]) -> Encoded<'a> {
        let mut head = Head::new();
        head.int(1, self.sequence);
        head.int(2, self.status.into());
        head.body(3, self.body, unknown)
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
    /// A message that has been encoded before.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self { head: Head::new(), body: bytes, unknown: &[] }
    }

    /// Length of the message in bytes.
    #[expect(clippy::len_without_is_empty, reason = "an empty message is nothing special here")]
    pub fn len(&self) -> usize {
        self.pieces().iter().map(|piece| piece.len()).sum()
    }

    /// The pieces in order; any may be empty.
    pub fn pieces(&self) -> [&[u8]; 3] {
        [self.head.bytes(), self.body, self.unknown]
    }

    /// The part of the message that `range` names, piece by piece.
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

/// The fields before the body as they are being encoded.
#[derive(Clone, Copy, Debug)]
struct Head {
    bytes: [u8; HEAD_CAPACITY],
    len: usize,
}

impl Head {
    #[inline]
    fn new() -> Self {
        Self { bytes: [0; HEAD_CAPACITY], len: 0 }
    }

    #[inline]
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    #[inline]
    fn put(&mut self, number: u32, wire_type: WireType, value: u64) {
        let mut free = self.bytes.get_mut(self.len..).unwrap_or_default();
        let room = free.len();
        encode_key(number, wire_type, &mut free);
        encode_varint(value, &mut free);
        self.len += room - free.len();
    }

    /// proto3 leaves zero out; a negative number takes ten bytes whatever its type.
    #[inline]
    fn int(&mut self, number: u32, value: i64) {
        if value != 0 {
            self.put(number, WireType::Varint, value as u64);
        }
    }

    #[inline]
    fn body<'a>(mut self, number: u32, body: &'a [u8], unknown: &'a [u8]) -> Encoded<'a> {
        if !body.is_empty() {
            self.put(number, WireType::LengthDelimited, body.len() as u64);
        }
        Encoded { head: self, body, unknown }
    }
}

/// The key of an encoded field, and its length.
pub fn key(number: u32, wire_type: u8) -> ([u8; VARINT_MAX], usize) {
    let mut bytes = [0; VARINT_MAX];
    let mut free = &mut bytes[..];
    encode_varint((u64::from(number) << 3) | u64::from(wire_type), &mut free);
    let len = VARINT_MAX - free.len();
    (bytes, len)
}

/// One field of an encoded message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its number.
    pub number: u32,
    /// How its value is encoded: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes.
    pub wire_type: u8,
    /// The encoded value, a length included.
    pub value: &'a [u8],
    /// Bytes of `value` that hold the length.
    prefix: usize,
}

impl<'a> Field<'a> {
    fn int(&self) -> Result<i64, Cause> {
        if self.wire_type != 0 {
            return Err(Cause::Malformed);
        }
        Ok(varint(self.value) as i64)
    }

    fn bytes(&self) -> Result<&'a [u8], Cause> {
        match self.wire_type {
            2 => self.value.get(self.prefix..).ok_or(Cause::Malformed),
            _ => Err(Cause::Malformed),
        }
    }
}

/// The fields of an encoded message, in order; ends after the first malformed one.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    /// Zero is a field number.
    zero: bool,
}

impl<'a> Fields<'a> {
    /// Iterates over the fields of `message`.
    #[inline]
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message, zero: false }
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let (key, value) = self.rest.split_at_checked(varint_len(self.rest, VARINT32_MAX)?)?;
        // Zero is no field number. (Spelt in several bytes protobuf-c lets it pass, and so do we.)
        if !self.zero && key.first()? & 0xf8 == 0 {
            return None;
        }
        let key = varint(key);
        let wire_type = (key & 7) as u8;
        let mut prefix = 0;
        let len = match wire_type {
            0 => varint_len(value, VARINT_MAX)?,
            1 => 8,
            2 => {
                prefix = varint_len(value, VARINT32_MAX)?;
                let len = varint(value.get(..prefix)?);
                prefix + usize::try_from(i32::try_from(len).ok()?).ok()?
            }
            5 => 4,
            _ => return None,
        };
        let (value, rest) = value.split_at_checked(len)?;
        self.rest = rest;
        Some(Field { number: (key >> 3) as u32, wire_type, value, prefix })
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

/// Bytes of the varint that `input` begins with, if it ends within `max` of them.
#[inline]
fn varint_len(input: &[u8], max: usize) -> Option<usize> {
    input.iter().take(max).position(|byte| byte & 0x80 == 0).map(|last| last + 1)
}

/// Value of a complete varint; bits over 64 are dropped.
#[inline]
fn varint(bytes: &[u8]) -> u64 {
    let bits = |(i, byte): (usize, &u8)| u64::from(byte & 0x7f) << (7 * i);
    bytes.iter().enumerate().map(bits).fold(0, |value, bits| value | bits)
}

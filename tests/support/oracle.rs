//! The messages for which prost is an oracle of the decoder, and those for which it is none. The code here shares nothing
//! with the library.

use drpc::wire::VARINT_MAX;

/// Where protobuf-c, and the decoder with it, judges other than prost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Difference {
    /// Group marks: prost skips a whole group as an unknown field, protobuf-c refuses it.
    Group,
    /// A key of more than five bytes, as long as its value fits: prost reads it, protobuf-c does not.
    LongKey,
    /// A key whose value takes more than 32 bits in five bytes: prost refuses it, protobuf-c cuts it off.
    LargeKey,
    /// Field number zero, spelt in several bytes: prost refuses it, protobuf-c does not notice.
    NumberZero,
    /// A length of more than five bytes: prost reads it, protobuf-c does not.
    LongLength,
    /// A varint with more than 64 bits: prost refuses it, protobuf-c drops them.
    LargeVarint,
}

/// A varint at the beginning of `input`: its value with all its bits, and its length.
pub(crate) fn varint(input: &[u8]) -> Option<(u128, usize)> {
    let len = input.iter().take(VARINT_MAX).position(|byte| byte & 0x80 == 0)? + 1;
    let value = input[..len].iter().rev().fold(0, |value, byte| (value << 7) | u128::from(byte & 0x7f));
    Some((value, len))
}

/// The first difference that a message meets; none if both decoders have to agree on it.
pub(crate) fn difference(mut input: &[u8]) -> Option<Difference> {
    while !input.is_empty() {
        let (key, len) = varint(input)?;
        input = &input[len..];
        if len > 5 {
            return Some(Difference::LongKey);
        }
        if key > u32::MAX.into() {
            return Some(Difference::LargeKey);
        }
        if key >> 3 == 0 {
            return (len > 1).then_some(Difference::NumberZero);
        }
        let (value, len) = match key & 7 {
            0 | 2 => varint(input)?,
            1 => (0, 8),
            5 => (0, 4),
            3 | 4 => return Some(Difference::Group),
            _ => return None,
        };
        if value > u64::MAX.into() {
            return Some(Difference::LargeVarint);
        }
        if key & 7 == 2 && len > 5 {
            return Some(Difference::LongLength);
        }
        let skipped = if key & 7 == 2 { len as u128 + value } else { len as u128 };
        input = input.get(usize::try_from(skipped).ok()?..)?;
    }
    None
}

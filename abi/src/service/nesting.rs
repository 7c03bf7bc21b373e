//! How deep messages are inside one another, looked at before they are unpacked: protobuf_c_message_unpack has no limit,
//! and takes a stack frame for each.

use std::slice;

use ::drpc::UnpackFault;

use crate::protobuf_c::{ProtobufCFieldDescriptor, ProtobufCMessageDescriptor, field_type};

/// The number of messages that may be inside one another, the outermost not counted. It is that of other implementations of
/// Protocol Buffers.
pub(crate) const MAX_DEPTH: usize = 100;

/// The encoding of a value, of those that protobuf_c_message_unpack reads.
mod wire_type {
    pub(super) const VARINT: u64 = 0;
    pub(super) const FIXED64: u64 = 1;
    pub(super) const DELIMITED: u64 = 2;
    pub(super) const FIXED32: u64 = 5;
}

/// The most bytes of a tag or a length.
const MAX_SHORT_VARINT: usize = 5;

/// The most bytes of a value.
const MAX_VARINT: usize = 10;

/// Checks the depth of an encoded message. Bytes that are read in two ways are malformed, so that no other reader finds
/// more than this one.
///
/// # Safety
/// `descriptor` is that of a message type, and constant.
pub(crate) unsafe fn check(descriptor: *const ProtobufCMessageDescriptor, bytes: &[u8]) -> Result<(), UnpackFault> {
    // SAFETY: the caller's promise.
    unsafe { check_within(descriptor, bytes, MAX_DEPTH) }
}

/// # Safety
/// As for [`check`].
unsafe fn check_within(
    descriptor: *const ProtobufCMessageDescriptor,
    mut bytes: &[u8],
    levels: usize,
) -> Result<(), UnpackFault> {
    // A message in another one takes at least two bytes there: its tag and its length.
    if bytes.len() / 2 <= levels {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let fields = unsafe { fields(descriptor) };
    while !bytes.is_empty() {
        let tag = varint(&mut bytes, MAX_SHORT_VARINT)?;
        match tag & 7 {
            wire_type::VARINT => varint(&mut bytes, MAX_VARINT).map(drop)?,
            wire_type::FIXED64 => take(&mut bytes, 8).map(drop)?,
            wire_type::FIXED32 => take(&mut bytes, 4).map(drop)?,
            wire_type::DELIMITED => {
                let len = varint(&mut bytes, MAX_SHORT_VARINT)?;
                let value = take(&mut bytes, len)?;
                // A tag of 5 bytes has 35 bits, so that none is lost.
                let inner = message_type(fields, (tag >> 3) as u32);
                if let Some(inner) = inner {
                    let levels = levels.checked_sub(1).ok_or(UnpackFault::Depth { limit: MAX_DEPTH })?;
                    // SAFETY: a field of a constant descriptor has a constant descriptor, too.
                    unsafe { check_within(inner, value, levels)? };
                }
            }
            _ => return Err(UnpackFault::Malformed),
        }
    }
    Ok(())
}

/// The fields of a type, by number.
///
/// # Safety
/// As for [`check`].
unsafe fn fields<'a>(descriptor: *const ProtobufCMessageDescriptor) -> &'a [ProtobufCFieldDescriptor] {
    // SAFETY: the caller's promise, by which as many fields are there as it says.
    unsafe {
        match (*descriptor).n_fields as usize {
            0 => &[],
            count => slice::from_raw_parts((*descriptor).fields, count),
        }
    }
}

/// The type of a field that is a message.
fn message_type(fields: &[ProtobufCFieldDescriptor], number: u32) -> Option<*const ProtobufCMessageDescriptor> {
    let field = fields.get(fields.binary_search_by_key(&number, |field| field.id).ok()?)?;
    (field.r#type == field_type::MESSAGE).then_some(field.descriptor.cast())
}

/// Takes a number of at most `most` bytes.
fn varint(bytes: &mut &[u8], most: usize) -> Result<u64, UnpackFault> {
    let end = bytes.iter().take(most).position(|byte| byte & 0x80 == 0).ok_or(UnpackFault::Malformed)?;
    let digits = take(bytes, end as u64 + 1)?;
    Ok(digits.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)))
}

fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8], UnpackFault> {
    let taken = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
    let (taken, rest) = taken.ok_or(UnpackFault::Malformed)?;
    *bytes = rest;
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::drpc_pb_c::drpc__call__descriptor;

    /// A type with a message of the same type as field 2, and bytes as field 4.
    struct Recursive(Box<[ProtobufCFieldDescriptor; 2]>, Box<ProtobufCMessageDescriptor>);

    impl Recursive {
        fn new() -> Self {
            // SAFETY: a descriptor is plain data, of which zeros are a value.
            let mut descriptor: Box<ProtobufCMessageDescriptor> = Box::new(unsafe { std::mem::zeroed() });
            // SAFETY: as above.
            let mut fields: Box<[ProtobufCFieldDescriptor; 2]> = Box::new(unsafe { std::mem::zeroed() });
            (fields[0].id, fields[0].r#type) = (2, field_type::MESSAGE);
            fields[0].descriptor = (&raw const *descriptor).cast();
            (fields[1].id, fields[1].r#type) = (4, field_type::BYTES);
            (descriptor.n_fields, descriptor.fields) = (2, fields.as_ptr());
            Self(fields, descriptor)
        }

        fn check(&self, bytes: &[u8]) -> Result<(), UnpackFault> {
            assert_eq!(self.0.len(), 2);
            // SAFETY: the descriptor and its fields exist.
            unsafe { check(&raw const *self.1, bytes) }
        }
    }

    fn delimited(tag: u8, mut inner: Vec<u8>) -> Vec<u8> {
        let mut bytes = vec![tag];
        let mut len = inner.len();
        while len > 0x7f {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
        bytes.append(&mut inner);
        bytes
    }

    fn nested(depth: usize, innermost: Vec<u8>) -> Vec<u8> {
        (0..depth).fold(innermost, |inner, _| delimited(2 << 3 | 2, inner))
    }

    const TOO_DEEP: Result<(), UnpackFault> = Err(UnpackFault::Depth { limit: MAX_DEPTH });

    #[test]
    fn a_hundred_levels_are_allowed() {
        let types = Recursive::new();
        for innermost in [vec![], delimited(4 << 3 | 2, vec![0; 300])] {
            assert_eq!(types.check(&nested(MAX_DEPTH, innermost.clone())), Ok(()));
            assert_eq!(types.check(&nested(MAX_DEPTH + 1, innermost.clone())), TOO_DEEP);
            assert_eq!(types.check(&nested(20_000, innermost)), TOO_DEEP);
        }
    }

    /// The deep message comes last, behind a value of each kind.
    #[test]
    fn all_values_are_passed_over() {
        let types = Recursive::new();
        let mut bytes = vec![1 << 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        bytes.extend([1 << 3 | 1, 1, 2, 3, 4, 5, 6, 7, 8, 1 << 3 | 5, 1, 2, 3, 4]);
        // An unknown number, of five bytes.
        bytes.extend([0x82, 0x80, 0x80, 0x80, 0x7f, 3, 9, 9, 9]);
        bytes.extend(delimited(4 << 3 | 2, nested(MAX_DEPTH + 1, Vec::new())));
        assert_eq!(types.check(&bytes), Ok(()), "bytes are no messages");
        bytes.extend(nested(MAX_DEPTH + 1, Vec::new()));
        assert_eq!(types.check(&bytes), TOO_DEEP);
        // A longer way to write the number of the field.
        bytes.splice(0..0, [[0x92, 0x80, 0].as_slice(), &delimited(0, nested(MAX_DEPTH, Vec::new()))[1..]].concat());
        assert_eq!(types.check(&bytes), TOO_DEEP);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let types = Recursive::new();
        let malformed: [&[u8]; 6] = [
            &[1 << 3 | 3],
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
            &[1 << 3 | 1, 1],
            &[1 << 3 | 5, 1],
            &[2 << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[1 << 3],
        ];
        for end in malformed {
            let bytes = [delimited(4 << 3 | 2, vec![0; 300]).as_slice(), end].concat();
            assert_eq!(types.check(&bytes), Err(UnpackFault::Malformed), "{end:?}");
        }
    }

    #[test]
    fn a_type_without_messages_has_no_depth() {
        let bytes = delimited(4 << 3 | 2, nested(200, Vec::new()));
        // SAFETY: the descriptor is a constant of this crate.
        assert_eq!(unsafe { check(&raw const drpc__call__descriptor, &bytes) }, Ok(()));
        assert_ne!(ptr::null(), &raw const drpc__call__descriptor);
    }
}

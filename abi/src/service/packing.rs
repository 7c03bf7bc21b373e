//! Packing a message, into the stack if it is small.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::slice;

use ::drpc::{Cause, large_block};

use super::codec::Codec;
use crate::protobuf_c::ProtobufCMessage;

/// The size of the largest message that is packed into the stack.
const SMALL: usize = 1 << 10;

/// Calls `use_bytes` with the packed message.
///
/// # Safety
/// `message` is an initialised message, which does not change meanwhile.
#[inline]
pub(crate) unsafe fn with_packed<T>(
    codec: &Codec,
    message: *const ProtobufCMessage,
    use_bytes: impl FnOnce(Cow<'_, [u8]>) -> T,
) -> Result<T, Cause> {
    // SAFETY: the caller's promise.
    let size = unsafe { (codec.get_packed_size)(message) };
    if size > SMALL {
        // SAFETY: the caller's promise; the size is the message's.
        return unsafe { pack_large(codec, message, size) }.map(|bytes| use_bytes(Cow::Owned(bytes)));
    }
    let mut room = MaybeUninit::<[u8; SMALL]>::uninit();
    let start = room.as_mut_ptr().cast::<u8>();
    // SAFETY: the caller's promise; there is room for the size of the message, and so many bytes are written.
    let bytes = unsafe {
        let written = (codec.pack)(message, start);
        slice::from_raw_parts(start, written.min(size))
    };
    Ok(use_bytes(Cow::Borrowed(bytes)))
}

/// Packs a message into a block of its own.
///
/// # Safety
/// As for [`with_packed`]; `size` is what the codec says of the message.
unsafe fn pack_large(codec: &Codec, message: *const ProtobufCMessage, size: usize) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    large_block::reserve(&mut bytes, size)?;
    // SAFETY: the caller's promise; there is room for the size of the message, and so many bytes are written.
    unsafe {
        let written = (codec.pack)(message, bytes.as_mut_ptr());
        bytes.set_len(written.min(size));
    }
    Ok(bytes)
}

/// Packs a message into a block of its own, which may become C's.
///
/// # Safety
/// As for [`with_packed`].
pub(crate) unsafe fn pack(codec: &Codec, message: *const ProtobufCMessage) -> Result<Vec<u8>, Cause> {
    // SAFETY: the caller's promise.
    unsafe {
        let size = (codec.get_packed_size)(message);
        pack_large(codec, message, size)
    }
}

//! Unpacking a body, within bounds of depth and memory.
//!
//! A body of 8 MiB may unpack to hundreds: an empty message takes 2 bytes in a body, and with what protobuf-c notes of it
//! 70 in memory. So libprotobuf-c gets its memory here, and an end of it.

use std::ffi::c_void;
use std::ptr;

use ::drpc::{Cause, UnpackFault};

use super::codec::Codec;
use super::nesting;
use crate::protobuf_c::{ProtobufCAllocator, ProtobufCMessage, ProtobufCMessageDescriptor};

/// Memory that every message may take, and that counts for no user.
const FREE: usize = 64 << 10;

/// Bytes that are asked for at a time.
const STEP: usize = 256 << 10;

/// The memory that a message may take at least, however small the limit of messages.
const LEAST: usize = 1 << 20;

/// The most memory that an unpacked message may take, where packed ones are limited to `message` bytes.
pub(crate) fn memory_limit(message: usize) -> usize {
    message.max(LEAST)
}

/// The memory of a message that is being unpacked.
struct Bound<'a> {
    used: usize,
    /// Bytes that may be used without asking.
    granted: usize,
    limit: usize,
    /// Asks for so many bytes more.
    ask: &'a mut dyn FnMut(usize) -> bool,
    /// Why there was no memory.
    refusal: Option<Cause>,
}

impl Bound<'_> {
    /// Asks for memory for a block.
    #[cold]
    fn grow(&mut self, size: usize) -> Result<(), Cause> {
        let needed = self.used.saturating_add(size);
        if needed > self.limit {
            return Err(Cause::Unpack(UnpackFault::Memory { limit: self.limit }));
        }
        let wanted = needed.max(self.granted.saturating_add(STEP)).min(self.limit);
        match (self.ask)(wanted.saturating_sub(self.granted)) {
            true => self.granted = wanted,
            false => return Err(Cause::NoMemory),
        }
        Ok(())
    }

    fn alloc(&mut self, size: usize) -> Result<*mut c_void, Cause> {
        if self.used.saturating_add(size) > self.granted {
            self.grow(size)?;
        }
        // SAFETY: malloc has no preconditions.
        let block = unsafe { libc::malloc(size) };
        if block.is_null() && size > 0 {
            return Err(Cause::NoMemory);
        }
        // SAFETY: null or a block from malloc.
        self.used = self.used.saturating_add(unsafe { libc::malloc_usable_size(block) });
        Ok(block)
    }
}

/// # Safety
/// `bound` is a [`Bound`] that nothing else uses meanwhile.
unsafe extern "C" fn alloc(bound: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let bound = unsafe { &mut *bound.cast::<Bound<'_>>() };
    bound.alloc(size).unwrap_or_else(|cause| {
        bound.refusal = Some(cause);
        ptr::null_mut()
    })
}

/// # Safety
/// As for [`alloc`]; `block` is null or came from there, and is not used any more.
unsafe extern "C" fn free(bound: *mut c_void, block: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe {
        let bound = &mut *bound.cast::<Bound<'_>>();
        bound.used = bound.used.saturating_sub(libc::malloc_usable_size(block));
        libc::free(block);
    }
}

/// Unpacks a body as a message, whose memory comes from malloc: to be freed by protobuf_c_message_free_unpacked without
/// an allocator. `ask` is called before more memory is taken than a small message needs.
///
/// # Safety
/// `descriptor` is that of a message type, and constant.
pub(crate) unsafe fn unpack(
    codec: &Codec,
    descriptor: *const ProtobufCMessageDescriptor,
    body: &[u8],
    limit: usize,
    ask: &mut dyn FnMut(usize) -> bool,
) -> Result<*mut ProtobufCMessage, Cause> {
    // SAFETY: the caller's promise.
    unsafe { nesting::check(descriptor, body) }.map_err(Cause::Unpack)?;
    let mut bound = Bound { used: 0, granted: FREE.min(limit), limit, ask, refusal: None };
    let allocator_data = (&raw mut bound).cast();
    let mut allocator = ProtobufCAllocator { alloc: Some(alloc), free: Some(free), allocator_data };
    // SAFETY: the caller's promise. The allocator and the bound stay until the function has returned.
    let message = unsafe { (codec.unpack)(descriptor, &raw mut allocator, body.len(), body.as_ptr()) };
    match message.is_null() {
        false => Ok(message),
        true => Err(bound.refusal.unwrap_or(Cause::Unpack(UnpackFault::Malformed))),
    }
}

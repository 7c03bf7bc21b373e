//! The functions of `daos/drpc.pb-c.h`, which encode and decode. (Its types: `drpc_pb_c.rs`.)

use std::ptr;

use ::drpc::Cause;
use ::drpc::wire::Encoded;

use crate::boundary;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::memory;
use crate::message::{self, Message};
use crate::protobuf_c::{Heap, ProtobufCAllocator, ProtobufCBuffer};

/// Passes the pieces of the encoded message to `put`, in order, and returns their size; 0 for a message of another
/// type.
unsafe fn pack_pieces<M: Message>(message: *const M, mut put: impl FnMut(usize, &[u8])) -> usize {
    let mut size = 0;
    let mut put_next = |piece: &[u8]| {
        put(size, piece);
        size += piece.len();
        Ok::<(), Cause>(())
    };
    // SAFETY: the caller of the C function has a message there, or null.
    let packed = boundary::infallible(Err(Cause::Malformed), || unsafe {
        if !message::is_a(message) {
            return Err(Cause::Invalid("not a message of this type"));
        }
        let mut encoded = Encoded::new(M::body_bytes(message)?, &[]);
        M::encode_head(message, &mut encoded);
        encoded.pieces().into_iter().try_for_each(&mut put_next)?;
        message::each_unknown(message, &mut put_next)
    });
    packed.map_or(0, |()| size)
}

unsafe fn packed_size<M: Message>(message: *const M) -> usize {
    // SAFETY: the caller of the C function has a message there, or null.
    unsafe { pack_pieces(message, |_, _| {}) }
}

unsafe fn pack<M: Message>(message: *const M, out: *mut u8) -> usize {
    if out.is_null() {
        return 0;
    }
    let put = |at: usize, piece: &[u8]| {
        // SAFETY: `out` has room for the encoded message, as the C function asks for.
        unsafe { ptr::copy_nonoverlapping(piece.as_ptr(), out.add(at), piece.len()) };
    };
    // SAFETY: the caller of the C function has a message there, or null.
    unsafe { pack_pieces(message, put) }
}

unsafe fn pack_to_buffer<M: Message>(message: *const M, buffer: *mut ProtobufCBuffer) -> usize {
    // SAFETY: `buffer` is null or points to a buffer, as the C function asks for.
    let Some(append) = unsafe { buffer.as_ref() }.and_then(|buffer| buffer.append) else { return 0 };
    let put = |_, piece: &[u8]| {
        if !piece.is_empty() {
            // SAFETY: the buffer's own function.
            unsafe { append(buffer, piece.len(), piece.as_ptr()) };
        }
    };
    // SAFETY: the caller of the C function has a message there, or null.
    unsafe { pack_pieces(message, put) }
}

unsafe fn unpack<M: Message>(allocator: *mut ProtobufCAllocator, len: usize, data: *const u8) -> *mut M {
    boundary::infallible(ptr::null_mut(), || {
        // SAFETY: the caller of the C function has `len` bytes there, and an allocator or null.
        let (bytes, heap) = unsafe { (memory::bytes(data, len), Heap::new(allocator)) };
        // The program's own bytes: neither size nor fields are limited, as in protobuf-c.
        bytes.and_then(|bytes| message::unpack(heap, bytes, None, usize::MAX, usize::MAX)).unwrap_or(ptr::null_mut())
    })
}

/// Size of the encoded message in bytes.
///
/// # Safety
/// `message` points to a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__get_packed_size(message: *const Drpc__Call) -> usize {
    // SAFETY: the caller's promise.
    unsafe { packed_size(message) }
}

/// Encodes the message into `out`.
///
/// # Safety
/// `message` points to a call, `out` to room for its packed size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__pack(message: *const Drpc__Call, out: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { pack(message, out) }
}

/// Encodes the message and appends it to `buffer`.
///
/// # Safety
/// `message` points to a call, `buffer` to a buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__pack_to_buffer(message: *const Drpc__Call, buffer: *mut ProtobufCBuffer) -> usize {
    // SAFETY: the caller's promise.
    unsafe { pack_to_buffer(message, buffer) }
}

/// Decodes a message; NULL if that fails.
///
/// # Safety
/// There are `len` bytes at `data`, and `allocator` is null or an allocator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__unpack(
    allocator: *mut ProtobufCAllocator,
    len: usize,
    data: *const u8,
) -> *mut Drpc__Call {
    // SAFETY: the caller's promise.
    unsafe { unpack(allocator, len, data) }
}

/// Frees a message with all that it owns. NULL is ignored.
///
/// # Safety
/// `message` is null or a call that came, like all it owns, from `allocator`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__free_unpacked(message: *mut Drpc__Call, allocator: *mut ProtobufCAllocator) {
    // SAFETY: the caller's promise.
    unsafe { message::free(message, Heap::new(allocator)) }
}

/// Size of the encoded message in bytes.
///
/// # Safety
/// `message` points to a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__get_packed_size(message: *const Drpc__Response) -> usize {
    // SAFETY: the caller's promise.
    unsafe { packed_size(message) }
}

/// Encodes the message into `out`.
///
/// # Safety
/// `message` points to a response, `out` to room for its packed size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__pack(message: *const Drpc__Response, out: *mut u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { pack(message, out) }
}

/// Encodes the message and appends it to `buffer`.
///
/// # Safety
/// `message` points to a response, `buffer` to a buffer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__pack_to_buffer(
    message: *const Drpc__Response,
    buffer: *mut ProtobufCBuffer,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe { pack_to_buffer(message, buffer) }
}

/// Decodes a message; NULL if that fails.
///
/// # Safety
/// There are `len` bytes at `data`, and `allocator` is null or an allocator.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__unpack(
    allocator: *mut ProtobufCAllocator,
    len: usize,
    data: *const u8,
) -> *mut Drpc__Response {
    // SAFETY: the caller's promise.
    unsafe { unpack(allocator, len, data) }
}

/// Frees a message with all that it owns. NULL is ignored.
///
/// # Safety
/// `message` is null or a response that came, like all it owns, from `allocator`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__free_unpacked(
    message: *mut Drpc__Response,
    allocator: *mut ProtobufCAllocator,
) {
    // SAFETY: the caller's promise.
    unsafe { message::free(message, Heap::new(allocator)) }
}

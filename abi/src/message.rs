//! Calls and responses as C sees them: `malloc` blocks with protobuf-c's layout.

use std::ffi::c_uint;
use std::ptr;

use ::drpc::framing::fallback;
use ::drpc::wire::{self, CallRef, Encoded, Fields, MAX_FIELDS, ResponseRef};
use ::drpc::{Cause, Phase};

use crate::abi::Abi;
use crate::boundary;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response, drpc__call__descriptor, drpc__response__descriptor};
use crate::memory::{self, Owned};
use crate::protobuf_c::{
    Heap, ProtobufCBinaryData, ProtobufCMessage, ProtobufCMessageDescriptor, ProtobufCMessageUnknownField,
};

/// One of the two message types.
///
/// # Safety
/// `Self` has the layout that its descriptor describes, beginning with a `ProtobufCMessage`.
pub(crate) unsafe trait Message: Sized {
    /// Number of the last field; every other number is unknown.
    const LAST_FIELD: u32;

    /// The type's descriptor, which callers compare by its address.
    fn descriptor() -> *const ProtobufCMessageDescriptor;

    /// Reads the known fields of a message of at most `most` fields: the message without its body, the body, and the
    /// number of unknown fields.
    fn decode(bytes: &[u8], most: usize) -> Result<(Self, &[u8], usize), Cause>;

    /// The address of the message's body.
    ///
    /// # Safety
    /// `message` points to an initialised message.
    unsafe fn body(message: *mut Self) -> *mut ProtobufCBinaryData;

    /// The message's body.
    ///
    /// # Safety
    /// `message` points to an initialised message, whose body stays as it is while the result is used.
    #[inline(always)]
    unsafe fn body_bytes<'a>(message: *const Self) -> Result<&'a [u8], Cause> {
        // SAFETY: the caller's promise; a message's body has as many bytes as it says.
        unsafe {
            let body = *Self::body(message.cast_mut());
            memory::bytes(body.data, body.len)
        }
    }

    /// Encodes the fields before the body.
    ///
    /// # Safety
    /// `message` points to an initialised message.
    unsafe fn encode_head(message: *const Self, encoded: &mut Encoded<'_>);
}

// SAFETY: a test compares the layout with protobuf-c's.
unsafe impl Message for Drpc__Call {
    const LAST_FIELD: u32 = CallRef::LAST_FIELD;

    fn descriptor() -> *const ProtobufCMessageDescriptor {
        &raw const drpc__call__descriptor
    }

    #[inline(always)]
    fn decode(bytes: &[u8], most: usize) -> Result<(Self, &[u8], usize), Cause> {
        let (CallRef { module, method, sequence, body }, unknown) = CallRef::decode_counting(bytes, most)?;
        Ok((Self { module, method, sequence, ..Self::empty() }, body, unknown))
    }

    unsafe fn body(message: *mut Self) -> *mut ProtobufCBinaryData {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*message).body }
    }

    #[inline(always)]
    unsafe fn encode_head(message: *const Self, encoded: &mut Encoded<'_>) {
        // SAFETY: the caller's promise; the fields are copied out.
        let (module, method, sequence) = unsafe { ((*message).module, (*message).method, (*message).sequence) };
        CallRef { module, method, sequence, body: &[] }.encode_head(encoded);
    }
}

// SAFETY: a test compares the layout with protobuf-c's.
unsafe impl Message for Drpc__Response {
    const LAST_FIELD: u32 = ResponseRef::LAST_FIELD;

    fn descriptor() -> *const ProtobufCMessageDescriptor {
        &raw const drpc__response__descriptor
    }

    #[inline(always)]
    fn decode(bytes: &[u8], most: usize) -> Result<(Self, &[u8], usize), Cause> {
        let (ResponseRef { sequence, status, body }, unknown) = ResponseRef::decode_counting(bytes, most)?;
        Ok((Self { sequence, status, ..Self::empty() }, body, unknown))
    }

    unsafe fn body(message: *mut Self) -> *mut ProtobufCBinaryData {
        // SAFETY: the caller's promise.
        unsafe { &raw mut (*message).body }
    }

    #[inline(always)]
    unsafe fn encode_head(message: *const Self, encoded: &mut Encoded<'_>) {
        // SAFETY: the caller's promise; the fields are copied out.
        let (sequence, status) = unsafe { ((*message).sequence, (*message).status) };
        ResponseRef { sequence, status, body: &[] }.encode_head(encoded);
    }
}

/// True for an initialised message of type `M`, which DAOS asserts.
///
/// # Safety
/// `message` is null or points to a message of some type.
pub(crate) unsafe fn is_a<M: Message>(message: *const M) -> bool {
    // SAFETY: not null, and every message begins with its descriptor.
    !message.is_null() && unsafe { (*message.cast::<ProtobufCMessage>()).descriptor } == M::descriptor()
}

/// The memory for an unknown field beside its bytes: its entry and the overhead of a block.
const UNKNOWN_COST: usize = size_of::<ProtobufCMessageUnknownField>() + 32;

/// Decodes a message of at most `most` fields into a new one that takes no more than `limit` bytes. A `body` received
/// apart from the message becomes the body of the new one.
#[inline(always)]
pub(crate) fn unpack<M: Message>(
    heap: Heap,
    bytes: &[u8],
    body: Option<Vec<u8>>,
    limit: usize,
    most: usize,
) -> Result<*mut M, Cause> {
    let message = heap.alloc(size_of::<M>()).cast::<M>();
    if message.is_null() {
        return Err(Cause::NoMemory);
    }
    // SAFETY: the block is new, of the right size, and from `heap`.
    unsafe {
        match fill(message, heap, bytes, body, limit, most) {
            Ok(()) => Ok(message),
            Err(cause) => {
                heap.free(message.cast());
                Err(cause)
            }
        }
    }
}

/// Decodes a call into a new one, as [`unpack`] does. An undecodable message may be a probe.
#[inline(always)]
pub(crate) fn unpack_call(bytes: &[u8], body: Option<Vec<u8>>, limit: usize) -> Result<*mut Drpc__Call, Cause> {
    unpack(Heap::SYSTEM, bytes, body, limit, MAX_FIELDS).map_err(|cause| not_a_call(bytes, cause))
}

/// The reason why a message cannot be unpacked as a call.
#[cold]
fn not_a_call(bytes: &[u8], cause: Cause) -> Cause {
    if cause == Cause::Malformed { fallback::undecodable(bytes) } else { cause }
}

/// Decodes a message of at most `most` fields over `message`, which an error leaves as it was.
///
/// # Safety
/// `message` is valid for writing, and owns nothing that would have to be freed. `own_body` is given for messages from
/// malloc only.
#[inline(always)]
pub(crate) unsafe fn fill<M: Message>(
    message: *mut M,
    heap: Heap,
    bytes: &[u8],
    own_body: Option<Vec<u8>>,
    limit: usize,
    most: usize,
) -> Result<(), Cause> {
    let (filled, body, unknown) = M::decode(bytes, most)?;
    let base = match unknown {
        0 => ProtobufCMessage::empty(M::descriptor()),
        _ => copy_unknown::<M>(unknown, heap, bytes, limit)?,
    };
    let body = match own_body {
        Some(body) => ProtobufCBinaryData { len: body.len(), data: memory::into_malloc(body) },
        None => copy(heap, body).inspect_err(|_| {
            // SAFETY: made above from the same heap, and not yet given away.
            unsafe { free_unknown(base, heap) };
        })?,
    };
    // SAFETY: the caller's promise; every message begins with a ProtobufCMessage.
    unsafe {
        message.write(filled);
        message.cast::<ProtobufCMessage>().write(base);
        *M::body(message) = body;
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn copy(heap: Heap, bytes: &[u8]) -> Result<ProtobufCBinaryData, Cause> {
    if bytes.is_empty() {
        return Ok(ProtobufCBinaryData::EMPTY);
    }
    let data = heap.alloc(bytes.len()).cast::<u8>();
    if data.is_null() {
        return Err(Cause::NoMemory);
    }
    // SAFETY: the block is new and has room for the bytes.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len()) };
    Ok(ProtobufCBinaryData { len: bytes.len(), data })
}

/// The base of a message, with copies of the unknown fields in `bytes`.
#[cold]
fn copy_unknown<M: Message>(count: usize, heap: Heap, bytes: &[u8], limit: usize) -> Result<ProtobufCMessage, Cause> {
    let cost = count.saturating_mul(UNKNOWN_COST).saturating_add(bytes.len());
    if cost > limit {
        return Err(Cause::TooBig { size: cost as u64, limit });
    }
    let size = count.checked_mul(size_of::<ProtobufCMessageUnknownField>()).ok_or(Cause::NoMemory)?;
    c_uint::try_from(count).map_err(|_| Cause::NoMemory)?;
    let fields = heap.alloc(size).cast::<ProtobufCMessageUnknownField>();
    if fields.is_null() {
        return Err(Cause::NoMemory);
    }
    let mut base = ProtobufCMessage { unknown_fields: fields, ..ProtobufCMessage::empty(M::descriptor()) };
    for field in Fields::new(bytes).flatten().filter(|field| !(1..=M::LAST_FIELD).contains(&field.number)) {
        let Ok(ProtobufCBinaryData { len, data }) = copy(heap, field.value) else {
            // SAFETY: `base` holds the fields copied so far, from the same heap.
            unsafe { free_unknown(base, heap) };
            return Err(Cause::NoMemory);
        };
        // SAFETY: the array has room for `count` fields, and the same iteration counted them.
        unsafe {
            fields.add(base.n_unknown_fields as usize).write(ProtobufCMessageUnknownField {
                tag: field.number,
                wire_type: field.wire_type.into(),
                len,
                data,
            });
        }
        base.n_unknown_fields += 1;
    }
    Ok(base)
}

/// # Safety
/// The unknown fields came from `heap` and are not used any more.
#[cold]
pub(crate) unsafe fn free_unknown(base: ProtobufCMessage, heap: Heap) {
    // SAFETY: the caller's promise.
    unsafe {
        for field in unknown_fields(&base) {
            heap.free(field.data.cast());
        }
        heap.free(base.unknown_fields.cast());
    }
}

/// Frees a message with all that it owns, unless it has another type than `M`.
///
/// # Safety
/// `message` is null or a message that came, like all it owns, from `heap` and is not used any more.
pub(crate) unsafe fn free<M: Message>(message: *mut M, heap: Heap) {
    // SAFETY: the caller's promise.
    unsafe {
        if clear(message, heap) {
            heap.free(message.cast());
        }
    }
}

/// Frees all that a message owns, but not the message; false if the message has another type than `M`.
///
/// # Safety
/// `message` is null or a message whose parts came from `heap` and are not used any more.
#[inline(always)]
pub(crate) unsafe fn clear<M: Message>(message: *mut M, heap: Heap) -> bool {
    // SAFETY: the caller's promise, and `is_a` says that there is a message.
    unsafe {
        if !is_a(message) {
            return false;
        }
        heap.free_body(*M::body(message));
        let base = message.cast::<ProtobufCMessage>();
        if !(*base).unknown_fields.is_null() {
            free_unknown(*base, heap);
        }
    }
    true
}

/// # Safety
/// A message's unknown fields are as many as it says, and stay as they are while the result is used.
pub(crate) unsafe fn unknown_fields<'a>(base: *const ProtobufCMessage) -> &'a [ProtobufCMessageUnknownField] {
    // SAFETY: the caller's promise; the array is read only if it exists.
    unsafe {
        match (*base).n_unknown_fields {
            0 => &[],
            _ if (*base).unknown_fields.is_null() => &[],
            count => std::slice::from_raw_parts((*base).unknown_fields, count as usize),
        }
    }
}

/// Passes each piece of the encoded unknown fields to `put`.
///
/// # Safety
/// `message` points to an initialised message.
pub(crate) unsafe fn each_unknown<M: Message>(
    message: *const M,
    mut put: impl FnMut(&[u8]) -> Result<(), Cause>,
) -> Result<(), Cause> {
    // SAFETY: every message begins with a ProtobufCMessage, and the caller's promise.
    for field in unsafe { unknown_fields(message.cast()) } {
        let (key, len) = wire::key(field.tag, field.wire_type as u8);
        put(key.get(..len).unwrap_or_default())?;
        // SAFETY: a field has as many bytes as it says, the caller's promise.
        put(unsafe { memory::bytes(field.data, field.len) }?)?;
    }
    Ok(())
}

/// The encoded unknown fields.
///
/// # Safety
/// `message` points to an initialised message.
#[inline(always)]
pub(crate) unsafe fn encoded_unknown<M: Message>(message: *const M) -> Result<Vec<u8>, Cause> {
    let mut encoded = Vec::new();
    // SAFETY: every message begins with a ProtobufCMessage, and the caller's promise.
    if unsafe { (*message.cast::<ProtobufCMessage>()).n_unknown_fields } == 0 {
        return Ok(encoded);
    }
    let put = |bytes: &[u8]| {
        encoded.try_reserve(bytes.len()).map_err(|_| Cause::NoMemory)?;
        encoded.extend_from_slice(bytes);
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { each_unknown(message, put) }?;
    Ok(encoded)
}

/// Frees a call.
///
/// # Safety
/// `call` is null or a call from malloc that is not used any more.
pub unsafe fn call_free(call: *mut Drpc__Call) {
    // SAFETY: the caller's promise.
    boundary::bare::infallible((), || unsafe { free(call, Heap::SYSTEM) });
}

/// Frees a response.
///
/// # Safety
/// `response` is null or a response from malloc that is not used any more.
pub unsafe fn response_free(response: *mut Drpc__Response) {
    // SAFETY: the caller's promise.
    boundary::bare::infallible((), || unsafe { free(response, Heap::SYSTEM) });
}

/// Makes the response to a call.
///
/// # Safety
/// `call` is null or points to a call.
pub unsafe fn response_create<A: Abi>(call: *const Drpc__Call) -> *mut Drpc__Response {
    let made = boundary::bare::run::<A, _>(Phase::Respond, |_| {
        // SAFETY: the caller's promise.
        Ok(unsafe { response_to(call) }?.into_raw())
    });
    made.unwrap_or(ptr::null_mut())
}

/// Makes the response to a call; the sequence is -1 without a call.
///
/// # Safety
/// `call` is null or points to a call.
pub(crate) unsafe fn response_to(call: *const Drpc__Call) -> Result<Owned<Drpc__Response>, Cause> {
    // SAFETY: the caller's promise.
    let sequence = unsafe { call.as_ref() }.map_or(-1, |call| call.sequence);
    Owned::new(Drpc__Response { sequence, ..Drpc__Response::empty() })
}

//! `daos/drpc.pb-c.h`: what protoc-c generates for `proto/drpc.proto`, which every release has alike.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;

use ::drpc::Cause;
use ::drpc::wire::Encoded;

use crate::boundary;
use crate::memory;
use crate::message::{self, Message};
use crate::protobuf_c::{
    ENUM_DESCRIPTOR_MAGIC, Heap, LABEL_NONE, MESSAGE_DESCRIPTOR_MAGIC, ProtobufCAllocator, ProtobufCBinaryData,
    ProtobufCBuffer, ProtobufCEnumDescriptor, ProtobufCEnumValue, ProtobufCEnumValueIndex, ProtobufCFieldDescriptor,
    ProtobufCIntRange, ProtobufCMessage, ProtobufCMessageDescriptor, field_type,
};

/// How a call ended; any number may come from a peer.
pub type Drpc__Status = c_int;

/// A call.
#[repr(C)]
pub struct Drpc__Call {
    /// What every message begins with.
    pub base: ProtobufCMessage,
    /// Number of the module.
    pub module: i32,
    /// Number of the method.
    pub method: i32,
    /// Set by the caller, copied into the response.
    pub sequence: i64,
    /// Argument of the method.
    pub body: ProtobufCBinaryData,
}

/// A response.
#[repr(C)]
pub struct Drpc__Response {
    /// What every message begins with.
    pub base: ProtobufCMessage,
    /// Sequence of the call.
    pub sequence: i64,
    /// How the call ended.
    pub status: Drpc__Status,
    /// Result of the method.
    pub body: ProtobufCBinaryData,
}

const fn field(
    name: *const c_char,
    id: u32,
    r#type: c_uint,
    offset: usize,
    descriptor: *const c_void,
) -> ProtobufCFieldDescriptor {
    ProtobufCFieldDescriptor {
        name,
        id,
        label: LABEL_NONE,
        r#type,
        quantifier_offset: 0,
        offset: offset as c_uint,
        descriptor,
        default_value: ptr::null(),
        flags: 0,
        reserved_flags: 0,
        reserved2: ptr::null_mut(),
        reserved3: ptr::null_mut(),
    }
}

const fn value(name: *const c_char, c_name: *const c_char, value: i32) -> ProtobufCEnumValue {
    ProtobufCEnumValue { name, c_name, value }
}

const fn by_name(name: *const c_char, index: c_uint) -> ProtobufCEnumValueIndex {
    ProtobufCEnumValueIndex { name, index }
}

/// One range of `len` numbers from `start`, and the entry that ends the list.
const fn one_range(start: i32, len: c_uint) -> [ProtobufCIntRange; 2] {
    [ProtobufCIntRange { start_value: start, orig_index: 0 }, ProtobufCIntRange { start_value: 0, orig_index: len }]
}

pub(crate) static STATUS_VALUES: [ProtobufCEnumValue; 8] = [
    value(c"SUCCESS".as_ptr(), c"DRPC__STATUS__SUCCESS".as_ptr(), 0),
    value(c"SUBMITTED".as_ptr(), c"DRPC__STATUS__SUBMITTED".as_ptr(), 1),
    value(c"FAILURE".as_ptr(), c"DRPC__STATUS__FAILURE".as_ptr(), 2),
    value(c"UNKNOWN_MODULE".as_ptr(), c"DRPC__STATUS__UNKNOWN_MODULE".as_ptr(), 3),
    value(c"UNKNOWN_METHOD".as_ptr(), c"DRPC__STATUS__UNKNOWN_METHOD".as_ptr(), 4),
    value(c"FAILED_UNMARSHAL_CALL".as_ptr(), c"DRPC__STATUS__FAILED_UNMARSHAL_CALL".as_ptr(), 5),
    value(c"FAILED_UNMARSHAL_PAYLOAD".as_ptr(), c"DRPC__STATUS__FAILED_UNMARSHAL_PAYLOAD".as_ptr(), 6),
    value(c"FAILED_MARSHAL".as_ptr(), c"DRPC__STATUS__FAILED_MARSHAL".as_ptr(), 7),
];
static STATUS_BY_NAME: [ProtobufCEnumValueIndex; 8] = [
    by_name(c"FAILED_MARSHAL".as_ptr(), 7),
    by_name(c"FAILED_UNMARSHAL_CALL".as_ptr(), 5),
    by_name(c"FAILED_UNMARSHAL_PAYLOAD".as_ptr(), 6),
    by_name(c"FAILURE".as_ptr(), 2),
    by_name(c"SUBMITTED".as_ptr(), 1),
    by_name(c"SUCCESS".as_ptr(), 0),
    by_name(c"UNKNOWN_METHOD".as_ptr(), 4),
    by_name(c"UNKNOWN_MODULE".as_ptr(), 3),
];
static STATUS_RANGES: [ProtobufCIntRange; 2] = one_range(0, 8);

/// Describes `Drpc__Status`.
#[unsafe(no_mangle)]
pub static drpc__status__descriptor: ProtobufCEnumDescriptor = ProtobufCEnumDescriptor {
    magic: ENUM_DESCRIPTOR_MAGIC,
    name: c"drpc.Status".as_ptr(),
    short_name: c"Status".as_ptr(),
    c_name: c"Drpc__Status".as_ptr(),
    package_name: c"drpc".as_ptr(),
    n_values: 8,
    values: (&raw const STATUS_VALUES).cast(),
    n_value_names: 8,
    values_by_name: (&raw const STATUS_BY_NAME).cast(),
    n_value_ranges: 1,
    value_ranges: (&raw const STATUS_RANGES).cast(),
    reserved: [ptr::null_mut(); 4],
};

static CALL_FIELDS: [ProtobufCFieldDescriptor; 4] = [
    field(c"module".as_ptr(), 1, field_type::INT32, offset_of!(Drpc__Call, module), ptr::null()),
    field(c"method".as_ptr(), 2, field_type::INT32, offset_of!(Drpc__Call, method), ptr::null()),
    field(c"sequence".as_ptr(), 3, field_type::INT64, offset_of!(Drpc__Call, sequence), ptr::null()),
    field(c"body".as_ptr(), 4, field_type::BYTES, offset_of!(Drpc__Call, body), ptr::null()),
];
/// body, method, module, sequence
static CALL_BY_NAME: [c_uint; 4] = [3, 1, 0, 2];
static CALL_RANGES: [ProtobufCIntRange; 2] = one_range(1, 4);

/// Describes `Drpc__Call`.
#[unsafe(no_mangle)]
pub static drpc__call__descriptor: ProtobufCMessageDescriptor = ProtobufCMessageDescriptor {
    magic: MESSAGE_DESCRIPTOR_MAGIC,
    name: c"drpc.Call".as_ptr(),
    short_name: c"Call".as_ptr(),
    c_name: c"Drpc__Call".as_ptr(),
    package_name: c"drpc".as_ptr(),
    sizeof_message: size_of::<Drpc__Call>(),
    n_fields: 4,
    fields: (&raw const CALL_FIELDS).cast(),
    fields_sorted_by_name: (&raw const CALL_BY_NAME).cast(),
    n_field_ranges: 1,
    field_ranges: (&raw const CALL_RANGES).cast(),
    message_init: Some(init_call),
    reserved: [ptr::null_mut(); 3],
};

static RESPONSE_FIELDS: [ProtobufCFieldDescriptor; 3] = [
    field(c"sequence".as_ptr(), 1, field_type::INT64, offset_of!(Drpc__Response, sequence), ptr::null()),
    field(
        c"status".as_ptr(),
        2,
        field_type::ENUM,
        offset_of!(Drpc__Response, status),
        (&raw const drpc__status__descriptor).cast(),
    ),
    field(c"body".as_ptr(), 3, field_type::BYTES, offset_of!(Drpc__Response, body), ptr::null()),
];
/// body, sequence, status
static RESPONSE_BY_NAME: [c_uint; 3] = [2, 0, 1];
static RESPONSE_RANGES: [ProtobufCIntRange; 2] = one_range(1, 3);

/// Describes `Drpc__Response`.
#[unsafe(no_mangle)]
pub static drpc__response__descriptor: ProtobufCMessageDescriptor = ProtobufCMessageDescriptor {
    magic: MESSAGE_DESCRIPTOR_MAGIC,
    name: c"drpc.Response".as_ptr(),
    short_name: c"Response".as_ptr(),
    c_name: c"Drpc__Response".as_ptr(),
    package_name: c"drpc".as_ptr(),
    sizeof_message: size_of::<Drpc__Response>(),
    n_fields: 3,
    fields: (&raw const RESPONSE_FIELDS).cast(),
    fields_sorted_by_name: (&raw const RESPONSE_BY_NAME).cast(),
    n_field_ranges: 1,
    field_ranges: (&raw const RESPONSE_RANGES).cast(),
    message_init: Some(init_response),
    reserved: [ptr::null_mut(); 3],
};

unsafe extern "C" fn init_call(message: *mut ProtobufCMessage) {
    // SAFETY: protobuf-c calls the function with memory for the type that the descriptor describes.
    unsafe { init(message.cast::<Drpc__Call>()) };
}

unsafe extern "C" fn init_response(message: *mut ProtobufCMessage) {
    // SAFETY: as above.
    unsafe { init(message.cast::<Drpc__Response>()) };
}

unsafe fn init<M: Message>(message: *mut M) {
    if !message.is_null() {
        // SAFETY: the caller of the C function has memory for a message there.
        unsafe { message.write(M::empty()) };
    }
}

/// Hands the pieces of the encoded message to `put`, in order, and returns their size; 0 for what is no message of
/// the type.
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
        bytes.and_then(|bytes| message::unpack(heap, bytes, None, usize::MAX)).unwrap_or(ptr::null_mut())
    })
}

/// Sets every field of `message` to its default.
///
/// # Safety
/// `message` points to memory for a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__init(message: *mut Drpc__Call) {
    // SAFETY: the caller's promise.
    unsafe { init(message) }
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

/// Frees a message with all it owns; NULL is fine.
///
/// # Safety
/// `message` is null or a call that came, like all it owns, from `allocator`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__free_unpacked(message: *mut Drpc__Call, allocator: *mut ProtobufCAllocator) {
    // SAFETY: the caller's promise.
    unsafe { message::free(message, Heap::new(allocator)) }
}

/// Sets every field of `message` to its default.
///
/// # Safety
/// `message` points to memory for a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__init(message: *mut Drpc__Response) {
    // SAFETY: the caller's promise.
    unsafe { init(message) }
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

/// Frees a message with all it owns; NULL is fine.
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

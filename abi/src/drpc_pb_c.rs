//! The types and descriptors of `daos/drpc.pb-c.h`, as protoc-c generates them for `proto/drpc.proto`, in every release
//! alike.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;

use crate::protobuf_c::{
    ENUM_DESCRIPTOR_MAGIC, LABEL_NONE, MESSAGE_DESCRIPTOR_MAGIC, ProtobufCBinaryData, ProtobufCEnumDescriptor,
    ProtobufCEnumValue, ProtobufCEnumValueIndex, ProtobufCFieldDescriptor, ProtobufCIntRange, ProtobufCMessage,
    ProtobufCMessageDescriptor, field_type,
};

/// The result of a call. Peers may send any number.
pub type Drpc__Status = c_int;

/// A call.
#[repr(C)]
pub struct Drpc__Call {
    /// The base of every message.
    pub base: ProtobufCMessage,
    /// Number of the module.
    pub module: i32,
    /// Number of the method.
    pub method: i32,
    /// The number that the caller sets and the response repeats.
    pub sequence: i64,
    /// Argument of the method.
    pub body: ProtobufCBinaryData,
}

/// A response.
#[repr(C)]
pub struct Drpc__Response {
    /// The base of every message.
    pub base: ProtobufCMessage,
    /// Sequence of the call.
    pub sequence: i64,
    /// The result of the call.
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

/// A range of `len` numbers from `start`, and the entry that ends the list.
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
/// The indices of body, method, module, sequence.
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
/// The indices of body, sequence, status.
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

impl Drpc__Call {
    /// A call without values.
    pub(crate) fn empty() -> Self {
        let base = ProtobufCMessage::empty(&raw const drpc__call__descriptor);
        Self { base, module: 0, method: 0, sequence: 0, body: ProtobufCBinaryData::EMPTY }
    }
}

impl Drpc__Response {
    /// A response without values.
    pub(crate) fn empty() -> Self {
        let base = ProtobufCMessage::empty(&raw const drpc__response__descriptor);
        Self { base, sequence: 0, status: 0, body: ProtobufCBinaryData::EMPTY }
    }
}

unsafe extern "C" fn init_call(message: *mut ProtobufCMessage) {
    // SAFETY: protobuf-c calls the function with memory for the type that the descriptor describes.
    unsafe { drpc__call__init(message.cast()) };
}

unsafe extern "C" fn init_response(message: *mut ProtobufCMessage) {
    // SAFETY: as above.
    unsafe { drpc__response__init(message.cast()) };
}

/// Sets every field of `message` to its default.
///
/// # Safety
/// `message` points to memory for a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__call__init(message: *mut Drpc__Call) {
    if !message.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { message.write(Drpc__Call::empty()) };
    }
}

/// Sets every field of `message` to its default.
///
/// # Safety
/// `message` points to memory for a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc__response__init(message: *mut Drpc__Response) {
    if !message.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { message.write(Drpc__Response::empty()) };
    }
}

//! The types of libprotobuf-c that generated code uses, with the same layouts. libprotobuf-c itself is not linked.

use std::ffi::{c_char, c_uint, c_void};
use std::ptr;

use ::drpc::large_block;

use crate::memory;

/// The mark of a message descriptor.
pub const MESSAGE_DESCRIPTOR_MAGIC: u32 = 0x28aa_eef9;

/// The mark of an enum descriptor.
pub const ENUM_DESCRIPTOR_MAGIC: u32 = 0x1143_15af;

/// The mark of a service descriptor.
pub const SERVICE_DESCRIPTOR_MAGIC: u32 = 0x1415_9bc3;

/// Numbers of field types.
pub mod field_type {
    /// int32
    pub const INT32: c_uint = 0;
    /// int64
    pub const INT64: c_uint = 3;
    /// enum
    pub const ENUM: c_uint = 13;
    /// bytes
    pub const BYTES: c_uint = 15;
    /// A message.
    pub const MESSAGE: c_uint = 16;

    use std::ffi::c_uint;
}

/// The label of a field of proto3.
pub const LABEL_NONE: c_uint = 3;

/// A source of memory for messages.
#[repr(C)]
pub struct ProtobufCAllocator {
    /// Allocates a block.
    pub alloc: Option<unsafe extern "C" fn(*mut c_void, usize) -> *mut c_void>,
    /// Frees a block.
    pub free: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
    /// First argument of both.
    pub allocator_data: *mut c_void,
}

/// A destination of encoded messages.
#[repr(C)]
pub struct ProtobufCBuffer {
    /// Appends the next bytes.
    pub append: Option<unsafe extern "C" fn(*mut ProtobufCBuffer, usize, *const u8)>,
}

/// The value of a `bytes` field.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProtobufCBinaryData {
    /// Number of bytes.
    pub len: usize,
    /// The bytes.
    pub data: *mut u8,
}

impl ProtobufCBinaryData {
    /// No bytes.
    pub const EMPTY: Self = Self { len: 0, data: ptr::null_mut() };
}

/// A field that the message's descriptor does not have.
#[repr(C)]
pub struct ProtobufCMessageUnknownField {
    /// Its number.
    pub tag: u32,
    /// The encoding of the value.
    pub wire_type: c_uint,
    /// Number of bytes of the value.
    pub len: usize,
    /// The encoded value.
    pub data: *mut u8,
}

/// The base of every message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ProtobufCMessage {
    /// The message's type.
    pub descriptor: *const ProtobufCMessageDescriptor,
    /// Number of unknown fields.
    pub n_unknown_fields: c_uint,
    /// The unknown fields.
    pub unknown_fields: *mut ProtobufCMessageUnknownField,
}

impl ProtobufCMessage {
    /// The base of a message without unknown fields.
    pub(crate) fn empty(descriptor: *const ProtobufCMessageDescriptor) -> Self {
        Self { descriptor, n_unknown_fields: 0, unknown_fields: ptr::null_mut() }
    }
}

/// Describes a field.
#[repr(C)]
pub struct ProtobufCFieldDescriptor {
    /// Its name.
    pub name: *const c_char,
    /// Its number.
    pub id: u32,
    /// Its label.
    pub label: c_uint,
    /// Its type.
    pub r#type: c_uint,
    /// Unused here.
    pub quantifier_offset: c_uint,
    /// The field's place in the message.
    pub offset: c_uint,
    /// Descriptor of its enum or message type.
    pub descriptor: *const c_void,
    /// Unused here.
    pub default_value: *const c_void,
    /// Unused here.
    pub flags: u32,
    /// Unused.
    pub reserved_flags: c_uint,
    /// Unused.
    pub reserved2: *mut c_void,
    /// Unused.
    pub reserved3: *mut c_void,
}

/// Maps ranges of numbers to indices.
#[repr(C)]
pub struct ProtobufCIntRange {
    /// First number of the range.
    pub start_value: i32,
    /// Index of the first number.
    pub orig_index: c_uint,
}

/// Describes a message.
#[repr(C)]
pub struct ProtobufCMessageDescriptor {
    /// [`MESSAGE_DESCRIPTOR_MAGIC`].
    pub magic: u32,
    /// Name with package.
    pub name: *const c_char,
    /// Name without package.
    pub short_name: *const c_char,
    /// Name of the C type.
    pub c_name: *const c_char,
    /// Name of the package.
    pub package_name: *const c_char,
    /// Size of the C type.
    pub sizeof_message: usize,
    /// Number of fields.
    pub n_fields: c_uint,
    /// The fields, by number.
    pub fields: *const ProtobufCFieldDescriptor,
    /// Indices of the fields, by name.
    pub fields_sorted_by_name: *const c_uint,
    /// Number of ranges.
    pub n_field_ranges: c_uint,
    /// Ranges of field numbers, and one more to end them.
    pub field_ranges: *const ProtobufCIntRange,
    /// The message's `init` function.
    pub message_init: Option<unsafe extern "C" fn(*mut ProtobufCMessage)>,
    /// Unused.
    pub reserved: [*mut c_void; 3],
}

/// Describes a value of an enum.
#[repr(C)]
pub struct ProtobufCEnumValue {
    /// Its name.
    pub name: *const c_char,
    /// Its C name.
    pub c_name: *const c_char,
    /// Its number.
    pub value: i32,
}

/// A value of an enum by name.
#[repr(C)]
pub struct ProtobufCEnumValueIndex {
    /// Its name.
    pub name: *const c_char,
    /// Its index.
    pub index: c_uint,
}

/// Describes an enum.
#[repr(C)]
pub struct ProtobufCEnumDescriptor {
    /// [`ENUM_DESCRIPTOR_MAGIC`].
    pub magic: u32,
    /// Name with package.
    pub name: *const c_char,
    /// Name without package.
    pub short_name: *const c_char,
    /// Name of the C type.
    pub c_name: *const c_char,
    /// Name of the package.
    pub package_name: *const c_char,
    /// Number of values.
    pub n_values: c_uint,
    /// The values, by number.
    pub values: *const ProtobufCEnumValue,
    /// Number of names.
    pub n_value_names: c_uint,
    /// The values, by name.
    pub values_by_name: *const ProtobufCEnumValueIndex,
    /// Number of ranges.
    pub n_value_ranges: c_uint,
    /// Ranges of numbers, and one more to end them.
    pub value_ranges: *const ProtobufCIntRange,
    /// Unused.
    pub reserved: [*mut c_void; 4],
}

/// Describes a method.
#[repr(C)]
pub struct ProtobufCMethodDescriptor {
    /// Its name.
    pub name: *const c_char,
    /// The type of its request.
    pub input: *const ProtobufCMessageDescriptor,
    /// The type of its response.
    pub output: *const ProtobufCMessageDescriptor,
}

/// Describes a service.
#[repr(C)]
pub struct ProtobufCServiceDescriptor {
    /// [`SERVICE_DESCRIPTOR_MAGIC`].
    pub magic: u32,
    /// Name with package.
    pub name: *const c_char,
    /// Name without package.
    pub short_name: *const c_char,
    /// Name in C.
    pub c_name: *const c_char,
    /// Name of the package.
    pub package: *const c_char,
    /// Number of methods.
    pub n_methods: c_uint,
    /// The methods, in the order of the .proto file.
    pub methods: *const ProtobufCMethodDescriptor,
    /// Indices of the methods, by name.
    pub method_indices_by_name: *const c_uint,
}

/// The end of a call: takes the response, or null if there is none.
pub type ProtobufCClosure = Option<unsafe extern "C" fn(message: *const ProtobufCMessage, closure_data: *mut c_void)>;

/// The function of a service that runs a method.
pub type Invoke = unsafe extern "C" fn(
    service: *mut ProtobufCService,
    method_index: c_uint,
    input: *const ProtobufCMessage,
    closure: ProtobufCClosure,
    closure_data: *mut c_void,
);

/// The base of every service, of a server or for a client. The functions of a generated one follow.
#[repr(C)]
pub struct ProtobufCService {
    /// The service's type.
    pub descriptor: *const ProtobufCServiceDescriptor,
    /// Runs a method.
    pub invoke: Option<Invoke>,
    /// Ends the service.
    pub destroy: Option<unsafe extern "C" fn(service: *mut ProtobufCService)>,
}

// SAFETY: the descriptors and what they point to are constants.
unsafe impl Sync for ProtobufCMessageDescriptor {}
// SAFETY: as above.
unsafe impl Sync for ProtobufCEnumDescriptor {}
// SAFETY: as above.
unsafe impl Sync for ProtobufCFieldDescriptor {}
// SAFETY: as above.
unsafe impl Sync for ProtobufCEnumValue {}
// SAFETY: as above.
unsafe impl Sync for ProtobufCEnumValueIndex {}

/// The source of memory for one message: the given allocator, or malloc.
#[derive(Clone, Copy)]
pub(crate) struct Heap(*mut ProtobufCAllocator);

impl Heap {
    /// malloc and free.
    pub(crate) const SYSTEM: Self = Self(ptr::null_mut());

    /// # Safety
    /// `allocator` is null or points to an allocator that works for as long as the result is used.
    pub(crate) unsafe fn new(allocator: *mut ProtobufCAllocator) -> Self {
        Self(allocator)
    }

    /// Allocates a block; null without memory.
    pub(crate) fn alloc(self, size: usize) -> *mut c_void {
        // SAFETY: `new` was promised that the pointer is null or good.
        match unsafe { self.0.as_ref() } {
            Some(ProtobufCAllocator { alloc: Some(alloc), allocator_data, .. }) => {
                // SAFETY: the allocator's own function with its own argument.
                unsafe { alloc(*allocator_data, size) }
            }
            // SAFETY: malloc has no preconditions.
            _ => unsafe { libc::malloc(size) },
        }
    }

    /// Frees a body, or keeps its block for the next one.
    ///
    /// # Safety
    /// The bytes came from this heap, and are not used any more.
    #[inline(always)]
    pub(crate) unsafe fn free_body(self, ProtobufCBinaryData { len, data }: ProtobufCBinaryData) {
        // SAFETY: the caller's promise.
        unsafe { if large_block::is_large(len) { self.free_large(data, len) } else { self.free(data.cast()) } }
    }

    /// # Safety
    /// As for `free_body`.
    #[cold]
    unsafe fn free_large(self, data: *mut u8, len: usize) {
        // SAFETY: the caller's promise; the heap without an allocator is malloc.
        unsafe {
            if self.0.is_null() && !data.is_null() {
                // A program may have exchanged the block, and not the length.
                large_block::retire(memory::from_malloc(data, len.min(libc::malloc_usable_size(data.cast()))));
            } else {
                self.free(data.cast());
            }
        }
    }

    /// # Safety
    /// `block` is null or came from this heap, and is not used any more.
    #[inline(always)]
    pub(crate) unsafe fn free(self, block: *mut c_void) {
        if block.is_null() {
            return;
        }
        // SAFETY: `new` was promised that the pointer is null or good.
        match unsafe { self.0.as_ref() } {
            // SAFETY: the allocator's own function with its own argument, and the caller's promise.
            Some(ProtobufCAllocator { free: Some(free), allocator_data, .. }) => unsafe {
                free(*allocator_data, block)
            },
            // SAFETY: the caller's promise.
            _ => unsafe { libc::free(block) },
        }
    }
}

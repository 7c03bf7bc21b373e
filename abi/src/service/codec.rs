//! The functions of libprotobuf-c, as the program passes them.

use std::ffi::{c_uint, c_void};

use ::drpc::Cause;

use crate::protobuf_c::{
    Invoke, ProtobufCAllocator, ProtobufCClosure, ProtobufCMessage, ProtobufCMessageDescriptor, ProtobufCService,
};

/// Functions of libprotobuf-c. The program links that library, and libdrpc does not: drpc_libprotobuf_c returns them.
#[repr(C)]
pub struct drpc_protobuf_c {
    /// The size of the struct.
    pub size: usize,
    /// protobuf_c_message_get_packed_size
    pub get_packed_size: Option<unsafe extern "C" fn(message: *const ProtobufCMessage) -> usize>,
    /// protobuf_c_message_pack
    pub pack: Option<unsafe extern "C" fn(message: *const ProtobufCMessage, out: *mut u8) -> usize>,
    /// protobuf_c_message_unpack
    pub unpack: Option<
        unsafe extern "C" fn(
            descriptor: *const ProtobufCMessageDescriptor,
            allocator: *mut ProtobufCAllocator,
            len: usize,
            data: *const u8,
        ) -> *mut ProtobufCMessage,
    >,
    /// protobuf_c_message_free_unpacked
    pub free_unpacked: Option<unsafe extern "C" fn(message: *mut ProtobufCMessage, allocator: *mut ProtobufCAllocator)>,
    /// protobuf_c_service_invoke_internal
    pub invoke: Option<
        unsafe extern "C" fn(
            service: *mut ProtobufCService,
            method_index: c_uint,
            input: *const ProtobufCMessage,
            closure: ProtobufCClosure,
            closure_data: *mut c_void,
        ),
    >,
}

/// The same, of which none is missing.
#[derive(Clone, Copy)]
pub(crate) struct Codec {
    pub(crate) get_packed_size: unsafe extern "C" fn(*const ProtobufCMessage) -> usize,
    pub(crate) pack: unsafe extern "C" fn(*const ProtobufCMessage, *mut u8) -> usize,
    pub(crate) unpack: unsafe extern "C" fn(
        *const ProtobufCMessageDescriptor,
        *mut ProtobufCAllocator,
        usize,
        *const u8,
    ) -> *mut ProtobufCMessage,
    pub(crate) free_unpacked: unsafe extern "C" fn(*mut ProtobufCMessage, *mut ProtobufCAllocator),
    pub(crate) invoke: Invoke,
}

impl Codec {
    /// Takes the functions that a program passes.
    ///
    /// # Safety
    /// `functions` is null or points to as many bytes as its first field says.
    pub(crate) unsafe fn new(functions: *const drpc_protobuf_c) -> Result<Self, Cause> {
        const MISSING: Cause = Cause::Invalid("the functions of libprotobuf-c are missing");
        // SAFETY: the caller's promise; the size is read before the rest is.
        let functions = unsafe {
            if functions.is_null() || (*functions).size < size_of::<drpc_protobuf_c>() {
                return Err(MISSING);
            }
            &*functions
        };
        Ok(Self {
            get_packed_size: functions.get_packed_size.ok_or(MISSING)?,
            pack: functions.pack.ok_or(MISSING)?,
            unpack: functions.unpack.ok_or(MISSING)?,
            free_unpacked: functions.free_unpacked.ok_or(MISSING)?,
            invoke: functions.invoke.ok_or(MISSING)?,
        })
    }
}

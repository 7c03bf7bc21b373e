//! Calls with messages in place of bodies, and messages as bodies.

use std::ffi::c_int;
use std::ptr;

use ::drpc::{CallOptions, Cause, MadeCall, Phase, Response, Status, large_block};

use super::codec::{Codec, drpc_protobuf_c};
use super::description::{is_message, is_type};
use super::packing::{pack, with_packed};
use super::unpacking::{memory_limit, unpack};
use crate::boundary::{self, Failure, Subject};
use crate::managed::client::drpc_client;
use crate::managed::client_options::{call_options, drpc_call_options};
use crate::managed::message::binary;
use crate::managed::object;
use crate::protobuf_c::{ProtobufCBinaryData, ProtobufCMessage, ProtobufCMessageDescriptor};
use crate::{memory, settings};

/// How a reply is read.
pub(crate) struct Reply {
    pub(crate) codec: Codec,
    /// The type of the response.
    pub(crate) output: *const ProtobufCMessageDescriptor,
    /// The most memory that the unpacked message may take.
    pub(crate) memory_limit: usize,
}

impl Reply {
    /// Stores the message of a response, and returns the status. The text of a status other than SUCCESS is kept.
    ///
    /// # Safety
    /// `self.output` is that of a message type, and constant.
    pub(crate) unsafe fn read(
        &self,
        response: Response,
        made: &MadeCall,
        message: &mut *mut ProtobufCMessage,
    ) -> Result<c_int, Cause> {
        if response.status != Status::Success as c_int {
            boundary::keep_answer(Subject::Path(made.socket()), made.answer(&response));
            // Negative numbers are those of errors.
            return Ok(if response.status > 0 { response.status } else { Status::Failure.into() });
        }
        let Response { status, body, .. } = response;
        // SAFETY: the caller's promise.
        let unpacked = unsafe { unpack(&self.codec, self.output, &body, self.memory_limit, &mut |_| true) };
        large_block::retire(body);
        *message = unpacked?;
        Ok(status)
    }
}

/// Makes a call with a message, and stores the message of the response. Returns 0, the number of an error, or the status
/// that the server has answered.
///
/// # Safety
/// `client` is null or a client, `request` is an initialised message, `output` is that of a message type, and constant.
pub(crate) unsafe fn call(
    client: *const drpc_client,
    (module, method): (i32, i32),
    codec: &Codec,
    request: *const ProtobufCMessage,
    output: *const ProtobufCMessageDescriptor,
    options: &CallOptions,
    message: &mut *mut ProtobufCMessage,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        object::run(client, Phase::Call, |client| {
            let client = client.client()?;
            let (response, size) = with_packed(codec, request, |bytes| {
                let response = client.call_with(options, module, method, &bytes);
                let size = bytes.len();
                if let std::borrow::Cow::Owned(bytes) = bytes {
                    large_block::retire(bytes);
                }
                (response, size)
            })?;
            let reply = Reply { codec: *codec, output, memory_limit: memory_limit(client.message_limit()) };
            Ok(reply.read(response?, &client.made_call(module, method, size), message)?)
        })
    }
}

/// drpc_client_call_message, with the functions of libprotobuf-c.
///
/// # Safety
/// `client` is null or a client, `request` is null or a message, `response_type` is null or a descriptor, which is constant,
/// `options` is null or points to options, `response` is null or valid for writing, `functions` is null or points to as
/// many bytes as its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_call_message_with(
    client: *mut drpc_client,
    module: i32,
    method: i32,
    request: *const ProtobufCMessage,
    response_type: *const ProtobufCMessageDescriptor,
    options: *const drpc_call_options,
    response: *mut *mut ProtobufCMessage,
    functions: *const drpc_protobuf_c,
) -> c_int {
    let mut message = ptr::null_mut();
    let (mut codec, mut wanted) = (None, CallOptions::new());
    // SAFETY: the caller's promise.
    unsafe {
        let checked = object::run(client, Phase::Call, |_| {
            if response.is_null() {
                return Err(Cause::Invalid("the place for the response is NULL").into());
            }
            *response = ptr::null_mut();
            if !is_message(request) {
                return Err(Cause::Invalid("the request is NULL or not initialised").into());
            }
            if !is_type(response_type) {
                return Err(Cause::Invalid("the type of the response is NULL, or no type of messages").into());
            }
            (codec, wanted) = (Some(Codec::new(functions)?), call_options(options)?);
            Ok::<_, Failure>(0)
        });
        let Some(codec) = codec else { return checked };
        let done = call(client, (module, method), &codec, request, response_type, &wanted, &mut message);
        *response = message;
        done
    }
}

/// drpc_message_to_body, with the functions of libprotobuf-c.
///
/// # Safety
/// `message` is null or a message, `body` is null or valid for writing, `functions` is null or points to as many bytes as
/// its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_message_to_body_with(
    message: *const ProtobufCMessage,
    body: *mut ProtobufCBinaryData,
    functions: *const drpc_protobuf_c,
) -> c_int {
    // SAFETY: the caller's promise.
    boundary::common(Phase::Call, || unsafe {
        if body.is_null() {
            return Err(Cause::Invalid("the place for the body is NULL"));
        }
        *body = ProtobufCBinaryData::EMPTY;
        if !is_message(message) {
            return Err(Cause::Invalid("the message is NULL or not initialised"));
        }
        *body = binary(pack(&Codec::new(functions)?, message)?);
        Ok(())
    })
}

/// drpc_body_to_message, with the functions of libprotobuf-c.
///
/// # Safety
/// `body` is null or points to as many bytes as it says, `message_type` is null or a descriptor, which is constant,
/// `message` is null or valid for writing, `functions` is null or points to as many bytes as its first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_body_to_message_with(
    body: *const ProtobufCBinaryData,
    message_type: *const ProtobufCMessageDescriptor,
    message: *mut *mut ProtobufCMessage,
    functions: *const drpc_protobuf_c,
) -> c_int {
    // SAFETY: the caller's promise.
    boundary::common(Phase::Receive, || unsafe {
        if message.is_null() {
            return Err(Cause::Invalid("the place for the message is NULL"));
        }
        *message = ptr::null_mut();
        let body = body.as_ref().ok_or(Cause::Invalid("the body is NULL"))?;
        if !is_type(message_type) {
            return Err(Cause::Invalid("the type of the message is NULL, or no type of messages"));
        }
        let (codec, body) = (Codec::new(functions)?, memory::bytes(body.data, body.len)?);
        *message = unpack(&codec, message_type, body, memory_limit(settings::max_message()), &mut |_| true)?;
        Ok(())
    })
}

//! Messages whose body the core has received.

use ::drpc::Cause;

use crate::memory::{self, Owned};
use crate::message::Message;
use crate::protobuf_c::ProtobufCBinaryData;

/// Makes a message from values and a body.
pub(crate) fn with_body<M: Message>(message: M, body: Vec<u8>) -> Result<*mut M, Cause> {
    let message = Owned::new(message)?.into_raw();
    // SAFETY: made above, initialised, and its body empty.
    unsafe { *M::body(message) = binary(body) };
    Ok(message)
}

/// Gives the bytes to C.
pub(crate) fn binary(bytes: Vec<u8>) -> ProtobufCBinaryData {
    ProtobufCBinaryData { len: bytes.len(), data: memory::into_malloc(bytes) }
}

//! Messages with a body that the core has received.

use std::mem::ManuallyDrop;
use std::ptr;

use ::drpc::Cause;

use crate::memory::Owned;
use crate::message::Message;
use crate::protobuf_c::ProtobufCBinaryData;

/// A new message with these values and this body.
pub(crate) fn with_body<M: Message>(message: M, body: Vec<u8>) -> Result<*mut M, Cause> {
    let message = Owned::new(message)?.keep();
    // SAFETY: made above, initialised, and its body empty.
    unsafe { *M::body(message) = ProtobufCBinaryData { len: body.len(), data: give(body) } };
    Ok(message)
}

/// The bytes as a `malloc` block, which they are in already, and which is the caller's now; null when there are none.
fn give(bytes: Vec<u8>) -> *mut u8 {
    if bytes.is_empty() { ptr::null_mut() } else { ManuallyDrop::new(bytes).as_mut_ptr() }
}

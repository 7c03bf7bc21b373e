//! Messages with a body that the core has received.

use ::drpc::Cause;

use crate::memory::{self, Owned};
use crate::message::{self, Message};
use crate::protobuf_c::{Heap, ProtobufCBinaryData, ProtobufCMessage};

/// A new message with these values and this body.
pub(crate) fn with_body<M: Message>(message: M, body: Vec<u8>) -> Result<*mut M, Cause> {
    let message = Owned::new(message)?.keep();
    // SAFETY: made above, initialised, and its body empty.
    unsafe { *M::body(message) = binary(body) };
    Ok(message)
}

/// The bytes as C's.
pub(crate) fn binary(bytes: Vec<u8>) -> ProtobufCBinaryData {
    ProtobufCBinaryData { len: bytes.len(), data: memory::give(bytes) }
}

/// Gives back what a message from malloc owns, as freeing it would. One that is no message of type `M` is left alone.
///
/// # Safety
/// `message` points to a message whose parts came from malloc and are not used any more.
#[inline]
pub(crate) unsafe fn clear<M: Message>(message: *mut M) {
    // SAFETY: the caller's promise, and `is_a` says that there is a message.
    unsafe {
        if message::is_a(message) {
            memory::free((*M::body(message)).data);
            let base = message.cast::<ProtobufCMessage>();
            if !(*base).unknown_fields.is_null() {
                message::free_unknown(base.read(), Heap::SYSTEM);
            }
        }
    }
}

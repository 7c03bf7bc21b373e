//! Messages as bodies.

use prost::Message;

use crate::cause::Cause;

/// The encoded message; [`Cause::NoMemory`] if memory has run out.
pub(super) fn pack(message: &impl Message) -> Result<Vec<u8>, Cause> {
    let mut body = Vec::new();
    body.try_reserve_exact(message.encoded_len()).map_err(|_| Cause::NoMemory)?;
    message.encode_raw(&mut body);
    Ok(body)
}

//! A method whose request and response are messages.

use prost::Message;

use crate::failure::Failure;

use super::packing::pack;

/// Serves a call: decodes its body, runs the method, and encodes the response. A body that is not the request's message is
/// answered with `FAILED_UNMARSHAL_PAYLOAD`, and the detail says what is wrong with it.
pub fn serve<Q: Message + Default, R: Message>(
    body: &[u8],
    method: impl FnOnce(Q) -> Result<R, Failure>,
) -> Result<Vec<u8>, Failure> {
    let request = Q::decode(body).map_err(|error| Failure::unmarshaling_payload().with_detail(error.to_string()))?;
    pack(&method(request)?).map_err(|cause| Failure::marshaling_response().with_error_text(cause.to_string()))
}

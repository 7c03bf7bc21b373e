//! The two messages as owned values, for the Rust API.

use crate::error::Cause;
use crate::wire::CallRef;

include!(concat!(env!("OUT_DIR"), "/drpc.rs"));

/// The sequence of a response to something that was no call.
const NO_SEQUENCE: i64 = -1;

impl Response {
    /// The answer to a call that succeeded with this result.
    pub fn success(call: &Call, body: Vec<u8>) -> Self {
        Self { sequence: call.sequence, status: Status::Success.into(), body }
    }

    /// The answer to a call that ended with this status and has no result.
    pub fn of_status(call: &Call, status: Status) -> Self {
        Self { sequence: call.sequence, status: status.into(), body: Vec::new() }
    }

    /// The answer to a message that could not be decoded.
    pub fn to_unparsable() -> Self {
        Self { sequence: NO_SEQUENCE, status: Status::FailedUnmarshalCall.into(), body: Vec::new() }
    }
}

impl CallRef<'_> {
    /// The same call with a body of its own.
    pub(crate) fn to_owned(self) -> Call {
        let Self { module, method, sequence, body } = self;
        Call { module, method, sequence, body: body.to_vec() }
    }

    /// The same, if there is memory for it.
    pub(crate) fn try_to_owned(self) -> Result<Call, Cause> {
        let mut body = Vec::new();
        body.try_reserve_exact(self.body.len()).map_err(|_| Cause::NoMemory)?;
        body.extend_from_slice(self.body);
        let Self { module, method, sequence, .. } = self;
        Ok(Call { module, method, sequence, body })
    }
}

//! The two messages as owned values, for the Rust API.

use std::fmt;

use crate::cause::Cause;
use crate::protocol::wire::CallRef;

include!(concat!(env!("OUT_DIR"), "/drpc.rs"));

/// The messages and [`Status`] described in terms of Protocol Buffers, for tools that work by reflection: an encoded
/// `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/drpc.binpb"));

/// The sequence of the response to bytes that were no call.
#[doc(hidden)]
pub const NO_SEQUENCE: i64 = -1;

/// The answer to a call.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Response {
    /// The sequence of the call that is answered.
    #[prost(int64, tag = "1")]
    pub sequence: i64,
    /// The outcome of the call: the number of a [`Status`], or one that this version does not know.
    #[prost(int32, tag = "2")]
    pub status: i32,
    /// The result of the method; empty unless the status is `SUCCESS`.
    #[prost(bytes = "vec", tag = "3")]
    pub body: Vec<u8>,
}

impl Response {
    /// The outcome of the call. A number that this version does not know is a failure; prost would take it for the first
    /// status, which is `SUCCESS`.
    pub fn status(&self) -> Status {
        Status::try_from(self.status).unwrap_or(Status::Failure)
    }

    /// The answer to a call that succeeded, with its result.
    pub fn success(call: &Call, body: Vec<u8>) -> Self {
        Self { sequence: call.sequence, status: Status::Success.into(), body }
    }

    /// The answer to a call that ended with a status and has no result.
    pub fn of_status(call: &Call, status: Status) -> Self {
        Self { sequence: call.sequence, status: status.into(), body: Vec::new() }
    }

    /// The answer to a message that could not be decoded.
    pub fn to_unparsable() -> Self {
        Self { sequence: NO_SEQUENCE, status: Status::FailedUnmarshalCall.into(), body: Vec::new() }
    }
}

impl CallRef<'_> {
    /// A copy of the call that owns its body.
    pub(crate) fn to_owned(self) -> Call {
        self.with_body(self.body.to_vec())
    }

    /// A copy of the call that owns its body; [`Cause::NoMemory`] if memory has run out.
    pub(crate) fn try_to_owned(self) -> Result<Call, Cause> {
        let mut body = Vec::new();
        body.try_reserve_exact(self.body.len()).map_err(|_| Cause::NoMemory)?;
        body.extend_from_slice(self.body);
        Ok(self.with_body(body))
    }

    /// A call with the same numbers and another body.
    pub(crate) fn with_body(self, body: Vec<u8>) -> Call {
        let Self { module, method, sequence, .. } = self;
        Call { module, method, sequence, body }
    }
}

/// The name of the status, as in `UNKNOWN_MODULE`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str_name())
    }
}

/// One line in the text format of Protocol Buffers: `module:2 method:201 sequence:1 body:"\x08\x01"`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, method, sequence, body } = self;
        write_fields(
            f,
            &[
                ("module", *module != 0, module),
                ("method", *method != 0, method),
                ("sequence", *sequence != 0, sequence),
                ("body", !body.is_empty(), &Quoted(body)),
            ],
        )
    }
}

/// One line in the text format of Protocol Buffers: `sequence:1 status:UNKNOWN_MODULE`. A status without a name is a
/// number.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, status, body } = self;
        let known = Status::try_from(*status);
        let status_text: &dyn fmt::Display = match &known {
            Ok(known) => known,
            Err(_) => status,
        };
        write_fields(
            f,
            &[
                ("sequence", *sequence != 0, sequence),
                ("status", *status != 0, status_text),
                ("body", !body.is_empty(), &Quoted(body)),
            ],
        )
    }
}

/// Writes the fields that are set. Each is given as name, true if it is set, and value.
fn write_fields(f: &mut fmt::Formatter<'_>, fields: &[(&str, bool, &dyn fmt::Display)]) -> fmt::Result {
    let mut separator = "";
    for (name, _, value) in fields.iter().filter(|(_, set, _)| *set) {
        write!(f, "{separator}{name}:{value}")?;
        separator = " ";
    }
    Ok(())
}

/// Bytes that are written as a quoted string.
struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

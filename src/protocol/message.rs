//! The two messages as owned values, for the Rust API.

use std::fmt;

use prost::DecodeError;
use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, bytes, int32, int64, skip_field};

use crate::cause::Cause;
use crate::protocol::detail::Detail;
use crate::protocol::wire::CallRef;

include!(concat!(env!("OUT_DIR"), "/drpc.rs"));

/// The messages and [`Status`] described in terms of Protocol Buffers, for tools that work by reflection: an encoded
/// `google.protobuf.FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/drpc.binpb"));

/// The sequence of the response to bytes that were no call.
#[doc(hidden)]
pub const NO_SEQUENCE: i64 = -1;

/// The answer to a call.
///
/// ```
/// use drpc::{Response, Status};
///
/// let response = Response { status: Status::Failure.into(), ..Response::default() };
/// assert_eq!(response.detail(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Response {
    /// The sequence of the call that is answered.
    pub sequence: i64,
    /// The outcome of the call: the number of a [`Status`], or one that this version does not know.
    pub status: i32,
    /// The result of the method; empty unless the status is `SUCCESS`.
    pub body: Vec<u8>,
    /// Why the call has failed, in the server's words, if it says so. A [`Server`](crate::Server) takes these from a
    /// [`Failure`](crate::Failure); to encode a response leaves them out.
    pub detail: Option<Box<Detail>>,
}

/// As `proto/drpc.proto` has it, and with the [detail](Response::detail), which is read and not written.
impl prost::Message for Response {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if self.sequence != 0 {
            int64::encode(1, &self.sequence, buf);
        }
        if self.status != 0 {
            int32::encode(2, &self.status, buf);
        }
        if !self.body.is_empty() {
            bytes::encode(3, &self.body, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match (tag, wire_type) {
            (1, _) => int64::merge(wire_type, &mut self.sequence, buf, ctx),
            (2, _) => int32::merge(wire_type, &mut self.status, buf, ctx),
            (3, _) => bytes::merge(wire_type, &mut self.body, buf, ctx),
            (Detail::FIELD, WireType::LengthDelimited) => {
                let mut text = Vec::new();
                bytes::merge(wire_type, &mut text, buf, ctx)?;
                self.detail = Some(Detail::of_bytes(&text)).filter(|detail| !detail.is_empty()).map(Box::new);
                Ok(())
            }
            _ => skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let sequence = if self.sequence == 0 { 0 } else { int64::encoded_len(1, &self.sequence) };
        let status = if self.status == 0 { 0 } else { int32::encoded_len(2, &self.status) };
        let body = if self.body.is_empty() { 0 } else { bytes::encoded_len(3, &self.body) };
        sequence + status + body
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Response {
    /// The outcome of the call. A number that this version does not know is a failure; prost would take it for the first
    /// status, which is `SUCCESS`.
    pub fn status(&self) -> Status {
        Status::try_from(self.status).unwrap_or(Status::Failure)
    }

    /// Why the call has failed, in the server's words: at most 200 bytes of printable text. `None` if the server does not
    /// say, or the call has succeeded.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref().filter(|_| self.status != i32::from(Status::Success)).map(Detail::as_str)
    }

    /// The answer to a call that succeeded, with its result.
    pub fn success(call: &Call, body: Vec<u8>) -> Self {
        Self { sequence: call.sequence, status: Status::Success.into(), body, detail: None }
    }

    /// The answer to a call that ended with a status and has no result.
    pub fn of_status(call: &Call, status: Status) -> Self {
        Self { sequence: call.sequence, status: status.into(), ..Self::default() }
    }

    /// The answer to a message that could not be decoded.
    pub fn to_unparsable() -> Self {
        Self { sequence: NO_SEQUENCE, status: Status::FailedUnmarshalCall.into(), ..Self::default() }
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
/// number. The detail, which is no field of DAOS's, is left out.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, status, body, .. } = self;
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

//! How a handler says that a call failed.

use std::borrow::Cow;
use std::fmt;

use crate::message::Status;

/// The failure of a call: the status that the caller is told and a text for the log.
///
/// ```
/// use drpc::{Failure, Status};
///
/// let failure = Failure::unknown_method();
/// assert_eq!(failure.status(), Status::UnknownMethod);
/// assert_eq!(Failure::other().with_text("no such pool").to_string(), "no such pool");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    text: Cow<'static, str>,
}

impl Failure {
    /// A failure with this status and the text that goes with it.
    pub fn new(status: Status) -> Self {
        Self { status, text: Cow::Borrowed(text(status)) }
    }

    /// A failure that no other status describes.
    pub fn other() -> Self {
        Self::new(Status::Failure)
    }

    /// Nobody serves the module.
    pub fn unknown_module() -> Self {
        Self::new(Status::UnknownModule)
    }

    /// The module has no such method.
    pub fn unknown_method() -> Self {
        Self::new(Status::UnknownMethod)
    }

    /// The call could not be decoded.
    pub fn unmarshaling_call() -> Self {
        Self::new(Status::FailedUnmarshalCall)
    }

    /// The body of the call could not be decoded.
    pub fn unmarshaling_payload() -> Self {
        Self::new(Status::FailedUnmarshalPayload)
    }

    /// The result could not be encoded.
    pub fn marshaling_response() -> Self {
        Self::new(Status::FailedMarshal)
    }

    /// The same failure with another text.
    #[must_use]
    pub fn with_text(self, text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), ..self }
    }

    /// The status that the caller is told.
    pub fn status(&self) -> Status {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

fn text(status: Status) -> &'static str {
    match status {
        Status::Success | Status::Submitted => "",
        Status::UnknownModule => "the client requested a module that nobody serves",
        Status::UnknownMethod => "the client requested a method that the module does not have",
        Status::FailedUnmarshalCall => "the call could not be decoded",
        Status::FailedUnmarshalPayload => "the body of the call could not be decoded",
        Status::FailedMarshal => "the response could not be encoded",
        Status::Failure => "an unknown error occurred",
    }
}

//! The failure of a call, as a handler reports it.

use std::borrow::Cow;
use std::error::Error;
use std::{fmt, iter};

use crate::protocol::message::Status;

/// The failure of a call: a status and a detail for the caller, and a text that stays here.
///
/// ```
/// use drpc::{Failure, Status};
///
/// let failure = Failure::unknown_method();
/// assert_eq!(failure.status(), Status::UnknownMethod);
/// assert_eq!(Failure::other().with_error_text("no such pool").to_string(), "no such pool");
/// assert_eq!(Failure::other().with_detail("pool 7 is gone").detail(), Some("pool 7 is gone"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: Status,
    text: Cow<'static, str>,
    detail: Option<Cow<'static, str>>,
}

impl Failure {
    /// A failure with this status and its usual text.
    pub fn new(status: Status) -> Self {
        Self { status, text: Cow::Borrowed(text(status)), detail: None }
    }

    /// A failure that no other status describes.
    pub fn other() -> Self {
        Self::new(Status::Failure)
    }

    /// No module with this number is served.
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

    /// This failure with another text, which the caller does not get.
    #[must_use]
    pub fn with_error_text(self, text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), ..self }
    }

    /// This failure with a text for the caller, to whom a [`Server`](crate::Server) sends the first 200 bytes:
    /// [`Response::detail`](crate::Response::detail), or in C `drpc_response_detail`. Say nothing that the caller may not
    /// know. Clients of DAOS skip it.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// The text for the caller.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The status for the caller.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The status for an error: that of the first failure among the error and its sources, `FAILURE` if there is none.
    /// Without an error the status is `SUCCESS`.
    ///
    /// ```
    /// use drpc::{Failure, Status};
    ///
    /// let error: Box<dyn std::error::Error> = "no such pool".into();
    /// assert_eq!(Failure::status_of(Some(&*error)), Status::Failure);
    /// assert_eq!(Failure::status_of(Some(&Failure::unknown_method())), Status::UnknownMethod);
    /// assert_eq!(Failure::status_of(None), Status::Success);
    /// ```
    pub fn status_of(error: Option<&(dyn Error + 'static)>) -> Status {
        if error.is_none() {
            return Status::Success;
        }
        iter::successors(error, |&error| error.source())
            .find_map(|error| error.downcast_ref::<Self>())
            .map_or(Status::Failure, Self::status)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

fn text(status: Status) -> &'static str {
    match status {
        Status::Success | Status::Submitted => "",
        Status::UnknownModule => "the client requested a module that is not served",
        Status::UnknownMethod => "the client requested a method that the module does not have",
        Status::FailedUnmarshalCall => "the call could not be decoded",
        Status::FailedUnmarshalPayload => "the body of the call could not be decoded",
        Status::FailedMarshal => "the response could not be encoded",
        Status::Failure => "an unknown error occurred",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error that says why it came about.
    #[derive(Debug)]
    struct Because<E>(E);

    impl<E> fmt::Display for Because<E> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the pool cannot be created")
        }
    }

    impl<E: Error + 'static> Error for Because<E> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn errors_have_a_status() {
        let failure = Failure::unmarshaling_payload();
        assert_eq!(Failure::status_of(None), Status::Success);
        assert_eq!(Failure::status_of(Some(&failure)), Status::FailedUnmarshalPayload);
        assert_eq!(Failure::status_of(Some(&Because(Because(failure)))), Status::FailedUnmarshalPayload);
        assert_eq!(Failure::status_of(Some(&fmt::Error)), Status::Failure);
        assert_eq!(Failure::status_of(Some(&Because(fmt::Error))), Status::Failure);
    }
}

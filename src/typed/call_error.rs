//! The error of a typed call.

use std::error;
use std::fmt;

use prost::DecodeError;

use crate::answer::Answer;
use crate::error::{Cause, Error};
use crate::protocol::message::Status;

use super::method::Method;

/// The error of a typed call: the method, and the fault. The text says both; the status and the server's words are apart
/// from it.
///
/// ```
/// use drpc::Status;
/// use drpc::typed::CallError;
///
/// fn is_there(result: Result<(), CallError>) -> Result<bool, CallError> {
///     match result {
///         Err(error) if error.status() == Some(Status::UnknownMethod) => Ok(false),
///         result => result.map(|()| true),
///     }
/// }
/// ```
#[derive(Clone, PartialEq)]
pub struct CallError(Box<Failed>);

/// Boxed, as results with large errors are slow to hand on.
#[derive(Clone, PartialEq)]
struct Failed {
    method: Method,
    fault: CallFault,
}

/// The cause of a typed call's failure.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallFault {
    /// No response has come. The call may have been executed, unless the cause says otherwise.
    NoResponse(Error),
    /// The server answered with another status than `SUCCESS`.
    Status(Box<Answer>),
    /// The body of the response is no message of the expected type.
    Undecodable(DecodeError),
}

impl CallError {
    pub(super) fn new(method: &Method, fault: CallFault) -> Self {
        Self(Box::new(Failed { method: *method, fault }))
    }

    /// The method that was called.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The cause of the failure.
    pub fn fault(&self) -> &CallFault {
        &self.0.fault
    }

    /// The status that the server answered with; `None` if no response came, or one that could not be decoded.
    pub fn status(&self) -> Option<Status> {
        match &self.0.fault {
            CallFault::Status(answer) => Some(answer.status()),
            CallFault::NoResponse(_) | CallFault::Undecodable(_) => None,
        }
    }

    /// Why the call has failed, in the server's words: what a handler gives with
    /// [`Failure::with_detail`](crate::Failure::with_detail). `None` if no response came, or the server does not say.
    pub fn detail(&self) -> Option<&str> {
        match &self.0.fault {
            CallFault::Status(answer) => answer.detail(),
            CallFault::NoResponse(_) | CallFault::Undecodable(_) => None,
        }
    }

    /// The cause of the error if no response came: [`Cause::TimedOut`] after the deadline.
    pub fn cause(&self) -> Option<Cause> {
        match &self.0.fault {
            CallFault::NoResponse(error) => Some(error.cause()),
            CallFault::Status(_) | CallFault::Undecodable(_) => None,
        }
    }
}

/// The cause, with the name of the method.
impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failed { method, fault } = &*self.0;
        match fault {
            CallFault::NoResponse(error) => write!(f, "{method}: {error}"),
            CallFault::Status(answer) => answer.fmt(f),
            CallFault::Undecodable(error) => {
                write!(f, "the body of the response to {method} is not the message expected: {error}")
            }
        }
    }
}

/// The sentence, too, as of [`Error`].
impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for CallError {}

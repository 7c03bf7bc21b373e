//! An answer other than `SUCCESS`, in words.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;

use crate::cause::Cause;
use crate::error::Phase;
use crate::explanation::hint;
use crate::modules::names::CallName;
use crate::protocol::detail::Detail;
use crate::protocol::message::{Response, Status};

/// What a server has answered to a call, for people: the status, by its number where it has no name, the call, and what the
/// server says of it.
///
/// ```
/// use drpc::Response;
/// use drpc::modules::mgmt;
/// use drpc::modules::names::Names;
///
/// let response = Response { status: 4, ..Response::default() };
/// let answer = response.answer_to(Names::V2_8.call(mgmt::MODULE, mgmt::GET_ATTACH_INFO));
/// assert_eq!(
///     answer.to_string(),
///     "the server answered UNKNOWN_METHOD to mgmt.get_attach_info: it does not serve this method"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    call: CallName,
    status: i32,
    /// Why the server has answered so, where it is known.
    cause: Option<Cause>,
    /// The same in the server's words.
    detail: Option<Detail>,
}

impl Answer {
    /// The answer to a call.
    pub fn new(call: CallName, status: i32) -> Self {
        Self { call, status, cause: None, detail: None }
    }

    /// The same answer, with what the server says of it, if it does.
    #[must_use]
    pub fn saying(self, detail: Option<Detail>) -> Self {
        Self { detail, ..self }
    }

    /// The status. A number that this version does not know is a failure.
    pub fn status(&self) -> Status {
        Status::try_from(self.status).unwrap_or(Status::Failure)
    }

    /// The status as a number, be it one that this version does not know.
    pub fn status_number(&self) -> i32 {
        self.status
    }

    /// Why the call has failed, in the server's words, if it says.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_ref().map(Detail::as_str)
    }

    /// The same answer, with why it was given if that is known.
    #[doc(hidden)]
    #[must_use]
    pub fn because(self, cause: Option<Cause>) -> Self {
        Self { cause, ..self }
    }
}

impl Response {
    /// This response as the answer to a call, in words.
    pub fn answer_to(&self, call: CallName) -> Answer {
        Answer::new(call, self.status).saying(self.detail.as_deref().copied())
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, status, cause, detail } = self;
        let known = Status::try_from(*status);
        match known {
            Ok(known) => write!(f, "the server answered {known} to {call}")?,
            Err(_) => write!(f, "the server answered {status} to {call}")?,
        }
        if let Some(detail) = detail {
            return write!(f, ": it says \"{detail}\"");
        }
        match cause {
            Some(cause) => write!(f, ": {cause}: {}", hint(Phase::Reply, *cause).unwrap_or_default()),
            None => f.write_str(known.map_or(": this release of libdrpc knows no such status", meaning)),
        }
    }
}

/// What a status says beside its name.
fn meaning(status: Status) -> &'static str {
    match status {
        Status::Success => "",
        Status::Submitted => ": the call has been taken, and has no result yet",
        Status::Failure => ": the call failed there, and the server's log may say why",
        Status::UnknownModule => ": it does not serve this module",
        Status::UnknownMethod => ": it does not serve this method",
        Status::FailedUnmarshalCall => ": it could not read the call",
        Status::FailedUnmarshalPayload => ": it could not read the body of the call",
        Status::FailedMarshal => ": it could not send its response",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::names::Names;

    #[test]
    fn a_status_without_a_name_keeps_its_number() {
        let answer = |status| Answer::new(Names::V2_8.call(7, 701), status).to_string();
        assert_eq!(answer(77), "the server answered 77 to 7.701: this release of libdrpc knows no such status");
        assert_eq!(answer(i32::MIN).split(' ').nth(3), Some("-2147483648"));
        let unknown = Answer::new(Names::V2_8.call(7, 701), 77);
        assert_eq!((unknown.status(), unknown.status_number()), (Status::Failure, 77));
        assert_eq!(answer(0), "the server answered SUCCESS to 7.701");
    }

    #[test]
    fn what_the_server_says_is_marked_as_its_words() {
        let call = Names::V2_8.call(2, 206);
        let response =
            Response { status: 2, detail: Some(Box::new(Detail::from("no pool\n7"))), ..Response::default() };
        let text = "the server answered FAILURE to mgmt.get_attach_info: it says \"no pool?7\"";
        assert_eq!(response.answer_to(call).to_string(), text);
        assert_eq!(response.detail(), Some("no pool?7"));
        assert_eq!(Response { status: 0, ..response }.detail(), None);
    }

    #[test]
    fn each_status_is_there_by_its_name() {
        for number in 0..8 {
            let text = Answer::new(Names::V2_8.call(2, 206), number).to_string();
            let name = Status::try_from(number).unwrap().as_str_name();
            assert!(text.starts_with(&format!("the server answered {name} to mgmt.get_attach_info")), "{text}");
        }
    }
}

//! A call as the log tells of it, on either side.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;

use crate::answer::StatusName;
use crate::log_level::Level;
use crate::modules::names::Names;
use crate::protocol::message::Status;
use crate::sys;

/// A call that is under way, for the line that tells of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedCall {
    module: i32,
    method: i32,
    /// The size of its body.
    bytes: usize,
    /// When it was noted, by [`sys::nanoseconds`].
    began: u64,
}

/// A call and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnsweredCall {
    call: NotedCall,
    sequence: i64,
    status: i32,
    /// The size of the response's body.
    bytes: usize,
    us: u64,
}

impl NotedCall {
    /// Notes a call with a body of so many bytes.
    pub fn new(module: i32, method: i32, bytes: usize) -> Self {
        Self { module, method, bytes, began: sys::nanoseconds() }
    }

    /// The call has been answered, with a body of so many bytes.
    pub fn answered(self, sequence: i64, status: i32, bytes: usize) -> AnsweredCall {
        AnsweredCall { call: self, sequence, status, bytes, us: self.us() }
    }

    /// The microseconds since the call was noted.
    pub fn us(self) -> u64 {
        sys::nanoseconds().saturating_sub(self.began) / 1000
    }

    /// The fields of the call, without those of an answer.
    pub fn fields(self, names: Names) -> CallFields {
        CallFields(self, names)
    }
}

impl AnsweredCall {
    /// The level of the line.
    pub fn level(&self) -> Level {
        if self.status == Status::Success as i32 { Level::Trace } else { Level::Debug }
    }

    /// The line, but for what says whose call it was.
    pub fn text(self, names: Names) -> AnswerText {
        AnswerText(self, names)
    }
}

/// The fields of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallFields(NotedCall, Names);

impl fmt::Display for CallFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(NotedCall { module, method, bytes, .. }, names) = *self;
        write!(f, "call={} call_bytes={bytes}", names.call(module, method))
    }
}

/// The line about a call and its answer.
#[derive(Clone, Copy, Debug)]
pub struct AnswerText(AnsweredCall, Names);

impl fmt::Display for AnswerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(answered, names) = *self;
        let AnsweredCall { call, sequence, status, bytes, us } = answered;
        let sentence = match answered.level() {
            Level::Trace => "a call was answered",
            _ => "a call was answered without success",
        };
        let (fields, status) = (call.fields(names), StatusName(status));
        write!(f, "{sentence} {fields} response_bytes={bytes} sequence={sequence} status={status} us={us}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_names() {
        let text = |status| {
            let answered = NotedCall::new(2, 206, 10).answered(7, status, 20);
            (answered.level(), AnsweredCall { us: 5, ..answered }.text(Names::V2_8).to_string())
        };
        let fields = "call=mgmt.get_attach_info call_bytes=10 response_bytes=20 sequence=7";
        assert_eq!(text(0), (Level::Trace, format!("a call was answered {fields} status=SUCCESS us=5")));
        let failed =
            |status| (Level::Debug, format!("a call was answered without success {fields} status={status} us=5"));
        assert_eq!(text(4), failed("UNKNOWN_METHOD"));
        assert_eq!(text(77), failed("77"));
    }
}

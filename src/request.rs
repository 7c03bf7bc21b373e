//! A call that waits for its answer.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;

use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::failure::Failure;
use crate::protocol::message::{Call, Status};
use crate::protocol::wire::ResponseRef;
use crate::session::Session;
use crate::sys::TryArc;

/// Takes the answers to the calls of a session.
pub(crate) trait Answers: Send + Sync {
    /// The session.
    fn handle(&self) -> &Session;

    /// Takes the answer to the call known by `tag`, once.
    fn answer(&self, tag: u64, response: &ResponseRef<'_>) -> Result<(), Cause>;
}

/// A call, with the duty to answer it: at once or later, from any thread. One that is dropped is answered with
/// [`Status::Failure`].
///
/// A request may outlive its session and its server. Answering it then is an error. That its client has gone is noticed
/// when it is answered, so that the session stays until then.
///
/// ```
/// use drpc::{Module, Request, Service};
///
/// /// Answers when it has time to.
/// struct Slow(std::sync::mpsc::Sender<Request>);
///
/// impl Module for Slow {
///     fn id(&self) -> i32 {
///         0
///     }
///
///     fn serve(&self, request: Request) {
///         let _ = self.0.send(request);
///     }
/// }
/// ```
pub struct Request {
    call: Call,
    answers: TryArc<dyn Answers>,
    answered: bool,
    tag: u64,
}

impl Request {
    pub(crate) fn new(call: Call, answers: TryArc<dyn Answers>, tag: u64) -> Self {
        Self { call, answers, answered: false, tag }
    }

    /// The session that the call came on.
    pub fn session(&self) -> &Session {
        self.answers.handle()
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Takes the body out of the call.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.call.body)
    }

    /// Answers with the result of a method.
    pub fn reply(self, result: Result<Vec<u8>, Failure>) -> Result<(), Error> {
        match result {
            Ok(body) => self.respond(Status::Success.into(), &body),
            Err(failure) => self.respond(failure.status().into(), &[]),
        }
    }

    /// Answers with a status, which may be one that [`Status`] does not know, and a body, which is sent only with
    /// [`Status::Success`]. The caller does not wait: what the client does not take at once is copied.
    pub fn respond(mut self, status: i32, body: &[u8]) -> Result<(), Error> {
        self.answer(status, body).map_err(|cause| Error::new(Phase::Respond, self.session().shared_path(), cause))
    }

    #[cold]
    fn answer_with_failure(&mut self) {
        // Whoever dropped it does not care, and a session that has ended has nobody to answer.
        let _ = self.answer(Status::Failure.into(), &[]);
    }

    /// The same for somebody who goes on to use the call.
    #[doc(hidden)]
    pub fn answer(&mut self, status: i32, body: &[u8]) -> Result<(), Cause> {
        if std::mem::replace(&mut self.answered, true) {
            return Ok(());
        }
        let body = if status == Status::Success as i32 { body } else { &[] };
        self.answers.answer(self.tag, &ResponseRef { sequence: self.call.sequence, status, body })
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.answered {
            self.answer_with_failure();
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("session", &self.session().id())
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

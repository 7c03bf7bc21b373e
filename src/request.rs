//! A call with the duty to answer it.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::borrow::Cow;
use std::fmt;

use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::Api;
use crate::failure::Failure;
use crate::large_block;
use crate::protocol::detail::Detail;
use crate::protocol::message::{Call, Status};
use crate::protocol::wire::ResponseRef;
use crate::session::Session;
use crate::sys::TryArc;

/// The receiver of the answers to a session's calls.
pub(crate) trait Answers: Send + Sync {
    /// The session that the calls came on.
    fn handle(&self) -> &Session;

    /// Takes the answer to the call with this tag, which is given once.
    fn answer(&self, tag: u64, answer: Answer<'_>) -> Result<(), Cause>;

    /// Asks for `more` bytes of memory on account of the user, for a call that holds `own`. Returns how many of them
    /// count, or `None` for a refusal.
    fn acquire(&self, own: usize, more: usize) -> Option<usize>;

    /// Releases memory.
    fn release(&self, less: usize);
}

/// An answer on its way to the client. A body that is given away is not copied, however slowly the client takes it.
#[derive(Clone, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) sequence: i64,
    pub(crate) status: i32,
    pub(crate) body: Cow<'a, [u8]>,
    /// Why the call has failed, for the caller.
    pub(crate) detail: Option<&'a Detail>,
}

impl<'a> Answer<'a> {
    /// An answer without a body.
    pub(crate) fn of_status(sequence: i64, status: Status, detail: Option<&'a Detail>) -> Self {
        Self { sequence, status: status.into(), body: Cow::Borrowed(&[]), detail }
    }

    /// The response that the client gets.
    pub(crate) fn response(&self) -> ResponseRef<'_> {
        ResponseRef { sequence: self.sequence, status: self.status, body: &self.body }
    }
}

/// A call, with the duty to answer it: at once or later, from any thread. A request that is dropped is answered with
/// [`Status::Failure`].
///
/// A request may outlive its session and its server; answering it is an error then. A session whose client has gone stays
/// until its requests are answered, because only answering finds that out.
///
/// ```
/// use drpc::{Module, Request, Service};
///
/// /// Hands its calls to another thread.
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
    /// Bytes of the user's memory that count for this call.
    acquired: usize,
}

impl Request {
    pub(crate) fn new(call: Call, answers: TryArc<dyn Answers>, tag: u64) -> Self {
        Self { call, answers, answered: false, tag, acquired: 0 }
    }

    /// The session that the call came on.
    pub fn session(&self) -> &Session {
        self.answers.handle()
    }

    /// The call.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The body of the call, which is taken out of it.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.call.body)
    }

    /// Asks for memory that the call takes beside its body, from the user's share of the memory for incomplete calls. The
    /// memory counts until the request is dropped. False if the user has too much already.
    #[doc(hidden)]
    pub fn acquire(&mut self, more: usize) -> bool {
        let counted = self.answers.acquire(self.acquired, more);
        self.acquired += counted.unwrap_or_default();
        counted.is_some()
    }

    /// Answers the call with the result of a method. A failure goes with its [detail](Failure::with_detail). A body that the client does not take at once is kept, not copied.
    pub fn reply(self, result: Result<Vec<u8>, Failure>) -> Result<(), Error> {
        match result {
            Ok(body) => self.finish(Status::Success.into(), Cow::Owned(body), None),
            Err(failure) => {
                let detail = failure.detail().map(Detail::from);
                self.finish(failure.status().into(), Cow::Borrowed(&[]), detail.as_ref())
            }
        }
    }

    /// Answers the call with a status and a body. The status may be one that [`Status`] does not know; the body is sent
    /// only with [`Status::Success`]. The caller does not wait: bytes that the client does not take at once are copied.
    /// ([`reply`](Self::reply) keeps them without a copy.)
    pub fn respond(self, status: i32, body: &[u8]) -> Result<(), Error> {
        self.finish(status, Cow::Borrowed(body), None)
    }

    fn finish(mut self, status: i32, body: Cow<'_, [u8]>, detail: Option<&Detail>) -> Result<(), Error> {
        self.answer(status, body, detail)
            .map_err(|cause| Error::new(Api::Server, Phase::Respond, self.session().shared_path(), cause))
    }

    /// Answers the call if nobody has, and gives back what it has taken.
    #[cold]
    fn end(&mut self) {
        // A request that was dropped has no caller to tell, and a session that has ended no client.
        let _ = self.answer(Status::Failure.into(), Cow::Borrowed(&[]), None);
        if large_block::is_large(self.call.body.capacity()) {
            large_block::retire(self.take_body());
        }
        if self.acquired > 0 {
            self.answers.release(self.acquired);
        }
    }

    /// Answers the call, which stays with the caller. Only the first answer counts.
    #[doc(hidden)]
    #[inline]
    pub fn answer(&mut self, status: i32, body: Cow<'_, [u8]>, detail: Option<&Detail>) -> Result<(), Cause> {
        if std::mem::replace(&mut self.answered, true) {
            return Ok(());
        }
        let body = if status == Status::Success as i32 { body } else { Cow::Borrowed(&[][..]) };
        self.answers.answer(self.tag, Answer { sequence: self.call.sequence, status, body, detail })
    }
}

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        let has_large_body = large_block::is_large(self.call.body.capacity());
        if !self.answered || has_large_body || self.acquired > 0 {
            self.end();
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

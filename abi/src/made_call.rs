//! What there is to say of a call that a context has made, and that has failed or not been answered with SUCCESS.

use ::drpc::framing::FramingChoice;
use ::drpc::framing::detect::unread_call;
use ::drpc::modules::names::CallName;
use ::drpc::peer::framing_cache;
use ::drpc::{Answer, Cause, Framing, Overdue, Phase, sys};

use crate::abi::Abi;
use crate::boundary::{self, FramingOrigin, Site, Subject};
use crate::context::Context;
use crate::drpc_pb_c::Drpc__Call;

/// The sequence of the first call of a context.
const FIRST: i64 = 1;

/// A call that a context has made.
pub(crate) struct MadeCall<'a, 'b, A: Abi> {
    context: Context<A>,
    site: &'a Site<'b>,
    name: CallName,
    sequence: i64,
    size: usize,
}

impl<'a, 'b, A: Abi> MadeCall<'a, 'b, A> {
    /// # Safety
    /// `call` points to an initialised call.
    #[cold]
    pub(crate) unsafe fn new(context: Context<A>, site: &'a Site<'b>, call: *const Drpc__Call) -> Self {
        // SAFETY: the caller's promise; the fields are copied out.
        let (module, method, sequence, size) =
            unsafe { ((*call).module, (*call).method, (*call).sequence, (*call).body.len) };
        Self { context, site, name: A::NAMES.call(module, method), sequence, size }
    }

    /// The cause to report for a call that has failed. What the message is to say beside is noted.
    pub(crate) fn failed(&self, cause: Cause) -> Cause {
        let fd = self.context.fd();
        if cause.ends_connection() {
            framing_cache::forget(fd);
        }
        match (cause, self.site.current_phase()) {
            (Cause::TimedOut, phase @ (Phase::Call | Phase::Reply)) => {
                let sent = phase == Phase::Reply;
                let limit = if sent { sys::receive_timeout(fd) } else { sys::send_timeout(fd) };
                self.site.overdue(phase, Some(Overdue::new(self.name, sent, limit, sys::peer(fd))));
                cause
            }
            (Cause::OtherFraming { speaks, .. }, _) => Cause::OtherFraming { speaks, set: self.framing_choice() },
            _ => cause,
        }
    }

    /// Keeps the text of an answer other than SUCCESS.
    pub(crate) fn answered(&self, sequence: i64, status: i32) {
        let framing = self.context.flags().framing() == Some(Framing::Datagram);
        let choice = self.framing_choice().filter(|_| framing);
        let cause = choice.and_then(|choice| unread_call(sequence, status, self.size, choice));
        let answer = Answer::new(self.name, status).because(cause);
        boundary::keep_answer(Subject::Socket(self.context.fd()), answer);
    }

    /// Where the framing was chosen that the context's first call has had. `None` if it was found out, and for other calls.
    fn framing_choice(&self) -> Option<FramingChoice> {
        if self.sequence != FIRST {
            return None;
        }
        match self.site.framing_origin() {
            FramingOrigin::Context => Some(FramingChoice::Context),
            FramingOrigin::Process => Some(framing_cache::choice()),
            FramingOrigin::Detection => None,
        }
    }
}

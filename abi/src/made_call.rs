//! What there is to say of a call that a context has made, and that has failed or not been answered with SUCCESS.

use std::os::fd::RawFd;

use ::drpc::framing::FramingChoice;
use ::drpc::framing::detect::unread_call;
use ::drpc::modules::names::CallName;
use ::drpc::peer::framing_cache;
use ::drpc::{Answer, Cause, Framing, Overdue, Phase, sys};

use crate::abi::Abi;
use crate::boundary::{self, FramingOrigin, Site, Subject};
use crate::context::Context;
use crate::detail;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};

/// The sequence of the first call of a context.
const FIRST: i64 = 1;

/// Notes what the message of a failed call is to say beside its cause, and keeps the text of an answer other than SUCCESS.
/// Gives the result of the call, with the cause to report.
///
/// # Safety
/// `call` and `reply` point to initialised messages.
#[cold]
#[inline(never)]
pub(crate) unsafe fn describe<A: Abi>(
    context: Context<A>,
    site: &Site<'_>,
    call: *const Drpc__Call,
    reply: *const Drpc__Response,
    made: Result<(), Cause>,
) -> Result<(), Cause> {
    // SAFETY: the caller's promise; the fields are copied out.
    let (module, method, sequence, size) =
        unsafe { ((*call).module, (*call).method, (*call).sequence, (*call).body.len) };
    // SAFETY: as above.
    let (answered, status) = unsafe { ((*reply).sequence, (*reply).status) };
    let name = A::NAMES.call(module, method);
    let choice = if sequence == FIRST { choice(site) } else { None };
    if let Err(cause) = made {
        return Err(cause_to_report(context.fd(), site, name, choice, cause));
    }
    let choice = choice.filter(|_| context.flags().framing() == Some(Framing::Datagram));
    let cause = choice.and_then(|choice| unread_call(answered, status, size, choice));
    // SAFETY: the caller's promise.
    let detail = unsafe { detail::of(reply) };
    boundary::keep_answer(Subject::Socket(context.fd()), Answer::new(name, status).because(cause).saying(detail));
    Ok(())
}

fn cause_to_report(fd: RawFd, site: &Site<'_>, name: CallName, choice: Option<FramingChoice>, cause: Cause) -> Cause {
    if cause.ends_connection() {
        framing_cache::forget(fd);
    }
    match (cause, site.current_phase()) {
        (Cause::TimedOut, phase @ (Phase::Call | Phase::Reply)) => {
            let sent = phase == Phase::Reply;
            let limit = if sent { sys::receive_timeout(fd) } else { sys::send_timeout(fd) };
            site.overdue(phase, Some(Overdue::new(name, sent, limit, sys::peer(fd))));
            cause
        }
        (Cause::OtherFraming { speaks, .. }, _) => Cause::OtherFraming { speaks, set: choice },
        _ => cause,
    }
}

/// Where the framing was chosen that a context's first call has had. `None` if it was found out.
fn choice(site: &Site<'_>) -> Option<FramingChoice> {
    match site.framing_origin() {
        FramingOrigin::Context => Some(FramingChoice::Context),
        FramingOrigin::Process => Some(framing_cache::choice()),
        FramingOrigin::Detection => None,
    }
}

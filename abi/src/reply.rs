//! The responses that a session sends: those of handlers, and failures in their place.

use ::drpc::sys::{NonblockingGuard, SocketRef};
use ::drpc::transport;
use ::drpc::wire::{Encoded, ResponseRef};
use ::drpc::{Cause, Framing, NO_SEQUENCE, Status, sys};

use crate::abi::Abi;
use crate::boundary::Subject;
use crate::context::Context;
use crate::drpc_pb_c::Drpc__Response;
use crate::log::{self, Level};
use crate::message::{self, Message};
use crate::send_lock::SendGuard;
use crate::yielding::YieldingHooks;

/// Sends a response, after waiting for the right to send and for room. A response that is too large is replaced by
/// DRPC__STATUS__FAILED_MARSHAL.
///
/// # Safety
/// `response` points to an initialised response.
#[inline(always)]
pub(crate) unsafe fn respond<A: Abi>(
    session: Context<A>,
    fd: SocketRef<'_>,
    response: *const Drpc__Response,
) -> Result<(), Cause> {
    let _sending = SendGuard::wait(session);
    // SAFETY: the caller's promise.
    let sent = unsafe { encode_and_send(session, fd, response) };
    match sent {
        Ok(()) => session.count_answer(),
        // SAFETY: the caller's promise.
        Err(cause) if cause.is_too_big() => send_failure(session, unsafe { (*response).sequence })?,
        Err(_) => {}
    }
    sent
}

/// # Safety
/// `response` points to an initialised response.
#[inline(always)]
unsafe fn encode_and_send<A: Abi>(
    session: Context<A>,
    fd: SocketRef<'_>,
    resp: *const Drpc__Response,
) -> Result<(), Cause> {
    // SAFETY: the caller's promise; borrows of the response end before control returns to the caller.
    unsafe {
        let unknown = message::encoded_unknown(resp)?;
        let mut encoded = Encoded::new(Drpc__Response::body_bytes(resp)?, &unknown);
        Drpc__Response::encode_head(resp, &mut encoded);
        send(session, fd, &encoded, true)
    }
}

/// Sends DRPC__STATUS__FAILED_MARSHAL in place of a response that cannot be sent, because the client waits. The caller
/// holds the right to send.
#[cold]
pub(crate) fn send_failure<A: Abi>(session: Context<A>, sequence: i64) -> Result<(), Cause> {
    let response = ResponseRef { sequence, status: Status::FailedMarshal as i32, body: &[] };
    send_cold(session, &response.encode(&[]), true).inspect(|()| session.count_answer())
}

/// Sends a response without a body, if no wait is needed.
pub(crate) fn respond_at_once<A: Abi>(session: Context<A>, sequence: i64, status: Status) -> Result<(), Cause> {
    let response = ResponseRef { sequence, status: status as i32, body: &[] };
    let _sending = SendGuard::now(session).ok_or(Cause::Busy)?;
    send_cold(session, &response.encode(&[]), false)
}

/// Answers a client's probe for the framing, if no wait is needed. The client then connects anew.
pub(crate) fn answer_probe<A: Abi>(session: Context<A>) {
    let (fd, now) = (session.fd(), NonblockingGuard::new(session.fd()));
    if let Some(cause) = now.and_then(|_now| respond_at_once(session, NO_SEQUENCE, Status::FailedUnmarshalCall)).err() {
        log::print_limited(
            Level::Debug,
            format_args!("receive{}: a probe is not answered: {cause}", Subject::Socket(fd)),
        );
    }
}

/// Sends DRPC__STATUS__FAILURE for each unanswered call of a session that ends, as far as no wait is needed. Clients up
/// to DAOS 2.6 take the end of a session for success.
pub(crate) fn fail_unanswered_calls<A: Abi>(session: Context<A>) {
    // The client may have sent nothing readable.
    session.flags().set_framing(Some(Framing::Datagram));
    if sys::set_nonblocking(session.fd(), true).is_err() {
        return;
    }
    for _ in 0..session.flags().owed() {
        if respond_at_once(session, NO_SEQUENCE, Status::Failure).is_err() {
            return;
        }
    }
}

#[inline(always)]
fn send<A: Abi>(session: Context<A>, fd: SocketRef<'_>, message: &Encoded<'_>, waits: bool) -> Result<(), Cause> {
    let (framing, pace) = (session.peer_framing().framing(), &mut YieldingHooks { context: session, waits });
    transport::send(fd, framing, message, session.limits().send(framing), pace)
}

/// The same for rare messages: one copy of the code, which is not inlined.
#[inline(never)]
fn send_cold<A: Abi>(session: Context<A>, message: &Encoded<'_>, waits: bool) -> Result<(), Cause> {
    send(session, session.fd().into(), message, waits)
}

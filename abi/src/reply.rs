//! Responses that a session sends: those of handlers, and those in place of them.

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

/// Sends a response, or if it is too large one that says so, and waits for its turn and for room.
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
    // SAFETY: the caller's promise; what is borrowed from the response is used before control returns to the caller.
    unsafe {
        let unknown = message::encoded_unknown(resp)?;
        let mut encoded = Encoded::new(Drpc__Response::body_bytes(resp)?, &unknown);
        Drpc__Response::encode_head(resp, &mut encoded);
        send(session, fd, &encoded, true)
    }
}

/// Answers in place of a response that cannot be sent, as the client waits for something. The turn is the caller's.
#[cold]
pub(crate) fn send_failure<A: Abi>(session: Context<A>, sequence: i64) -> Result<(), Cause> {
    let response = ResponseRef { sequence, status: Status::FailedMarshal as i32, body: &[] };
    send_cold(session, &response.encode(&[]), true).inspect(|()| session.count_answer())
}

/// Sends a response without a body, if that can be done at once.
pub(crate) fn respond_at_once<A: Abi>(session: Context<A>, sequence: i64, status: Status) -> Result<(), Cause> {
    let response = ResponseRef { sequence, status: status as i32, body: &[] };
    let _sending = SendGuard::now(session).ok_or(Cause::Busy)?;
    send_cold(session, &response.encode(&[]), false)
}

/// Answers a client that asks which framing is read, if that can be done at once: it is about to connect anew.
pub(crate) fn answer_probe<A: Abi>(session: Context<A>) {
    let (fd, now) = (session.fd(), NonblockingGuard::new(session.fd()));
    if let Some(cause) = now.and_then(|_now| respond_at_once(session, NO_SEQUENCE, Status::FailedUnmarshalCall)).err() {
        log::print_limited(
            Level::Debug,
            format_args!("receive{}: a probe is not answered: {cause}", Subject::Socket(fd)),
        );
    }
}

/// Tells the client of a session that ends, as far as that can be done at once, that calls have not been answered: up to
/// 2.6 it takes the end for a success.
pub(crate) fn fail_unanswered_calls<A: Abi>(session: Context<A>) {
    // It may have said nothing that could be understood.
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

/// The same, where it does not matter how fast.
#[inline(never)]
fn send_cold<A: Abi>(session: Context<A>, message: &Encoded<'_>, waits: bool) -> Result<(), Cause> {
    send(session, session.fd().into(), message, waits)
}

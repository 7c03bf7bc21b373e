//! The exchange of a call and its reply on a context.

use ::drpc::framing::chunked::Reassembly;
use ::drpc::framing::detect::{PeerFraming, unreadable_answer};
use ::drpc::sys::{Deadline, SocketRef};
use ::drpc::transport::{self, Received, SyncState};
use ::drpc::wire::{Encoded, MAX_FIELDS, ResponseRef};
use ::drpc::{Cause, Framing, Sequence, sys};

use crate::abi::Abi;
use crate::boundary::Subject;
use crate::context::Context;
use crate::drpc_pb_c::Drpc__Response;
use crate::log::{self, Level};
use crate::memory::Owned;
use crate::message;
use crate::protobuf_c::Heap;
use crate::yielding::{self, YieldingHooks};

/// Sends a call. The caller holds the right to send.
#[inline(always)]
pub(crate) fn send<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    framing: Framing,
    call: &Encoded<'_>,
) -> Result<(), Cause> {
    let pace = &mut YieldingHooks { context, waits: false };
    transport::send(fd, framing, call, context.limits().send(framing), pace)
}

/// Waits for the reply to a call; `None` for `reply` drops the next reply. Replies to earlier calls are dropped on the
/// way: one for each such call at most, within the time limit of the reply.
pub(crate) fn receive<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    peer_framing: &mut PeerFraming,
    number: Sequence,
    reply: Option<&Owned<Drpc__Response>>,
) -> Result<(), Cause> {
    let mut deadline = Deadline::receiving();
    let mut dropped = 0;
    loop {
        let owed = context.flags().owes_replies();
        let mut partial = context.take_partial(ResponseRef::BODY);
        let limit = partial.limit();
        let keep = |mut message: Received<'_>| {
            let Some(reply) = reply else { return Ok(true) };
            let bytes = message.within_limit()?;
            if owed && number.is_stale(ResponseRef::decode(bytes)?.sequence, owed) {
                return Ok(false);
            }
            // SAFETY: the block holds a response that owns nothing.
            unsafe {
                message::fill(reply.as_ptr(), Heap::SYSTEM, bytes, message.take_body(), limit, MAX_FIELDS)
                    .map_err(|cause| unreadable_answer(bytes, cause))?;
            }
            Ok(true)
        };
        let yielding = || yielding::run_yield(context);
        let received =
            transport::receive_until(fd, peer_framing, &mut partial, A::RECORD, keep, yielding, &mut deadline);
        let in_time = match received {
            Ok(true) => return Ok(()),
            Ok(false) => {
                dropped += 1;
                note_dropped(context, number, dropped);
                deadline.check(context.fd())
            }
            Err(cause) => Err(cause),
        };
        if let Err(cause) = in_time {
            return Err(after_failed_receive(context, peer_framing.framing(), partial, cause));
        }
    }
}

/// Counts a dropped reply to an earlier call, the `dropped`th while one reply is awaited.
#[cold]
fn note_dropped<A: Abi>(context: Context<A>, number: Sequence, dropped: i32) {
    context.flags().reply_came();
    if dropped == number.number() {
        // No more than one reply was owed for each earlier number.
        context.flags().owe_nothing();
    }
    log::print_limited(
        Level::Debug,
        format_args!("reply{}: one to an earlier call is dropped", Subject::Socket(context.fd())),
    );
}

fn after_failed_receive<A: Abi>(context: Context<A>, framing: Framing, partial: Reassembly, cause: Cause) -> Cause {
    match SyncState::after(cause, framing) {
        SyncState::InSync => {}
        SyncState::ReplyOwed => {
            context.flags().owe_reply();
            context.keep_partial(partial);
        }
        SyncState::Lost => sys::shut_down(context.fd()),
    }
    if cause == Cause::Closed { Cause::NoReply } else { cause }
}

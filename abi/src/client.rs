//! The calling side: connect and call.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use ::drpc::framing::chunked::Reassembly;
use ::drpc::framing::detect::PeerFraming;
use ::drpc::peer::framing_cache;
use ::drpc::sys::{Deadline, SocketRef};
use ::drpc::transport::{self, Aftermath, Received};
use ::drpc::wire::{CallRef, Encoded, ResponseRef};
use ::drpc::{Cause, Framing, Phase, Sequence, Status, sys};

use crate::boundary::{self, Site, Subject};
use crate::context::{Abi, Context, Head};
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::log::{self, Level};
use crate::memory::Owned;
use crate::message::{self, Message};
use crate::negotiation::{self, Next};
use crate::protobuf_c::Heap;
use crate::send_lock::SendGuard;
use crate::settings;
use crate::yielding::{self, Held, UnderWay, YieldingHooks};

/// `enum rpcflags`: wait for the reply.
const R_SYNC: c_int = 1;

/// Connects to the server at `path`.
///
/// # Safety
/// `path` is null or a C string.
pub unsafe fn connect<A: Abi>(path: *const c_char) -> Result<*mut A::Context, c_int> {
    boundary::run::<A, _>(Phase::Connect, |site| {
        // SAFETY: the caller's promise.
        let path = unsafe { socket_path(path) }?;
        site.subject(Subject::Path(path));
        let context = Context::<A>::unopened(None, None)?;
        let socket = sys::open(false, A::SOCKET_MODE)?;
        match settings::connect_timeout() {
            None => sys::connect(&socket, path.to_bytes())?,
            Some(limit) => sys::connect_within(&socket, path.to_bytes(), limit)?,
        }
        context.keep_path(path);
        Ok(context.opened(socket, 0))
    })
}

/// Connects for a caller that wants the context in `*context`, which is null after an error.
///
/// # Safety
/// `path` is null or a C string, `context` is null or valid for writing.
pub unsafe fn connect_into<A: Abi>(path: *const c_char, context: *mut *mut A::Context) -> c_int {
    if context.is_null() {
        return boundary::no_place::<A>(Phase::Connect);
    }
    // SAFETY: the caller's promise.
    let connected = unsafe { connect::<A>(path) };
    // SAFETY: not null, and the caller's promise.
    unsafe { *context = connected.unwrap_or(ptr::null_mut()) };
    connected.err().unwrap_or(0)
}

/// # Safety
/// `path` is null or a C string, which stays as it is while the result is used.
pub(crate) unsafe fn socket_path<'a>(path: *const c_char) -> Result<&'a CStr, Cause> {
    if path.is_null() {
        return Err(Cause::Invalid("the socket path is NULL"));
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { CStr::from_ptr(path) })
}

/// Makes a call for a context.
///
/// # Safety
/// `context` is null or points to a context.
pub unsafe fn call_create<A: Abi>(
    context: *mut A::Context,
    module: i32,
    method: i32,
) -> Result<*mut Drpc__Call, c_int> {
    boundary::bare::run::<A, _>(Phase::Call, |_| {
        // The original does not look at the socket either.
        if context.is_null() {
            return Err(Cause::Invalid("the context is NULL"));
        }
        // SAFETY: every context begins with a `Head`, and the caller's promise.
        let sequence = unsafe { AtomicI32::from_ptr(&raw mut (*context.cast::<Head>()).sequence) };
        let sequence = sequence.load(Ordering::Relaxed);
        let call = Drpc__Call { module, method, sequence: sequence.into(), ..Drpc__Call::empty() };
        Ok(Owned::new(call)?.keep())
    })
}

/// Makes a call for a caller that wants it in `*call`, which is null after an error.
///
/// # Safety
/// `context` is null or points to a context, `call` is null or valid for writing.
pub unsafe fn call_create_into<A: Abi>(
    context: *mut A::Context,
    module: i32,
    method: i32,
    call: *mut *mut Drpc__Call,
) -> c_int {
    if call.is_null() {
        return boundary::no_place::<A>(Phase::Call);
    }
    // SAFETY: the caller's promise.
    let created = unsafe { call_create::<A>(context, module, method) };
    // SAFETY: not null, and the caller's promise.
    unsafe { *call = created.unwrap_or(ptr::null_mut()) };
    created.err().unwrap_or(0)
}

/// Sends a call and, with `R_SYNC`, waits for the reply.
///
/// # Safety
/// `context` is null or points to a context, `call` is null or points to a call, `response` is null or valid for
/// writing.
pub unsafe fn call<A: Abi>(
    context: *mut A::Context,
    flags: c_int,
    call: *mut Drpc__Call,
    response: *mut *mut Drpc__Response,
) -> c_int {
    boundary::bare::code::<A>(Phase::Call, |site| {
        // SAFETY: the caller's promise.
        let context = unsafe { Context::<A>::new(context) }?;
        if response.is_null() {
            return Err(Cause::Invalid("the place for the response is NULL"));
        }
        // SAFETY: the caller's promise.
        if !unsafe { message::is_a(call) } {
            return Err(Cause::Invalid("the call is NULL or not initialised"));
        }
        site.subject(Subject::Socket(context.fd()));
        let _under_way = UnderWay::begin(context)?;
        let uncancelled = yielding::uncancelled(context);
        // Made before anything is sent, so that memory does not run out with the reply on its way.
        sys::have_record()?;
        let reply = Owned::new(Drpc__Response { status: Status::Submitted as c_int, ..Drpc__Response::empty() })?;
        // SAFETY: `is_a` says that there is a call.
        let made = unsafe { make(context, call, &reply, flags & R_SYNC != 0, uncancelled.as_ref(), site) };
        if made.is_err_and(Cause::ends_connection) {
            framing_cache::forget(context.fd());
        }
        made?;
        // SAFETY: not null, and the caller's promise.
        unsafe { *response = reply.keep() };
        Ok(())
    })
}

/// Sends a call under the next number, which is stored in the call and in the response first. If it `waits`, the reply
/// takes the place of the response.
///
/// # Safety
/// `call` points to an initialised call.
unsafe fn make<A: Abi>(
    context: Context<A>,
    call: *mut Drpc__Call,
    response: &Owned<Drpc__Response>,
    waits: bool,
    held: Held<'_>,
    site: &Site<'_>,
) -> Result<(), Cause> {
    // SAFETY: the caller's promise; what is borrowed from the call is used before control returns to the caller. The
    // response is ours.
    unsafe {
        let unknown = message::encoded_unknown(call)?;
        // A body without its data takes no number.
        let body = Drpc__Call::body_bytes(call)?;
        let number = context.take_sequence();
        (*call).sequence = number.number().into();
        (*response.as_ptr()).sequence = (*call).sequence;
        let mut encoded = Encoded::new(body, &unknown);
        Drpc__Call::encode_head(call, &mut encoded);
        let reply = waits.then_some(response);
        let fd = SocketRef::held(context.fd(), held);
        let framing = match context.flags().framing() {
            Some(framing) => framing,
            None => {
                let Drpc__Call { module, method, sequence, .. } = *call;
                let call = CallRef { module, method, sequence, body };
                match negotiation::settle(context, fd, &call, &unknown, number, reply, site)? {
                    Next::Send(framing) => framing,
                    Next::Done => return Ok(()),
                }
            }
        };
        site.phase(Phase::Call);
        let turn = SendGuard::wait(context);
        send(context, fd, framing, &encoded)?;
        drop(turn);
        if reply.is_none() {
            context.flags().owe_reply();
            return Ok(());
        }
        site.phase(Phase::Reply);
        receive(context, fd, &mut PeerFraming::known(framing), number, reply)
    }
}

/// Sends a call for someone whose turn it is.
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

/// Waits for the reply to a call, or where there is no place for it drops the next one. Replies to earlier calls that
/// nobody waits for are dropped on the way, one for each at most, and within the time that the reply may take.
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
            unsafe { message::fill(reply.as_ptr(), Heap::SYSTEM, bytes, message.take_body(), limit) }.map(|()| true)
        };
        let yielding = || yielding::run_yield(context);
        let received = transport::receive_by(fd, peer_framing, &mut partial, A::RECORD, keep, yielding, &mut deadline);
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

/// Counts a reply to an earlier call that has been dropped, as the `dropped`th on the way to this one's.
#[cold]
fn note_dropped<A: Abi>(context: Context<A>, number: Sequence, dropped: i32) {
    context.flags().reply_came();
    if dropped == number.number() {
        // However many were owed, there was no more than one for each earlier number.
        context.flags().owe_nothing();
    }
    log::note(Level::Debug, format_args!("reply{}: one to an earlier call is dropped", Subject::Socket(context.fd())));
}

fn after_failed_receive<A: Abi>(context: Context<A>, framing: Framing, partial: Reassembly, cause: Cause) -> Cause {
    match Aftermath::of(cause, framing) {
        Aftermath::InStep => {}
        Aftermath::ReplyOwed => {
            context.flags().owe_reply();
            context.keep_partial(partial);
        }
        Aftermath::Lost => sys::shut_down(context.fd()),
    }
    if cause == Cause::Closed { Cause::NoReply } else { cause }
}

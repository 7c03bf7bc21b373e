//! The calling side: connect and call.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use ::drpc::framing::detect::PeerFraming;
use ::drpc::peer::reconnect_paths::RECONNECT_PATHS;
use ::drpc::sys::{SocketPath, SocketRef};
use ::drpc::wire::{CallRef, Encoded};
use ::drpc::{Cause, Phase, Side, Status, sys};

use crate::abi::{Abi, Head};
use crate::boundary::{self, Site, Subject};
use crate::context::Context;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::exchange::{receive, send};
use crate::framing_detection::{self, Next};
use crate::memory::{Owned, socket_path};
use crate::message::{self, Message};
use crate::send_lock::SendGuard;
use crate::yielding::{self, CancelGuard, UnderWay};
use crate::{call_log, made_call, settings};

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
        site.subject(Subject::of_path(path));
        let context = Context::<A>::unopened(None, None)?;
        let socket = sys::open(false, A::SOCKET_MODE)?;
        match settings::connect_timeout() {
            None => sys::connect(&socket, path.to_bytes())?,
            Some(limit) => sys::connect_within(&socket, path.to_bytes(), limit)?,
        }
        keep_path(context.comm_address(), path);
        Ok(context.opened(socket, 0))
    })
}

/// Keeps the path for a reconnect during detection of the framing. Discards a handshake of an earlier context, freed by
/// hand, at the same address.
fn keep_path(address: usize, path: &CStr) {
    if let Some(path) = SocketPath::absolute_if_fits(path.to_bytes()) {
        RECONNECT_PATHS.put(address, path);
    }
    framing_detection::discard_at(address);
}

/// Connects and stores the context in `*context`; null after an error.
///
/// # Safety
/// `path` is null or a C string, `context` is null or valid for writing.
pub unsafe fn connect_into<A: Abi>(path: *const c_char, context: *mut *mut A::Context) -> c_int {
    if context.is_null() {
        return boundary::null_output::<A>(Phase::Connect);
    }
    // SAFETY: the caller's promise.
    let connected = unsafe { connect::<A>(path) };
    // SAFETY: not null, and the caller's promise.
    unsafe { *context = connected.unwrap_or(ptr::null_mut()) };
    connected.err().unwrap_or(0)
}

/// Makes a call to be sent on a context.
///
/// # Safety
/// `context` is null or points to a context.
pub unsafe fn call_create<A: Abi>(
    context: *mut A::Context,
    module: i32,
    method: i32,
) -> Result<*mut Drpc__Call, c_int> {
    boundary::bare::run::<A, _>(Phase::Call, |_| {
        // DAOS does not look at the socket either.
        if context.is_null() {
            return Err(Cause::Invalid("the context is NULL"));
        }
        // SAFETY: every context begins with a `Head`, and the caller's promise.
        let sequence = unsafe { AtomicI32::from_ptr(&raw mut (*context.cast::<Head>()).sequence) };
        let sequence = sequence.load(Ordering::Relaxed);
        let call = Drpc__Call { module, method, sequence: sequence.into(), ..Drpc__Call::empty() };
        Ok(Owned::new(call)?.into_raw())
    })
}

/// Makes a call and stores it in `*call`; null after an error.
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
        return boundary::null_output::<A>(Phase::Call);
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
        // Allocated before anything is sent, so that memory cannot run out while the reply is on its way.
        sys::ensure_record_buffer()?;
        let reply = Owned::new(Drpc__Response { status: Status::Submitted as c_int, ..Drpc__Response::empty() })?;
        // SAFETY: `is_a` says that there is a call.
        let noted = unsafe { call_log::note_call(call) }.filter(|_| flags & R_SYNC != 0);
        // SAFETY: as above.
        let made = unsafe { make(context, call, &reply, flags & R_SYNC != 0, uncancelled.as_ref(), site) };
        // SAFETY: the response is owned here.
        let succeeded = unsafe { (*reply.as_ptr()).status } == Status::Success as c_int;
        if made.is_err() || (!succeeded && flags & R_SYNC != 0) {
            // SAFETY: `is_a` says that there is a call, and the response is owned here.
            unsafe { made_call::describe(context, site, call, reply.as_ptr(), made) }?;
        }
        if let Some(noted) = noted {
            // SAFETY: the response is owned here.
            unsafe { call_log::print_answer::<A>(noted, reply.as_ptr(), context.fd()) };
        }
        // SAFETY: not null, and the caller's promise.
        unsafe { *response = reply.into_raw() };
        Ok(())
    })
}

/// Sends a call under the context's next number, which is stored in the call and the response first. With `waits` the
/// reply overwrites the response.
///
/// # Safety
/// `call` points to an initialised call.
unsafe fn make<A: Abi>(
    context: Context<A>,
    call: *mut Drpc__Call,
    response: &Owned<Drpc__Response>,
    waits: bool,
    guard: CancelGuard<'_>,
    site: &Site<'_>,
) -> Result<(), Cause> {
    // SAFETY: the caller's promise; borrows of the call end before control returns to the caller. The response is owned
    // by `call`.
    unsafe {
        let unknown = message::encoded_unknown(call)?;
        // A call with an invalid body uses up no number.
        let body = Drpc__Call::body_bytes(call)?;
        let number = context.take_sequence();
        (*call).sequence = number.number().into();
        (*response.as_ptr()).sequence = (*call).sequence;
        let mut encoded = Encoded::new(body, &unknown);
        Drpc__Call::encode_head(call, &mut encoded);
        let reply = waits.then_some(response);
        let fd = SocketRef::with_guard(context.fd(), guard);
        let framing = match context.flags().framing() {
            Some(framing) => framing,
            None => {
                let Drpc__Call { module, method, sequence, .. } = *call;
                let call = CallRef { module, method, sequence, body };
                match framing_detection::detect(context, fd, &call, &unknown, number, reply, site)? {
                    Next::Send(framing) => framing,
                    Next::Done => return Ok(()),
                }
            }
        };
        site.phase(Phase::Call);
        let sending = SendGuard::wait(context);
        send(context, fd, framing, &encoded)?;
        drop(sending);
        if reply.is_none() {
            context.flags().owe_reply();
            return Ok(());
        }
        site.phase(Phase::Reply);
        receive(context, fd.looking(Side::Client), &mut PeerFraming::known(framing), number, reply)
    }
}

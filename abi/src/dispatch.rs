//! The dispatch of a received call to its session's handler, through the program's spawner if there is one.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use ::drpc::sys::SocketRef;
use ::drpc::{Cause, Framing, Phase, sys};

use crate::abi::Abi;
use crate::boundary::{self, Subject};
use crate::context::Context;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::drpc_progress::drpc_call_ctx;
use crate::memory::{self, Owned};
use crate::message::{self, Message};
use crate::protobuf_c::Heap;
use crate::send_lock::SendGuard;
use crate::yielding::{self, CancelGuard};
use crate::{call_log, references, reply};

/// A program's function that starts `fn(arg)`, later or in another thread of execution, and returns 0. Any other result
/// means that `fn` never runs.
pub type Spawner =
    Option<unsafe extern "C" fn(r#fn: Option<unsafe extern "C" fn(*mut c_void)>, arg: *mut c_void) -> c_int>;

static SPAWNER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

fn spawner() -> Spawner {
    // SAFETY: only null and spawners are stored, and a null pointer is None.
    unsafe { mem::transmute::<*mut (), Spawner>(SPAWNER.load(Ordering::Acquire)) }
}

/// Sets the spawner of the process.
pub fn set_spawner(spawner: Spawner) {
    SPAWNER.store(spawner.map_or(ptr::null_mut(), |spawner| spawner as *mut ()), Ordering::Release);
}

/// The shortest possible timeout, for a session whose client has once let a response wait too long.
const AT_ONCE: Duration = Duration::from_micros(1);

/// Serves a call with the session's handler, through the spawner if there is one. The call is always freed.
///
/// # Safety
/// `call` points to a call from malloc that has no other owner.
pub(crate) unsafe fn dispatch<A: Abi>(
    session: Context<A>,
    call: *mut Drpc__Call,
    guard: CancelGuard<'_>,
) -> Result<(), Cause> {
    // SAFETY: the call is alive until it is freed below, and each block is given away once.
    unsafe {
        let call = OwnedMessage(call);
        let resp = OwnedMessage(message::response_to(call.0)?.into_raw());
        let Some(spawn) = spawner() else {
            serve::<A>(session, &call, &resp, guard);
            return Ok(());
        };
        let context = Owned::new(drpc_call_ctx { session: session.as_ptr().cast(), call: call.0, resp: resp.0 })?;
        session.add_ref()?;
        let uncancelled = yielding::uncancelled(session);
        let refused = spawn(Some(run_spawned::<A>), context.as_ptr().cast()) != 0;
        drop(uncancelled);
        if refused {
            // The session's own reference is left, so that this one is not the last.
            references::release(session)?;
            return Err(Cause::Busy);
        }
        mem::forget((context, call, resp));
        Ok(())
    }
}

/// A message from malloc, freed when dropped.
struct OwnedMessage<M: Message>(*mut M);

impl<M: Message> Drop for OwnedMessage<M> {
    fn drop(&mut self) {
        // SAFETY: the message came from malloc, like everything that a handler puts into it, and has no other owner.
        unsafe { message::free(self.0, Heap::SYSTEM) };
    }
}

/// The function that a spawner runs. Consumes its argument, a `struct drpc_call_ctx`.
unsafe extern "C" fn run_spawned<A: Abi>(arg: *mut c_void) {
    boundary::bare::infallible((), || {
        let context = arg.cast::<drpc_call_ctx>();
        // SAFETY: `dispatch` made the argument and gave it away, with the reference to the session.
        unsafe {
            let drpc_call_ctx { session, call, resp } = context.read();
            memory::free(context);
            let (call, resp) = (OwnedMessage(call), OwnedMessage(resp));
            if let Ok(session) = Context::<A>::new(session.cast()) {
                serve::<A>(session, &call, &resp, None);
                drop((call, resp));
                // An error of releasing the session has no recipient.
                let _ = references::release(session);
            }
        }
    });
}

/// Runs the handler and sends its response. A response that cannot be sent is replaced by a failure, because the caller
/// waits.
fn serve<A: Abi>(
    session: Context<A>,
    call: &OwnedMessage<Drpc__Call>,
    resp: &OwnedMessage<Drpc__Response>,
    guard: CancelGuard<'_>,
) {
    let own = if guard.is_none() { yielding::uncancelled(session) } else { None };
    let fd = SocketRef::with_guard(session.fd(), guard.or(own.as_ref()));
    // SAFETY: call and response are alive; the session's handler was given for this purpose.
    unsafe {
        let noted = call_log::note_call(call.0);
        if let Some(handler) = session.handler() {
            handler(call.0, resp.0);
        }
        let subject = Subject::Socket(session.fd());
        let sent = reply::respond(session, fd, resp.0);
        if let Some(noted) = noted {
            call_log::print_answer::<A>(noted, resp.0, session.fd());
        }
        let Err(cause) = sent else { return };
        boundary::report(Phase::Respond, subject, cause);
        let lost = match cause {
            // The caller waits for a response.
            Cause::Invalid(_) | Cause::NoMemory | Cause::Os(libc::ENOMEM | libc::ENOBUFS) => {
                let _sending = SendGuard::wait(session);
                let sent = reply::send_failure(session, (*call.0).sequence);
                sent.inspect_err(|cause| boundary::report(Phase::Respond, subject, *cause)).is_err()
            }
            _ => cause == Cause::TimedOut,
        };
        if lost && session.peer_framing().framing() == Framing::Datagram {
            // Callers up to 2.6 would take the end for success. Further responses go out at once, or are lost.
            let _ = sys::set_timeout(session.fd(), AT_ONCE);
        } else if lost {
            sys::shut_down(session.fd());
        }
    }
}

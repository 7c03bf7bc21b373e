//! `daos/drpc_progress.h`, the types and what both lines do alike: a listener and its sessions, served from a loop
//! of the program's.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use ::drpc::sys::SocketRef;
use ::drpc::{Cause, Framing, Phase, sys};

use crate::boundary::{self, Subject};
use crate::context::{Abi, Context, Head as drpc};
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::flags::{CLOSE_ASKED, IN_PROGRESS};
use crate::list::{self, d_list_t};
use crate::memory::{self, Owned};
use crate::message::{self, Message};
use crate::protobuf_c::Heap;
use crate::send_lock::SendGuard;
use crate::yielding::Held;
use crate::{poll_cycle, session, yielding};

/// A listener and the sessions it has accepted. Made by drpc_progress_context_create.
#[repr(C)]
pub struct drpc_progress_context {
    /// The listener.
    pub listener_ctx: *mut drpc,
    /// Its sessions: the links of `struct drpc_list`.
    pub session_ctx_list: d_list_t,
}

/// A session in the list of a progress context.
#[repr(C)]
pub struct drpc_list {
    /// The session.
    pub ctx: *mut drpc,
    /// Its place in the list.
    pub link: d_list_t,
}

/// A call being served: what a spawned function is given.
#[repr(C)]
pub struct drpc_call_ctx {
    /// The session that the call came on, with a reference of its own.
    pub session: *mut drpc,
    /// The call.
    pub call: *mut Drpc__Call,
    /// The response to it.
    pub resp: *mut Drpc__Response,
}

/// Runs `fn(arg)` later or in another thread of execution, and says whether it will: 0, or anything else, in which
/// case it must not.
pub type Spawner =
    Option<unsafe extern "C" fn(r#fn: Option<unsafe extern "C" fn(*mut c_void)>, arg: *mut c_void) -> c_int>;

static SPAWNER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

fn spawner() -> Spawner {
    // SAFETY: only null and spawners are stored, and a null pointer is None.
    unsafe { mem::transmute::<*mut (), Spawner>(SPAWNER.load(Ordering::Acquire)) }
}

/// Says how handlers are to be run.
pub fn set_spawner(spawner: Spawner) {
    SPAWNER.store(spawner.map_or(ptr::null_mut(), |spawner| spawner as *mut ()), Ordering::Release);
}

/// Makes a progress context for a listener, which belongs to it then.
///
/// # Safety
/// `listener` is null or points to a context.
pub unsafe fn create<A: Abi>(listener: *mut A::Context) -> *mut drpc_progress_context {
    boundary::pointer::<A, _>(Phase::Progress, |_| {
        // SAFETY: the caller's promise.
        let listener = unsafe { Context::<A>::listener(listener) }?;
        let context = Owned::new(drpc_progress_context {
            listener_ctx: listener.as_ptr().cast(),
            session_ctx_list: list::UNLINKED,
        })?
        .keep();
        // SAFETY: the block is new.
        unsafe { list::init(&raw mut (*context).session_ctx_list) };
        Ok(context)
    })
}

/// Closes a progress context with its sessions and its listener. While drpc_progress is at work on it, this is left
/// to it.
///
/// # Safety
/// `context` is null or a progress context that is not used any more.
pub unsafe fn close<A: Abi>(context: *mut drpc_progress_context) {
    // What can fail here fails in the session's or listener's own close, which has reported it.
    let _ = boundary::bare::run::<A, ()>(Phase::Close, |_| {
        if context.is_null() {
            return Err(Cause::Invalid("the progress context is NULL"));
        }
        // SAFETY: not null, and the caller's promise.
        unsafe {
            let listener = Context::<A>::new((*context).listener_ctx.cast());
            if !listener.is_ok_and(|listener| listener.flags().ask_to_close()) {
                close_now::<A>(context);
            }
        }
        Ok(())
    });
}

/// # Safety
/// `context` points to a progress context that is not used any more.
unsafe fn close_now<A: Abi>(context: *mut drpc_progress_context) {
    // SAFETY: the caller's promise; every node is freed once, after it was taken out of the list.
    unsafe {
        for node in list::nodes(&raw mut (*context).session_ctx_list) {
            session::close::<A>((*node).ctx.cast());
            list::remove(&raw mut (*node).link);
            memory::free(node);
        }
        session::close::<A>((*context).listener_ctx.cast());
        memory::free(context);
    }
}

/// One cycle of the loop.
///
/// # Safety
/// `context` is null or points to a progress context.
pub unsafe fn progress<A: Abi>(context: *mut drpc_progress_context, timeout_ms: c_int) -> c_int {
    let done = boundary::bare::run::<A, c_int>(Phase::Progress, |site| {
        if context.is_null() {
            return Err(Cause::Invalid("the progress context is NULL"));
        }
        // SAFETY: not null, and the caller's promise.
        unsafe {
            let listener = Context::<A>::listener((*context).listener_ctx.cast())?;
            if listener.flags().set(IN_PROGRESS) {
                return Err(Cause::Busy);
            }
            let _at_work = AtWork(context, listener);
            poll_cycle::run(site, context, listener, timeout_ms, &mut yielding::uncancelled(listener))
        }
    });
    done.unwrap_or_else(|code| code)
}

/// drpc_progress is at work on a context; when that is over, it is closed if that has been asked for meanwhile.
struct AtWork<A: Abi>(*mut drpc_progress_context, Context<A>);

impl<A: Abi> Drop for AtWork<A> {
    fn drop(&mut self) {
        if self.1.flags().clear(IN_PROGRESS | CLOSE_ASKED) & CLOSE_ASKED != 0 {
            let _keep = sys::KeepErrno::new();
            // SAFETY: the context is alive, and who asked for the end does not use it any more.
            unsafe { close_now::<A>(self.0) };
        }
    }
}

/// Serves a call with the session's handler: in the program's spawner if it has one, else here. The call is freed in
/// any case.
///
/// # Safety
/// `call` points to a call from malloc that nobody else uses.
pub(crate) unsafe fn dispatch<A: Abi>(session: Context<A>, call: *mut Drpc__Call, held: Held<'_>) -> Result<(), Cause> {
    // SAFETY: the call is alive until it is freed below, and each block is given away once.
    unsafe {
        let call = Freed(call);
        let resp = Freed(message::response_to(call.0)?.keep());
        let Some(spawn) = spawner() else {
            serve::<A>(session, &call, &resp, held);
            return Ok(());
        };
        let context = Owned::new(drpc_call_ctx { session: session.as_ptr().cast(), call: call.0, resp: resp.0 })?;
        session.add_ref()?;
        let uncancelled = yielding::uncancelled(session);
        let refused = spawn(Some(run_spawned::<A>), context.as_ptr().cast()) != 0;
        drop(uncancelled);
        if refused {
            // The session's own reference is still there, so that this one is not the last.
            session.release()?;
            return Err(Cause::Busy);
        }
        mem::forget((context, call, resp));
        Ok(())
    }
}

/// A message from malloc, freed when dropped.
struct Freed<M: Message>(*mut M);

impl<M: Message> Drop for Freed<M> {
    fn drop(&mut self) {
        // SAFETY: the message came from malloc, like what a handler puts into it, and nobody else has it.
        unsafe { message::free(self.0, Heap::SYSTEM) };
    }
}

/// What a spawner is given to run: consumes its argument, a `struct drpc_call_ctx`.
unsafe extern "C" fn run_spawned<A: Abi>(arg: *mut c_void) {
    boundary::bare::infallible((), || {
        let context = arg.cast::<drpc_call_ctx>();
        // SAFETY: `dispatch` made the argument and gave it away, with the reference to the session.
        unsafe {
            let drpc_call_ctx { session, call, resp } = context.read();
            memory::free(context);
            let (call, resp) = (Freed(call), Freed(resp));
            if let Ok(session) = Context::<A>::new(session.cast()) {
                serve::<A>(session, &call, &resp, None);
                drop((call, resp));
                // Whether it was the last reference is nothing to tell anybody.
                let _ = session.release();
            }
        }
    });
}

/// Runs the handler and sends its response. One that cannot be sent as it is, is replaced by one that says so: the
/// caller waits for something.
fn serve<A: Abi>(session: Context<A>, call: &Freed<Drpc__Call>, resp: &Freed<Drpc__Response>, held: Held<'_>) {
    let own = if held.is_none() { yielding::uncancelled(session) } else { None };
    let fd = SocketRef::held(session.fd(), held.or(own.as_ref()));
    // SAFETY: call and response are alive; the session's handler was given for this purpose.
    unsafe {
        if let Some(handler) = session.handler() {
            handler(call.0, resp.0);
        }
        let subject = Subject::Socket(session.fd());
        let Err(cause) = session::respond(session, fd, resp.0) else { return };
        boundary::report(Phase::Respond, subject, cause);
        let lost = match cause {
            // The caller waits for something.
            Cause::Invalid(_) | Cause::NoMemory | Cause::Os(libc::ENOMEM | libc::ENOBUFS) => {
                let _turn = SendGuard::wait(session);
                let sent = session::send_failure(session, (*call.0).sequence);
                sent.inspect_err(|cause| boundary::report(Phase::Respond, subject, *cause)).is_err()
            }
            _ => cause == Cause::TimedOut,
        };
        if lost && session.peer_framing().framing() != Framing::Datagram {
            // The end of the connection, then. (Up to 2.6 a caller would take that for success.)
            sys::shut_down(session.fd());
        }
    }
}

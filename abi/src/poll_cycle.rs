//! One cycle of the progress loop: polls, serves each ready session, accepts.

use std::ffi::{c_int, c_short};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ::drpc::backoff::Rest;
use ::drpc::sys::{self, CancelDisabled, KeepErrno, Peeked, PollFd, SocketRef};
use ::drpc::transport::{self, Received};
use ::drpc::wire::CallRef;
use ::drpc::{Cause, Framing, NO_SEQUENCE, Phase, Side, Status, der};

use crate::abi::Abi;
use crate::boundary::{self, Site, Subject};
use crate::context::Context;
use crate::drpc_progress::{self, drpc_list, drpc_progress_context};
use crate::flags::CLOSE_ASKED;
use crate::list::{self, d_list_t};
use crate::log::{self, About, Level};
use crate::memory::{self, Owned};
use crate::yielding::CancelGuard;
use crate::{dispatch, message, references, reply, session, settings, yielding};

/// The number of descriptors that are polled without allocating.
const FEW: usize = 64;

const IDLE: PollFd = PollFd { fd: -1, events: libc::POLLIN | libc::POLLPRI, revents: 0 };

/// The time of one wait while not all descriptors can be polled at once.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs one cycle and returns the first error, with its errno, or 0. `guard` keeps the thread uncancelled until a
/// session has a yield function.
///
/// # Safety
/// `context` points to a progress context, `listener` is its listener.
pub(crate) unsafe fn run<A: Abi>(
    site: &Site<'_>,
    context: *mut drpc_progress_context,
    listener: Context<A>,
    timeout_ms: c_int,
    guard: &mut Option<CancelDisabled>,
) -> Result<c_int, Cause> {
    site.subject(Subject::Socket(listener.fd()));
    // SAFETY: the context is alive.
    let head = unsafe { &raw mut (*context).session_ctx_list };
    // SAFETY: the caller's promise.
    let all = || unsafe { drpc_progress::nodes(head) };
    let count = 1 + all().count();
    if let Some(fds) = [IDLE; FEW].get_mut(..count) {
        // SAFETY: `all` gives every session, and the caller's promise.
        return unsafe { serve(head, all(), fds, listener, timeout_ms, guard) };
    }
    let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let began = Instant::now();
    let mut pause = 0;
    loop {
        let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        let mut fds = Vec::new();
        if fds.try_reserve_exact(count).is_ok() {
            fds.resize(count, IDLE);
            // SAFETY: as above.
            return unsafe { serve(head, all(), &mut fds, listener, left.map_or(-1, sys::whole_ms), guard) };
        }
        // SAFETY: the caller's promise.
        match unsafe { serve_in_batches(head, listener, pause, guard) } {
            Err(Cause::TimedOut) if left != Some(Duration::ZERO) => {}
            done => return done,
        }
        pause = left.into_iter().chain([PAUSE]).min().map_or(0, sys::whole_ms);
    }
}

/// Runs a cycle without memory for all descriptors: serves the sessions batch by batch, so that none is left out. Waits
/// for the first batch only.
///
/// # Safety
/// `head` is the head of the list of the listener's progress context.
unsafe fn serve_in_batches<A: Abi>(
    head: *mut d_list_t,
    listener: Context<A>,
    mut timeout_ms: c_int,
    guard: &mut Option<CancelDisabled>,
) -> Result<c_int, Cause> {
    let mut first = FirstError(None);
    let mut served = false;
    // SAFETY: the caller's promise.
    let mut nodes = unsafe { drpc_progress::nodes(head) };
    loop {
        let some = nodes.clone();
        let count = nodes.by_ref().take(FEW - 1).count();
        if count == 0 || listener.flags().has(CLOSE_ASKED) {
            return if served { Ok(first.code()) } else { Err(Cause::TimedOut) };
        }
        let mut fds = [IDLE; FEW];
        let Some(fds) = fds.get_mut(..=count) else { return Ok(first.code()) };
        // SAFETY: these sessions precede the next ones of `nodes`, and the caller's promise.
        match unsafe { serve(head, some, fds, listener, std::mem::take(&mut timeout_ms), guard) } {
            Err(Cause::TimedOut) => {}
            done => {
                first.keep(done?);
                served = true;
            }
        }
    }
}

/// Waits for a batch of sessions and the listener, one descriptor each, and serves the ready ones.
///
/// # Safety
/// `nodes` iterates over the list at `head`, which is that of the listener's progress context.
unsafe fn serve<A: Abi>(
    head: *mut d_list_t,
    nodes: impl Iterator<Item = *mut drpc_list> + Clone,
    fds: &mut [PollFd],
    listener: Context<A>,
    timeout_ms: c_int,
    guard: &mut Option<CancelDisabled>,
) -> Result<c_int, Cause> {
    let Some((slot, slots)) = fds.split_last_mut() else { return Ok(0) };
    slot.fd = listener.fd();
    for (slot, node) in slots.iter_mut().zip(nodes.clone()) {
        // SAFETY: the nodes of the list are valid.
        slot.fd = unsafe { Context::<A>::listener((*node).ctx.cast()) }?.fd();
    }
    let last_pause = match wait(fds, listener, timeout_ms, guard.as_ref())? {
        Waited::TimedOut => return Err(Cause::TimedOut),
        Waited::Ready(last_pause) => last_pause,
    };
    let Some((listener_slot, slots)) = fds.split_last() else { return Ok(0) };
    let mut first = FirstError(None);
    for (slot, node) in slots.iter().zip(nodes) {
        // SAFETY: the node is in the list, and this is the one that `nodes` returned last.
        first.keep(unsafe { serve_session::<A>(node, slot.revents, guard) });
        if listener.flags().has(CLOSE_ASKED) {
            // The handler has closed the context: the program is about to end, and wants no more calls.
            return Ok(first.code());
        }
    }
    // SAFETY: sessions have only been removed from the list.
    first.keep(unsafe { serve_listener(head, listener, listener_slot.revents, last_pause) });
    Ok(first.code())
}

/// The first error of a cycle, and its errno.
struct FirstError(Option<(c_int, KeepErrno)>);

impl FirstError {
    fn keep(&mut self, code: c_int) {
        if code != 0 && self.0.is_none() {
            self.0 = Some((code, KeepErrno::new()));
        }
    }

    /// Returns the error and restores its errno.
    fn code(self) -> c_int {
        self.0.map_or(0, |(code, _)| code)
    }
}

enum Waited {
    TimedOut,
    /// Some descriptors are ready. Holds the pause of the listener that has just ended, if there was one.
    Ready(Option<Rest>),
}

/// Polls the descriptors. A pausing listener is left out until its pause ends.
fn wait<A: Abi>(
    fds: &mut [PollFd],
    listener: Context<A>,
    timeout_ms: c_int,
    guard: CancelGuard<'_>,
) -> Result<Waited, Cause> {
    let mut paused = listener.take_backoff();
    let limit = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
    let began = paused.map(|_| Instant::now());
    let left = || match (limit, began) {
        (Some(limit), Some(began)) => sys::whole_ms(limit.saturating_sub(began.elapsed())),
        _ => timeout_ms,
    };
    while let Some(pause) = paused.filter(|pause| !pause.left().is_zero()) {
        let Some((listener_slot, slots)) = fds.split_last_mut() else { break };
        listener_slot.revents = 0;
        listener.set_backoff(pause);
        let pause_ms = sys::whole_ms(pause.left());
        if sys::poll(slots, if timeout_ms < 0 { pause_ms } else { pause_ms.min(left()) })? > 0 {
            return Ok(Waited::Ready(None));
        }
        if timeout_ms >= 0 && left() == 0 {
            return Ok(Waited::TimedOut);
        }
        paused = listener.take_backoff();
    }
    Ok(match sys::poll_looking(Side::Server, fds, left(), guard)? {
        0 => Waited::TimedOut,
        _ => Waited::Ready(paused),
    })
}

/// Serves a ready session, and closes it at its end.
///
/// # Safety
/// `node` is in the list of a progress context.
unsafe fn serve_session<A: Abi>(node: *mut drpc_list, revents: c_short, guard: &mut Option<CancelDisabled>) -> c_int {
    // SAFETY: the node is valid.
    let Ok(session) = (unsafe { Context::<A>::listener((*node).ctx.cast()) }) else {
        sys::set_errno(libc::EINVAL);
        return -der::DER_INVAL;
    };
    let hung_up = revents & (libc::POLLHUP | libc::POLLERR) != 0;
    let mut why = "it is closed here";
    let stays = if revents & libc::POLLNVAL != 0 {
        note(session, Level::Error, "its descriptor is not open");
        // The descriptor may belong to another file by the time the session is closed.
        session.forget_socket();
        None
    } else if hung_up && sys::peek(session.fd()) != Peeked::Data {
        why = "the client closed it";
        None
    } else if hung_up || revents & libc::POLLIN != 0 {
        if session.yielder().is_some() {
            // The yield function does other work in this thread.
            *guard = None;
        }
        receive(session, guard.as_ref())
    } else {
        Some(0)
    };
    if let Some(code) = stays {
        return code;
    }
    log::print(Level::Debug, format_args!("a session ends: {why}{}", About(session.fd())));
    // SAFETY: the node's reference to the session is given back, and the node is not used any more.
    unsafe {
        list::remove(&raw mut (*node).link);
        memory::free(node);
        // A handler may still hold a reference, which is no error.
        let _ = references::release(session);
    }
    0
}

/// Receives one record of a session, and serves the call that it completes. Returns drpc_progress's result, or `None`
/// if the session is to be closed.
fn receive<A: Abi>(session: Context<A>, guard: CancelGuard<'_>) -> Option<c_int> {
    let mut partial = session.take_partial(CallRef::BODY);
    let mut sequence = NO_SEQUENCE;
    let limit = partial.limit();
    let unpack = |mut message: Received<'_>| {
        let (bytes, body) = (message.within_limit(), message.take_body());
        let call = bytes.and_then(|bytes| message::unpack_call(bytes, body, limit));
        call.inspect_err(|_| sequence = CallRef::decode(message.bytes()).map_or(NO_SEQUENCE, |call| call.sequence))
    };
    let known = session.peer_framing();
    let mut peer_framing = known;
    let fd = SocketRef::with_guard(session.fd(), guard);
    let received = transport::receive_record(fd, &mut peer_framing, &mut partial, A::RECORD, unpack);
    session.keep_partial(partial);
    session.keep_peer_framing(known, peer_framing);
    if received.is_ok() {
        yielding::run_yield(session);
    }
    let call = match received {
        Ok(Some(call)) => call,
        Ok(None) => return Some(0),
        Err(cause) if cause.is_would_block() => {
            sys::set_errno(cause.errno());
            return Some(cause.code(A::RELEASE));
        }
        Err(cause) => {
            let cause = peer_framing.check_probe(cause);
            boundary::report(Phase::Receive, Subject::Socket(session.fd()), cause);
            answer_unreadable(session, sequence, cause);
            return None;
        }
    };
    // SAFETY: the call has just been made.
    let sequence = unsafe { (*call).sequence };
    // SAFETY: as above, and the call has no other owner.
    if let Err(cause) = unsafe { dispatch::dispatch(session, call, guard) } {
        boundary::report(Phase::Respond, Subject::Socket(session.fd()), cause);
        answer_refused(session, sequence);
        return None;
    }
    Some(0)
}

/// Answers an unreadable message. A datagram client always gets an answer: up to 2.6 it takes the end of the connection
/// for success.
fn answer_unreadable<A: Abi>(session: Context<A>, sequence: i64, cause: Cause) {
    match cause {
        Cause::NoMemory | Cause::TooBig { .. } => answer_refused(session, sequence),
        Cause::Closed | Cause::Os(_) => {}
        Cause::Probe(_) => reply::answer_probe(session),
        _ if cause.code(A::RELEASE) == -der::DER_PROTO => answer(session, NO_SEQUENCE, Status::FailedUnmarshalCall),
        // A client that has sent nothing readable may be a datagram client.
        _ if session.flags().framing() != Some(Framing::Chunked) => {
            session.flags().set_framing(Some(Framing::Datagram));
            answer(session, NO_SEQUENCE, Status::FailedUnmarshalCall);
        }
        _ => {}
    }
}

/// Answers a call that is not going to be served.
fn answer_refused<A: Abi>(session: Context<A>, sequence: i64) {
    if session.peer_framing().framing() == Framing::Datagram {
        answer(session, sequence, Status::Failure);
    }
}

/// Sends a response on a session that is going to be closed, if no wait is needed, so that other sessions are not
/// delayed.
fn answer<A: Abi>(session: Context<A>, sequence: i64, status: Status) {
    if let Err(cause) = reply::respond_at_once(session, sequence, status) {
        boundary::report(Phase::Respond, Subject::Socket(session.fd()), cause);
    }
}

/// # Safety
/// `sessions` is the head of the list of the listener's progress context.
unsafe fn serve_listener<A: Abi>(
    sessions: *mut d_list_t,
    listener: Context<A>,
    revents: c_short,
    last_pause: Option<Rest>,
) -> c_int {
    if revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
        note(listener, Level::Error, "the listener is broken");
        return -A::LISTENER_BROKEN;
    }
    if revents & libc::POLLIN == 0 {
        return 0;
    }
    // SAFETY: the caller's promise.
    let Err(cause) = (unsafe { accept(sessions, listener) }) else { return 0 };
    boundary::report(Phase::Accept, Subject::Socket(listener.fd()), cause);
    if let Cause::NoMemory | Cause::Os(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) = cause {
        // The connection stays in the queue, and without a pause poll would return at once for ever.
        listener.set_backoff(Rest::after(last_pause));
    }
    sys::set_errno(cause.errno());
    match A::ACCEPT_FAILED {
        Some(code) if cause != Cause::NoMemory => -code,
        _ => cause.code(A::RELEASE),
    }
}

/// # Safety
/// As for `serve_listener`.
unsafe fn accept<A: Abi>(sessions: *mut d_list_t, listener: Context<A>) -> Result<(), Cause> {
    // (A node of zeros would come from calloc, which does not reuse the blocks that were freed last.)
    let node = Owned::new(drpc_list { ctx: std::ptr::null_mut(), link: d_list_t { next: sessions, prev: sessions } })?;
    let session = session::accept_session(listener)?;
    // SAFETY: the session and the node are new, and the node is given to the list.
    unsafe {
        if let Err(cause) = Context::<A>::new(session).and_then(|new| prepare(new, listener)) {
            references::close::<A>(session);
            return Err(cause);
        }
        if let Ok(session) = Context::<A>::new(session) {
            log::print(Level::Debug, format_args!("a session begins{}", About(session.fd())));
        }
        (*node.as_ptr()).ctx = session.cast();
        list::add(&raw mut (*node.into_raw()).link, sessions);
    }
    Ok(())
}

/// Makes a session of the loop non-blocking. A response waits for room no longer than the listener's timeout.
fn prepare<A: Abi>(session: Context<A>, listener: Context<A>) -> Result<(), Cause> {
    let given = settings::TIMEOUTS.load(Ordering::Relaxed);
    if let Some(timeout) = given.then(|| sys::send_timeout(listener.fd())).flatten() {
        sys::set_timeout(session.fd(), timeout)?;
    }
    sys::set_nonblocking(session.fd(), true)
}

fn note<A: Abi>(context: Context<A>, level: Level, what: &str) {
    log::print_limited(level, format_args!("{what}{}", About(context.fd())));
}

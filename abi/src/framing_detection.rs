//! The detection of the framing that a context's server reads, by the first call, where the program has not chosen one.
//!
//! No call is executed twice or as another one. No server that reads datagrams takes the first message for a call. A
//! call is sent again only after the server has refused it (`docs/wire.md`).

use std::time::{Duration, Instant};

use ::drpc::framing::detect::PeerFraming;
use ::drpc::framing::fallback::{self, FirstMessage};
use ::drpc::peer::framing_cache;
use ::drpc::peer::server::PeerServer;
use ::drpc::sys::{PollFd, SocketRef};
use ::drpc::wire::{CallRef, Encoded};
use ::drpc::{Cause, Framing, Phase, Sequence, sys, transport};

use crate::abi::Abi;
use crate::boundary::{FramingOrigin, Site, Subject};
use crate::context::Context;
use crate::drpc_pb_c::Drpc__Response;
use crate::flags::HANDSHAKE;
use crate::handshake::{self, Handshake, Progress, WaitFor};
use crate::log::{self, Level};
use crate::memory::Owned;
use crate::send_lock::SendGuard;
use crate::side_table::SideTable;
use crate::yielding::{self, YieldingHooks};
use crate::{exchange, settings};

/// The unfinished handshakes of clients. `None` stands for a handshake while a thread works on it.
static HANDSHAKES: SideTable<Option<Handshake>> = SideTable::new();

/// The time that a call without R_SYNC waits for the answer to the probe, if the context has no timeout.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// The time that closing waits for calls without R_SYNC to go out, if the context has no timeout.
const CLOSE_TIME: Duration = Duration::from_millis(100);

/// The pause before the next attempt to connect to a busy server, and between two runs of a yield function.
const PAUSE: Duration = Duration::from_millis(1);

/// The next step of a call after detection.
pub(crate) enum Next {
    /// The call is to be sent in this framing.
    Send(Framing),
    /// The call needs nothing more: its reply has been stored, or the call is queued.
    Done,
}

/// Detects the framing for a context's call, and stores it in the context.
///
/// Nothing else is sent while the server's answer is awaited. A call with R_SYNC waits for the answer; a call without
/// R_SYNC is queued.
#[cold]
pub(crate) fn detect<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    call: &CallRef<'_>,
    unknown: &[u8],
    number: Sequence,
    reply: Option<&Owned<Drpc__Response>>,
    site: &Site<'_>,
) -> Result<Next, Cause> {
    if let Some(framing) = chosen_framing(context) {
        site.set_framing_origin(FramingOrigin::Process);
        context.set_server_framing(framing);
        return Ok(Next::Send(framing));
    }
    site.set_framing_origin(FramingOrigin::Detection);
    // Other calls wait until the framing is known.
    let _sending = match reply {
        Some(_) => SendGuard::wait(context),
        None => SendGuard::now(context).ok_or(Cause::Os(libc::EAGAIN))?,
    };
    if let Some(framing) = context.flags().framing() {
        // Another call has detected the framing meanwhile.
        return Ok(Next::Send(framing));
    }
    let message = call.encode(unknown);
    let limit = settings::max_message();
    if message.len() > limit {
        return Err(Cause::TooBig { size: message.len() as u64, limit });
    }
    let is_first = !context.flags().has(HANDSHAKE);
    let mut handshake = if is_first {
        match begin(context, fd, call, unknown, number, reply, site)? {
            Begun::Resolved(next) => return Ok(next),
            Begun::Handshake(handshake) => handshake,
        }
    } else {
        let handshake = HANDSHAKES.exchange(context.comm_address(), None).flatten().ok_or(Cause::Busy)?;
        if !handshake.is_of_this_process() {
            store(context, handshake);
            return Err(Cause::Forked);
        }
        handshake
    };
    let limit_of_wait = match reply {
        Some(_) => WaitLimit::Socket,
        None if is_first => WaitLimit::AtMost(PROBE_TIME),
        None => WaitLimit::None,
    };
    let detected = run(&mut handshake, context, limit_of_wait);
    site.phase(handshake.phase());
    match detected {
        Ok(framing) => {
            discard(context);
            Ok(Next::Send(framing))
        }
        Err(Cause::TimedOut | Cause::Os(libc::EAGAIN)) if reply.is_none() && !is_first => {
            let kept = handshake.queue(&message);
            store(context, handshake);
            kept.map(|()| Next::Done)
        }
        // The next call continues the handshake.
        Err(cause) if matches!(cause, Cause::TimedOut | Cause::Os(libc::EAGAIN)) || handshake.is_reconnecting() => {
            store(context, handshake);
            Err(cause)
        }
        Err(cause) => {
            discard(context);
            report_lost(context, &handshake, cause);
            Err(cause)
        }
    }
}

/// The result of beginning a handshake.
#[expect(clippy::large_enum_variant, reason = "it is made once a connection, and a box could fail to be")]
enum Begun {
    /// The framing is known, or the call is done.
    Resolved(Next),
    /// The answer is awaited, or the connection has to be replaced.
    Handshake(Handshake),
}

/// Begins a handshake with a server of unknown framing, by the padded call itself or else by a probe.
fn begin<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    call: &CallRef<'_>,
    unknown: &[u8],
    number: Sequence,
    reply: Option<&Owned<Drpc__Response>>,
    site: &Site<'_>,
) -> Result<Begun, Cause> {
    let path = context.reconnect_path();
    let (kind, first) = fallback::first_message(call, unknown);
    // The server need not be known where the call itself may go out. Knowing it may still spare a refusal, or the copy
    // of a call.
    let looks = kind == FirstMessage::Probe
        || reply.is_none()
        || path.is_none()
        || !framing_cache::are_all_chunked()
        || (A::FRAMING != Framing::Chunked && sys::peer(context.fd()).is_none());
    let mut server = None;
    if looks {
        let Some(found) = PeerServer::of(context.fd(), path) else {
            return Ok(Begun::Resolved(Next::Send(assume_line_framing(context))));
        };
        if let Some(framing) = found.recall() {
            context.set_server_framing(framing);
            return Ok(Begun::Resolved(Next::Send(framing)));
        }
        server = Some(found);
    }
    if let (FirstMessage::PaddedCall, Some(reply)) = (kind, reply) {
        return send_padded_call(context, fd, &first, server, number, reply, site);
    }
    let mut handshake = Handshake::begun(kind, server);
    if kind == FirstMessage::PaddedCall {
        handshake.queue_padded_call(&call.encode(unknown))?;
    }
    HANDSHAKES.put(context.comm_address(), None)?;
    context.flags().set(HANDSHAKE);
    if let Err(cause) = send_first(context, fd, &first) {
        discard(context);
        return Err(cause);
    }
    if kind == FirstMessage::PaddedCall {
        store(context, handshake);
        return Ok(Begun::Resolved(Next::Done));
    }
    Ok(Begun::Handshake(handshake))
}

/// Sends a padded call, and waits for its reply.
fn send_padded_call<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    padded: &Encoded<'_>,
    server: Option<PeerServer>,
    number: Sequence,
    reply: &Owned<Drpc__Response>,
    site: &Site<'_>,
) -> Result<Begun, Cause> {
    send_first(context, fd, padded)?;
    site.phase(Phase::Reply);
    let mut peer_framing = PeerFraming::probing(FirstMessage::PaddedCall);
    let answered = exchange::receive(context, fd, &mut peer_framing, number, Some(reply));
    match (peer_framing.get(), answered) {
        (Some(Framing::Datagram), _) => Ok(Begun::Handshake(Handshake::rejected(Framing::Datagram, server))),
        (Some(framing), answered) => {
            if let Some(server) = server {
                server.learn(framing);
            }
            log::print_framing("server", framing, context.fd());
            context.set_server_framing(framing);
            answered.map(|()| Begun::Resolved(Next::Done))
        }
        (None, answered) => {
            // The owed reply is that of the padded call, which tells the framing. Without memory for the handshake the
            // reply is dropped by its number.
            if context.flags().owes_replies() && store(context, Handshake::begun(FirstMessage::PaddedCall, server)) {
                context.flags().reply_came();
            }
            Err(handshake::no_reply(answered.err().unwrap_or(Cause::Unclear)))
        }
    }
}

/// The line's framing, for a server that cannot be reconnected to and therefore cannot be asked.
fn assume_line_framing<A: Abi>(context: Context<A>) -> Framing {
    // Without a peer either the program replaces the system calls, or the call will fail.
    if sys::peer(context.fd()).is_some() {
        context.set_server_framing(A::FRAMING);
    }
    A::FRAMING
}

/// Sends the first message. It may be some bytes longer than the call, whose size has been checked.
fn send_first<A: Abi>(context: Context<A>, fd: SocketRef<'_>, first: &Encoded<'_>) -> Result<(), Cause> {
    transport::send(fd, Framing::Chunked, first, usize::MAX, &mut YieldingHooks { context, waits: false })
}

/// Stores a handshake for the next call. False if there is no memory, so that the next call begins a new one. A
/// handshake with queued calls has a place already.
fn store<A: Abi>(context: Context<A>, handshake: Handshake) -> bool {
    let address = context.comm_address();
    let kept = match context.flags().has(HANDSHAKE) {
        true => HANDSHAKES.exchange(address, Some(handshake)).is_some(),
        false => HANDSHAKES.put(address, Some(handshake)).is_ok(),
    };
    if kept {
        context.flags().set(HANDSHAKE);
    }
    kept
}

fn discard<A: Abi>(context: Context<A>) {
    if context.flags().clear(HANDSHAKE) & HANDSHAKE != 0 {
        HANDSHAKES.take(context.comm_address());
    }
}

/// Discards the handshake of an earlier context at this address.
pub(crate) fn discard_at(address: usize) {
    drop(HANDSHAKES.take(address));
}

fn report_lost<A: Abi>(context: Context<A>, handshake: &Handshake, cause: Cause) {
    if handshake.queued() > 0 {
        let (socket, kept) = (Subject::Socket(context.fd()), handshake.queued());
        log::print(Level::Warn, format_args!("call{socket}: {kept} without R_SYNC may be lost: {cause}"));
    }
}

/// Advances a handshake until the framing is known. `TimedOut` after the time limit; EAGAIN where no wait is allowed.
fn run<A: Abi>(handshake: &mut Handshake, context: Context<A>, limit_of_wait: WaitLimit) -> Result<Framing, Cause> {
    let mut until = None;
    loop {
        let wait_for = match handshake.advance(context)? {
            Progress::Detected(framing) => return Ok(framing),
            Progress::Blocked(wait_for) => wait_for,
        };
        match until.get_or_insert_with(|| limit_of_wait.begin(context)) {
            Some(until) => wait(context, wait_for, *until)?,
            None => return Err(Cause::Os(libc::EAGAIN)),
        }
    }
}

/// Waits for the handshake's next event until a point in time, if one is given.
fn wait<A: Abi>(context: Context<A>, wait_for: WaitFor, until: Option<Instant>) -> Result<(), Cause> {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Err(Cause::TimedOut);
    }
    let events = if let WaitFor::Writable = wait_for { libc::POLLOUT } else { libc::POLLIN };
    let mut fds = [PollFd { fd: context.fd(), events, revents: 0 }];
    let (fds, pauses) = match wait_for {
        WaitFor::Listener => (&mut fds[..0], true),
        WaitFor::Reply | WaitFor::Writable => (&mut fds[..], context.yielder().is_some()),
    };
    let pause = pauses.then_some(PAUSE);
    match sys::poll(fds, pause.into_iter().chain(left).min().map_or(-1, sys::whole_ms)) {
        Ok(_) | Err(Cause::Os(libc::EINTR)) => {}
        Err(cause) => return Err(cause),
    }
    yielding::run_yield(context);
    Ok(())
}

/// Sends the queued calls of a context that is being closed. Discards the handshake of an earlier context, freed by
/// hand, at the same address.
pub(crate) fn finish<A: Abi>(context: Context<A>) {
    let Some(mut handshake) = HANDSHAKES.take(context.comm_address()).flatten() else { return };
    if context.handler().is_some() {
        return;
    }
    if context.flags().clear(HANDSHAKE) & HANDSHAKE == 0 || handshake.queued() == 0 || !handshake.is_of_this_process() {
        return;
    }
    let _uncancelled = yielding::uncancelled(context);
    if let Err(cause) = run(&mut handshake, context, WaitLimit::AtMost(CLOSE_TIME)) {
        report_lost(context, &handshake, cause);
    }
}

/// The time that a caller waits for the server.
#[derive(Clone, Copy)]
enum WaitLimit {
    /// No wait.
    None,
    /// The socket's own behaviour: its timeout, or no wait if non-blocking.
    Socket,
    /// The socket's timeout, or else this time.
    AtMost(Duration),
}

impl WaitLimit {
    /// The end of a wait that begins now, if there is an end; the outer `None` stands for no wait.
    fn begin<A: Abi>(self, context: Context<A>) -> Option<Option<Instant>> {
        let timeout = sys::receive_timeout(context.fd());
        let time = match self {
            Self::None => return None,
            Self::Socket if sys::is_nonblocking(context.fd()) => return None,
            Self::Socket => timeout,
            Self::AtMost(time) => Some(timeout.unwrap_or(time)),
        };
        Some(time.and_then(|time| Instant::now().checked_add(time)))
    }
}

/// The framing that the program or its user has chosen, or that the line's clients use.
fn chosen_framing<A: Abi>(context: Context<A>) -> Option<Framing> {
    if context.flags().detects_framing() { None } else { settings::default_framing::<A>() }
}

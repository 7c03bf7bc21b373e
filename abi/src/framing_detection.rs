//! How a context's server expects messages: found out with its first call, where the program has not said it.
//!
//! No call is executed twice by that, none as another call: no server that reads datagrams takes what is sent first for a
//! call, and what has been sent is sent again only after the server has refused it (`docs/wire.md`).

use std::time::{Duration, Instant};

use ::drpc::framing::detect::PeerFraming;
use ::drpc::framing::fallback::{self, FirstMessage};
use ::drpc::peer::framing_cache;
use ::drpc::peer::server::PeerServer;
use ::drpc::sys::{PollFd, SocketRef};
use ::drpc::wire::{CallRef, Encoded};
use ::drpc::{Cause, Framing, Phase, Sequence, sys, transport};

use crate::abi::Abi;
use crate::boundary::{Site, Subject};
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

/// What clients have asked their servers and not been answered yet; nothing while a thread is at work on it.
static HANDSHAKES: SideTable<Option<Handshake>> = SideTable::new();

/// How long a call without R_SYNC waits for the answer to the probe, if the context has no timeout.
const PROBE_TIME: Duration = Duration::from_secs(1);

/// How long closing waits until calls without R_SYNC are out, if the context has no timeout.
const CLOSE_TIME: Duration = Duration::from_millis(100);

/// How long to wait before trying again to connect to a busy server, and between two runs of a yield function.
const PAUSE: Duration = Duration::from_millis(1);

/// What is left to do for a call.
pub(crate) enum Next {
    /// To send it in this framing.
    Send(Framing),
    /// Nothing: its reply is in the place for it, or it is kept until it can be sent.
    Done,
}

/// Finds out the framing for a context's call, which is kept in the context.
///
/// While a server has not answered what it was asked, nothing else is sent to it. A call with R_SYNC waits for that answer,
/// one without is kept.
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
        context.set_server_framing(framing);
        return Ok(Next::Send(framing));
    }
    // Other calls wait until it is known.
    let _sending = match reply {
        Some(_) => SendGuard::wait(context),
        None => SendGuard::now(context).ok_or(Cause::Os(libc::EAGAIN))?,
    };
    if let Some(framing) = context.flags().framing() {
        // Another call was faster.
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
        // The next call goes on from here.
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

/// The result of asking.
#[expect(clippy::large_enum_variant, reason = "it is made once a connection, and a box could fail to be")]
enum Begun {
    /// There is nothing left to find out for this call.
    Resolved(Next),
    /// The answer is to come, or the connection has to be replaced.
    Handshake(Handshake),
}

/// Asks a server whose framing is not known, with the call itself if that can be a trial.
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
    // Which server it is need not be known where the call itself may go out, unless knowing it may spare a refusal, or
    // keeping a copy.
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

/// Sends a call as a padded, and waits for its reply.
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
            context.set_server_framing(framing);
            answered.map(|()| Begun::Resolved(Next::Done))
        }
        (None, answered) => {
            // The reply that is owed is that of the padded, which tells the framing. Where that cannot be kept in mind, it is
            // dropped by its number.
            if context.flags().owes_replies() && store(context, Handshake::begun(FirstMessage::PaddedCall, server)) {
                context.flags().reply_came();
            }
            Err(handshake::no_reply(answered.err().unwrap_or(Cause::Unclear)))
        }
    }
}

/// The framing of a server that cannot be connected to again, so that asking it would be of no use: that of the line.
fn assume_line_framing<A: Abi>(context: Context<A>) -> Framing {
    // Without a peer a program stands in for the system calls, or the call will fail.
    if sys::peer(context.fd()).is_some() {
        context.set_server_framing(A::FRAMING);
    }
    A::FRAMING
}

/// What is sent to find out may be some bytes longer than the call, which has been found not to be too large.
fn send_first<A: Abi>(context: Context<A>, fd: SocketRef<'_>, first: &Encoded<'_>) -> Result<(), Cause> {
    transport::send(fd, Framing::Chunked, first, usize::MAX, &mut YieldingHooks { context, waits: false })
}

/// Keeps an handshake for the next call; false if there is no memory for it, so that the next call asks again. One that has
/// calls has a place.
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

/// Forgets what another context has left at this address.
pub(crate) fn discard_at(address: usize) {
    drop(HANDSHAKES.take(address));
}

fn report_lost<A: Abi>(context: Context<A>, handshake: &Handshake, cause: Cause) {
    if handshake.queued() > 0 {
        let (socket, kept) = (Subject::Socket(context.fd()), handshake.queued());
        log::print(Level::Warn, format_args!("call{socket}: {kept} without R_SYNC may be lost: {cause}"));
    }
}

/// Goes on until the framing is known. `TimedOut`, or EAGAIN where nothing is waited for, when the time is over.
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

/// Waits for what is lacking, but not beyond a point in time, if there is one.
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

/// Sees to the calls without R_SYNC of a context that is being closed. What another context has left at this address, which
/// has been freed by hand, is forgotten.
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

/// How long a caller waits for the server.
#[derive(Clone, Copy)]
enum WaitLimit {
    /// Not at all.
    None,
    /// As the socket does by itself.
    Socket,
    /// As long as the socket's timeout, and if it has none so long.
    AtMost(Duration),
}

impl WaitLimit {
    /// When the time of one that begins to wait is over, if it ever is; None if it does not wait.
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

/// The framing that the program or its user has chosen, or that the line's clients speak.
fn chosen_framing<A: Abi>(context: Context<A>) -> Option<Framing> {
    if context.flags().detects_framing() { None } else { settings::default_framing::<A>() }
}

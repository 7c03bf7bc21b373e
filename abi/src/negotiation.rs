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
use crate::flags::ASKED;
use crate::inquiry::{self, Inquiry, Lack, Progress};
use crate::log::{self, Level};
use crate::memory::Owned;
use crate::send_lock::SendGuard;
use crate::side_table::SideTable;
use crate::yielding::{self, YieldingHooks};
use crate::{exchange, settings};

/// What clients have asked their servers and not been answered yet; nothing while a thread is at work on it.
static INQUIRIES: SideTable<Option<Inquiry>> = SideTable::new();

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
pub(crate) fn settle<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    call: &CallRef<'_>,
    unknown: &[u8],
    number: Sequence,
    reply: Option<&Owned<Drpc__Response>>,
    site: &Site<'_>,
) -> Result<Next, Cause> {
    if let Some(framing) = chosen(context) {
        context.settle(framing);
        return Ok(Next::Send(framing));
    }
    // Other calls wait until it is known.
    let _turn = match reply {
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
    let is_first = !context.flags().has(ASKED);
    let mut inquiry = if is_first {
        match ask(context, fd, call, unknown, number, reply, site)? {
            Asked::Settled(next) => return Ok(next),
            Asked::Inquiry(inquiry) => inquiry,
        }
    } else {
        let inquiry = INQUIRIES.exchange(context.comm_address(), None).flatten().ok_or(Cause::Busy)?;
        if !inquiry.is_ours() {
            keep(context, inquiry);
            return Err(Cause::Forked);
        }
        inquiry
    };
    let patience = match reply {
        Some(_) => Patience::OfSocket,
        None if is_first => Patience::UpTo(PROBE_TIME),
        None => Patience::None,
    };
    let driven = drive(&mut inquiry, context, patience);
    site.phase(inquiry.phase());
    match driven {
        Ok(framing) => {
            forget(context);
            Ok(Next::Send(framing))
        }
        Err(Cause::TimedOut | Cause::Os(libc::EAGAIN)) if reply.is_none() && !is_first => {
            let kept = inquiry.keep(&message);
            keep(context, inquiry);
            kept.map(|()| Next::Done)
        }
        // The next call goes on from here.
        Err(cause) if matches!(cause, Cause::TimedOut | Cause::Os(libc::EAGAIN)) || inquiry.is_refused() => {
            keep(context, inquiry);
            Err(cause)
        }
        Err(cause) => {
            forget(context);
            report_lost(context, &inquiry, cause);
            Err(cause)
        }
    }
}

/// The result of asking.
#[expect(clippy::large_enum_variant, reason = "it is made once a connection, and a box could fail to be")]
enum Asked {
    /// There is nothing left to find out for this call.
    Settled(Next),
    /// The answer is to come, or the connection has to be replaced.
    Inquiry(Inquiry),
}

/// Asks a server whose framing is not known, with the call itself if that can be a trial.
fn ask<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    call: &CallRef<'_>,
    unknown: &[u8],
    number: Sequence,
    reply: Option<&Owned<Drpc__Response>>,
    site: &Site<'_>,
) -> Result<Asked, Cause> {
    let route = context.route();
    let (question, opening) = fallback::first_message(call, unknown);
    // Which server it is need not be known where the call itself may go out, unless knowing it may spare a refusal, or
    // keeping a copy.
    let looks = question == FirstMessage::Probe
        || reply.is_none()
        || route.is_none()
        || !framing_cache::are_all_chunked()
        || (A::FRAMING != Framing::Chunked && sys::peer(context.fd()).is_none());
    let mut server = None;
    if looks {
        let Some(found) = PeerServer::of(context.fd(), route) else {
            return Ok(Asked::Settled(Next::Send(without_asking(context))));
        };
        if let Some(framing) = found.recall() {
            context.settle(framing);
            return Ok(Asked::Settled(Next::Send(framing)));
        }
        server = Some(found);
    }
    if let (FirstMessage::PaddedCall, Some(reply)) = (question, reply) {
        return try_out(context, fd, &opening, server, number, reply, site);
    }
    let mut inquiry = Inquiry::asked(question, server);
    if question == FirstMessage::PaddedCall {
        inquiry.keep_trial(&call.encode(unknown))?;
    }
    INQUIRIES.put(context.comm_address(), None)?;
    context.flags().set(ASKED);
    if let Err(cause) = send_opening(context, fd, &opening) {
        forget(context);
        return Err(cause);
    }
    if question == FirstMessage::PaddedCall {
        keep(context, inquiry);
        return Ok(Asked::Settled(Next::Done));
    }
    Ok(Asked::Inquiry(inquiry))
}

/// Sends a call as a trial, and waits for its reply.
fn try_out<A: Abi>(
    context: Context<A>,
    fd: SocketRef<'_>,
    trial: &Encoded<'_>,
    server: Option<PeerServer>,
    number: Sequence,
    reply: &Owned<Drpc__Response>,
    site: &Site<'_>,
) -> Result<Asked, Cause> {
    send_opening(context, fd, trial)?;
    site.phase(Phase::Reply);
    let mut peer_framing = PeerFraming::probing(FirstMessage::PaddedCall);
    let answered = exchange::receive(context, fd, &mut peer_framing, number, Some(reply));
    match (peer_framing.get(), answered) {
        (Some(Framing::Datagram), _) => Ok(Asked::Inquiry(Inquiry::refused(Framing::Datagram, server))),
        (Some(framing), answered) => {
            if let Some(server) = server {
                server.learn(framing);
            }
            context.settle(framing);
            answered.map(|()| Asked::Settled(Next::Done))
        }
        (None, answered) => {
            // The reply that is owed is that of the trial, which tells the framing. Where that cannot be kept in mind, it is
            // dropped by its number.
            if context.flags().owes_replies() && keep(context, Inquiry::asked(FirstMessage::PaddedCall, server)) {
                context.flags().reply_came();
            }
            Err(inquiry::unanswered(answered.err().unwrap_or(Cause::Unclear)))
        }
    }
}

/// The framing of a server that cannot be connected to again, so that asking it would be of no use: that of the line.
fn without_asking<A: Abi>(context: Context<A>) -> Framing {
    // Without a peer a program stands in for the system calls, or the call will fail.
    if sys::peer(context.fd()).is_some() {
        context.settle(A::FRAMING);
    }
    A::FRAMING
}

/// What is sent to find out may be some bytes longer than the call, which has been found not to be too large.
fn send_opening<A: Abi>(context: Context<A>, fd: SocketRef<'_>, opening: &Encoded<'_>) -> Result<(), Cause> {
    transport::send(fd, Framing::Chunked, opening, usize::MAX, &mut YieldingHooks { context, waits: false })
}

/// Keeps an inquiry for the next call; false if there is no memory for it, so that the next call asks again. One that has
/// calls has a place.
fn keep<A: Abi>(context: Context<A>, inquiry: Inquiry) -> bool {
    let address = context.comm_address();
    let kept = match context.flags().has(ASKED) {
        true => INQUIRIES.exchange(address, Some(inquiry)).is_some(),
        false => INQUIRIES.put(address, Some(inquiry)).is_ok(),
    };
    if kept {
        context.flags().set(ASKED);
    }
    kept
}

fn forget<A: Abi>(context: Context<A>) {
    if context.flags().clear(ASKED) & ASKED != 0 {
        INQUIRIES.take(context.comm_address());
    }
}

/// Forgets what another context has left at this address.
pub(crate) fn forget_at(address: usize) {
    drop(INQUIRIES.take(address));
}

fn report_lost<A: Abi>(context: Context<A>, inquiry: &Inquiry, cause: Cause) {
    if inquiry.kept() > 0 {
        let (socket, kept) = (Subject::Socket(context.fd()), inquiry.kept());
        log::notice(Level::Warn, format_args!("call{socket}: {kept} without R_SYNC may be lost: {cause}"));
    }
}

/// Goes on until the framing is known. `TimedOut`, or EAGAIN where nothing is waited for, when the time is over.
fn drive<A: Abi>(inquiry: &mut Inquiry, context: Context<A>, patience: Patience) -> Result<Framing, Cause> {
    let mut until = None;
    loop {
        let lack = match inquiry.advance(context)? {
            Progress::Settled(framing) => return Ok(framing),
            Progress::Lacks(lack) => lack,
        };
        match until.get_or_insert_with(|| patience.begin(context)) {
            Some(until) => wait(context, lack, *until)?,
            None => return Err(Cause::Os(libc::EAGAIN)),
        }
    }
}

/// Waits for what is lacking, but not beyond a point in time, if there is one.
fn wait<A: Abi>(context: Context<A>, lack: Lack, until: Option<Instant>) -> Result<(), Cause> {
    let left = until.map(|until| until.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Err(Cause::TimedOut);
    }
    let events = if let Lack::Room = lack { libc::POLLOUT } else { libc::POLLIN };
    let mut fds = [PollFd { fd: context.fd(), events, revents: 0 }];
    let (fds, pauses) = match lack {
        Lack::Listener => (&mut fds[..0], true),
        Lack::Answer | Lack::Room => (&mut fds[..], context.yielder().is_some()),
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
    let Some(mut inquiry) = INQUIRIES.take(context.comm_address()).flatten() else { return };
    if context.handler().is_some() {
        return;
    }
    if context.flags().clear(ASKED) & ASKED == 0 || inquiry.kept() == 0 || !inquiry.is_ours() {
        return;
    }
    let _uncancelled = yielding::uncancelled(context);
    if let Err(cause) = drive(&mut inquiry, context, Patience::UpTo(CLOSE_TIME)) {
        report_lost(context, &inquiry, cause);
    }
}

/// How long a caller waits for the server.
#[derive(Clone, Copy)]
enum Patience {
    /// Not at all.
    None,
    /// As the socket does by itself.
    OfSocket,
    /// As long as the socket's timeout, and if it has none so long.
    UpTo(Duration),
}

impl Patience {
    /// When the time of one that begins to wait is over, if it ever is; None if it does not wait.
    fn begin<A: Abi>(self, context: Context<A>) -> Option<Option<Instant>> {
        let timeout = sys::receive_timeout(context.fd());
        let time = match self {
            Self::None => return None,
            Self::OfSocket if sys::is_nonblocking(context.fd()) => return None,
            Self::OfSocket => timeout,
            Self::UpTo(time) => Some(timeout.unwrap_or(time)),
        };
        Some(time.and_then(|time| Instant::now().checked_add(time)))
    }
}

/// The framing that the program or its user has chosen, or that the line's clients speak.
fn chosen<A: Abi>(context: Context<A>) -> Option<Framing> {
    if context.flags().seeks_framing() { None } else { settings::default_framing::<A>() }
}

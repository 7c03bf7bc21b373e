//! How a context's server expects messages: found out with its first call, where nobody has said it.
//!
//! No call is executed twice by that, none as another call: what is sent first is safe, and what has been sent is sent
//! again only after the server has said that it did nothing (`docs/wire.md`).

use std::sync::atomic::{AtomicBool, Ordering};

use ::drpc::bounded_text::BoundedText;
use ::drpc::counterpart::Counterpart;
use ::drpc::framing::dialect::Dialect;
use ::drpc::framing::fallback::{self, PROBE};
use ::drpc::sys::Fd;
use ::drpc::wire::Encoded;
use ::drpc::{Cause, Framing, Phase, Sequence, dialects, sys};

use crate::context::{Abi, Context};
use crate::drpc_pb_c::Drpc__Response;
use crate::entry::Site;
use crate::log::{self, Level};
use crate::memory::Owned;
use crate::writer::Turn;
use crate::{client, settings};

/// The framing for a context's call, which is kept in the context. `None` when the call has been answered on the way, so
/// that its reply is in the place for it.
///
/// When a server has not answered in time, the next call waits for that answer before anything else: until the framing is
/// known, at most one reply is owed.
#[cold]
pub(crate) fn settle<A: Abi>(
    context: Context<A>,
    fd: Fd<'_>,
    call: &Encoded<'_>,
    number: Sequence,
    reply: Option<&Owned<Drpc__Response>>,
    site: &Site<'_>,
) -> Result<Option<Framing>, Cause> {
    if let Some(framing) = chosen(context) {
        context.settle(framing);
        return Ok(Some(framing));
    }
    // Other calls wait until it is known.
    let _turn = Turn::wait(context);
    if let Some(framing) = context.flags().framing() {
        // Another call was faster.
        return Ok(Some(framing));
    }
    let route = context.route();
    let counterpart = || Counterpart::of(context.fd(), route.map(|route| route.path));
    let owed = context.flags().owes_replies();
    let trial = reply.filter(|_| !owed && fallback::is_safe(call));
    // Who the server is need not be known where the call itself may go out, unless that may spare a rejection; nor whether
    // there is one, where nobody is sent the same.
    let asks = trial.is_none()
        || !dialects::are_all_chunked()
        || route.is_some_and(|route| route.rejected)
        || (A::FRAMING != Framing::Chunked && sys::peer(context.fd()).is_none());
    let server = if asks { counterpart() } else { None };
    if asks {
        let Some(server) = &server else {
            // Nobody: the call will say so, unless somebody stands in for the system calls.
            return Ok(Some(A::FRAMING));
        };
        if route.is_some_and(|route| route.rejected) {
            return go_over(context, server, site);
        }
        if let Some(framing) = server.recall().filter(|_| !owed) {
            context.settle(framing);
            return Ok(Some(framing));
        }
    }
    let limit = settings::max_message();
    if call.len() > limit {
        return Err(Cause::TooBig { size: call.len() as u64, limit });
    }
    if owed {
        context.flags().reply_came();
    } else {
        let probe = PROBE.encode(&[]);
        client::send(context, fd, Framing::Chunked, if trial.is_some() { call } else { &probe })?;
    }
    site.phase(Phase::Reply);
    let mut dialect = Dialect::sought();
    let answered = client::receive(context, fd, &mut dialect, number, trial);
    if let (Err(cause), None) = (answered, dialect.get()) {
        return Err(cause);
    }
    if dialect.framing() == Framing::Datagram {
        return go_over(context, &server.or_else(counterpart).ok_or(Cause::NoWayBack)?, site);
    }
    if let Some(server) = server {
        server.learn(Framing::Chunked);
    }
    context.settle(Framing::Chunked);
    answered?;
    Ok(trial.is_none().then_some(Framing::Chunked))
}

/// Connects again to a server that has said that it reads datagrams, as it may have closed its side. Where that fails, the
/// next call begins with it.
fn go_over<A: Abi>(context: Context<A>, server: &Counterpart, site: &Site<'_>) -> Result<Option<Framing>, Cause> {
    site.phase(Phase::Connect);
    if let Err(cause) = server.connect_again(A::SOCKET_MODE) {
        context.keep_rejected();
        return Err(cause);
    }
    server.learn(Framing::Datagram);
    context.settle(Framing::Datagram);
    Ok(Some(Framing::Datagram))
}

/// The framing that the program or its user has chosen, or that the line's clients speak.
fn chosen<A: Abi>(context: Context<A>) -> Option<Framing> {
    if context.flags().seeks_framing() { None } else { usual::<A>() }
}

/// The framing that clients are to use of which the program says nothing: what the user has chosen, or what the line's
/// clients speak.
pub(crate) fn usual<A: Abi>() -> Option<Framing> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    dialects::from_environment(A::CLIENT_FRAMING, |value| {
        if !TOLD.swap(true, Ordering::Relaxed) {
            let (value, what) = (value.to_bytes().escape_ascii(), "not datagram, chunked or auto");
            log::line(Level::Warn, &BoundedText::new(format_args!("DRPC_FRAMING={value}: {what}")));
        }
    })
}

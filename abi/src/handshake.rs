//! A client's handshake with its server, which detects the framing that the server reads, and the calls without R_SYNC
//! queued meanwhile. No function here waits.

use std::collections::VecDeque;

use ::drpc::framing::chunked::MAX_DATA;
use ::drpc::framing::detect::PeerFraming;
use ::drpc::framing::fallback::{self, FirstMessage};
use ::drpc::peer::server::PeerServer;
use ::drpc::sys::{self, KeepErrno, NonblockingGuard, Peeked};
use ::drpc::transport::{self, Received, SyncState};
use ::drpc::wire::{Encoded, ResponseRef};
use ::drpc::{Cause, Framing, Phase};

use crate::abi::Abi;
use crate::boundary::Subject;
use crate::context::Context;
use crate::log::{self, Level};
use crate::yielding;

/// The limits of the queue: calls, and their size in bytes together.
const MAX_CALLS: usize = 16;
const MAX_BYTES: usize = 1 << 20;

/// The state of a handshake, and the calls queued behind it.
pub(crate) struct Handshake {
    stage: Stage,
    /// The server, if known.
    server: Option<PeerServer>,
    backlog: Backlog,
    /// The process that began the handshake. A forked child neither reads the answer nor sends the queued calls.
    process: u64,
}

/// The stage of a handshake.
#[derive(Clone, Copy)]
enum Stage {
    /// The first message has been sent; its answer is awaited.
    AwaitingReply(FirstMessage),
    /// The server has refused the first message, reads this framing, and may have closed its side.
    Reconnecting(Framing),
    /// The framing is known; the queued calls go out.
    Flushing(Framing),
}

/// The progress of a handshake.
pub(crate) enum Progress {
    /// The framing is known, and no call is queued.
    Detected(Framing),
    /// The handshake needs this event to continue.
    Blocked(WaitFor),
}

/// An event that a handshake waits for.
#[derive(Clone, Copy)]
pub(crate) enum WaitFor {
    /// The server's answer.
    Reply,
    /// Room in the server's queue of connections.
    Listener,
    /// Room in the socket.
    Writable,
}

impl Handshake {
    /// A handshake whose first message has been sent.
    pub(crate) fn begun(sent: FirstMessage, server: Option<PeerServer>) -> Self {
        Self::at(Stage::AwaitingReply(sent), server)
    }

    /// A handshake whose padded call the server has refused; the server reads this framing.
    pub(crate) fn rejected(framing: Framing, server: Option<PeerServer>) -> Self {
        Self::at(Stage::Reconnecting(framing), server)
    }

    fn at(stage: Stage, server: Option<PeerServer>) -> Self {
        Self { stage, server, backlog: Backlog::default(), process: sys::process() }
    }

    /// Queues a copy of the call that is going to be sent padded, in case the server refuses it.
    pub(crate) fn queue_padded_call(&mut self, call: &Encoded<'_>) -> Result<(), Cause> {
        self.backlog.push(call)?;
        self.backlog.has_padded_call = true;
        Ok(())
    }

    /// Queues a call until the framing is known. `EAGAIN` if the queue is full.
    pub(crate) fn queue(&mut self, call: &Encoded<'_>) -> Result<(), Cause> {
        let waiting = self.backlog.calls.iter().skip(self.backlog.has_padded_call.into());
        let (calls, bytes) = (waiting.clone().count(), waiting.map(Vec::len).sum::<usize>());
        if calls >= MAX_CALLS || bytes + call.len() > MAX_BYTES {
            return Err(Cause::Os(libc::EAGAIN));
        }
        self.backlog.push(call)
    }

    /// The number of queued calls.
    pub(crate) fn queued(&self) -> usize {
        self.backlog.calls.len()
    }

    /// True if this process began the handshake.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process == sys::process()
    }

    /// True if the server has answered, and the client has to reconnect.
    pub(crate) fn is_reconnecting(&self) -> bool {
        matches!(self.stage, Stage::Reconnecting(_))
    }

    /// The current phase, for messages.
    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::AwaitingReply(_) => Phase::Reply,
            Stage::Reconnecting(_) => Phase::Connect,
            Stage::Flushing(_) => Phase::Call,
        }
    }

    /// Advances the handshake as far as possible without waiting.
    pub(crate) fn advance<A: Abi>(&mut self, context: Context<A>) -> Result<Progress, Cause> {
        let _keep = KeepErrno::new();
        loop {
            match self.stage {
                Stage::AwaitingReply(sent) => match read_reply(context, sent)? {
                    Some(stage) => self.stage = stage,
                    None => return Ok(Progress::Blocked(WaitFor::Reply)),
                },
                Stage::Reconnecting(framing) => match self.reconnect(context, framing)? {
                    true => self.stage = Stage::Flushing(framing),
                    false => return Ok(Progress::Blocked(WaitFor::Listener)),
                },
                Stage::Flushing(framing) => {
                    if framing == Framing::Chunked {
                        self.backlog.drop_padded_call();
                    }
                    if let Some(server) = self.server(context) {
                        server.learn(framing);
                    }
                    if !self.backlog.flush(context, framing)? {
                        return Ok(Progress::Blocked(WaitFor::Writable));
                    }
                    log::print_framing("server", framing, context.fd());
                    context.set_server_framing(framing);
                    return Ok(Progress::Detected(framing));
                }
            }
        }
    }

    fn server<A: Abi>(&self, context: Context<A>) -> Option<PeerServer> {
        self.server.or_else(|| PeerServer::of(context.fd(), context.reconnect_path()))
    }

    /// Reconnects, because the server may have closed its side; false while the server is busy. If a reconnect is
    /// impossible, a chunked call goes out over the old connection. If the server has closed that, the call fails
    /// unsent with EPIPE.
    fn reconnect<A: Abi>(&self, context: Context<A>, framing: Framing) -> Result<bool, Cause> {
        let server = self.server(context).ok_or(Cause::Replaced);
        server.and_then(|server| server.reconnect(A::SOCKET_MODE)).or_else(|cause| match framing {
            Framing::Chunked => {
                let (socket, how) = (Subject::Socket(context.fd()), "the next call goes out over the old connection");
                log::print(Level::Warn, format_args!("connect{socket}: {cause}: {how}"));
                Ok(true)
            }
            _ => Err(cause),
        })
    }
}

/// Reads the server's answer, if it has come.
fn read_reply<A: Abi>(context: Context<A>, sent: FirstMessage) -> Result<Option<Stage>, Cause> {
    let fd = context.fd();
    if sys::peek(fd) == Peeked::Nothing {
        return Ok(None);
    }
    let (mut peer_framing, mut partial) = (PeerFraming::probing(sent), context.take_partial(ResponseRef::BODY));
    let drop_reply = |message: Received<'_>| message.within_limit().map(drop);
    let received = transport::receive_record(fd, &mut peer_framing, &mut partial, A::RECORD, drop_reply);
    context.keep_partial(partial);
    let lost = received.err().filter(|cause| SyncState::after(*cause, peer_framing.framing()) == SyncState::Lost);
    match (peer_framing.get(), sent) {
        (Some(framing), FirstMessage::Probe) | (Some(framing @ Framing::Datagram), FirstMessage::PaddedCall) => {
            Ok(Some(Stage::Reconnecting(framing)))
        }
        (Some(framing), FirstMessage::PaddedCall) => {
            if received == Ok(None) {
                // More of the reply is to come.
                context.flags().owe_reply();
            }
            match lost {
                Some(cause) => Err(shut_down(context, cause)),
                None => Ok(Some(Stage::Flushing(framing))),
            }
        }
        (None, _) => match received.err() {
            Some(cause) if cause.is_would_block() => Ok(None),
            cause => Err(shut_down(context, no_reply(cause.unwrap_or(Cause::Unclear)))),
        },
    }
}

/// Shuts down a connection on which messages can no longer be told apart.
fn shut_down<A: Abi>(context: Context<A>, cause: Cause) -> Cause {
    sys::shut_down(context.fd());
    cause
}

/// The error of a handshake without an answer, where waiting for it failed with `cause`.
pub(crate) fn no_reply(cause: Cause) -> Cause {
    match cause {
        Cause::Closed | Cause::NoReply | Cause::Os(libc::ECONNRESET) => Cause::Unanswered,
        cause => fallback::unreadable_answer(cause),
    }
}

/// The queued calls without R_SYNC, encoded.
#[derive(Default)]
struct Backlog {
    calls: VecDeque<Vec<u8>>,
    /// True if the first call has been sent padded.
    has_padded_call: bool,
    /// The record of the first call to send next.
    next: u32,
}

impl Backlog {
    fn push(&mut self, call: &Encoded<'_>) -> Result<(), Cause> {
        let no_memory = |_| Cause::NoMemory;
        let mut copy = Vec::new();
        self.calls.try_reserve(1).map_err(no_memory)?;
        copy.try_reserve_exact(call.len()).map_err(no_memory)?;
        call.pieces().iter().for_each(|piece| copy.extend_from_slice(piece));
        self.calls.extend([copy]);
        Ok(())
    }

    /// Removes the padded call, which has been executed.
    fn drop_padded_call(&mut self) {
        if std::mem::take(&mut self.has_padded_call) {
            self.calls.pop_front();
        }
    }

    /// Sends as much as the socket takes; true once the queue is empty.
    fn flush<A: Abi>(&mut self, context: Context<A>, framing: Framing) -> Result<bool, Cause> {
        if self.calls.is_empty() {
            return Ok(true);
        }
        let _nonblocking = NonblockingGuard::new(context.fd())?;
        let limit = context.limits().send(framing);
        while let Some(call) = self.calls.front() {
            let sent = match call.len() <= limit {
                true => {
                    let call = Encoded::new(call, &[]);
                    transport::send_some(context.fd(), framing, &call, 0, &mut self.next, &mut { usize::MAX })
                }
                false => Err(Cause::TooBig { size: call.len() as u64, limit }),
            };
            match sent {
                Ok(true) => context.flags().owe_reply(),
                Ok(false) => return Ok(false),
                // The other calls may be small enough.
                Err(cause) if cause.is_too_big() => {
                    log::print(Level::Warn, format_args!("call{}: lost: {cause}", Subject::Socket(context.fd())));
                }
                Err(cause) if framing == Framing::Chunked && call.len() > MAX_DATA => {
                    return Err(shut_down(context, cause));
                }
                Err(cause) => return Err(cause),
            }
            yielding::run_yield(context);
            (self.next, self.has_padded_call) = (0, false);
            self.calls.pop_front();
        }
        Ok(true)
    }
}

//! What a client has asked its server to find out which framing it reads, and the calls without R_SYNC that wait for the
//! answer. Nothing here waits.

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

/// Calls that may wait for the answer, and their size in bytes.
const MAX_CALLS: usize = 16;
const MAX_BYTES: usize = 1 << 20;

/// What has been asked, and what waits for the answer.
pub(crate) struct Handshake {
    stage: Stage,
    /// The server, if it is known.
    server: Option<PeerServer>,
    backlog: Backlog,
    /// The process that has asked. A child of a fork neither reads the answer nor sends what is kept.
    process: u64,
}

/// How far a client has come.
#[derive(Clone, Copy)]
enum Stage {
    /// The answer is to come.
    AwaitingReply(FirstMessage),
    /// The server has refused what it was asked, and reads this framing. It may have closed its side.
    Reconnecting(Framing),
    /// The framing is known. What waits goes out.
    Flushing(Framing),
}

/// What an handshake has come to.
pub(crate) enum Progress {
    /// The framing is known, and nothing waits any more.
    Detected(Framing),
    /// It cannot go on without this.
    Blocked(WaitFor),
}

/// What an handshake waits for.
#[derive(Clone, Copy)]
pub(crate) enum WaitFor {
    /// The server's answer.
    Reply,
    /// That the server accepts another connection.
    Listener,
    /// That the socket takes more.
    Writable,
}

impl Handshake {
    /// This has been asked.
    pub(crate) fn begun(sent: FirstMessage, server: Option<PeerServer>) -> Self {
        Self::at(Stage::AwaitingReply(sent), server)
    }

    /// The server has refused what it was asked, and reads this framing.
    pub(crate) fn rejected(framing: Framing, server: Option<PeerServer>) -> Self {
        Self::at(Stage::Reconnecting(framing), server)
    }

    fn at(stage: Stage, server: Option<PeerServer>) -> Self {
        Self { stage, server, backlog: Backlog::default(), process: sys::process() }
    }

    /// Keeps a copy of the call that is going to be sent as a trial, in case it is refused.
    pub(crate) fn queue_padded_call(&mut self, call: &Encoded<'_>) -> Result<(), Cause> {
        self.backlog.push(call)?;
        self.backlog.has_padded_call = true;
        Ok(())
    }

    /// Keeps a call until the framing is known. `EAGAIN` if too much is kept already.
    pub(crate) fn queue(&mut self, call: &Encoded<'_>) -> Result<(), Cause> {
        let waiting = self.backlog.calls.iter().skip(self.backlog.has_padded_call.into());
        let (calls, bytes) = (waiting.clone().count(), waiting.map(Vec::len).sum::<usize>());
        if calls >= MAX_CALLS || bytes + call.len() > MAX_BYTES {
            return Err(Cause::Os(libc::EAGAIN));
        }
        self.backlog.push(call)
    }

    /// Number of calls that are kept.
    pub(crate) fn queued(&self) -> usize {
        self.backlog.calls.len()
    }

    /// The handshake is this process's.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process == sys::process()
    }

    /// The server has answered, and the next thing to do is to connect again.
    pub(crate) fn is_reconnecting(&self) -> bool {
        matches!(self.stage, Stage::Reconnecting(_))
    }

    /// What is being done, for messages.
    pub(crate) fn phase(&self) -> Phase {
        match self.stage {
            Stage::AwaitingReply(_) => Phase::Reply,
            Stage::Reconnecting(_) => Phase::Connect,
            Stage::Flushing(_) => Phase::Call,
        }
    }

    /// Goes as far as it can without waiting.
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
                    context.set_server_framing(framing);
                    return Ok(Progress::Detected(framing));
                }
            }
        }
    }

    fn server<A: Abi>(&self, context: Context<A>) -> Option<PeerServer> {
        self.server.or_else(|| PeerServer::of(context.fd(), context.reconnect_path()))
    }

    /// Connects again, as the server may have closed its side; false while it is too busy. If it cannot be done at all, a
    /// call in chunks goes out over the old connection: where the server has closed it, the call fails with EPIPE and is
    /// unsent.
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

/// Reads the server's answer, if it is there.
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
                // The rest of the reply is to come.
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

/// Ends a connection on which nothing can be told apart any more.
fn shut_down<A: Abi>(context: Context<A>, cause: Cause) -> Cause {
    sys::shut_down(context.fd());
    cause
}

/// Why there is no answer to what was asked, where waiting for it failed with `cause`.
pub(crate) fn no_reply(cause: Cause) -> Cause {
    match cause {
        Cause::Closed | Cause::NoReply | Cause::Os(libc::ECONNRESET) => Cause::Unanswered,
        cause => fallback::unreadable_answer(cause),
    }
}

/// Calls without R_SYNC, encoded as they are sent once the framing is known.
#[derive(Default)]
struct Backlog {
    calls: VecDeque<Vec<u8>>,
    /// The first one has been sent as a trial.
    has_padded_call: bool,
    /// The record of the first one to go on with.
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

    /// The trial has been executed.
    fn drop_padded_call(&mut self) {
        if std::mem::take(&mut self.has_padded_call) {
            self.calls.pop_front();
        }
    }

    /// Sends what the socket takes; true when nothing is left.
    fn flush<A: Abi>(&mut self, context: Context<A>, framing: Framing) -> Result<bool, Cause> {
        if self.calls.is_empty() {
            return Ok(true);
        }
        let _nonblocking = NonblockingGuard::new(context.fd())?;
        let limit = context.limits().send(framing);
        while let Some(call) = self.calls.front() {
            let sent = match call.len() <= limit {
                true => transport::send_some(context.fd(), framing, &Encoded::new(call, &[]), self.next, &mut {
                    usize::MAX
                }),
                false => Err(Cause::TooBig { size: call.len() as u64, limit }),
            };
            match sent {
                Ok(None) => context.flags().owe_reply(),
                Ok(Some(next)) => {
                    self.next = next;
                    return Ok(false);
                }
                // The others may be small enough.
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

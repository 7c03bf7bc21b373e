//! One client's connection, for a program that waits for its calls itself.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use crate::adaptive_spin::Side;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::{Api, Explanation};
use crate::large_block;
use crate::log::{Level, Log};
use crate::log_about::About;
use crate::protocol::framing::chunked::{self, Reassembly};
use crate::protocol::framing::detect::PeerFraming;
use crate::protocol::framing::fallback;
use crate::protocol::framing::{Framing, Limits};
use crate::protocol::message::{Call, NO_SEQUENCE, Response, Status};
use crate::protocol::wire::{CallRef, ResponseRef};
use crate::service::Service;
use crate::session::Session;
use crate::sys::{self, NonblockingGuard, Program, SocketRef};
use crate::transport::{self, Received, SendHooks};

/// An accepted connection, for one thread. Each function waits for the client. ([`Server`](crate::Server) serves any
/// number of clients.)
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let listener = drpc::Listener::bind(&path)?;
/// # let client = std::thread::spawn(move || drpc::Client::connect(path)?.call(7, 701, b""));
/// let mut connection = listener.accept()?;
/// connection.serve(&drpc::Service::new())?; // until the client closes the connection
/// # let response = client.join().unwrap()?;
/// # assert_eq!(response.status(), drpc::Status::UnknownModule);
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    session: Session,
    peer_framing: PeerFraming,
    limits: Limits,
    log: Log,
    message: Reassembly,
    /// The number of calls, malformed ones included, that have not been answered.
    owed: usize,
    /// The number of forks of the process when the last call came.
    forks: u64,
}

impl Connection {
    pub(crate) fn new(session: Session, peer_framing: PeerFraming, limits: Limits, log: Log) -> Self {
        let message = Reassembly::with_body(limits.message, CallRef::BODY);
        Self { session, peer_framing, limits, log, message, owed: 0, forks: sys::forks() }
    }

    /// The session, which says who is connected.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The framing of the client's messages and of the answers; `None` before its first call, unless the listener
    /// [sets it](crate::ListenerBuilder::framing).
    pub fn framing(&self) -> Option<Framing> {
        self.peer_framing.get()
    }

    fn fd(&self) -> RawFd {
        self.session.as_fd().as_raw_fd()
    }

    /// Limits how long a send or receive may wait; zero takes the limit away. The first record of a message may take that
    /// long, and so may all others together: a message takes three times as long at most. A message that has come in part
    /// stays, and the next [`receive`](Self::receive) goes on with it.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), Error> {
        sys::set_timeout(self.fd(), timeout).map_err(|cause| self.error(Phase::Configure, cause))
    }

    /// Waits for the next call; `None` when the client has closed the connection, or is about to. A client that probes
    /// which framing is read here is answered, and connects anew.
    pub fn receive(&mut self) -> Result<Option<Call>, Error> {
        let (fd, peer_framing, message) = (self.fd(), &mut self.peer_framing, &mut self.message);
        let socket = SocketRef::from(fd).looking(Side::Server);
        let received = transport::receive(socket, peer_framing, message, chunked::MAX_RECORD, owned_call, || {});
        let received = received.map_err(|cause| self.peer_framing.check_probe(cause));
        if let Err(Cause::Probe(framing)) = received {
            self.answer_at_once(framing, Status::FailedUnmarshalCall);
            return Ok(None);
        }
        if std::mem::replace(&mut self.forks, sys::forks()) != self.forks {
            // Calls from before the fork may be the child's to answer.
            self.owed = 0;
        }
        self.owed += usize::from(received.as_ref().err().is_none_or(|cause| cause.is_about_a_message()));
        match received {
            Ok(call) => {
                // A large call may have taken memory.
                self.message.reset();
                Ok(Some(call))
            }
            Err(Cause::Closed) => Ok(None),
            Err(cause) => Err(self.error(Phase::Receive, cause)),
        }
    }

    /// Sends a response. If the response is too large, the client gets one with [`Status::FailedMarshal`] in its place, and
    /// the result is still the error [`Cause::TooBig`].
    pub fn reply(&mut self, response: &Response) -> Result<(), Error> {
        let Response { sequence, status, body, .. } = response;
        self.send(self.peer_framing.framing(), *sequence, *status, body)
            .map_err(|cause| self.error(Phase::Respond, cause))
    }

    fn send(&mut self, framing: Framing, sequence: i64, status: i32, body: &[u8]) -> Result<(), Cause> {
        let (fd, limit) = (self.fd(), self.limits.send(framing));
        let send = |status, body| {
            let response = ResponseRef { sequence, status, body };
            transport::send(fd, framing, &response.encode(&[]), limit, &mut Blocking)
        };
        let sent = send(status, body);
        match sent {
            Err(cause) if cause.is_too_big() => {
                let about = About::session(&self.session, Program::default());
                self.log.provoked(Level::Warn, format_args!("a response cannot be sent: {cause}{about}"));
                send(Status::FailedMarshal.into(), &[])?;
            }
            _ => sent?,
        }
        self.owed = self.owed.saturating_sub(1);
        sent
    }

    /// Serves calls until the client closes the connection. See [`serve_next`](Connection::serve_next).
    pub fn serve(&mut self, service: &Service) -> Result<(), Error> {
        while self.serve_next(service)? {}
        Ok(())
    }

    /// Waits for the next call and serves it; false when the client has closed the connection. A message that is no
    /// call, or a datagram that is too large, is answered before the error is returned. A response that is too large is
    /// replaced by one that says so, which is no error here.
    pub fn serve_next(&mut self, service: &Service) -> Result<bool, Error> {
        match self.receive() {
            Ok(Some(call)) => {
                let response = service.process(&self.session, call);
                let sent = self.reply(&response);
                large_block::retire(response.body);
                match sent {
                    Err(error) if error.cause().is_too_big() => Ok(true),
                    done => done.map(|()| true),
                }
            }
            Ok(None) => Ok(false),
            Err(error) => {
                if let Some(framing) = self.framing_to_reject_in(error.cause()) {
                    self.send(framing, NO_SEQUENCE, Status::FailedUnmarshalCall.into(), &[])
                        .map_err(|cause| self.error(Phase::Respond, cause))?;
                }
                Err(error)
            }
        }
    }

    /// The framing of the answer to a message that is no call; `None` if there is to be no answer. A client that may read
    /// datagrams gets one, because such a client takes the end of the connection for a success.
    fn framing_to_reject_in(&self, cause: Cause) -> Option<Framing> {
        match (self.peer_framing.get(), cause) {
            (_, Cause::Os(_) | Cause::TimedOut | Cause::NoMemory) => None,
            (known, Cause::Malformed) => known,
            (Some(Framing::Chunked), _) => None,
            (Some(Framing::Datagram) | None, _) => Some(Framing::Datagram),
        }
    }

    /// Sends a response that names no call, on a connection that is about to end, without waiting for the client. True if
    /// the response is out.
    fn answer_at_once(&self, framing: Framing, status: Status) -> bool {
        let response = ResponseRef { sequence: NO_SEQUENCE, status: status.into(), body: &[] };
        let Ok(_nonblocking) = NonblockingGuard::new(self.fd()) else { return false };
        matches!(transport::send_one(self.fd(), framing, &response.encode(&[]), 0, 0), Ok(None))
    }

    fn error(&self, phase: Phase, cause: Cause) -> Error {
        let (path, limit) = (self.session.shared_path(), self.limits.message);
        Error::explained(path, Explanation::new(Api::Listener, phase, path, cause).with_message_limit(limit))
    }
}

/// Answers the calls that are left with a failure, because a client that reads datagrams takes the end of the connection
/// for a success. Calls from before the last fork may be the child's to answer.
impl Drop for Connection {
    fn drop(&mut self) {
        if self.owed == 0 || self.forks != sys::forks() || self.peer_framing.get() == Some(Framing::Chunked) {
            return;
        }
        for _ in 0..self.owed {
            if !self.answer_at_once(Framing::Datagram, Status::Failure) {
                return;
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}

fn owned_call(mut message: Received<'_>) -> Result<Call, Cause> {
    let bytes = message.within_limit()?;
    let call = CallRef::decode(bytes).map_err(|_| fallback::undecodable(bytes))?;
    Ok(message.take_body().map_or_else(|| call.to_owned(), |body| call.with_body(body)))
}

/// Hooks of a sender that waits in the kernel while the socket is full.
struct Blocking;

impl SendHooks for Blocking {
    fn when_full(&mut self, fd: RawFd, _begun: bool) -> Result<(), Cause> {
        sys::wait_writable(fd, None)
    }
}

//! One client's connection, for a server that waits for its calls itself.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use crate::error::{Cause, Error, Phase};
use crate::framing::chunked::{self, Reassembly};
use crate::framing::{Framing, Limits};
use crate::message::{Call, Response, Status};
use crate::service::Service;
use crate::session::Session;
use crate::sys;
use crate::transport::{self, Pace, Received};
use crate::wire::{CallRef, ResponseRef};

/// An accepted connection, for one thread: each function waits for the client. ([`Server`](crate::Server) serves any
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
    framing: Framing,
    send_limit: usize,
    message: Reassembly,
}

impl Connection {
    pub(crate) fn new(session: Session, framing: Framing, limits: Limits) -> Self {
        Self { session, framing, send_limit: limits.send, message: Reassembly::new(limits.receive) }
    }

    /// Who is connected.
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn fd(&self) -> RawFd {
        self.session.as_fd().as_raw_fd()
    }

    /// Limits how long one send or receive may wait; zero takes the limit away.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), Error> {
        sys::set_timeout(self.fd(), timeout).map_err(|cause| self.error(Phase::Configure, cause))
    }

    /// Waits for the next call; `None` when the client has closed the connection.
    pub fn receive(&mut self) -> Result<Option<Call>, Error> {
        let fd = self.fd();
        let received = transport::receive(fd, self.framing, &mut self.message, chunked::MAX_RECORD, owned_call, || {});
        match received {
            Ok(call) => {
                // Whatever memory a large call took.
                self.message.reset();
                Ok(Some(call))
            }
            Err(Cause::Closed) => Ok(None),
            Err(cause) => Err(self.error(Phase::Receive, cause)),
        }
    }

    /// Sends a response.
    pub fn reply(&mut self, response: &Response) -> Result<(), Error> {
        let Response { sequence, status, body } = response;
        let response = ResponseRef { sequence: *sequence, status: *status, body };
        transport::send(self.fd(), self.framing, &response.encode(&[]), self.send_limit, &mut Blocking)
            .map_err(|cause| self.error(Phase::Respond, cause))
    }

    /// Serves calls until the client closes the connection. See [`serve_next`](Connection::serve_next).
    pub fn serve(&mut self, service: &Service) -> Result<(), Error> {
        while self.serve_next(service)? {}
        Ok(())
    }

    /// Waits for the next call and serves it; false when the client has closed the connection. A message that is no
    /// call, or a datagram that is too large, is answered before the error is returned; a response that is too large
    /// is replaced by one that says so.
    pub fn serve_next(&mut self, service: &Service) -> Result<bool, Error> {
        match self.receive() {
            Ok(Some(call)) => {
                let response = service.process(&self.session, call);
                match self.reply(&response) {
                    Err(error) if matches!(error.cause(), Cause::TooBig { .. }) => {
                        let status = Status::FailedMarshal.into();
                        self.reply(&Response { status, body: Vec::new(), ..response })?;
                    }
                    done => done?,
                }
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => {
                let cut = matches!(error.cause(), Cause::TooBig { .. } | Cause::Truncated { .. });
                if error.cause() == Cause::Malformed || cut && self.framing == Framing::Datagram {
                    self.reply(&Response::to_unparsable())?;
                }
                Err(error)
            }
        }
    }

    fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, self.session.path(), cause)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}

fn owned_call(message: Received<'_>) -> Result<Call, Cause> {
    Ok(CallRef::decode(message.within_limit()?)?.to_owned())
}

/// Waits in the kernel.
struct Blocking;

impl Pace for Blocking {
    fn when_full(&mut self, fd: RawFd, _begun: bool) -> Result<(), Cause> {
        sys::wait_writable(fd, None)
    }
}

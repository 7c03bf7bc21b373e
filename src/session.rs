//! One client's connection, seen from the server.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::Blocking;
use crate::error::{Cause, Error, Phase};
use crate::framing::chunked::{self, Reassembly};
use crate::framing::{Framing, Limits};
use crate::message::{Call, Response, Status};
use crate::service::Service;
use crate::sys;
use crate::transport::{self, Received};
use crate::wire::{CallRef, ResponseRef};

/// A connection that calls arrive on.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let listener = drpc::Listener::bind(&path)?;
/// # let client = std::thread::spawn(move || drpc::Client::connect(path)?.call(7, 701, b""));
/// let mut session = listener.accept()?;
/// session.serve(&drpc::Service::new())?; // until the client closes the connection
/// # let response = client.join().unwrap()?;
/// # assert_eq!(response.status(), drpc::Status::UnknownModule);
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    socket: OwnedFd,
    path: PathBuf,
    framing: Framing,
    send_limit: usize,
    message: Reassembly,
}

impl Session {
    pub(crate) fn new(socket: OwnedFd, path: &Path, framing: Framing, limits: Limits) -> Self {
        let message = Reassembly::new(limits.receive);
        Self { socket, path: path.to_owned(), framing, send_limit: limits.send, message }
    }

    /// Limits how long one send or receive may wait; zero takes the limit away.
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), Error> {
        sys::set_timeout(self.socket.as_raw_fd(), timeout).map_err(|cause| self.error(Phase::Configure, cause))
    }

    /// Waits for the next call; `None` when the client has closed the connection.
    pub fn receive(&mut self) -> Result<Option<Call>, Error> {
        let fd = self.socket.as_raw_fd();
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
        transport::send(self.socket.as_raw_fd(), self.framing, &response.encode(&[]), self.send_limit, &mut Blocking)
            .map_err(|cause| self.error(Phase::Respond, cause))
    }

    /// Serves calls until the client closes the connection. A message that is no call, or a datagram that is too
    /// large, is answered before the error is returned; a response that is too large is replaced by one that says so.
    pub fn serve(&mut self, service: &Service) -> Result<(), Error> {
        loop {
            match self.receive() {
                Ok(Some(call)) => match self.reply(&service.process(&call)) {
                    Err(error) if matches!(error.cause(), Cause::TooBig { .. }) => {
                        self.reply(&Response::of_status(&call, Status::FailedMarshal))?;
                    }
                    done => done?,
                },
                Ok(None) => return Ok(()),
                Err(error) => {
                    let cut = matches!(error.cause(), Cause::TooBig { .. } | Cause::Truncated { .. });
                    if error.cause() == Cause::Malformed || cut && self.framing == Framing::Datagram {
                        self.reply(&Response::to_unparsable())?;
                    }
                    return Err(error);
                }
            }
        }
    }

    fn error(&self, phase: Phase, cause: Cause) -> Error {
        Error::new(phase, &self.path, cause)
    }
}

impl AsFd for Session {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn owned_call(message: Received<'_>) -> Result<Call, Cause> {
    let CallRef { module, method, sequence, body } = CallRef::decode(message.within_limit()?)?;
    Ok(Call { module, method, sequence, body: body.to_vec() })
}

//! The calling side.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Cause, Error, Phase};
use crate::framing::chunked::{self, Reassembly};
use crate::framing::{Framing, Limits};
use crate::message::{Response, Status};
use crate::sequence::Sequence;
use crate::sys;
use crate::transport::{self, Aftermath, Pace, Received};
use crate::wire::{CallRef, ResponseRef};

/// A connection to a server, for one caller at a time.
///
/// ```
/// use drpc::modules::mgmt;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// # let listener = drpc::Listener::bind(&path)?;
/// # let agent = std::thread::spawn(move || listener.accept()?.serve(&drpc::Service::new()));
/// let mut client = drpc::Client::connect(&path)?;
/// let response = client.call(mgmt::MODULE, mgmt::GET_ATTACH_INFO, b"")?;
/// assert_eq!(response.status(), drpc::Status::UnknownModule); // this agent serves nothing
/// # drop(client);
/// # agent.join().unwrap()?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    path: PathBuf,
    framing: Framing,
    limits: Limits,
    counter: i32,
    owed: usize,
    partial: Option<Reassembly>,
}

/// Settings of a [`Client`] before it is connected.
///
/// ```
/// use std::time::Duration;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// # let listener = drpc::Listener::builder().framing(drpc::Framing::Datagram).bind(&path)?;
/// let client = drpc::Client::builder()
///     .framing(drpc::Framing::Datagram)
///     .timeout(Duration::from_secs(5))
///     .connect(&path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    framing: Framing,
    timeout: Option<Duration>,
    limit: Option<usize>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self { framing: Framing::Chunked, timeout: None, limit: None }
    }
}

impl ClientBuilder {
    /// How the server expects messages; chunked unless set.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// How long one send or receive may wait; for ever unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The largest message sent or accepted; unless set 128 MiB, but 16 KiB for a datagram to be sent.
    #[must_use]
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.limit = Some(bytes);
        self
    }

    /// Connects to the server that listens at `path`.
    pub fn connect(&self, path: impl AsRef<Path>) -> Result<Client, Error> {
        let path = path.as_ref();
        let error = |cause| Error::new(Phase::Connect, path, cause);
        let socket = sys::open(false, None).map_err(error)?;
        if let Some(timeout) = self.timeout {
            sys::set_timeout(socket.as_raw_fd(), timeout).map_err(error)?;
        }
        sys::connect(&socket, path.as_os_str().as_bytes()).map_err(error)?;
        Ok(Client {
            socket,
            path: path.to_owned(),
            framing: self.framing,
            limits: Limits::new(self.framing, self.limit),
            counter: 1,
            owed: 0,
            partial: None,
        })
    }
}

impl Client {
    /// Connects to the server that listens at `path`, with the default settings.
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().connect(path)
    }

    /// Settings for a connection.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The path of the server's socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Calls a method and waits for the reply.
    pub fn call(&mut self, module: i32, method: i32, body: &[u8]) -> Result<Response, Error> {
        let sequence = self.send(module, method, body)?;
        let reply = self.reply(sequence);
        reply.map_err(|cause| Error::new(Phase::Reply, &self.path, cause))
    }

    /// Sends a call without waiting for the reply, which is dropped when it comes. The response returned has the
    /// status [`Submitted`](Status::Submitted).
    pub fn submit(&mut self, module: i32, method: i32, body: &[u8]) -> Result<Response, Error> {
        let sequence = self.send(module, method, body)?;
        self.owed += 1;
        Ok(Response { sequence: sequence.number().into(), status: Status::Submitted.into(), body: Vec::new() })
    }

    fn send(&mut self, module: i32, method: i32, body: &[u8]) -> Result<Sequence, Error> {
        let sequence = Sequence::at(self.counter);
        self.counter = sequence.next_counter();
        let call = CallRef { module, method, sequence: sequence.number().into(), body };
        transport::send(self.socket.as_raw_fd(), self.framing, &call.encode(&[]), self.limits.send, &mut Blocking)
            .map_err(|cause| Error::new(Phase::Call, &self.path, cause))?;
        Ok(sequence)
    }

    fn reply(&mut self, sequence: Sequence) -> Result<Response, Cause> {
        loop {
            let fd = self.socket.as_raw_fd();
            let mut message = self.partial.take().unwrap_or_else(|| Reassembly::new(self.limits.receive));
            let received =
                transport::receive(fd, self.framing, &mut message, chunked::MAX_RECORD, owned_response, || {});
            match received {
                Ok(reply) if sequence.is_stale(reply.sequence, self.owed > 0) => self.owed -= 1,
                Ok(reply) => return Ok(reply),
                Err(cause) => return Err(self.after_failed_receive(message, cause)),
            }
        }
    }

    fn after_failed_receive(&mut self, message: Reassembly, cause: Cause) -> Cause {
        match Aftermath::of(cause, self.framing) {
            Aftermath::InStep => {}
            Aftermath::ReplyOwed => {
                self.owed += 1;
                self.partial = message.is_partial().then_some(message);
            }
            Aftermath::Lost => sys::shut_down(self.socket.as_raw_fd()),
        }
        if cause == Cause::Closed { Cause::NoReply } else { cause }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn owned_response(message: Received<'_>) -> Result<Response, Cause> {
    let ResponseRef { sequence, status, body } = ResponseRef::decode(message.within_limit()?)?;
    Ok(Response { sequence, status, body: body.to_vec() })
}

/// Waits in the kernel.
pub(crate) struct Blocking;

impl Pace for Blocking {
    fn when_full(&mut self, fd: RawFd, _begun: bool) -> Result<(), Cause> {
        sys::wait_writable(fd, None)
    }
}

//! Settings of a client before there is one.

use std::path::Path;
use std::time::Duration;

use super::Client;
use super::settings::Settings;
use crate::error::Error;
use crate::framing::{Framing, Limits};
use crate::log::Log;

/// How often a call is tried again, unless the program says otherwise.
const DEFAULT_RETRIES: u32 = 3;

/// Settings of a [`Client`].
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
    pipelining: bool,
    retries: u32,
    thread: bool,
    log: Log,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            framing: Framing::Chunked,
            timeout: None,
            limit: None,
            pipelining: false,
            retries: DEFAULT_RETRIES,
            thread: false,
            log: Log::default(),
        }
    }
}

impl ClientBuilder {
    /// How the server expects messages; chunked unless set.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// How long a call may take, from connecting to the reply, and how long [`Client::open`] and [`Client::lock`] may;
    /// for ever unless set.
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

    /// Calls are sent without waiting for the replies to others; unless set one call is out at a time. Not for a
    /// server that mixes up the pieces of large replies, as DAOS 2.8 may: that is noticed, and then all calls that are
    /// out fail.
    #[must_use]
    pub fn pipelining(mut self, pipelining: bool) -> Self {
        self.pipelining = pipelining;
        self
    }

    /// How often a call is tried again when the server has gone: 3 times unless set, with pauses from 10 ms to a
    /// second. A call that may have been executed is tried again only if it is
    /// [idempotent](crate::CallOptions::idempotent).
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Has a thread run what [`Client::dispatch`] would; none does unless set. It begins when the client is first
    /// connected, and ends with the last clone of the client.
    #[must_use]
    pub fn thread(mut self, thread: bool) -> Self {
        self.thread = thread;
        self
    }

    /// Where log lines go; nowhere unless set.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// A client of the server that listens at `path`, which is not connected yet.
    pub fn build(&self, path: impl AsRef<Path>) -> Client {
        Client::with(Settings {
            path: path.as_ref().to_owned(),
            framing: self.framing,
            limits: Limits::new(self.framing, self.limit),
            timeout: self.timeout,
            pipelining: self.pipelining,
            retries: self.retries,
            thread: self.thread,
            log: self.log.clone(),
        })
    }

    /// Connects to the server that listens at `path`.
    pub fn connect(&self, path: impl AsRef<Path>) -> Result<Client, Error> {
        let client = self.build(path);
        client.open()?;
        Ok(client)
    }
}

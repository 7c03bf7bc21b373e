//! The settings of a client, and the ways to make one.

use std::ffi::CStr;
use std::path::Path;
use std::time::Duration;

use super::client::Client;
use super::settings::Settings;
use crate::adaptive_spin::Spin;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::explanation::Api;
use crate::log::{Level, Log};
use crate::log_field::Value;
use crate::modules::names::Names;
use crate::peer::framing_cache::{self, UNKNOWN_FRAMING};
use crate::protocol::framing::{Framing, FramingChoice, Limits};
use crate::shared_path::SharedPath;
use crate::stable_path::StablePath;
use crate::sys::{SpinSetting, out_of_memory};

/// The number of retries of a call, unless the program says otherwise.
const DEFAULT_RETRIES: u32 = 3;

/// The settings of a [`Client`] to be made.
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
    /// The program's choice; without one, the environment's.
    framing: Option<Option<Framing>>,
    framing_choice: FramingChoice,
    names: Names,
    timeout: Option<Duration>,
    limits: Limits,
    pipelining: bool,
    retries: u32,
    thread: bool,
    spin: Option<Spin>,
    log: Log,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            framing: None,
            framing_choice: FramingChoice::Environment,
            names: Names::V2_8,
            timeout: None,
            limits: Limits::default(),
            pipelining: false,
            retries: DEFAULT_RETRIES,
            thread: false,
            spin: None,
            log: Log::default(),
        }
    }
}

impl Client {
    /// A client, not connected yet, of the server that listens at `path`, with the default settings.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self::builder().build(path)
    }

    /// Connects to the server that listens at `path`, with the default settings.
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::builder().connect(path)
    }

    /// The default settings, to be changed.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

impl ClientBuilder {
    /// The framing that the server expects. With `None` the client detects it by its first call, which is sent in
    /// chunks. A server that reads datagrams rejects that and executes nothing; the call then goes out over another
    /// connection. Where such a server could take the chunks for another call, a probe that no server executes goes
    /// first. The framing is remembered for later connections.
    ///
    /// Unless set, the environment variable `DRPC_FRAMING` decides: `datagram`, `chunked`, or `auto`, which is the
    /// default. It is read once a process.
    #[must_use]
    pub fn framing(self, framing: impl Into<Option<Framing>>) -> Self {
        self.framing_chosen(framing.into(), FramingChoice::Builder)
    }

    /// The same, chosen at a place that texts are to name.
    #[doc(hidden)]
    #[must_use]
    pub fn framing_chosen(mut self, framing: Option<Framing>, choice: FramingChoice) -> Self {
        (self.framing, self.framing_choice) = (Some(framing), choice);
        self
    }

    /// The names of modules and methods in texts.
    #[doc(hidden)]
    #[must_use]
    pub fn names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// The time that a call may take, from connecting to the reply, and that [`Client::open`] and [`Client::lock`] may
    /// take. Unlimited unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The largest message sent or accepted; 128 MiB unless set.
    #[must_use]
    pub fn message_limit(mut self, bytes: usize) -> Self {
        self.limits.message = bytes;
        self
    }

    /// The largest call sent as a datagram, which is the most that the server can receive. 16 KiB unless set, as
    /// servers of DAOS 0.8 need; those of 1.2 to 2.6 can receive 128 KiB.
    #[must_use]
    pub fn datagram_limit(mut self, bytes: usize) -> Self {
        self.limits.datagram = bytes;
        self
    }

    /// Sends calls without waiting for the replies to others; unless set, one call is sent at a time. Not for servers
    /// that mix up the pieces of large replies, as DAOS 2.8 may: the client notices, and then all calls in flight fail.
    /// If the server cannot read one of them and does not say which, all fail with
    /// [`Unattributable`](crate::Cause::Unattributable). Any of them may have been executed.
    #[must_use]
    pub fn pipelining(mut self, pipelining: bool) -> Self {
        self.pipelining = pipelining;
        self
    }

    /// The number of times a call is retried when the server has gone: 3 unless set, with pauses from 10 ms to a second. A
    /// call that may have been executed is retried only if it is [idempotent](crate::CallOptions::idempotent).
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Has a thread of the client run [`Client::dispatch`]; off unless set. The thread starts when the client is first
    /// connected, and ends with the last clone of the client. A future of [`Client::call_async`] starts it, too, where the
    /// program does not dispatch.
    #[must_use]
    pub fn thread(mut self, thread: bool) -> Self {
        self.thread = thread;
        self
    }

    /// Whether threads that wait for a reply look for it before they sleep. `None`, the default, is the setting of the
    /// [process](crate::set_spin), and that is [`Spin::Adaptive`] unless it is set.
    #[must_use]
    pub fn spin(mut self, spin: impl Into<Option<Spin>>) -> Self {
        self.spin = spin.into();
        self
    }

    /// The receiver of log lines; none unless set.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// A client, not connected yet, of the server that listens at `path`. A relative path starts at the working
    /// directory of this moment.
    ///
    /// Ends the process if there is no memory, like the functions of the standard library. [`connect`](Self::connect)
    /// gives [`Cause::NoMemory`] instead.
    pub fn build(&self, path: impl AsRef<Path>) -> Client {
        StablePath::new(path.as_ref()).and_then(|path| self.build_at(path)).unwrap_or_else(out_of_memory)
    }

    /// A client, not connected yet, of the server that listens at a path.
    #[doc(hidden)]
    pub fn build_at(&self, path: StablePath) -> Result<Client, Cause> {
        let warn = |value: &CStr| {
            let value = Value(value.to_bytes());
            let line = format_args!("DRPC_FRAMING has no effect, because it is {UNKNOWN_FRAMING} DRPC_FRAMING={value}");
            self.log.line(Level::Warn, line);
        };
        Client::from_settings(Settings {
            path,
            framing: self.framing.unwrap_or_else(|| framing_cache::from_environment(None, warn)),
            framing_choice: self.framing_choice,
            names: self.names,
            limits: self.limits,
            timeout: self.timeout,
            pipelining: self.pipelining,
            retries: self.retries,
            thread: self.thread,
            spin: SpinSetting::new(self.spin),
            log: self.log.clone(),
        })
    }

    /// Connects to the server that listens at `path`.
    pub fn connect(&self, path: impl AsRef<Path>) -> Result<Client, Error> {
        let path = StablePath::new(path.as_ref());
        let known = path.as_ref().map_or_else(|_| SharedPath::default(), |path| path.given().clone());
        let client = path.and_then(|path| self.build_at(path));
        let client = client.map_err(|cause| Error::new(Api::Client, Phase::Connect, &known, cause))?;
        client.open()?;
        Ok(client)
    }
}

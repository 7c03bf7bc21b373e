//! `Client`: the operations that a program asks for, handed to what the clones share.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::handle::Handle;
use super::operation::Operation;
use super::options::CallOptions;
use super::response_future::ResponseFuture;
use super::settings::Settings;
use super::shared::Shared;
use crate::cause::Cause;
use crate::error::{Error, Phase};
use crate::noted_call::NotedCall;
use crate::protocol::message::Response;
use crate::protocol::wire::CallRef;
use crate::sync::atomic::Ordering;
use crate::sys::{TryArc, try_box};

/// A connection to a server, for any number of threads. Clones use the same connection.
///
/// Each call gets its own reply, in whatever order the server answers. One call is sent at a time, and others wait for
/// its reply, unless the client [pipelines](crate::ClientBuilder::pipelining). Once the server has closed the
/// connection, the next call makes another one.
///
/// ```
/// use drpc::modules::mgmt;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// # let listener = drpc::Listener::bind(&path)?;
/// # let agent = std::thread::spawn(move || listener.accept()?.serve(&drpc::Service::new()));
/// let client = drpc::Client::connect(&path)?;
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| {
///             let response = client.call(mgmt::MODULE, mgmt::GET_ATTACH_INFO, b"")?;
///             assert_eq!(response.status(), drpc::Status::UnknownModule); // this agent serves nothing
///             Ok::<(), drpc::Error>(())
///         });
///     }
/// });
/// # drop(client);
/// # agent.join().unwrap()?;
/// # Ok::<(), drpc::Error>(())
/// ```
///
/// In the child of a fork, each function of the client fails with [`Cause::Forked`]: the connection is the parent's.
#[derive(Clone)]
pub struct Client(pub(super) TryArc<Handle>);

impl Client {
    pub(super) fn from_settings(settings: Settings) -> Result<Self, Cause> {
        TryArc::new(Handle::new(settings)?).map(Self)
    }

    /// The path of the server's socket.
    pub fn path(&self) -> &Path {
        self.0.shared.settings.path.given()
    }

    /// Connects, unless there is a connection. Waits while the server is too busy to accept.
    ///
    /// A call connects by itself. On a client that has never been connected, or has been closed, it fails with
    /// [`Cause::NotConnected`] instead.
    pub fn open(&self) -> Result<(), Error> {
        self.open_with(&CallOptions::new())
    }

    /// Connects, unless there is a connection, in the time that the options allow.
    pub fn open_with(&self, options: &CallOptions) -> Result<(), Error> {
        self.connect_with(options, false)
    }

    /// Connects, unless there is a connection, to a server that may still be starting. Waits up to `timeout` for a
    /// server that does not listen yet, or does not let this user connect yet.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), Error> {
        self.wait_ready_with(&CallOptions::new().timeout(timeout))
    }

    /// Connects to a server that may still be starting, in the time that the options allow.
    pub fn wait_ready_with(&self, options: &CallOptions) -> Result<(), Error> {
        self.connect_with(options, true)
    }

    fn connect_with(&self, options: &CallOptions, until_ready: bool) -> Result<(), Error> {
        self.0.start()?;
        self.wait(options, Operation::Connect { until_ready }, CallRef::default()).map(drop)
    }

    /// Closes the connection. Calls that wait for a reply fail with [`Cause::NotConnected`].
    pub fn close(&self) -> Result<(), Error> {
        self.check(Phase::Close)?;
        self.0.shared.with(|state| state.close());
        Ok(())
    }

    /// Ends the client as dropping the last clone would. The completions that this runs can still use the client, of
    /// which C has only the address.
    #[doc(hidden)]
    pub fn end(&self) {
        self.0.end();
    }

    /// The size limit of a message.
    #[doc(hidden)]
    pub fn message_limit(&self) -> usize {
        self.0.shared.settings.limits.message
    }

    /// True while there is a connection. The end of a server shows only when the client is used.
    pub fn is_connected(&self) -> bool {
        let shared = &self.0.shared;
        shared.is_ours() && shared.with(|state| state.connection.is_some())
    }

    /// Calls a method and waits for the reply.
    pub fn call(&self, module: i32, method: i32, body: &[u8]) -> Result<Response, Error> {
        self.call_with(&CallOptions::new(), module, method, body)
    }

    /// Calls a method and waits for the reply, within the time that the options allow.
    ///
    /// When the time is over, or the call is cancelled, the connection stays, and a later reply is dropped.
    #[inline]
    pub fn call_with(&self, options: &CallOptions, module: i32, method: i32, body: &[u8]) -> Result<Response, Error> {
        let operation = Operation::Call { idempotent: options.is_idempotent() };
        let call = CallRef { module, method, sequence: 0, body };
        // The result is handed on as it is: to keep it here for a line would copy it.
        match self.0.shared.note_call(module, method, body) {
            None => self.wait(options, operation, call),
            Some(noted) => self.wait_and_log(options, operation, call, noted),
        }
    }

    #[cold]
    fn wait_and_log(
        &self,
        options: &CallOptions,
        operation: Operation,
        call: CallRef<'_>,
        noted: NotedCall,
    ) -> Result<Response, Error> {
        let result = self.wait(options, operation, call);
        self.0.shared.log_call(noted, &result);
        result
    }

    pub(super) fn wait(
        &self,
        options: &CallOptions,
        operation: Operation,
        call: CallRef<'_>,
    ) -> Result<Response, Error> {
        let shared = &self.0.shared;
        Shared::wait(shared, operation, call, options.deadline_or(shared.settings.timeout), options.token())
            .map_err(|failure| self.failed(failure, operation, &call, options))
    }

    #[cold]
    fn failed(
        &self,
        failure: (Phase, Cause),
        operation: Operation,
        call: &CallRef<'_>,
        options: &CallOptions,
    ) -> Error {
        let shared = &self.0.shared;
        let limit = options.limit_or(shared.settings.timeout);
        match operation {
            Operation::Call { .. } => shared.call_error(failure, (call.module, call.method), limit),
            Operation::Connect { .. } | Operation::Lock(_) => shared.error(failure).after(limit),
        }
    }

    /// Calls a method without waiting. `done` is run once, when the reply has come or the call has failed: by
    /// [`dispatch`](Client::dispatch), or by the client's own [thread](crate::ClientBuilder::thread) if there is one.
    /// If neither has run `done` by then, dropping the last clone of the client does. `done` may submit calls, but must
    /// not wait.
    ///
    /// If this returns an error, `done` is never run.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("agent.sock");
    /// # let listener = drpc::Listener::bind(&path)?;
    /// # let agent = std::thread::spawn(move || listener.accept()?.serve(&drpc::Service::new()));
    /// let client = drpc::Client::connect(&path)?;
    /// client.submit(&drpc::CallOptions::new(), 7, 701, b"".to_vec(), |result| println!("{result:?}"))?;
    /// while client.dispatch(None)? == 0 {}
    /// # drop(client);
    /// # agent.join().unwrap()?;
    /// # Ok::<(), drpc::Error>(())
    /// ```
    pub fn submit(
        &self,
        options: &CallOptions,
        module: i32,
        method: i32,
        body: Vec<u8>,
        done: impl FnOnce(Result<Response, Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let shared = &self.0.shared;
        let submitted = try_box(done).and_then(|done| Shared::submit(shared, options, (module, method, body), done));
        submitted.map(drop).map_err(|cause| shared.error((Phase::Call, cause)))
    }

    /// Calls a method, without waiting: the result is a future for any executor, which is cancelled when dropped.
    ///
    /// Completions, and so futures, need a thread that dispatches. Unless the program has one, and has asked for
    /// [`event_fd`](Client::event_fd), the first call starts a [thread](crate::ClientBuilder::thread) of the client. With
    /// the feature `tokio`, a task can do the same: see `drpc::tokio::drive`. A thread that cannot be started is the call's
    /// error ([`Cause::NoThread`]).
    ///
    /// The future is `Send`. A [`Locked`](crate::Locked) client is not: its lock belongs to a thread, and a task may change its
    /// own.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("agent.sock");
    /// # let listener = drpc::Listener::bind(&path)?;
    /// # let agent = std::thread::spawn(move || listener.accept()?.serve(&drpc::Service::new()));
    /// async fn status(client: &drpc::Client) -> Result<drpc::Status, drpc::Error> {
    ///     let response = client.call_async(7, 701, b"".to_vec()).await?;
    ///     Ok(response.status())
    /// }
    ///
    /// # fn block_on<T>(future: impl Future<Output = T>) -> T {
    /// #     let mut future = std::pin::pin!(future);
    /// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// #     loop {
    /// #         if let std::task::Poll::Ready(result) = future.as_mut().poll(&mut context) {
    /// #             return result;
    /// #         }
    /// #     }
    /// # }
    /// let client = drpc::Client::connect(&path)?;
    /// assert_eq!(block_on(status(&client))?, drpc::Status::UnknownModule); // this agent serves nothing
    /// # drop(client);
    /// # agent.join().unwrap()?;
    /// # Ok::<(), drpc::Error>(())
    /// ```
    pub fn call_async(&self, module: i32, method: i32, body: Vec<u8>) -> ResponseFuture {
        self.call_async_with(&CallOptions::new(), module, method, body)
    }

    /// Calls a method as [`call_async`](Client::call_async) does, within the time that the options allow. The time
    /// counts from the first poll, and needs no timer of a runtime.
    pub fn call_async_with(&self, options: &CallOptions, module: i32, method: i32, body: Vec<u8>) -> ResponseFuture {
        ResponseFuture::new(self.0.clone(), options.clone(), (module, method, body))
    }

    /// A descriptor for an event loop, readable while there is work for [`dispatch`](Client::dispatch). The descriptor
    /// is an epoll set, and stays the same as long as the client lives. From now on the program has to dispatch: calls of
    /// [`call_async`](Client::call_async) start no thread.
    pub fn event_fd(&self) -> Result<BorrowedFd<'_>, Error> {
        let events = self.0.shared.events()?;
        self.0.shared.is_watched.store(true, Ordering::Relaxed);
        Ok(events.as_fd())
    }

    /// Waits up to `timeout` for work, does it, and returns how many completions have been run. Only submitted calls
    /// need this: a caller that waits does its own work.
    pub fn dispatch(&self, timeout: Option<Duration>) -> Result<usize, Error> {
        self.0.shared.dispatch(timeout)
    }

    /// An error of this client.
    pub(crate) fn error(&self, phase: Phase, cause: Cause) -> Error {
        self.0.shared.error((phase, cause))
    }

    pub(super) fn check(&self, phase: Phase) -> Result<(), Error> {
        self.0.shared.check_process().map_err(|cause| self.error(phase, cause))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("path", &self.path()).finish_non_exhaustive()
    }
}

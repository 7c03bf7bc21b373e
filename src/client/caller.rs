//! The interface of a client, for tests that put another type in its place.

use super::client::Client;
use crate::error::Error;
use crate::protocol::message::Response;

/// The interface of a [`Client`], so that a test can put another type in its place. (The interface `DomainSocketClient`
/// of the Go package.)
///
/// ```
/// use drpc::{Caller, Error, Response};
///
/// fn version(agent: &dyn Caller) -> Result<String, Error> {
///     let response = agent.call(7, 701, b"")?;
///     Ok(String::from_utf8_lossy(&response.body).into_owned())
/// }
///
/// struct Fake;
///
/// impl Caller for Fake {
///     fn open(&self) -> Result<(), Error> {
///         Ok(())
///     }
///     fn close(&self) -> Result<(), Error> {
///         Ok(())
///     }
///     fn is_connected(&self) -> bool {
///         true
///     }
///     fn call(&self, _module: i32, _method: i32, _body: &[u8]) -> Result<Response, Error> {
///         Ok(Response { body: b"0.8".to_vec(), ..Response::default() })
///     }
///     fn lock(&self) -> Result<(), Error> {
///         Ok(())
///     }
///     fn unlock(&self) -> Result<(), Error> {
///         Ok(())
///     }
/// }
///
/// assert_eq!(version(&Fake)?, "0.8");
/// # Ok::<(), Error>(())
/// ```
pub trait Caller: Send + Sync {
    /// See [`Client::open`].
    fn open(&self) -> Result<(), Error>;

    /// See [`Client::close`].
    fn close(&self) -> Result<(), Error>;

    /// See [`Client::is_connected`].
    fn is_connected(&self) -> bool;

    /// See [`Client::call`].
    fn call(&self, module: i32, method: i32, body: &[u8]) -> Result<Response, Error>;

    /// Makes the calls of other threads wait until [`unlock`](Caller::unlock). See [`Client::lock`].
    fn lock(&self) -> Result<(), Error>;

    /// Lets other threads call again. Does nothing unless the calling thread holds the lock.
    fn unlock(&self) -> Result<(), Error>;
}

impl Caller for Client {
    fn open(&self) -> Result<(), Error> {
        Client::open(self)
    }

    fn close(&self) -> Result<(), Error> {
        Client::close(self)
    }

    fn is_connected(&self) -> bool {
        Client::is_connected(self)
    }

    fn call(&self, module: i32, method: i32, body: &[u8]) -> Result<Response, Error> {
        Client::call(self, module, method, body)
    }

    fn lock(&self) -> Result<(), Error> {
        Client::lock(self).map(std::mem::forget)
    }

    fn unlock(&self) -> Result<(), Error> {
        Client::unlock(self)
    }
}

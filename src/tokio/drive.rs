//! A task in place of a client's thread.

use std::future::Future;

use crate::client::Client;
use crate::error::Error;
use crate::sys::Watched;

/// A future that dispatches for a client until the last clone of the client is dropped: it reads the replies and runs the
/// completions of [`Client::call_async`] and [`Client::submit`], so that the client has no thread for that. Spawn it before
/// the first call.
///
/// The future does not keep the client connected. If the future is dropped before the client, the next
/// [`call_async`](Client::call_async) starts a thread, which goes on with the other calls. The future fails, and the same
/// follows, if memory runs out.
///
/// # Panics
///
/// Polling the future panics outside of a runtime, or in one whose I/O is not enabled.
pub fn drive(client: &Client) -> Result<impl Future<Output = Result<(), Error>> + Send + use<>, Error> {
    let driver = client.driver()?;
    Ok(async move {
        let watched = Watched::new(driver.events()?).map_err(|cause| driver.error(cause))?;
        while !driver.has_ended() {
            watched.read(|| driver.dispatch()).await.map_err(|cause| driver.error(cause))??;
        }
        Ok(())
    })
}

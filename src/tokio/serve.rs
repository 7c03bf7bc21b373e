//! A server as a future.

use std::future::{Future, poll_fn};
use std::os::fd::AsFd;
use std::pin::pin;
use std::time::Duration;

use crate::error::Error;
use crate::server::Server;
use crate::sys::Watched;

/// A future that serves until `stop` is ready, and then ends the server: it stops listening, and running calls may be
/// answered within the time of [`ServerBuilder::grace`](crate::ServerBuilder::grace). The result is that of
/// [`Server::shutdown`]. [`Server::stop`] and a token of the server end it in the same way.
///
/// Handlers run in the task, so that those which wait hold it up; those of an [`AsyncModule`](super::AsyncModule) have
/// tasks of their own. A handler whose call has been aborted goes on, and its answer is dropped. A server that also has
/// [threads](Server::start) is waited for at the end.
///
/// The future is `Send` if `stop` is. If it is dropped, the server is served no more, and ends with its last clone.
///
/// # Panics
///
/// Polling the future panics outside of a runtime, or in one whose I/O is not enabled.
pub fn serve<S: Future<Output = ()>>(server: &Server, stop: S) -> impl Future<Output = Result<(), Error>> + use<S> {
    let server = server.clone();
    async move {
        // Before it is watched: a child of a fork replaces the descriptors when it is the first to serve.
        server.dispatch(Some(Duration::ZERO))?;
        let watched = Watched::new(server.as_fd()).map_err(|cause| server.serve_error(cause))?;
        let (mut stop, mut is_stopped) = (pin!(stop), false);
        loop {
            let mut served = pin!(watched.read(|| server.dispatch(Some(Duration::ZERO))));
            let served = poll_fn(|context| {
                if !is_stopped && stop.as_mut().poll(context).is_ready() {
                    is_stopped = true;
                    server.stop();
                }
                served.as_mut().poll(context)
            });
            if !served.await.map_err(|cause| server.serve_error(cause))?? {
                return server.wait();
            }
        }
    }
}

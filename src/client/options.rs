//! What one call may ask for.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// How long a call may take, whether it may be made twice, and what cancels it.
///
/// ```
/// use std::time::Duration;
///
/// let cancel = drpc::Cancel::new();
/// let options = drpc::CallOptions::new().timeout(Duration::from_secs(5)).idempotent(true).cancel(&cancel);
/// ```
#[derive(Clone, Debug, Default)]
pub struct CallOptions {
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    idempotent: bool,
    cancel: Option<Cancel>,
}

impl CallOptions {
    /// The time that the client allows, no second attempt once the call has been sent, and nothing to cancel it.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the call may take, from now to the reply: connecting, waiting for its turn, sending and receiving.
    /// Otherwise, and without a deadline, it is what [`ClientBuilder::timeout`](crate::ClientBuilder::timeout) says.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// When the call is over at the latest. With a timeout, too, whichever comes first counts.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// It does no harm if the server executes the call twice, so that it may be sent again when the connection was
    /// lost before the reply came.
    #[must_use]
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Ends the call with [`Cause::Cancelled`](crate::Cause::Cancelled) when the token is cancelled.
    #[must_use]
    pub fn cancel(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    pub(super) fn token(&self) -> Option<&Cancel> {
        self.cancel.as_ref()
    }

    /// When the call is over at the latest; `default` is the time that the client allows.
    pub(super) fn deadline_or(&self, default: Option<Duration>) -> Option<Instant> {
        let timeout = match (self.timeout, self.deadline) {
            (None, Some(_)) => None,
            (timeout, _) => timeout.or(default),
        };
        // Later than the clock can tell is never.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match (end, self.deadline) {
            (Some(end), Some(deadline)) => Some(end.min(deadline)),
            (end, deadline) => end.or(deadline),
        }
    }
}

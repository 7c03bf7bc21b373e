//! The options of one call.

use std::time::{Duration, Instant};

use crate::cancel::Cancel;

/// The options of one call: its time, whether it may be executed twice, and its token.
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
    /// Options without a time of their own, for a call that must not be executed twice and that no token cancels.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time for the whole call, from now to the reply: connecting, waiting in the queue, sending and receiving.
    /// Without a timeout or a deadline, [`ClientBuilder::timeout`](crate::ClientBuilder::timeout) counts.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The point in time at which the call ends at the latest. Of a timeout and a deadline the earlier one counts.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Allows the server to execute the call twice. The call is then sent again if the connection is lost before the
    /// reply has come.
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

    /// The time that the call has, where it is known as such; `default` is the time that the client allows.
    pub(super) fn limit_or(&self, default: Option<Duration>) -> Option<Duration> {
        if self.deadline.is_some() { None } else { self.timeout.or(default) }
    }

    /// The point in time at which the call ends; `default` is the time that the client allows.
    pub(super) fn deadline_or(&self, default: Option<Duration>) -> Option<Instant> {
        let timeout = match (self.timeout, self.deadline) {
            (None, Some(_)) => None,
            (timeout, _) => timeout.or(default),
        };
        // A time that the clock cannot represent counts as unlimited.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match (end, self.deadline) {
            (Some(end), Some(deadline)) => Some(end.min(deadline)),
            (end, deadline) => end.or(deadline),
        }
    }
}

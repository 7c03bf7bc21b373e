//! What a client has been told before it was made.

use std::time::Duration;

use crate::log::Log;
use crate::place::Place;
use crate::protocol::framing::{Framing, Limits};

/// What a client has been told before it was made.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) place: Place,
    /// How the server expects messages; `None` when that is to be found out.
    pub(super) framing: Option<Framing>,
    pub(super) limits: Limits,
    /// How long a call may take.
    pub(super) timeout: Option<Duration>,
    /// Calls do not wait for one another.
    pub(super) pipelining: bool,
    /// How often a call may be tried again.
    pub(super) retries: u32,
    /// A thread of ours runs the completions.
    pub(super) thread: bool,
    pub(super) log: Log,
}

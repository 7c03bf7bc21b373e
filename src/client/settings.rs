//! The settings that a client is made with.

use std::time::Duration;

use crate::log::Log;
use crate::modules::names::Names;
use crate::protocol::framing::{Framing, FramingChoice, Limits};
use crate::stable_path::StablePath;
use crate::sys::SpinSetting;

/// The settings that a client is made with.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) path: StablePath,
    /// The framing that the server expects; `None` if the client is to detect it.
    pub(super) framing: Option<Framing>,
    /// Where that was chosen.
    pub(super) framing_choice: FramingChoice,
    /// The names of modules and methods in texts.
    pub(super) names: Names,
    pub(super) limits: Limits,
    /// The time that a call may take.
    pub(super) timeout: Option<Duration>,
    /// True while calls are sent without waiting for the replies to others.
    pub(super) pipelining: bool,
    /// The number of times a call may be retried.
    pub(super) retries: u32,
    /// True while a thread of the client runs the completions.
    pub(super) thread: bool,
    pub(super) spin: SpinSetting,
    pub(super) log: Log,
}

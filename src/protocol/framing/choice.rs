//! Where the framing of a client has been chosen, for texts.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;

/// The place where the framing of a client has been chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FramingChoice {
    /// The environment variable `DRPC_FRAMING`.
    Environment,
    /// The C function `drpc_set_framing`, for one context.
    Context,
    /// The option `DRPC_CLIENT_FRAMING` of a shared client in C.
    Option,
    /// [`ClientBuilder::framing`](crate::ClientBuilder::framing).
    Builder,
    /// Nowhere: `libdrpc-0.8` sends datagrams.
    Default,
}

impl fmt::Display for FramingChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "DRPC_FRAMING in the environment",
            Self::Context => "drpc_set_framing",
            Self::Option => "DRPC_CLIENT_FRAMING",
            Self::Builder => "ClientBuilder::framing",
            Self::Default => "the default of libdrpc-0.8",
        })
    }
}

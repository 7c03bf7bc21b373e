//! The managed server and the shared client of the Rust API, for C: `drpc/server.h` and `drpc/client.h`.
//!
//! The objects behind these functions are opaque. Rust allocates them where their size does not depend on a peer.

pub mod call_block;
pub mod cancel;
pub mod client;
pub mod client_options;
pub mod request;
pub mod server;
pub mod server_options;
pub mod session;
pub mod stats;

pub(crate) mod message;
pub(crate) mod object;

mod handler;

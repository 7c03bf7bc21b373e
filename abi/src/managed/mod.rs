//! `drpc/server.h` and `drpc/client.h`: the managed server and the shared client of the Rust API, for C.
//!
//! The objects behind these functions are opaque, and allocate as Rust does where the size does not depend on a peer.

pub mod call_block;
pub mod cancel;
pub mod client;
pub mod client_options;
pub mod request;
pub mod server;
pub mod server_options;
pub mod session;
pub mod stats;

mod handler;
mod message;
mod object;

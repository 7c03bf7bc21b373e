//! The functions of the managed server and the shared client that depend on the line.

pub mod client;
pub mod server;

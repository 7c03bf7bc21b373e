//! Facts that clients remember of their servers: the framing they read, and the paths to connect to again.

pub mod framing_cache;
pub mod reconnect_paths;
pub mod server;

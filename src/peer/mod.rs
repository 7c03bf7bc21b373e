//! What clients know of their servers: what they speak, and the way back to them.

pub mod framing_cache;
pub mod reconnect_paths;
pub mod server;

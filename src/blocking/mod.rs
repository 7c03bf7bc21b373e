//! A listener and its connections, for programs that wait for each message themselves.

mod connection;
mod listener;

pub use connection::Connection;
pub use listener::{Listener, ListenerBuilder};

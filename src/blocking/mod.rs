//! A listener and its connections, for programs that wait for each message themselves; and the question whether a server
//! answers.

mod connection;
mod listener;
mod ping;

pub use connection::Connection;
pub use listener::{Listener, ListenerBuilder};
pub use ping::{Pong, ping};

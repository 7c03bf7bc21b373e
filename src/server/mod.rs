//! The managed server: many clients, served by threads of its own or from the program's event loop.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

mod accept;
mod acceptor;
mod builder;
mod dispatch;
mod drain;
mod fair;
mod handle;
mod handler_time;
mod in_flight;
mod incoming;
mod leader;
mod limits;
mod listening_socket;
mod locked_session;
mod log_event;
mod log_lines;
mod ownership;
mod process_owner;
mod reactor;
mod reason;
mod recent_work;
mod reply;
mod server_session;
mod session_log;
mod session_work;
mod sessions;
mod share;
mod shutdown;
#[cfg(all(test, shuttle))]
mod shuttle;
mod stats;
mod timers;
mod users;
mod wait;
mod work;
mod workers;

pub use builder::ServerBuilder;
pub use handle::Server;
pub use limits::ServerLimits;
pub use listening_socket::Existing;
pub use stats::{ErrorStats, LimitStats, ModuleStats, Stats};

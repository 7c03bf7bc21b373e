//! The client: many callers, one connection.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

mod alone;
mod budget;
mod builder;
mod call_log;
mod caller;
mod calls;
mod cancel;
#[expect(clippy::module_inception, reason = "the module is named after its chief type")]
mod client;
mod connection;
mod dispatch;
#[cfg(feature = "tokio")]
mod driver;
mod events;
mod handle;
mod in_flight;
mod lock;
mod log_event;
mod made_call;
mod operation;
mod options;
mod parker;
mod pending;
mod poll_handle;
#[cfg(test)]
#[cfg(not(shuttle))]
mod properties;
mod response_future;
mod settings;
mod shared;
#[cfg(all(test, shuttle))]
mod shuttle;
mod sorted_queue;
mod state;
mod submit;
mod wait;
mod waiters;

pub use builder::ClientBuilder;
pub use caller::Caller;
pub use client::Client;
pub use lock::Locked;
pub use made_call::MadeCall;
pub use options::CallOptions;
pub use response_future::ResponseFuture;

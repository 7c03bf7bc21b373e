//! dRPC, the local RPC of the DAOS storage system: calls `(module, method, sequence, body)` and responses
//! `(sequence, status, body)`, Protocol Buffers over an `AF_UNIX` `SOCK_SEQPACKET` socket.
//!
//! ```
//! use std::time::Duration;
//! use drpc::{Client, Failure, Module, Server, Session, Status};
//!
//! struct Greeter;
//!
//! impl Module for Greeter {
//!     fn id(&self) -> i32 {
//!         0
//!     }
//!
//!     fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
//!         match method {
//!             0 => Ok([b"hello, ", body].concat()),
//!             _ => Err(Failure::unknown_method()),
//!         }
//!     }
//! }
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("greeter.sock");
//! let server = Server::builder().module(Greeter).bind(&path)?;
//! server.start()?;
//!
//! let client = Client::connect(&path)?;
//! let response = client.call(0, 0, b"world")?;
//! assert_eq!(response.status(), Status::Success);
//! assert_eq!(response.body, b"hello, world");
//!
//! server.shutdown(Duration::from_secs(5))?;
//! # Ok::<(), drpc::Error>(())
//! ```
//!
//! The layers, from the bottom:
//!
//! * `sys` holds the system calls.
//! * `protocol` is free of I/O: [`wire`] encodes and decodes the two messages on borrowed data, [`framing`] cuts a message
//!   into records and puts it together again.
//! * `transport` moves whole messages over a socket.
//! * `peer` is what clients remember of their servers.
//! * `server` and `client` hold [`Server`] and [`Client`], which serve and call with any number of threads or from an event
//!   loop. `blocking` holds [`Listener`] and [`Connection`], for a program that waits for each message itself, and [`ping`].
//! * [`typed`] is calls whose bodies are messages. The crate `drpc-build` generates clients and servers on top of it.
//!
//! [`Module`], [`module_fn`] and [`Service`] are the code that is served. The C libraries in `abi/` stand on the same layers.

#![deny(unsafe_code)]

// Not `not(target_pointer_width = "64")`, which no test on a 64-bit machine could meet.
#[cfg(any(target_pointer_width = "16", target_pointer_width = "32"))]
compile_error!("libdrpc is for targets with 64-bit pointers: the layouts of its C structs are those of 64 bits");

#[doc(hidden)]
pub mod backoff;
#[doc(hidden)]
pub mod bounded_text;
pub mod der;
#[doc(hidden)]
pub mod large_block;
#[doc(hidden)]
pub mod log;
#[doc(hidden)]
pub mod log_field;
#[doc(hidden)]
pub mod log_stderr;
pub mod modules;
#[doc(hidden)]
pub mod peer;
#[doc(hidden)]
pub mod slot_map;
#[doc(hidden)]
pub mod stable_path;
#[doc(hidden)]
#[expect(unsafe_code, reason = "system calls")]
pub mod sys;
#[doc(hidden)]
pub mod transport;
pub mod typed;

mod adaptive_spin;
mod answer;
mod blocking;
mod cancel;
mod cause;
mod client;
mod error;
#[doc(hidden)]
pub mod explanation;
mod failure;
mod log_about;
mod log_level;
mod module_fn;
#[doc(hidden)]
pub mod noted_call;
mod overdue;
mod phase;
mod protocol;
mod request;
mod server;
mod service;
mod session;
mod shared_path;
mod sync;
#[cfg(feature = "tokio")]
pub mod tokio;

/// Includes what `drpc-build` has generated of a package of Protocol Buffers, in the module where this is written.
///
/// ```text
/// mod calc {
///     drpc::include_proto!("calc");
/// }
/// ```
#[macro_export]
macro_rules! include_proto {
    ($package:tt) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

#[doc(hidden)]
pub use adaptive_spin::Side;
pub use adaptive_spin::Spin;
pub use answer::Answer;
pub use blocking::{Connection, Listener, ListenerBuilder, Pong, ping};
pub use cancel::{Cancel, CancelHook};
#[doc(hidden)]
pub use client::MadeCall;
pub use client::{CallOptions, Caller, Client, ClientBuilder, Locked, ResponseFuture};
pub use error::{Cause, Error, HeaderFault, OptionOwner, OptionValues, PathFault, Phase, UnpackFault};
pub use failure::Failure;
pub use log::{Level, Log, UnknownLevel};
pub use module_fn::{ModuleFn, module_fn};
#[doc(hidden)]
pub use overdue::Overdue;
/// Protocol Buffers, for generated code.
pub use prost;
pub use protocol::detail::Detail;
#[doc(hidden)]
pub use protocol::detail::EncodedDetail;
pub use protocol::framing::{self, Framing};
#[doc(hidden)]
pub use protocol::message::NO_SEQUENCE;
pub use protocol::message::{Call, FILE_DESCRIPTOR_SET, Response, Status};
pub use protocol::sequence::Sequence;
pub use protocol::wire;
pub use request::Request;
pub use server::{ErrorStats, Existing, LimitStats, ModuleStats, Server, ServerBuilder, ServerLimits, Stats};
pub use service::{DuplicateModule, Module, Service};
pub use session::{Credentials, Session};
#[doc(hidden)]
pub use sync::{lock_briefly, lock_made_in};
pub use sys::set_spin;

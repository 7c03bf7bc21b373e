//! dRPC, the local RPC of the DAOS storage system: calls `(module, method, sequence, body)` and responses
//! `(sequence, status, body)`, Protocol Buffers over an `AF_UNIX` `SOCK_SEQPACKET` socket.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("greeter.sock");
//! let listener = drpc::Listener::bind(&path)?;
//! let server = std::thread::spawn(move || -> Result<(), drpc::Error> {
//!     let mut connection = listener.accept()?;
//!     while let Some(call) = connection.receive()? {
//!         connection.reply(&drpc::Response::success(&call, b"hello".to_vec()))?;
//!     }
//!     Ok(())
//! });
//!
//! let client = drpc::Client::connect(&path)?;
//! let response = client.call(0, 0, b"who is there?")?;
//! assert_eq!(response.status(), drpc::Status::Success);
//! assert_eq!(response.body, b"hello");
//! # drop(client);
//! # server.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! The layers, from the bottom: [`wire`] encodes and decodes the two messages on borrowed data, [`framing`] cuts
//! a message into datagrams and puts it together again; both are free of I/O. `sys` holds the system calls,
//! `transport` moves whole messages over a socket. [`Client`], [`Listener`], [`Session`] and [`Service`] are what
//! programs use. The C libraries in `abi/` stand on the same layers.

#![deny(unsafe_code)]

pub mod der;
pub mod framing;
pub mod modules;
#[doc(hidden)]
#[expect(unsafe_code, reason = "system calls")]
pub mod sys;
#[doc(hidden)]
pub mod transport;
pub mod wire;

mod cancel;
mod client;
mod connection;
mod error;
mod failure;
mod listener;
mod log;
mod message;
mod outbox;
mod request;
mod sequence;
mod server;
mod service;
mod session;
mod sync;

pub use cancel::{Cancel, CancelHook};
pub use client::{CallOptions, Caller, Client, ClientBuilder, Locked};
pub use connection::Connection;
pub use error::{Cause, Error, HeaderFault, PathFault, Phase};
pub use failure::Failure;
pub use framing::Framing;
pub use listener::{Listener, ListenerBuilder};
pub use log::{Level, Log};
pub use message::{Call, FILE_DESCRIPTOR_SET, Response, Status};
pub use request::Request;
pub use sequence::Sequence;
pub use server::{ErrorStats, Existing, LimitStats, ModuleStats, Server, ServerBuilder, ServerLimits, Stats};
pub use service::{DuplicateModule, Module, Service};
pub use session::{Credentials, Session};

//! dRPC, the local RPC of the DAOS storage system: calls `(module, method, sequence, body)` and responses
//! `(sequence, status, body)`, Protocol Buffers over an `AF_UNIX` `SOCK_SEQPACKET` socket.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("greeter.sock");
//! let listener = drpc::Listener::bind(&path)?;
//! let server = std::thread::spawn(move || -> Result<(), drpc::Error> {
//!     let mut session = listener.accept()?;
//!     while let Some(call) = session.receive()? {
//!         session.reply(&drpc::Response::success(&call, b"hello".to_vec()))?;
//!     }
//!     Ok(())
//! });
//!
//! let mut client = drpc::Client::connect(&path)?;
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

mod client;
mod error;
mod failure;
mod message;
mod server;
mod service;
mod session;

pub use client::{Client, ClientBuilder, Sequence};
pub use error::{Cause, Error, HeaderFault, PathFault, Phase};
pub use failure::Failure;
pub use framing::Framing;
pub use message::{Call, Response, Status};
pub use server::{Listener, ListenerBuilder};
pub use service::{DuplicateModule, Module, Service};
pub use session::Session;

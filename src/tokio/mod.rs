//! Clients and servers driven by tasks of [tokio](https://docs.rs/tokio), and async handlers. This needs the feature
//! `tokio` of the crate, and a runtime whose I/O is enabled.
//!
//! ```
//! use std::time::Duration;
//! use drpc::{Client, Failure, Server, Session, tokio::AsyncModule};
//!
//! struct Greeter;
//!
//! impl AsyncModule for Greeter {
//!     fn id(&self) -> i32 {
//!         0
//!     }
//!
//!     async fn handle(&self, _session: &Session, method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
//!         match method {
//!             0 => Ok([b"hello, ", &body[..]].concat()),
//!             _ => Err(Failure::unknown_method()),
//!         }
//!     }
//! }
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("greeter.sock");
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
//! # runtime.block_on(async {
//! let server = Server::builder().module(drpc::tokio::module(Greeter)).grace(Duration::from_secs(5)).bind(&path)?;
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let serving = tokio::spawn(drpc::tokio::serve(&server, async { drop(stopped.await) }));
//!
//! let client = Client::connect(&path)?;
//! tokio::spawn(drpc::tokio::drive(&client)?);
//! assert_eq!(client.call_async(0, 0, b"world".to_vec()).await?.body, b"hello, world");
//!
//! stop.send(()).unwrap();
//! serving.await.unwrap()?;
//! # Ok::<(), drpc::Error>(())
//! # })?;
//! # Ok::<(), drpc::Error>(())
//! ```
//!
//! All of this is for calls on the thread of a task. What waits, as [`Client::call`](crate::Client::call) does, or
//! [`Client::open`](crate::Client::open) while the server is busy, belongs into `tokio::task::spawn_blocking`.

mod drive;
mod module;
mod serve;

pub use drive::drive;
pub use module::{AsyncModule, module};
pub use serve::serve;

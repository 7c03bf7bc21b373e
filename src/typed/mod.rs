//! Calls whose requests and responses are messages: what the code that `drpc-build` generates of a service needs at run
//! time.
//!
//! A program uses the generated client and module, and of this [`CallError`]. [`call`] and [`serve`] may as well be called by
//! hand, with messages of [`prost`]:
//!
//! ```
//! use drpc::typed::{self, Method};
//! use drpc::{CallOptions, Client, Failure, Server, module_fn};
//!
//! #[derive(Clone, PartialEq, drpc::prost::Message)]
//! #[prost(prost_path = "drpc::prost")]
//! struct Number {
//!     #[prost(int64, tag = "1")]
//!     value: i64,
//! }
//!
//! const SQUARE: Method = Method::new(9, 901, "math.Math.Square");
//!
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("math.sock");
//! let math = module_fn(SQUARE.module(), |_session, method, body| match method {
//!     901 => typed::serve(&body, |number: Number| {
//!         let value = number.value.checked_mul(number.value).ok_or_else(Failure::other)?;
//!         Ok(Number { value })
//!     }),
//!     _ => Err(Failure::unknown_method()),
//! });
//! let server = Server::builder().module(math).bind(&path)?;
//! server.start()?;
//!
//! let client = Client::connect(&path)?;
//! let square: Number = typed::call(&client, &CallOptions::new(), &SQUARE, &Number { value: 7 }).unwrap();
//! assert_eq!(square.value, 49);
//!
//! let error = typed::call::<_, Number>(&client, &CallOptions::new(), &SQUARE, &Number { value: i64::MAX }).unwrap_err();
//! assert_eq!(error.status(), Some(drpc::Status::Failure));
//! # Ok::<(), drpc::Error>(())
//! ```
//!
//! # What a message may take
//!
//! prost refuses messages that nest more than 100 deep. It has no limit of memory: an element of a repeated field takes two
//! bytes in a body, and in memory as many as its type has. 8 MiB of empty submessages are 4 million elements; of a type
//! of 48 bytes they take 200 MB. What limits that is the size of a message: [`ServerLimits::message`](crate::ServerLimits) and
//! [`ClientBuilder::message_limit`](crate::ClientBuilder::message_limit).

mod call;
mod call_error;
mod method;
mod packing;
mod serve;

pub use call::{call, call_async};
pub use call_error::{CallError, CallFault};
pub use method::Method;
pub use serve::serve;

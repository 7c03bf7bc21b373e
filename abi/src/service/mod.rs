//! Services that protoc-c declares, for `drpc/service.h`: a `ProtobufCService` serves a module of the managed server, and
//! another one calls through the shared client.
//!
//! Packing and unpacking is libprotobuf-c's work. The program links it, and passes its functions here, so that the
//! library itself needs it no more than before.

pub mod call;
pub mod client;
pub mod codec;
pub mod message;
pub mod server;
pub mod status;

pub(crate) mod served;
pub(crate) mod unpacking;

mod description;
mod nesting;
mod numbers;
mod open_calls;
mod packing;

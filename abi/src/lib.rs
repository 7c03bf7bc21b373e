//! The common part of the C libraries of all DAOS lines: visible structs, malloc'ed objects, the functions that
//! protoc-c would generate, the handler registry, and the bodies of functions that differ between lines. The lines
//! themselves are in `abi/0.8` and `abi/2.8`.
//!
//! Rules of this layer:
//! * A block that a C caller may free comes from `malloc`. A block that is freed here may come from the caller's
//!   `malloc`.
//! * A caller-visible struct is reached through raw pointers only, because the caller's callbacks may change the
//!   struct.
//! * Every allocation can fail.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]
#![expect(non_camel_case_types, reason = "the names of C")]

pub mod abi;
pub mod client;
pub mod detail;
pub mod dispatch;
pub mod drpc_handler;
pub mod drpc_pb_c;
pub mod drpc_progress;
pub mod library;
pub mod list;
pub mod log;
pub mod managed;
pub mod message;
pub mod packing;
pub mod progress_loop;
pub mod protobuf_c;
pub mod references;
pub mod service;
pub mod session;

mod boundary;
mod call_log;
mod context;
mod exchange;
mod flags;
mod framing_detection;
mod handshake;
mod made_call;
mod memory;
mod poll_cycle;
mod reply;
mod send_lock;
mod settings;
mod side_table;
mod yielding;

pub use abi::Abi;

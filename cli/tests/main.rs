//! The program `drpc` against servers in every framing, and its tables against what they were made from.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test says so by panicking")]

mod address;
mod bench;
mod call;
mod decode;
mod docs;
mod doctor;
mod list;
mod ping;
mod serve;
mod shells;
mod status;
mod support;

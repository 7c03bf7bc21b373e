//! The managed server over real sockets, with clients that write and read raw records.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod callers;
mod chaos;
mod details;
mod detection;
mod differential;
mod fork;
mod limits;
mod log;
mod modules;
mod raw_client;
mod root;
mod serving;
mod shutdown;
mod socket;
#[path = "../support"]
mod support {
    pub(crate) mod body;
    pub(crate) mod fork;
    pub(crate) mod records;
    pub(crate) mod socket_path;
    pub(crate) mod subprocess;
}

use std::thread;
use std::time::{Duration, Instant};

/// Waits for an effect that the server does not report.
#[track_caller]
fn await_that(what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < modules::PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

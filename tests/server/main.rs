//! The managed server over real sockets, with clients that write and read raw records.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod callers;
mod chaos;
#[path = "../child/mod.rs"]
mod child;
mod dialects;
mod differential;
mod fork;
#[path = "../forked/mod.rs"]
mod forked;
mod limits;
mod modules;
mod raw;
#[path = "../records/mod.rs"]
mod records;
mod serving;
mod shutdown;
mod socket;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A path for a socket, in a directory that lives as long as the first half.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    (dir, path)
}

/// Waits for something that the server does without telling.
#[track_caller]
fn await_that(what: &str, happened: impl Fn() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < modules::PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

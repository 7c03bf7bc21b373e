//! The managed server over real sockets, with clients that write and read raw records.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod modules;
mod raw;
mod serving;

use std::path::PathBuf;

use tempfile::TempDir;

/// A path for a socket, in a directory that lives as long as the first half.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    (dir, path)
}

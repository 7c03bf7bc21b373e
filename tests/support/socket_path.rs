//! Paths for the sockets of tests.

use std::path::PathBuf;

use tempfile::TempDir;

/// A path for a socket, in a directory that lives as long as the first half.
pub(crate) fn socket_path() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    (dir, path)
}

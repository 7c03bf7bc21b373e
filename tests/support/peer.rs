//! The other end of a connection, which writes and reads raw records. It shares no code with the library.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use socket2::Socket;

/// No test waits longer than this for the other side.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than the largest record of any test.
const ROOM: usize = 1 << 20;

/// One end of a connection.
pub(crate) struct Peer(pub(crate) Socket);

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Peer {
    pub(crate) fn new(socket: Socket) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// Ends the connection, so that it is seen at once. Closing is not enough: a program that another test starts has the
    /// socket, too, for a moment.
    pub(crate) fn end(&self) {
        // Where the other end has gone there is nothing left to end.
        let _ = self.0.shutdown(Shutdown::Both);
    }

    /// Sends one record, which may be empty.
    pub(crate) fn send(&self, record: &[u8]) {
        assert_eq!((&self.0).write(record).unwrap(), record.len());
    }

    /// Takes the next record; no bytes at the end of the connection, too.
    pub(crate) fn receive(&self) -> Vec<u8> {
        let mut record = vec![0; ROOM];
        let len = (&self.0).read(&mut record).unwrap();
        record.truncate(len);
        record
    }
}

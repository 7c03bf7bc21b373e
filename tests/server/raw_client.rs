//! A client that writes and reads raw records.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use drpc::framing::chunked::HEADER_LEN;
use drpc::{Call, Framing, Response, Status};
use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::modules::PATIENCE;
use crate::support::records::records;

pub(crate) const FRAMINGS: [Framing; 2] = [Framing::Datagram, Framing::Chunked];

pub(crate) struct Raw {
    socket: Socket,
    framing: Framing,
}

/// A call to be sent.
pub(crate) fn call(module: i32, method: i32, sequence: i64, body: &[u8]) -> Call {
    Call { module, method, sequence, body: body.to_vec() }
}

impl Raw {
    pub(crate) fn connect(path: &Path, framing: Framing) -> Self {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
        Self::new(socket, framing)
    }

    pub(crate) fn new(socket: Socket, framing: Framing) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { socket, framing }
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) fn send_record(&self, record: &[u8]) {
        assert_eq!((&self.socket).write(record).unwrap(), record.len());
    }

    pub(crate) fn send_message(&self, message: &[u8]) {
        records(self.framing, message).iter().for_each(|record| self.send_record(record));
    }

    pub(crate) fn send(&self, call: &Call) {
        self.send_message(&call.encode_to_vec());
    }

    /// Sends a call if the server still takes one; false when it does not.
    pub(crate) fn try_send(&self, call: &Call) -> bool {
        let records = records(self.framing, &call.encode_to_vec());
        records.iter().all(|record| (&self.socket).write(record).is_ok_and(|sent| sent == record.len()))
    }

    /// Sends the first part of a call that has several.
    pub(crate) fn send_part(&self, call: &Call) {
        let records = records(self.framing, &call.encode_to_vec());
        assert!(records.len() > 1, "the call has one record only");
        self.send_record(&records[0]);
    }

    /// The next record, as it is.
    pub(crate) fn receive_record(&self) -> Vec<u8> {
        let mut record = vec![0; 1 << 18];
        let len = (&self.socket).read(&mut record).unwrap();
        record.truncate(len);
        record
    }

    /// The next response; `None` at the end.
    pub(crate) fn try_reply(&self) -> Option<Response> {
        let mut message = Vec::new();
        loop {
            let mut record = vec![0; 1 << 18];
            let read = match (&self.socket).read(&mut record) {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                read => read.unwrap(),
            };
            record.truncate(read);
            if record.is_empty() {
                assert!(message.is_empty(), "the end in the middle of a response");
                return None;
            }
            if self.framing == Framing::Datagram {
                return Some(Response::decode(&record[..]).unwrap());
            }
            let (index, count) = (record[16..20].to_vec(), record[20..24].to_vec());
            message.extend_from_slice(&record[HEADER_LEN..]);
            if u32::from_ne_bytes(index.try_into().unwrap()) + 1 == u32::from_ne_bytes(count.try_into().unwrap()) {
                return Some(Response::decode(&message[..]).unwrap());
            }
        }
    }

    pub(crate) fn reply(&self) -> Response {
        self.try_reply().unwrap()
    }

    /// Calls and waits for the response.
    pub(crate) fn call(&self, module: i32, method: i32, sequence: i64, body: &[u8]) -> Response {
        self.send(&call(module, method, sequence, body));
        self.reply()
    }

    #[track_caller]
    pub(crate) fn assert_reply(&self, sequence: i64, status: Status) {
        let response = self.reply();
        assert_eq!((response.sequence, response.status()), (sequence, status));
    }

    /// The server has closed the session.
    #[track_caller]
    pub(crate) fn assert_end(&self) {
        assert_eq!(self.try_reply(), None);
    }
}

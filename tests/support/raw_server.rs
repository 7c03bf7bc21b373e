//! The raw end that plays the server, record by record: its listener, its responses, and messages over a [`Peer`].

use std::path::Path;
use std::time::Duration;

use drpc::framing::chunked::HEADER_LEN;
use drpc::{Call, Cause, Error, Framing, Phase, Response, Status};
use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};

use super::peer::Peer;
use super::records::{chunk, records};

/// Long enough for what has to happen, so that a test which hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a test waits for when nothing is to happen.
pub(crate) const MOMENT: Duration = Duration::from_millis(50);

/// A listener whose connections are raw.
pub(crate) fn raw_listener(path: &Path) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(8).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub(crate) fn response(sequence: i64, status: Status, body: &[u8]) -> Vec<u8> {
    Response { sequence, status: status.into(), body: body.to_vec(), detail: None }.encode_to_vec()
}

pub(crate) fn success(sequence: i64, body: &[u8]) -> Vec<u8> {
    response(sequence, Status::Success, body)
}

impl Peer {
    pub(crate) fn send_message(&self, framing: Framing, message: &[u8]) {
        records(framing, message).iter().for_each(|record| self.send(record));
    }

    /// The next message; it has one record only.
    pub(crate) fn receive_message(&self, framing: Framing) -> Vec<u8> {
        let record = self.receive();
        if framing == Framing::Datagram {
            return record;
        }
        let message = record.get(HEADER_LEN..).unwrap_or_default().to_vec();
        assert_eq!(record, chunk(message.len(), 0, 1, &message));
        message
    }

    pub(crate) fn receive_call(&self, framing: Framing) -> Call {
        Call::decode(&self.receive_message(framing)[..]).unwrap()
    }

    /// The other side has closed or shut down the connection.
    pub(crate) fn assert_end(&self) {
        assert_eq!(self.receive(), b"");
        assert_eq!(self.receive(), b"", "an empty record, not the end");
    }
}

pub(crate) fn describe(result: Result<impl Sized, Error>) -> (Phase, Cause) {
    let Err(error) = result else { panic!("that was to fail") };
    (error.phase(), error.cause())
}

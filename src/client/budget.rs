//! A limit to the work done under the lock, so that other threads get their turn and deadlines are looked at.

use crate::cause::Cause;

/// The thread has no memory for its record buffer. Nothing has been received or sent.
pub(super) const NO_BUFFER: Cause = Cause::Os(libc::ENOMEM);

/// Records of at most 256 KiB that may be received or sent under one lock.
const RECORDS: usize = 64;

/// The work that a thread may still do under the lock. A peer can prolong receiving and sending at will, so both stop
/// here, and go on when the lock has been released in between.
#[derive(Debug)]
pub(super) struct Budget {
    /// Records that may still be received or sent.
    pub(super) records: usize,
    /// True once the thread has found no memory for a record, which it leaves to other threads.
    pub(super) out_of_memory: bool,
}

impl Budget {
    /// A full budget.
    pub(super) const fn new() -> Self {
        Self { records: RECORDS, out_of_memory: false }
    }

    /// Ends the work of a thread that has no memory for a record.
    pub(super) fn end_without_memory(&mut self) {
        *self = Self { records: 0, out_of_memory: true };
    }

    /// Counts a record to be received; false if the budget is used up.
    pub(super) fn take(&mut self) -> bool {
        let left = self.records > 0;
        self.records = self.records.saturating_sub(1);
        left
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::io::{Read, Write};
    use std::net::Shutdown;

    use prost::Message;
    use socket2::{Domain, SockAddr, Socket, Type};
    use tempfile::TempDir;

    use super::*;
    use crate::client::operation::{Operation, Ticket};
    use crate::client::pending::CompletionTarget;
    use crate::client::settings::Settings;
    use crate::client::state::State;
    use crate::log::Log;
    use crate::modules::names::Names;
    use crate::protocol::framing::chunked::{Chunks, MAX_DATA};
    use crate::protocol::framing::{Framing, FramingChoice, Limits};
    use crate::protocol::message::Response;
    use crate::protocol::wire::CallRef;
    use crate::stable_path::StablePath;
    use crate::sys::{SpinSetting, TryArc};

    fn budget(records: usize) -> Budget {
        Budget { records, ..Budget::new() }
    }

    /// A connected client's state, and the server's end of the connection.
    fn connected() -> (State, Socket, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drpc.sock");
        let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        listener.listen(1).unwrap();
        let settings = Settings {
            path: StablePath::new(&path).unwrap(),
            framing: Some(Framing::Chunked),
            framing_choice: FramingChoice::Builder,
            names: Names::V2_8,
            limits: Limits::default(),
            timeout: None,
            pipelining: true,
            retries: 0,
            thread: false,
            spin: SpinSetting::new(None),
            log: Log::default(),
        };
        let mut state = State::new(TryArc::new(settings).unwrap());
        state.calls.make_room().unwrap();
        state.add(Operation::Connect { until_ready: false }, CompletionTarget::Blocked);
        state.advance();
        let server = listener.accept().unwrap().0;
        server.set_nonblocking(true).unwrap();
        (state, server, dir)
    }

    fn call(state: &mut State, body: &[u8]) -> Ticket {
        state.calls.make_room().unwrap();
        let ticket = state.add(Operation::Call { idempotent: false }, CompletionTarget::Blocked);
        state.advance();
        state.send(ticket, CallRef { body, ..CallRef::default() });
        ticket
    }

    fn answer(mut server: &Socket, sequence: i64, body: &[u8]) {
        let message = Response { sequence, status: 0, body: body.to_vec(), ..Response::default() }.encode_to_vec();
        for (header, range) in Chunks::new(message.len()).unwrap() {
            server.write_all(&[&header.to_bytes(), &message[range]].concat()).unwrap();
        }
    }

    /// The server reads no more and cannot be sent to. Its earlier replies are received within one budget after the
    /// other.
    #[test]
    fn replies_before_a_failed_send_are_taken_in_turns() {
        let (mut state, server, _dir) = connected();
        let tickets: Vec<Ticket> = (0..2 * RECORDS).map(|_| call(&mut state, b"")).collect();
        (1..=2 * RECORDS).for_each(|sequence| answer(&server, sequence as i64, b""));
        server.shutdown(Shutdown::Read).unwrap();
        let answered = |state: &mut State| {
            state.advance();
            tickets.iter().filter(|ticket| matches!(state.calls.take_outcome(**ticket), Some(Ok(_)))).count()
        };
        state.budget = Budget::new();
        let failed = call(&mut state, b"");
        assert_eq!(answered(&mut state), RECORDS);
        assert!(matches!(state.calls.take_outcome(failed), Some(Err(_))));
        assert!(state.connection.is_some() && (&server).write(b"?").is_err(), "more can come");
        state.budget = Budget::new();
        state.receive();
        assert_eq!(answered(&mut state), RECORDS);
        assert!(state.connection.is_none());
    }

    #[test]
    fn a_large_reply_is_taken_in_turns() {
        let (mut state, server, _dir) = connected();
        server.set_send_buffer_size(1 << 20).unwrap();
        let ticket = call(&mut state, b"");
        answer(&server, 1, &[1; 2 * MAX_DATA]);
        for records in [1, 1] {
            state.budget = budget(records);
            state.receive();
            assert!(state.calls.take_outcome(ticket).is_none());
        }
        state.budget = budget(1);
        state.receive();
        assert!(matches!(state.calls.take_outcome(ticket), Some(Ok(_))));
    }

    #[test]
    fn a_large_call_is_sent_in_turns() {
        let (mut state, server, _dir) = connected();
        let mut record = vec![0; 1 << 18];
        state.budget = budget(2);
        let body = [1; 5 * MAX_DATA];
        let ticket = call(&mut state, &body);
        let mut sent = || (0..).take_while(|_| matches!((&server).read(&mut record), Ok(1..))).count();
        assert_eq!(sent(), 2);
        state.budget = budget(1);
        state.flush(Some((ticket, &body)));
        assert_eq!(sent(), 1);
    }
}

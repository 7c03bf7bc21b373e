//! The Rust API over real sockets: clients, listeners, sessions and services, with each other and with peers that
//! write and read raw records.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by panicking")]

mod support {
    pub(crate) mod body;
    pub(crate) mod peer;
    pub(crate) mod raw_server;
    pub(crate) mod records;
    pub(crate) mod socket_path;
}

use std::fs;
use std::iter;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use drpc::der::{self, Release};
use drpc::framing::chunked::{MAX_DATA, MAX_RECORD};
use drpc::{
    Call, CallOptions, Cause, Client, Connection, DuplicateModule, Error, Failure, Framing, HeaderFault, Listener,
    Module, PathFault, Phase, Response, Sequence, Service, Session, Status,
};
use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};
use support::body::pattern;
use support::peer::Peer;
use support::raw_server::{MOMENT, PATIENCE, describe, raw_listener, response, success};
use support::records::{chunk, records};
use support::socket_path::socket_path;
use tempfile::TempDir;

const FRAMINGS: [Framing; 2] = [Framing::Datagram, Framing::Chunked];

/// What a record can hold that is received.
const ROOM: usize = 256 << 10;

/// A raw connection to a listener.
fn raw_client(path: &Path) -> Peer {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.connect(&SockAddr::unix(path).unwrap()).unwrap();
    Peer::new(socket)
}

/// A client and the raw server at the other end.
fn with_raw_server(framing: Framing, timeout: Duration) -> (Client, Peer, TempDir) {
    let (dir, path) = socket_path();
    let listener = raw_listener(&path);
    let client = Client::builder().framing(framing).timeout(timeout).connect(&path).unwrap();
    (client, Peer::new(listener.accept().unwrap().0), dir)
}

/// A session and the raw client at the other end.
fn with_raw_client(framing: Framing, limit: Option<usize>) -> (Connection, Peer, TempDir) {
    let (dir, path) = socket_path();
    let mut builder = Listener::builder().framing(framing);
    if let Some(limit) = limit {
        builder = builder.message_limit(limit);
    }
    let listener = builder.bind(&path).unwrap();
    let peer = raw_client(&path);
    let session = listener.accept().unwrap();
    session.set_timeout(PATIENCE).unwrap();
    (session, peer, dir)
}

impl Peer {
    fn receive_response(&self, framing: Framing) -> Response {
        Response::decode(&self.receive_message(framing)[..]).unwrap()
    }
}

/// Method 1 gives the body back, the others fail, each in its way.
struct Echo(i32);

impl Module for Echo {
    fn id(&self) -> i32 {
        self.0
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        match method {
            1 => Ok(body.to_vec()),
            2 => Err(Failure::other().with_error_text("no such pool")),
            3 => Err(Failure::unmarshaling_payload()),
            4 => Err(Failure::marshaling_response()),
            _ => Err(Failure::unknown_method()),
        }
    }
}

fn echo() -> Service {
    let mut service = Service::new();
    service.register(Echo(7)).unwrap();
    service
}

/// Serves one client in a thread.
fn serve(listener: Listener) -> JoinHandle<Result<(), Error>> {
    thread::spawn(move || {
        let mut session = listener.accept()?;
        session.set_timeout(PATIENCE)?;
        session.serve(&echo())
    })
}

#[test]
fn bodies_of_every_size_come_back() {
    let around_a_chunk = 131_036..=131_061;
    let sizes = [0, 1, 16_374, 16_375].into_iter().chain(around_a_chunk);
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let listener = Listener::builder().datagram_limit(1 << 20).bind(&path).unwrap();
        let server = serve(listener);
        let client =
            Client::builder().framing(framing).datagram_limit(1 << 20).timeout(PATIENCE).connect(&path).unwrap();
        let long = if framing == Framing::Chunked { vec![1 << 20, 16 << 20] } else { vec![] };
        for (sequence, size) in (1..).zip(sizes.clone().chain(long)) {
            let body = pattern(size);
            let response = client.call(7, 1, &body).unwrap();
            assert_eq!((response.sequence, response.status()), (sequence, Status::Success), "{framing:?} {size}");
            assert!(response.body == body, "{framing:?}: another body of {size} bytes");
        }
        drop(client);
        assert_eq!(server.join().unwrap(), Ok(()));
    }
}

#[test]
fn calls_are_sent_as_they_are_recorded() {
    for framing in FRAMINGS {
        let (client, server, _dir) = with_raw_server(framing, PATIENCE);
        for sequence in 1..=3 {
            server.send_message(framing, &success(sequence, b""));
            client.call(-1, 207, b"body").unwrap();
            let expected = Call { module: -1, method: 207, sequence, body: b"body".to_vec() };
            assert_eq!(server.receive_message(framing), expected.encode_to_vec());
        }
    }
}

#[test]
fn sequences() {
    let next = |counter| Sequence::at(counter).next_counter();
    assert_eq!(
        [i32::MIN, -1, 0, 1, 2, i32::MAX].map(|counter| Sequence::at(counter).number()),
        [1, 1, 1, 1, 2, i32::MAX]
    );
    assert_eq!([-1, 0, 1, i32::MAX - 1, i32::MAX].map(next), [2, 2, 2, i32::MAX, 1]);
    let fifth = Sequence::at(5);
    assert_eq!(
        [-1, 0, 4, 5, 6, i64::MAX].map(|reply| fifth.is_stale(reply, true)),
        [false, true, true, false, false, false]
    );
    assert_eq!([-1, 0, 4, 5].map(|reply| fifth.is_stale(reply, false)), [false; 4]);
}

/// Zero takes a timeout away; the shortest time there is does not.
#[test]
fn a_tiny_timeout_is_one() {
    for framing in FRAMINGS {
        let tiny = Duration::from_nanos(1);
        let (_dir, path) = socket_path();
        let _listener = raw_listener(&path);
        let client = Client::builder().framing(framing).timeout(tiny).build(&path);
        client.open_with(&CallOptions::new().timeout(PATIENCE)).unwrap();
        assert_eq!(describe(client.call(7, 1, b"")), (Phase::Call, Cause::TimedOut));
        let (mut session, _client, _dir) = with_raw_client(framing, None);
        session.set_timeout(tiny).unwrap();
        assert_eq!(describe(session.receive()), (Phase::Receive, Cause::TimedOut));
    }
}

/// Who closes with something unread resets the connection, which is told before the records sent earlier.
#[test]
fn calls_before_a_reset_are_received() {
    for framing in FRAMINGS {
        let (mut session, client, _dir) = with_raw_client(framing, None);
        session.reply(&Response::to_unparsable()).unwrap();
        client.send_message(framing, &[0x18, 1]);
        client.send_message(framing, &[0x18, 2]);
        drop(client);
        for sequence in 1..=2 {
            assert_eq!(session.receive(), Ok(Some(Call { sequence, ..Call::default() })));
        }
        assert_eq!(session.receive(), Ok(None));
    }
}

/// Each chunk comes in time, and all of them together do not.
#[test]
fn a_call_in_pieces_takes_no_longer_than_the_timeout() {
    let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
    session.set_timeout(2 * MOMENT).unwrap();
    // So that no more than two records are on their way.
    client.0.set_send_buffer_size(MAX_RECORD / 2 + 4096).unwrap();
    let call = Call { body: pattern(40 * MAX_DATA), ..Call::default() };
    let records = records(Framing::Chunked, &call.encode_to_vec());
    thread::scope(|scope| {
        scope.spawn(|| {
            for record in &records {
                client.send(record);
                thread::sleep(MOMENT / 5);
            }
        });
        assert_eq!(describe(session.receive()), (Phase::Receive, Cause::TimedOut));
        let late = iter::repeat_with(|| session.receive())
            .find(|received| !matches!(received, Err(error) if error.cause() == Cause::TimedOut));
        assert_eq!(late, Some(Ok(Some(call))));
    });
}

#[test]
fn a_broken_header_ends_the_connection() {
    use HeaderFault::*;
    let two = pattern(MAX_DATA + 1);
    let first = records(Framing::Chunked, &two)[0].clone();
    let (data, total) = (MAX_DATA as u64 + 1, two.len() as u64);
    let broken: [(Vec<Vec<u8>>, HeaderFault); 11] = [
        (vec![b"no header".to_vec()], Missing { len: 9 }),
        (vec![chunk(two.len(), 0, 2, &two)], Oversize { data }),
        (vec![chunk(2, 0, 0, b"no")], NoChunks),
        (vec![chunk(1, 0, 1, b"no")], Surplus { data: 2, missing: 1 }),
        (vec![chunk(9, 0, 1, b"no")], Short { data: 2, due: 9 }),
        (vec![chunk(2, 0, 2, b"no")], Inconsistent { total: 2, count: 2 }),
        (vec![chunk(2, 1, 1, b"no")], IndexOutOfRange { index: 1, count: 1 }),
        (vec![chunk(two.len(), 1, 2, &two[1..])], OutOfOrder { index: 1, expected: 0 }),
        (vec![chunk(2, 0, 1, b"no")[..25].to_vec()], Stub { len: 25, announced: 26 }),
        (vec![first.clone(), chunk(3, 0, 1, b"two")], Surplus { data: 3, missing: 1 }),
        (vec![first, chunk(two.len() + 1, 1, 2, b"2")], Inconsistent { total: total + 1, count: 2 }),
    ];
    for (records, fault) in broken {
        let (client, server, _dir) = with_raw_server(Framing::Chunked, PATIENCE);
        records.iter().for_each(|record| server.send(record));
        assert_eq!(describe(client.call(7, 1, b"")), (Phase::Reply, Cause::Header(fault)));
        // Nobody listens for another one.
        assert_eq!(describe(client.call(7, 1, b"")), (Phase::Connect, Cause::Os(libc::ECONNREFUSED)));
        server.receive_call(Framing::Chunked);
        server.assert_end();

        // A session only says so; what becomes of it is the program's business.
        let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
        records.iter().for_each(|record| client.send(record));
        assert_eq!(describe(session.receive()), (Phase::Receive, Cause::Header(fault)));
    }
}

#[test]
fn half_a_message_is_told_from_the_end() {
    let half = &records(Framing::Chunked, &pattern(MAX_DATA + 1))[0];
    let (client, server, _dir) = with_raw_server(Framing::Chunked, PATIENCE);
    server.send(half);
    // Reading the call first: a server that closes with a call unread resets the connection.
    thread::scope(|scope| {
        scope.spawn(move || {
            server.receive_call(Framing::Chunked);
            drop(server);
        });
        assert_eq!(describe(client.call(7, 1, b"")), (Phase::Reply, Cause::Cut));
    });

    let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
    client.send(half);
    drop(client);
    assert_eq!(describe(session.receive()), (Phase::Receive, Cause::Cut));
}

#[test]
fn too_large_a_response_is_replaced() {
    for framing in FRAMINGS {
        let (mut session, client, _dir) = with_raw_client(framing, Some(100));
        let reply = |len| Response { sequence: 1, status: 0, body: pattern(len), detail: None };
        assert_eq!(reply(96).encoded_len(), 100);
        let too_big = Cause::TooBig { size: 101, limit: 100 };
        assert_eq!(describe(session.reply(&reply(97))), (Phase::Respond, too_big));
        let instead = client.receive_response(framing);
        assert_eq!((instead.sequence, instead.status(), instead.body), (1, Status::FailedMarshal, vec![]));
        session.reply(&reply(96)).unwrap();
        assert_eq!(client.receive_response(framing), reply(96));
    }
}

#[test]
fn too_large_a_message_is_not_accepted() {
    for framing in FRAMINGS {
        let (mut session, client, _dir) = with_raw_client(framing, Some(100));
        let call = |len| Call { body: pattern(len), ..Call::default() };
        assert_eq!(call(98).encoded_len(), 100);
        client.send_message(framing, &call(99).encode_to_vec());
        assert_eq!(describe(session.receive()), (Phase::Receive, Cause::TooBig { size: 101, limit: 100 }));
        client.send_message(framing, &call(98).encode_to_vec());
        assert_eq!(session.receive(), Ok(Some(call(98))));
    }
    // Without a limit of the program's own. The claim is enough.
    let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
    let (total, limit) = ((128 << 20) + 1, 128 << 20);
    client.send(&chunk(total, 0, total.div_ceil(MAX_DATA) as u32, &pattern(MAX_DATA)));
    let too_big = Cause::TooBig { size: total as u64, limit };
    assert_eq!(describe(session.receive()), (Phase::Receive, too_big));
}

/// The kernel cuts a datagram that is too large, which only a raised send buffer makes possible.
#[test]
fn a_cut_datagram_is_no_message() {
    let call = |len: usize| {
        let call = Call { method: 1, body: pattern(len - 6), ..Call::default() };
        assert_eq!(call.encoded_len(), len);
        call
    };
    let (mut session, client, _dir) = with_raw_client(Framing::Datagram, None);
    client.0.set_send_buffer_size(2 * ROOM).unwrap();
    client.send(&call(ROOM + 1).encode_to_vec());
    let truncated = Cause::Truncated { room: ROOM };
    assert_eq!(describe(session.receive()), (Phase::Receive, truncated));
    client.send(&call(ROOM).encode_to_vec());
    assert_eq!(session.receive(), Ok(Some(call(ROOM))));

    let (client, server, _dir) = with_raw_server(Framing::Datagram, PATIENCE);
    server.0.set_send_buffer_size(2 * ROOM).unwrap();
    server.send(&success(1, &pattern(ROOM)));
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Reply, truncated));
    // It is gone as a whole, and the next reply follows.
    server.send(&success(2, b"good"));
    assert_eq!(client.call(7, 1, b"").unwrap().body, b"good");
}

#[test]
fn an_empty_datagram_is_told_from_the_end() {
    let (mut session, client, _dir) = with_raw_client(Framing::Datagram, None);
    let full = Call { sequence: 1, ..Call::default() };
    client.send(b"");
    assert_eq!(session.receive(), Ok(Some(Call::default())));
    client.send(b"");
    client.send(&full.encode_to_vec());
    assert_eq!([session.receive(), session.receive()], [Ok(Some(Call::default())), Ok(Some(full))]);
    drop(client);
    assert_eq!([session.receive(), session.receive()], [Ok(None), Ok(None)]);

    let (client, server, _dir) = with_raw_server(Framing::Datagram, PATIENCE);
    server.send(b"");
    assert_eq!(describe(client.call(7, 1, b"")), (Phase::Reply, Cause::UnexpectedReply { sequence: 0 }));

    // In chunks, an empty message has a header.
    let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
    client.send(&chunk(0, 0, 1, b""));
    assert_eq!(session.receive(), Ok(Some(Call::default())));
    drop(client);
    assert_eq!(session.receive(), Ok(None));
}

#[test]
fn surplus_bytes_of_a_record_are_ignored() {
    let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
    let mut record = chunk(2, 0, 1, &[0x18, 5]);
    record.resize(MAX_RECORD, 0xff);
    client.send(&record);
    assert_eq!(session.receive(), Ok(Some(Call { sequence: 5, ..Call::default() })));
}

#[test]
fn a_session_goes_on_after_a_timeout() {
    for framing in FRAMINGS {
        let (mut session, client, _dir) = with_raw_client(framing, None);
        session.set_timeout(MOMENT).unwrap();
        assert_eq!(describe(session.receive()), (Phase::Receive, Cause::TimedOut));
        let size = if framing == Framing::Chunked { MAX_DATA + 1 } else { 100 };
        let call = Call { body: pattern(size), ..Call::default() };
        let records = records(framing, &call.encode_to_vec());
        for record in &records[..records.len() - 1] {
            client.send(record);
            assert_eq!(describe(session.receive()), (Phase::Receive, Cause::TimedOut));
        }
        client.send(records.last().unwrap());
        assert_eq!(session.receive(), Ok(Some(call)));
        // Zero is no timeout at all.
        session.set_timeout(Duration::ZERO).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(2 * MOMENT);
                client.send_message(framing, &[0x18, 1]);
            });
            assert_eq!(session.receive(), Ok(Some(Call { sequence: 1, ..Call::default() })));
        });
    }
}

#[test]
fn a_service_answers_every_call() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let server = serve(Listener::builder().framing(framing).bind(&path).unwrap());
        let client = Client::builder().framing(framing).timeout(PATIENCE).connect(&path).unwrap();
        let cases = [
            (7, 1, Status::Success),
            (7, 2, Status::Failure),
            (7, 3, Status::FailedUnmarshalPayload),
            (7, 4, Status::FailedMarshal),
            (7, 5, Status::UnknownMethod),
            (7, -1, Status::UnknownMethod),
            (8, 1, Status::UnknownModule),
            (-7, 1, Status::UnknownModule),
        ];
        for (sequence, (module, method, status)) in (1..).zip(cases) {
            let body = if status == Status::Success { &b"body"[..] } else { b"" };
            let expected = Response { sequence, status: status.into(), body: body.to_vec(), detail: None };
            assert_eq!(client.call(module, method, b"body"), Ok(expected));
        }
        drop(client);
        assert_eq!(server.join().unwrap(), Ok(()));
    }
}

#[test]
fn what_is_no_call_is_answered() {
    for framing in FRAMINGS {
        let (mut session, client, _dir) = with_raw_client(framing, None);
        client.send_message(framing, b"\xff\xff");
        assert_eq!(describe(session.serve(&echo())), (Phase::Receive, Cause::Malformed));
        let unparsable = Response { sequence: -1, status: Status::FailedUnmarshalCall.into(), ..Response::default() };
        assert_eq!(client.receive_response(framing), unparsable);
        // The session has not lost its place.
        client.send_message(framing, &Call { module: 7, method: 1, ..Call::default() }.encode_to_vec());
        client.0.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(session.serve(&echo()), Ok(()));
        assert_eq!(client.receive_message(framing), b"");
    }
}

#[test]
fn a_client_that_left_is_an_error_only_when_it_is_answered() {
    let (mut session, client, _dir) = with_raw_client(Framing::Chunked, None);
    client.send_message(Framing::Chunked, &[0x18, 1]);
    drop(client);
    let call = session.receive().unwrap().unwrap();
    assert_eq!(
        describe(session.reply(&Response::success(&call, Vec::new()))),
        (Phase::Respond, Cause::Os(libc::EPIPE))
    );
    assert_eq!(session.receive(), Ok(None));
}

#[test]
fn modules_are_registered_once() {
    let mut service = echo();
    assert_eq!(service.register(Echo(7)), Err(DuplicateModule(7)));
    assert_eq!(DuplicateModule(7).to_string(), "module 7 is registered already");
    assert_eq!(service.register(Echo(-7)), Ok(()));
    assert_eq!(service.module(7).map(|module| module.id()), Some(7));
    assert!(service.module(8).is_none());
    assert!(format!("{service:?}").contains("-7"));
}

#[test]
fn responses_name_their_call() {
    let call = Call { sequence: 9, ..Call::default() };
    assert_eq!(Response::success(&call, b"body".to_vec()).encode_to_vec(), success(9, b"body"));
    assert_eq!(Response::of_status(&call, Status::Failure).encode_to_vec(), response(9, Status::Failure, b""));
    assert_eq!(Response::to_unparsable().encode_to_vec(), response(-1, Status::FailedUnmarshalCall, b""));
}

#[test]
fn failures_have_a_status_and_a_text() {
    let cases = [
        (Failure::other(), Status::Failure, "an unknown error occurred"),
        (Failure::unknown_module(), Status::UnknownModule, "the client requested a module that is not served"),
        (
            Failure::unknown_method(),
            Status::UnknownMethod,
            "the client requested a method that the module does not have",
        ),
        (Failure::unmarshaling_call(), Status::FailedUnmarshalCall, "the call could not be decoded"),
        (Failure::unmarshaling_payload(), Status::FailedUnmarshalPayload, "the body of the call could not be decoded"),
        (Failure::marshaling_response(), Status::FailedMarshal, "the response could not be encoded"),
        (Failure::new(Status::Success), Status::Success, ""),
        (Failure::new(Status::Failure).with_error_text(String::from("no such pool")), Status::Failure, "no such pool"),
    ];
    for (failure, status, text) in cases {
        assert_eq!((failure.status(), failure.to_string().as_str()), (status, text));
    }
}

#[test]
fn paths_that_cannot_be_sockets() {
    let long = "x".repeat(108);
    let cases = [
        ("", PathFault::Empty, "the socket path is empty"),
        (long.as_str(), PathFault::TooLong { len: 108 }, "socket path of 108 bytes, the longest possible is 107"),
        ("a\0b", PathFault::Nul, "the socket path contains a zero byte"),
    ];
    for (path, fault, text) in cases {
        let connected = Client::connect(path).unwrap_err();
        assert_eq!((connected.phase(), connected.cause()), (Phase::Connect, Cause::BadPath(fault)));
        assert_eq!(connected.to_string(), format!("connect {path}: {text}"));
        let bound = Listener::bind(path).unwrap_err();
        assert_eq!((bound.phase(), bound.cause()), (Phase::Listen, Cause::BadPath(fault)));
        assert_eq!(bound.to_string(), format!("listen {path}: {text}"));
    }
}

#[test]
fn the_longest_path_works() {
    let (dir, _) = socket_path();
    let prefix = dir.path().as_os_str().len() + 1;
    let path = dir.path().join("x".repeat(107 - prefix));
    assert_eq!(path.as_os_str().len(), 107);
    let listener = Listener::bind(&path).unwrap();
    let client = Client::connect(&path).unwrap();
    assert!(fs::exists(&path).unwrap());
    assert_eq!((listener.path(), client.path()), (&*path, &*path));
}

#[test]
fn modes_of_the_socket_file() {
    for (mode, expected) in [(None, 0o600), (Some(0o666), 0o666), (Some(0o777), 0o777), (Some(0), 0)] {
        let (_dir, path) = socket_path();
        let mut builder = Listener::builder();
        if let Some(mode) = mode {
            builder = builder.mode(mode);
        }
        let listener = builder.bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, expected);
        drop(listener);
        assert!(fs::exists(&path).unwrap(), "the file stays, as with the originals");
    }
}

/// Descriptors are not inherited by programs that the process starts.
#[test]
fn descriptors_are_closed_at_exec() {
    let (_dir, path) = socket_path();
    let listener = Listener::bind(&path).unwrap();
    let client = Client::connect(&path).unwrap();
    let session = listener.accept().unwrap();
    for fd in [listener.as_fd(), client.event_fd().unwrap(), session.as_fd()] {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        let flags = i32::from_str_radix(flags, 8).unwrap();
        assert_ne!(flags & libc::O_CLOEXEC, 0, "{info}");
        assert_eq!(flags & libc::O_NONBLOCK, 0, "{info}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let (dir, path) = socket_path();
    let shown = path.display();
    let connect = || Client::connect(&path).unwrap_err().to_string();
    let listen = || Listener::bind(&path).unwrap_err().to_string();

    let missing = "no such file or directory: the server is not running, or uses another path";
    assert_eq!(connect(), format!("connect {shown}: {missing}"));
    drop(raw_listener(&path));
    let stale = "no server listens on the socket, which is there since";
    let is_stale = |error: &str, cause: &str, cure: &str| {
        error.starts_with(&format!("{cause}: {stale} 2")) && error.ends_with(&format!("Z: {cure}"))
    };
    assert!(is_stale(&connect(), &format!("connect {shown}: connection refused"), "start the server"));
    assert!(is_stale(&listen(), &format!("listen {shown}: address already in use"), "remove the file"));
    let managed = drpc::Server::builder().bind(&path).unwrap_err().to_string();
    assert!(is_stale(&managed, &format!("listen {shown}: address already in use"), "use Existing::ReplaceStale"));
    fs::remove_file(&path).unwrap();
    let stream = UnixListener::bind(&path).unwrap();
    let wrong_type = "protocol wrong type for socket: the socket is not of type SOCK_SEQPACKET";
    let other = "so it is not that of a dRPC server: use the path of the server's socket";
    assert_eq!(connect(), format!("connect {shown}: {wrong_type}, {other}"));
    drop(stream);

    let nowhere = dir.path().join("nowhere/drpc.sock");
    let error = Listener::bind(&nowhere).unwrap_err();
    let missing = dir.path().join("nowhere");
    let no_directory = format!("no such file or directory: there is no directory {}: make it", missing.display());
    assert_eq!(error.to_string(), format!("listen {}: {no_directory}", nowhere.display()));
    assert_eq!(error.socket(), nowhere);
    assert_eq!((error.phase(), error.cause()), (Phase::Listen, Cause::Os(libc::ENOENT)));
    assert!(std::error::Error::source(&error).is_none());
}

/// What C callers get for each cause.
#[test]
fn every_cause_has_its_number() {
    use HeaderFault::*;
    let cases = [
        (Cause::Os(libc::ENOENT), der::DER_NONEXIST, libc::ENOENT),
        (Cause::Os(libc::EPIPE), der::DER_MISC, libc::EPIPE),
        (Cause::TimedOut, der::DER_TIMEDOUT, libc::ETIMEDOUT),
        (Cause::Closed, der::DER_TRUNC, libc::ECONNRESET),
        (Cause::NoReply, der::DER_NOREPLY, libc::ECONNRESET),
        (Cause::Cut, der::DER_TRUNC, libc::ECONNRESET),
        (Cause::Truncated { room: 1 }, der::DER_TRUNC, libc::EMSGSIZE),
        (Cause::Header(Missing { len: 1 }), der::DER_TRUNC, libc::EPROTO),
        (Cause::Header(Oversize { data: 1 }), der::DER_TRUNC, libc::EPROTO),
        (Cause::Header(NoChunks), der::DER_PROTO, libc::EPROTO),
        (Cause::Header(Surplus { data: 1, missing: 1 }), der::DER_TRUNC, libc::EPROTO),
        (Cause::Header(Short { data: 1, due: 1 }), der::DER_PROTO, libc::EPROTO),
        (Cause::Header(Inconsistent { total: 1, count: 1 }), der::DER_PROTO, libc::EPROTO),
        (Cause::Header(IndexOutOfRange { index: 1, count: 1 }), der::DER_PROTO, libc::EPROTO),
        (Cause::Header(OutOfOrder { index: 1, expected: 1 }), der::DER_MISMATCH, libc::EPROTO),
        (Cause::Header(Stub { len: 1, announced: 1 }), der::DER_TRUNC, libc::EPROTO),
        (Cause::Malformed, der::DER_PROTO, libc::EPROTO),
        (Cause::TooBig { size: 1, limit: 1 }, der::DER_OVERFLOW, libc::EMSGSIZE),
        (Cause::NoMemory, der::DER_NOMEM, libc::ENOMEM),
        (Cause::BadPath(PathFault::Empty), der::DER_BADPATH, libc::EINVAL),
        (Cause::BadPath(PathFault::TooLong { len: 1 }), der::DER_BADPATH, libc::ENAMETOOLONG),
        (Cause::BadPath(PathFault::Nul), der::DER_BADPATH, libc::EINVAL),
        (Cause::Invalid("?"), der::DER_INVAL, libc::EINVAL),
        (Cause::Busy, der::DER_BUSY, libc::EBUSY),
        (Cause::Cancelled, der::DER_CANCELED, libc::ECANCELED),
        (Cause::NotConnected, der::DER_UNREACH, libc::ENOTCONN),
        (Cause::Forked, der::DER_NO_HDL, libc::EBADFD),
        (Cause::Unattributable, der::DER_PROTO, libc::EPROTO),
        (Cause::UnexpectedReply { sequence: 9 }, der::DER_MISMATCH, libc::EPROTO),
        (Cause::Replaced, der::DER_PROTO, libc::EPROTO),
        (Cause::Unanswered, der::DER_NOREPLY, libc::ECONNRESET),
        (Cause::Probe(drpc::Framing::Chunked), der::DER_TRUNC, libc::ECONNRESET),
        (Cause::Unclear, der::DER_PROTO, libc::EPROTO),
    ];
    for (cause, number, errno) in cases {
        for release in [Release::V0_8, Release::V2_8] {
            assert_eq!((cause.code(release), cause.errno()), (-number, errno), "{cause:?}");
        }
        assert!(!cause.is_would_block(), "{cause:?}");
    }
    assert!(Cause::Os(libc::EAGAIN).is_would_block());
}

#[test]
fn a_served_client_is_told_what_was_too_large() {
    let (_dir, path) = socket_path();
    let server = serve(Listener::builder().framing(Framing::Datagram).message_limit(1000).bind(&path).unwrap());
    let client =
        Client::builder().framing(Framing::Datagram).message_limit(2000).timeout(PATIENCE).connect(&path).unwrap();

    assert_eq!(client.call(7, 1, &[7; 900]).unwrap().status(), Status::Success);
    // A call that is too large is answered, too, before the connection ends: a client of DAOS 0.8 takes an end
    // without an answer for success.
    let response = client.call(7, 1, &[7; 1500]).unwrap();
    assert_eq!((response.sequence, response.status()), (-1, Status::FailedUnmarshalCall));
    assert_eq!(describe(server.join().unwrap()), (Phase::Receive, Cause::TooBig { size: 1509, limit: 1000 }));
}

/// Answers with more than it was asked with.
struct Verbose;

impl Module for Verbose {
    fn id(&self) -> i32 {
        7
    }

    fn handle(&self, _session: &Session, method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(vec![7; if method == 1 { 1000 } else { 10 }])
    }
}

#[test]
fn a_response_that_is_too_large_says_so() {
    for framing in [Framing::Datagram, Framing::Chunked] {
        let (_dir, path) = socket_path();
        let listener = Listener::builder().framing(framing).message_limit(1000).bind(&path).unwrap();
        let server = thread::spawn(move || {
            let mut service = Service::new();
            service.register(Verbose).unwrap();
            listener.accept()?.serve(&service)
        });
        let client = Client::builder().framing(framing).timeout(PATIENCE).connect(&path).unwrap();
        assert_eq!(client.call(7, 1, b"").unwrap().status(), Status::FailedMarshal);
        assert_eq!(client.call(7, 2, b"").unwrap().body, [7; 10]);
        drop(client);
        server.join().unwrap().unwrap();
    }
}

//! Memory that runs out, and how little of it is asked for.
#![expect(clippy::unwrap_used, reason = "a test says so by panicking")]

mod client;
mod server;
#[path = "../support"]
mod support {
    pub(crate) mod body;
    pub(crate) mod heap;
    pub(crate) mod peer;
    pub(crate) mod records;
}

use std::fmt::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use drpc::framing::chunked::{self, Chunks, MAX_DATA, Progress, Reassembly};
use drpc::framing::detect::PeerFraming;
use drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing};
use drpc::transport::{self, Received, SendHooks, SyncState};
use drpc::wire::{CallRef, Encoded, Fields, MAX_FIELDS, ResponseRef, key};
use drpc::{Cause, Client, HeaderFault, Module, PathFault, Phase, Request, Server, Status};
use socket2::{Domain, SockAddr, Socket, Type};
use support::body::pattern;
use support::heap::Heap;
use support::peer::Peer;

/// A call whose record is put together in the record buffer, and one that is sent from where it lies.
const SIZES: [usize; 3] = [0, 1000, 100_000];

/// No message here needs to wait.
struct Unpaced;

impl SendHooks for Unpaced {
    fn when_full(&mut self, _fd: i32, _begun: bool) -> Result<(), Cause> {
        Err(Cause::TimedOut)
    }
}

/// Runs `work`, every allocation of which fails, and says how many it asked for.
fn allocations<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = Heap::made();
    let done = Heap::failing(0, usize::MAX, work);
    (done, Heap::made() - before)
}

/// Two ends that are connected.
fn pair() -> (Peer, Peer) {
    let (one, other) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    (Peer::new(one), Peer::new(other))
}

fn cut(message: &[u8]) -> Vec<Vec<u8>> {
    let piece = |range: std::ops::Range<usize>| message.get(range).unwrap();
    Chunks::new(message.len()).unwrap().map(|(header, range)| [&header.to_bytes(), piece(range)].concat()).collect()
}

fn bytes(message: &Encoded<'_>) -> Vec<u8> {
    message.pieces().concat()
}

/// The heap of these tests counts and fails.
#[test]
fn the_heap_is_watched() {
    let before = Heap::held();
    let (vec, made) = allocations(|| {
        let mut vec = Vec::<u8>::new();
        (vec.try_reserve_exact(100).is_err(), vec)
    });
    assert!(vec.0);
    assert_eq!(made, 1);
    let vec = Heap::failing(1, 1, || vec![0_u8; 100]);
    assert_eq!(Heap::held() - before, 100);
    drop(vec);
    assert_eq!(Heap::held(), before);
}

#[test]
fn wire_does_not_allocate() {
    for size in SIZES {
        let body = pattern(size);
        let call = CallRef { module: -1, method: 207, sequence: -1, body: &body };
        let response = ResponseRef { sequence: -1, status: 7, body: &body };
        let unknown = [0x78, 0x01];
        let call_bytes = bytes(&call.encode(&unknown));
        let response_bytes = bytes(&response.encode(&unknown));
        let (_, made) = allocations(|| {
            assert_eq!(call.encode(&unknown).len(), call_bytes.len());
            assert_eq!(CallRef::decode_counting(&call_bytes, MAX_FIELDS), Ok((call, 1)));
            assert_eq!(CallRef::decode(&call_bytes), Ok(call));
            assert_eq!(response.encode(&unknown).slices(1..9).map(|slice| slice.len()).iter().sum::<usize>(), 8);
            assert_eq!(ResponseRef::decode_counting(&response_bytes, MAX_FIELDS), Ok((response, 1)));
            assert_eq!(ResponseRef::decode(&response_bytes), Ok(response));
            assert!(CallRef::decode(b"?").is_err() && ResponseRef::decode(&[0x08]).is_err());
            assert_eq!(Fields::new(&call_bytes).count(), if size == 0 { 4 } else { 5 });
            assert_eq!(key(15, 0).1, 1);
        });
        assert_eq!(made, 0, "body of {size} bytes");
    }
}

#[test]
fn framing_does_not_allocate_for_one_chunk() {
    for size in [0, 1, MAX_DATA] {
        let message = pattern(size);
        let [record] = &cut(&message)[..] else { unreachable!("{size} bytes are one chunk") };
        let (_, made) = allocations(|| {
            assert_eq!(Chunks::new(size).unwrap().count(), 1);
            let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
            assert_eq!(reassembly.push(record), Ok(Progress::Complete(&message)));
            assert!(reassembly.push(b"?").is_err());
        });
        assert_eq!(made, 0, "{size} bytes");
    }
}

/// A call and its reply over a socket, in a thread that has never sent or received anything.
#[test]
fn transport_does_not_allocate() {
    for framing in [Framing::Datagram, Framing::Chunked] {
        for size in SIZES {
            let body = pattern(size);
            let (client, server) = pair();
            let (client_fd, server_fd) = (client.0.as_raw_fd(), server.0.as_raw_fd());
            let ((), made) = allocations(|| {
                let call = CallRef { module: 2, method: 207, sequence: 1, body: &body };
                transport::send(client_fd, framing, &call.encode(&[]), 1 << 20, &mut Unpaced).unwrap();
                let (mut peer_framing, mut message) = (PeerFraming::unknown(framing), Reassembly::new(1 << 20));
                let same = |got: Received<'_>| Ok(CallRef::decode(got.within_limit()?)? == call);
                let received =
                    transport::receive(server_fd, &mut peer_framing, &mut message, chunked::MAX_RECORD, same, || {});
                assert_eq!(received, Ok(true));
                drop(server);
                let nothing = |_: Received<'_>| Ok(());
                let end =
                    transport::receive(client_fd, &mut peer_framing, &mut message, chunked::MAX_RECORD, nothing, || {});
                assert_eq!(end, Err(Cause::Closed));
                let sent = transport::send(client_fd, framing, &call.encode(&[]), 1 << 20, &mut Unpaced);
                assert!(matches!(sent, Err(Cause::Os(_))));
            });
            assert_eq!(made, 0, "{framing:?}, body of {size} bytes");
        }
    }
}

/// A message of nine chunks while each of its allocations fails in turn, and all from each on.
#[test]
fn a_message_without_memory_is_read_to_its_end() {
    let message = pattern(8 * MAX_DATA + 1);
    let records = cut(&message);
    let receive = |reassembly: &mut Reassembly| {
        let mut whole = Ok(false);
        for (i, record) in records.iter().enumerate() {
            let pushed = reassembly.push(record);
            if i + 1 < records.len() {
                assert_eq!(pushed, Ok(Progress::Partial), "chunk {i}");
            } else {
                whole = pushed.map(|progress| progress == Progress::Complete(&message));
            }
        }
        whole
    };
    drpc::large_block::release_idle();
    let before = Heap::made();
    assert_eq!(receive(&mut Reassembly::new(DEFAULT_MESSAGE_LIMIT)), Ok(true));
    let needed = Heap::made() - before;
    assert!((2..=8).contains(&needed), "{needed} allocations for nine chunks");
    for first in 0..needed {
        for count in [1, usize::MAX] {
            let held = Heap::held();
            let mut reassembly = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
            let failed = Heap::failing(first, count, || receive(&mut reassembly));
            assert_eq!(failed, Err(Cause::NoMemory), "allocation {first}");
            assert!(!reassembly.is_partial());
            assert_eq!(Heap::held(), held, "what there was of the message is given back");
            assert_eq!(receive(&mut reassembly), Ok(true), "the message after the one without memory");
        }
    }
}

/// The same over a socket: the call that finds no memory is over when its last record has been taken.
#[test]
fn the_connection_stays_in_step() {
    let body = pattern(MAX_DATA);
    let long = CallRef { module: 1, method: 2, sequence: 3, body: &body };
    let short = CallRef { sequence: 4, ..CallRef::default() };
    let (ours, theirs) = pair();
    let fd = ours.0.as_raw_fd();
    let mut message = Reassembly::new(DEFAULT_MESSAGE_LIMIT);
    let mut receive = |call: CallRef<'_>, heap: (usize, usize)| {
        cut(&bytes(&call.encode(&[]))).iter().for_each(|record| theirs.send(record));
        let same = |got: Received<'_>| Ok(CallRef::decode(got.within_limit()?)? == call);
        Heap::failing(heap.0, heap.1, || {
            let mut peer_framing = PeerFraming::known(Framing::Chunked);
            transport::receive(fd, &mut peer_framing, &mut message, chunked::MAX_RECORD, same, || {})
        })
    };
    assert_eq!(receive(long, (0, usize::MAX)), Err(Cause::NoMemory));
    assert_eq!(SyncState::after(Cause::NoMemory, Framing::Chunked), SyncState::InSync);
    assert_eq!(receive(short, (0, 0)), Ok(true));
    assert_eq!(receive(long, (0, 0)), Ok(true));
    transport::send(fd, Framing::Chunked, &short.encode(&[]), 100, &mut Unpaced).unwrap();
    assert_eq!([theirs.receive()], cut(&bytes(&short.encode(&[])))[..]);
}

/// A text that needs no memory.
struct Fixed {
    text: [u8; 512],
    len: usize,
}

impl Write for Fixed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// That memory has run out can be said without memory, and so can everything else.
#[test]
fn errors_are_told_without_memory() {
    use HeaderFault::*;
    let error = Client::connect("").unwrap_err();
    let causes = [
        Cause::Os(libc::ENOENT),
        Cause::TimedOut,
        Cause::Closed,
        Cause::NoReply,
        Cause::Cut,
        Cause::Truncated { room: 1 },
        Cause::Header(Missing { len: 1 }),
        Cause::Header(Oversize { data: 1 }),
        Cause::Header(NoChunks),
        Cause::Header(Surplus { data: 1, missing: 1 }),
        Cause::Header(Short { data: 1, due: 1 }),
        Cause::Header(Inconsistent { total: 1, count: 1 }),
        Cause::Header(IndexOutOfRange { index: 1, count: 1 }),
        Cause::Header(OutOfOrder { index: 1, expected: 1 }),
        Cause::Header(Stub { len: 1, announced: 1 }),
        Cause::Malformed,
        Cause::TooBig { size: 1, limit: 1 },
        Cause::NoMemory,
        Cause::BadPath(PathFault::Empty),
        Cause::BadPath(PathFault::TooLong { len: 1 }),
        Cause::BadPath(PathFault::Nul),
        Cause::Invalid("the context is NULL"),
        Cause::Busy,
    ];
    let mut text = Fixed { text: [0; 512], len: 0 };
    let (_, made) = allocations(|| {
        write!(text, "{error}").unwrap();
        for cause in causes {
            text.len = 0;
            write!(text, "{} {}: {cause}", Phase::Reply, Path::new("/run/x.sock").display()).unwrap();
            assert!(text.len > "reply /run/x.sock: ".len());
        }
    });
    assert_eq!(made, 0);
}

/// Gives its calls to the test.
struct Later(&'static Mutex<Vec<Request>>);

impl Module for Later {
    fn id(&self) -> i32 {
        7
    }

    fn serve(&self, request: Request) {
        self.0.lock().unwrap().push(request);
    }
}

/// A server that this thread dispatches, and where its calls go.
fn server(dir: &Path) -> (Server, &'static Mutex<Vec<Request>>) {
    let requests: &Mutex<Vec<Request>> = Box::leak(Box::default());
    (Server::builder().module(Later(requests)).bind(dir.join("drpc.sock")).unwrap(), requests)
}

fn client(server: &Server) -> Peer {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.connect(&SockAddr::unix(server.path()).unwrap()).unwrap();
    Peer::new(socket)
}

fn dispatch(server: &Server) {
    assert_eq!(server.dispatch(Some(Duration::ZERO)), Ok(true));
}

fn call(peer: &Peer, sequence: i64, body: &[u8]) {
    let message = bytes(&CallRef { module: 7, method: 1, sequence, body }.encode(&[]));
    cut(&message).iter().for_each(|record| peer.send(record));
}

fn assert_reply(peer: &Peer, sequence: i64, status: Status) {
    let record = peer.receive();
    let response = ResponseRef::decode(record.get(chunked::HEADER_LEN..).unwrap()).unwrap();
    assert_eq!((response.sequence, response.status), (sequence, status.into()));
}

/// The call is answered, the session closed, and the server lives.
#[test]
fn a_server_without_memory_for_a_call_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (server, requests) = server(dir.path());
    let (peer, other) = (client(&server), client(&server));
    dispatch(&server);
    call(&peer, 5, &pattern(100_000));
    Heap::failing(0, 1, || dispatch(&server));
    assert_reply(&peer, 5, Status::Failure);
    dispatch(&server);
    assert_eq!(peer.receive(), b"");
    assert_eq!(server.stats().errors.no_memory, 1);
    call(&other, 6, b"");
    dispatch(&server);
    requests.lock().unwrap().pop().unwrap().reply(Ok(Vec::new())).unwrap();
    assert_reply(&other, 6, Status::Success);
}

#[test]
fn a_server_without_memory_for_a_response_says_so() {
    // First the place in the queue, then the copy of what the socket has not taken.
    for (failing, begun) in [(0, false), (1, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (server, requests) = server(dir.path());
        let peer = client(&server);
        call(&peer, 5, b"");
        dispatch(&server);
        let request = requests.lock().unwrap().pop().unwrap();
        let body = pattern(4 << 20);
        let result = Heap::failing(failing, 1, || request.respond(Status::Success.into(), &body));
        assert_eq!(result.unwrap_err().cause(), Cause::NoMemory);
        if begun {
            dispatch(&server);
            // Nothing can be sent in its place, and the end tells the client.
            assert!((0..).take_while(|_| peer.receive().len() > 100_000).count() > 0);
        } else {
            assert_reply(&peer, 5, Status::Failure);
            dispatch(&server);
            assert_eq!(peer.receive(), b"");
        }
        assert_eq!(server.stats().errors.no_memory, 1);
    }
}

/// What a session holds between two calls, however large they were.
#[test]
fn an_idle_session_holds_little_memory() {
    const SESSIONS: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let (server, requests) = server(dir.path());
    let peers: Vec<Peer> = (0..SESSIONS).map(|_| client(&server)).collect();
    let before = Heap::held();
    let body = pattern(2 * MAX_DATA);
    for peer in &peers {
        let records = cut(&bytes(&CallRef { module: 7, method: 1, sequence: 1, body: &body }.encode(&[])));
        for record in &records {
            peer.send(record);
            dispatch(&server);
        }
        requests.lock().unwrap().pop().unwrap().reply(Ok(Vec::new())).unwrap();
        assert_reply(peer, 1, Status::Success);
        dispatch(&server);
    }
    drop(body);
    let held = (Heap::held() - before) / SESSIONS as isize;
    assert!((100..1024).contains(&held), "{held} bytes a session");
    drop(peers);
    while server.stats().sessions > 0 {
        dispatch(&server);
    }
}

/// A call of the shared client that nobody else disturbs asks for nothing but the place of its reply's body.
#[test]
fn a_call_needs_no_memory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listener.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(1).unwrap();
    let client = Client::builder().framing(Framing::Datagram).timeout(Duration::from_secs(30)).connect(&path).unwrap();
    let server = Peer::new(listener.accept().unwrap().0);
    let answer = |sequence, body| server.send(&bytes(&ResponseRef { sequence, status: 0, body }.encode(&[])));
    answer(1, b"the first one makes room for the next ones");
    client.call(7, 1, b"").unwrap();
    answer(2, b"");
    let (response, made) = allocations(|| client.call(7, 1, &[7; 1000]));
    assert_eq!((response.unwrap().sequence, made), (2, 0));
    answer(3, b"body");
    let before = Heap::made();
    assert_eq!(client.call(7, 1, b"").unwrap().body, b"body");
    assert_eq!(Heap::made() - before, 1);
}

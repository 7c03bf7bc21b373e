//! The managed server while memory runs out: everything that clients can have it do is played with its first allocation
//! failing, with its second, and so on until it makes no more, and again with all of them failing from each on. Making the
//! server may fail; afterwards clients may be told so, or have to wait. Nothing may leak, and the server is of use when there
//! is memory again.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use drpc::framing::Framing;
use drpc::{Call, Cancel, Cause, Error, Log, Module, Request, Response, Server, Status};
use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::support::heap::Heap;
use crate::support::records::records;

/// No test waits longer than this for the server.
const PATIENCE: Duration = Duration::from_secs(30);

/// No play asks for memory so often; one that never ends would.
const ENOUGH: usize = 500;

const ECHO: i32 = 1;
const LATER: i32 = 2;
const ROOT_ALONE: i32 = 3;

/// Answers with the body of the call, which takes no memory.
struct Echo(i32);

impl Module for Echo {
    fn id(&self) -> i32 {
        self.0
    }

    fn serve(&self, mut request: Request) {
        let body = request.take_body();
        let _ = request.reply(Ok(body));
    }
}

/// Keeps calls for the test to answer.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<[Option<Request>; 3]>>);

impl Module for Later {
    fn id(&self) -> i32 {
        LATER
    }

    fn serve(&self, request: Request) {
        if let Some(place) = self.0.lock().unwrap().iter_mut().find(|place| place.is_none()) {
            *place = Some(request);
        }
    }

    fn concurrent(&self) -> bool {
        true
    }
}

/// A client with what it is going to send.
struct Client {
    socket: Socket,
    records: Vec<Vec<u8>>,
}

impl Client {
    fn new(framing: Framing, calls: &[(i32, usize)]) -> Self {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let calls = (1..).zip(calls).map(|(sequence, (module, len))| {
            Call { module: *module, method: 1, sequence, body: vec![7; *len] }.encode_to_vec()
        });
        let records = calls.flat_map(|call| records(framing, &call));
        Self { records: records.collect(), socket }
    }

    fn connect(&self, address: &SockAddr) {
        self.socket.connect(address).unwrap();
    }

    /// Sends some of the records, as far as the server takes them.
    fn send(&self, records: std::ops::Range<usize>) {
        for record in self.records.get(records).unwrap() {
            let _ = (&self.socket).write(record);
        }
    }

    /// Takes what has come.
    fn take(&self) {
        let mut room = [MaybeUninit::uninit(); 1 << 12];
        while self.socket.recv(&mut room).is_ok_and(|len| len > 0) {}
    }
}

/// What has been made before.
struct Props {
    path: std::path::PathBuf,
    address: SockAddr,
    later: Later,
    log: Log,
    cancel: Cancel,
    clients: [Client; 6],
}

impl Props {
    fn new(dir: &Path) -> Self {
        let path = dir.join("drpc.sock");
        let large = 300_000;
        let clients = [
            Client::new(Framing::Chunked, &[(ECHO, 10), (ECHO, large), (ROOT_ALONE, 10), (9, 10)]),
            Client::new(Framing::Datagram, &[(ECHO, 10), (ECHO, 10_000)]),
            Client::new(Framing::Chunked, &[(LATER, 10), (LATER, 20), (LATER, 30)]),
            // Of this one a part stays away, and its end comes.
            Client::new(Framing::Chunked, &[(ECHO, large)]),
            // This one does not take its replies at once.
            Client::new(Framing::Chunked, &[(ECHO, 2 * large), (ECHO, 10)]),
            Client::new(Framing::Datagram, &[(LATER, 5)]),
        ];
        let address = SockAddr::unix(&path).unwrap();
        let log = Log::to(|_, line| assert!(line.as_str() != Some("")));
        Self { path, address, later: Later::default(), log, cancel: Cancel::new(), clients }
    }

    /// Makes the server and has the clients do everything.
    fn act(&self) -> Result<Server, Error> {
        let server = Server::builder()
            .module(Echo(ECHO))
            .module(self.later.clone())
            .module(Echo(ROOT_ALONE))
            .allow(ROOT_ALONE, [0, 1, 2])
            .authorise(|_| true)
            .log(self.log.clone())
            .cancelled_by(&self.cancel)
            .bind(&self.path)?;
        let [first, datagrams, later, part, slow, last] = &self.clients;
        self.clients[..5].iter().for_each(|client| client.connect(&self.address));
        dispatch(&server);
        for client in [first, datagrams, later] {
            client.send(0..client.records.len());
            dispatch(&server);
        }
        part.send(0..2);
        slow.send(0..slow.records.len());
        last.connect(&self.address);
        last.send(0..1);
        dispatch(&server);
        let _ = server.try_stats();
        self.clients[..3].iter().for_each(Client::take);
        let _ = part.socket.shutdown(std::net::Shutdown::Both);
        dispatch(&server);
        for request in self.later.0.lock().unwrap().iter_mut().filter_map(Option::take) {
            let _ = request.respond(Status::Success.into(), b"later");
        }
        (0..8).for_each(|_| {
            slow.take();
            dispatch(&server);
        });
        Ok(server)
    }
}

/// Has the server do what it can.
fn dispatch(server: &Server) {
    for _ in 0..4 {
        assert_eq!(server.dispatch(Some(Duration::ZERO)), Ok(true));
    }
}

/// A call that is answered, by when it has to be.
fn call(server: &Server, address: &SockAddr) {
    let client = Client::new(Framing::Datagram, &[(ECHO, 10)]);
    client.connect(address);
    client.send(0..1);
    let (mut record, began) = ([0; 100], Instant::now());
    loop {
        match (&client.socket).read(&mut record) {
            Ok(len) => {
                let response = Response::decode(record.get(..len).unwrap()).unwrap();
                assert_eq!((response.status(), response.body.as_slice()), (Status::Success, &[7; 10][..]));
                return;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(began.elapsed() < PATIENCE, "no answer");
        server.dispatch(Some(Duration::from_millis(100))).unwrap();
    }
}

/// Plays once; true if memory was denied.
fn play_once(first: usize, count: usize) -> bool {
    let dir = tempfile::tempdir().unwrap();
    drpc::large_block::release_idle();
    let held = Heap::held();
    let denied = {
        let props = Props::new(dir.path());
        let before = Heap::made();
        let made = Heap::failing(first, count, || props.act());
        let denied = Heap::made() > before + first;
        match made {
            Ok(server) => {
                call(&server, &props.address);
                Heap::failing(0, usize::MAX, || server.shutdown(Duration::ZERO)).or_else(lossy).unwrap();
                // Those that were not answered know that they have ended.
                *props.later.0.lock().unwrap() = Default::default();
            }
            Err(error) => assert!(denied && error.cause() == Cause::NoMemory, "{error}"),
        }
        denied
    };
    assert_eq!(Heap::held(), held, "memory is left");
    denied
}

/// Calls may have been cut off.
fn lossy(error: Error) -> Result<(), Error> {
    if error.cause() == Cause::TimedOut { Ok(()) } else { Err(error) }
}

#[test]
fn a_server_without_memory_goes_on() {
    for count in [1, usize::MAX] {
        let denied = (0..ENOUGH).take_while(|first| play_once(*first, count)).count();
        assert!((30..ENOUGH).contains(&denied), "{denied} allocations");
    }
}

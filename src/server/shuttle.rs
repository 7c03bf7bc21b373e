//! Interleavings of a server's threads, tried on real sockets (`make test-shuttle`). No thread waits in the kernel
//! here: each yields to the others instead.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};

use super::Server;
use crate::failure::Failure;
use crate::protocol::framing::Framing;
use crate::protocol::message::{Call, Response, Status};
use crate::request::Request;
use crate::service::Module;
use crate::session::Session;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Condvar, Mutex, lock, thread};

/// Schedules tried by each test.
const SCHEDULES: usize = 300;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(3600);

/// A module whose calls the test answers.
#[derive(Clone, Default)]
struct Later {
    requests: Arc<Mutex<Vec<Request>>>,
    begun: Arc<AtomicUsize>,
    concurrent: bool,
}

impl Later {
    /// Waits for a request; `None` if the server has ended without another one.
    fn take(&self, server: &Server) -> Option<Request> {
        loop {
            let ended = server.reactor().has_ended();
            let request = lock(&self.requests).pop();
            if request.is_some() || ended {
                return request;
            }
            thread::yield_now();
        }
    }
}

impl Module for Later {
    fn id(&self) -> i32 {
        0
    }

    fn serve(&self, request: Request) {
        lock(&self.requests).push(request);
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn concurrent(&self) -> bool {
        self.concurrent
    }
}

/// A client with one record a message.
struct Client(Socket);

/// The client's view of the next record.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Reply(i64, Status),
    /// The end, as if all was well.
    End,
    /// An error.
    Reset,
}

impl Client {
    /// Connects; `None` if the server no longer listens.
    fn connect(path: &Path) -> Option<Self> {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.connect(&SockAddr::unix(path).unwrap()).ok()?;
        Some(Self(socket))
    }

    /// Sends a call; false if the server takes none any more.
    fn send(&self, sequence: i64) -> bool {
        let call = Call { sequence, method: 1, ..Call::default() };
        (&self.0).write(&call.encode_to_vec()).is_ok()
    }

    fn receive(&self) -> Seen {
        let mut record = [0; 100];
        loop {
            match (&self.0).read(&mut record) {
                Ok(0) => return Seen::End,
                Ok(len) => {
                    let reply = Response::decode(&record[..len]).unwrap();
                    return Seen::Reply(reply.sequence, reply.status());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::yield_now(),
                Err(_) => return Seen::Reset,
            }
        }
    }
}

fn in_a_place(test: impl Fn(&Path) + Send + Sync + 'static) -> impl Fn() + Send + Sync + 'static {
    move || {
        let dir = tempfile::tempdir().unwrap();
        test(&dir.path().join("drpc.sock"));
    }
}

fn explore(test: impl Fn(&Path) + Send + Sync + 'static) {
    shuttle::check_random(in_a_place(test), SCHEDULES);
}

/// The same, but in each schedule some thread falls far behind at a few points.
fn explore_with_stragglers(test: impl Fn(&Path) + Send + Sync + 'static) {
    const POINTS: usize = 4;
    shuttle::check_pct(in_a_place(test), 3 * SCHEDULES, POINTS);
}

fn bind(module: &Later, path: &Path) -> Server {
    let server = Server::builder().module(module.clone()).framing(Framing::Datagram).threads(2).bind(path).unwrap();
    server.start().unwrap();
    server
}

/// The next call begins once the one before is answered, whichever threads serve and answer.
#[test]
fn calls_stay_in_order() {
    explore(|path| {
        let later = Later::default();
        let server = bind(&later, path);
        let client = Client::connect(path).unwrap();
        let answering = {
            let (later, server) = (later.clone(), server.clone());
            thread::spawn(move || {
                for sequence in 1..=3 {
                    let request = later.take(&server).unwrap();
                    assert_eq!(request.call().sequence, sequence);
                    assert!(lock(&later.requests).is_empty(), "two calls at once");
                    request.reply(Ok(Vec::new())).unwrap();
                }
            })
        };
        assert!((1..=3).all(|sequence| client.send(sequence)));
        for sequence in 1..=3 {
            assert_eq!(client.receive(), Seen::Reply(sequence, Status::Success));
        }
        answering.join().unwrap();
        assert_eq!(server.shutdown(LONG), Ok(()));
        assert_eq!(client.receive(), Seen::End);
    });
}

/// A call that is answered while it is cut off is answered once, and both sides know how.
#[test]
fn each_call_is_answered_once() {
    explore(|path| {
        let later = Later { concurrent: true, ..Later::default() };
        let server = bind(&later, path);
        let client = Client::connect(path).unwrap();
        assert!(client.send(1) && client.send(2));
        let (answered, late) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads = [(); 2].map(|()| {
            let (later, server) = (later.clone(), server.clone());
            let (answered, late) = (Arc::clone(&answered), Arc::clone(&late));
            thread::spawn(move || {
                if let Some(request) = later.take(&server) {
                    let count = if request.reply(Ok(Vec::new())).is_ok() { answered } else { late };
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
        });
        while later.begun.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let result = server.shutdown(Duration::ZERO);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let mut seen = vec![client.receive()];
        while !matches!(seen.last(), Some(Seen::End)) {
            seen.push(client.receive());
        }
        let count = |status| (1..=2).filter(|sequence| seen.contains(&Seen::Reply(*sequence, status))).count();
        let (good, bad) = (count(Status::Success), count(Status::Failure));
        assert_eq!((good + bad, seen.len()), (2, 3), "{seen:?}");
        assert_eq!(good, answered.load(Ordering::SeqCst), "{seen:?}");
        assert!(result.is_ok() || bad > 0, "{seen:?}");
        assert!(result.is_err() || late.load(Ordering::SeqCst) == 0, "{seen:?}");
    });
}

/// The calls of a client that comes during a shutdown are answered, or the client sees an error.
#[test]
fn no_call_is_lost_in_a_shutdown() {
    explore(|path| {
        let later = Later::default();
        let server = bind(&later, path);
        let arriving = {
            let path = path.to_owned();
            thread::spawn(move || {
                let Some(client) = Client::connect(&path) else { return };
                let sent = (1..=2).take_while(|sequence| client.send(*sequence)).count() as i64;
                for sequence in 1..=sent {
                    match client.receive() {
                        Seen::Reply(answered, Status::Success | Status::Failure) => assert_eq!(answered, sequence),
                        Seen::Reset => return,
                        seen => panic!("{seen:?} instead of reply {sequence}"),
                    }
                }
            })
        };
        let answering = {
            let (later, server) = (later.clone(), server.clone());
            thread::spawn(move || {
                while let Some(request) = later.take(&server) {
                    request.reply(Ok(Vec::new())).unwrap();
                }
            })
        };
        assert_eq!(server.shutdown(LONG), Ok(()));
        arriving.join().unwrap();
        answering.join().unwrap();
        assert!(!path.exists());
    });
}

/// A handler that begins as the deadline passes is waited for no more than one that runs.
#[test]
fn a_shutdown_does_not_wait_for_a_handler_that_begins() {
    #[derive(Clone, Default)]
    struct Stuck(Arc<(Mutex<bool>, Condvar)>);

    impl Module for Stuck {
        fn id(&self) -> i32 {
            0
        }

        fn handle(&self, _session: &Session, _method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
            let (released, changed) = &*self.0;
            let mut released = lock(released);
            while !*released {
                released = changed.wait(released).unwrap();
            }
            Ok(Vec::new())
        }
    }

    explore_with_stragglers(|path| {
        let stuck = Stuck::default();
        let builder = Server::builder().module(stuck.clone()).framing(Framing::Datagram).threads(2);
        let server = builder.bind(path).unwrap();
        server.start().unwrap();
        let client = Client::connect(path).unwrap();
        assert!(client.send(1));
        while server.stats().bytes_in == 0 {
            thread::yield_now();
        }
        assert!(server.shutdown(Duration::ZERO).is_err());
        assert_eq!(client.receive(), Seen::Reply(1, Status::Failure));
        let (released, changed) = &*stuck.0;
        *lock(released) = true;
        changed.notify_all();
    });
}

/// The server does not wait for a client that sends nothing.
#[test]
fn a_silent_client_does_not_delay_a_shutdown() {
    explore(|path| {
        let server = bind(&Later::default(), path);
        let silent = {
            let path = path.to_owned();
            thread::spawn(move || {
                let seen = Client::connect(&path).map(|client| client.receive());
                assert!(matches!(seen, None | Some(Seen::End | Seen::Reset)), "{seen:?}");
            })
        };
        assert_eq!(server.shutdown(LONG), Ok(()));
        silent.join().unwrap();
    });
}

/// Several threads end the server, in several ways, while a call is being handled.
#[test]
fn all_threads_see_the_end() {
    explore(|path| {
        let later = Later::default();
        let server = bind(&later, path);
        let client = Client::connect(path).unwrap();
        assert!(client.send(1));
        let request = later.take(&server).unwrap();
        let enders = [(); 2].map(|()| {
            let server = server.clone();
            thread::spawn(move || assert_eq!(server.shutdown(LONG), Ok(())))
        });
        server.stop();
        request.reply(Ok(Vec::new())).unwrap();
        assert_eq!(client.receive(), Seen::Reply(1, Status::Success));
        assert_eq!(client.receive(), Seen::End);
        drop(server);
        enders.into_iter().for_each(|ender| ender.join().unwrap());
    });
}

/// A session that ends makes room for the client that waits, however close together the two are.
#[test]
fn a_full_server_accepts_once_a_session_ends() {
    explore(|path| {
        let limits = crate::ServerLimits { sessions: 1, ..crate::ServerLimits::default() };
        let builder = Server::builder().limits(limits).framing(Framing::Datagram).threads(2);
        let server = builder.bind(path).unwrap();
        server.start().unwrap();
        for _ in 0..3 {
            let client = Client::connect(path).unwrap();
            assert!(client.send(1));
            assert_eq!(client.receive(), Seen::Reply(1, Status::UnknownModule));
        }
        assert_eq!(server.shutdown(LONG), Ok(()));
    });
}

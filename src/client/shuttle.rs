//! Interleavings of a client's threads, explored on real sockets (`make test-shuttle`). Nothing here waits in the
//! kernel: a thread that would wait lets another one go on. A thread that sleeps and is not woken fails the test.

use std::io::{Read, Write};
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use prost::Message;
use socket2::{Domain, SockAddr, Socket, Type};

use super::{CallOptions, Client};
use crate::cancel::Cancel;
use crate::cause::Cause;
use crate::error::Error;
use crate::protocol::framing::Framing;
use crate::protocol::framing::chunked::{Chunks, Header, MAX_RECORD, Progress, Reassembly};
use crate::protocol::message::{Call, Response, Status};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, lock, thread};

/// Schedules explored by each test.
const SCHEDULES: usize = 1000;

/// A server's end of a connection, with one record a message.
struct Server(Socket);

impl Server {
    /// The next call, or `None` inside at the end of the connection; `None` if nothing has come.
    fn try_receive(&self) -> Option<Option<Call>> {
        let mut record = [0; 100];
        let len = (&self.0).read(&mut record).ok()?;
        Some((len > 0).then(|| Call::decode(&record[..len]).unwrap()))
    }

    /// The next call; `None` at the end of the connection.
    fn receive(&self) -> Option<Call> {
        loop {
            match self.try_receive() {
                Some(received) => return received,
                None => thread::yield_now(),
            }
        }
    }

    fn answer(&self, call: Call) {
        let Call { sequence, body, .. } = call;
        let response = Response { sequence, status: Status::Success.into(), body, ..Response::default() };
        // The caller may have given up and closed the connection.
        let _ = (&self.0).write(&response.encode_to_vec());
    }

    /// Answers calls until the end of the connection, the last one first.
    fn echo(&self) {
        let mut calls: Vec<Call> = Vec::new();
        loop {
            match self.try_receive() {
                Some(Some(call)) => calls.push(call),
                Some(None) => return,
                None => match calls.pop() {
                    Some(call) => self.answer(call),
                    None => thread::yield_now(),
                },
            }
        }
    }
}

fn listen(path: &Path) -> Socket {
    let listener = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listener.bind(&SockAddr::unix(path).unwrap()).unwrap();
    listener.listen(8).unwrap();
    listener
}

/// A client, its server, and the listener for further connections.
fn pair(path: &Path, pipelining: bool) -> (Client, Server, Socket) {
    let listener = listen(path);
    let client = Client::builder().framing(Framing::Datagram).pipelining(pipelining).connect(path).unwrap();
    (client, accept(&listener), listener)
}

fn accept(listener: &Socket) -> Server {
    let (socket, _) = listener.accept().unwrap();
    socket.set_nonblocking(true).unwrap();
    Server(socket)
}

fn explore(test: impl Fn(&Path) + Send + Sync + 'static) {
    let schedule = move || {
        let dir = tempfile::tempdir().unwrap();
        test(&dir.path().join("drpc.sock"));
    };
    shuttle::check_random(schedule, SCHEDULES);
}

/// Threads that call, each with bodies of its own.
fn callers(client: &Client) -> Vec<thread::JoinHandle<()>> {
    let call = |number: u8| {
        let client = client.clone();
        thread::spawn(move || {
            for round in 0..2 {
                let body = [number, round];
                assert_eq!(client.call(0, 1, &body).unwrap().body, body);
            }
        })
    };
    (1..=3).map(call).collect()
}

fn join(threads: impl IntoIterator<Item = thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// The replies reach their callers in any order, read by any of them.
#[test]
fn every_caller_gets_its_own_reply() {
    for pipelining in [false, true] {
        explore(move |path| {
            let (client, server, _listener) = pair(path, pipelining);
            let server = thread::spawn(move || server.echo());
            join(callers(&client));
            drop(client);
            join([server]);
        });
    }
}

/// Some callers give up, at once or when they are cancelled, and the others go on.
#[test]
fn callers_that_leave_leave_the_others_alone() {
    for pipelining in [false, true] {
        explore(move |path| {
            let (client, server, _listener) = pair(path, pipelining);
            let server = thread::spawn(move || server.echo());
            let cancel = Cancel::new();
            let threads = callers(&client);
            let options = [CallOptions::new().cancel(&cancel), CallOptions::new().timeout(Duration::ZERO)];
            let leaving = options.map(|options| {
                let client = client.clone();
                thread::spawn(move || match client.call_with(&options, 0, 1, b"leaving") {
                    Ok(response) => assert_eq!(response.body, b"leaving"),
                    Err(error) => assert!(matches!(error.cause(), Cause::Cancelled | Cause::TimedOut), "{error}"),
                })
            });
            cancel.cancel();
            join(threads);
            join(leaving);
            drop(client);
            join([server]);
        });
    }
}

/// Serves calls in chunks, which must be whole, until the end of the connection. Of each body the first byte is sent back. In
/// the midst of the second one `cancel` is triggered.
fn serve_large(socket: &Socket, cancel: &Cancel) {
    let (mut reassembly, mut record, mut received) = (Reassembly::new(1 << 24), vec![0; MAX_RECORD], 0);
    loop {
        match { socket }.read(&mut record) {
            Ok(0) => return,
            Ok(len) => {
                received += len;
                if received > 6 * MAX_RECORD {
                    cancel.cancel();
                }
                let Progress::Complete(message) = reassembly.push(&record[..len]).unwrap() else { continue };
                let Call { sequence, body, .. } = Call::decode(message).unwrap();
                assert!(body.iter().all(|byte| *byte == body[0]), "two calls in one");
                let response = Response {
                    sequence,
                    status: Status::Success.into(),
                    body: body[..1].to_vec(),
                    ..Response::default()
                };
                let response = response.encode_to_vec();
                let (header, _) = Chunks::new(response.len()).unwrap().next().unwrap();
                // The caller may have given up and closed the connection.
                let _ = { socket }.write(&[&header.to_bytes(), &response[..]].concat());
            }
            Err(_) => thread::yield_now(),
        }
    }
}

/// Each caller has the body of its call until the socket has taken it. One that leaves does not cut its call off.
#[test]
fn large_calls_are_sent_to_their_ends() {
    let schedule = || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drpc.sock");
        let listener = listen(&path);
        let client = Client::builder().framing(Framing::Chunked).pipelining(true).connect(&path).unwrap();
        let server = accept(&listener).0;
        let cancel = Cancel::new();
        let server = {
            let cancel = cancel.clone();
            thread::spawn(move || serve_large(&server, &cancel))
        };
        let options = [CallOptions::new(), CallOptions::new().cancel(&cancel), CallOptions::new()];
        let callers = (1..).zip(options).map(|(number, options)| {
            let client = client.clone();
            thread::spawn(move || match client.call_with(&options, 0, 1, &vec![number; 5 * MAX_RECORD]) {
                Ok(response) => assert_eq!(response.body, [number]),
                Err(error) => assert!(number == 2 && error.cause() == Cause::Cancelled, "{error}"),
            })
        });
        let callers: Vec<_> = callers.collect();
        join(callers);
        drop(client);
        join([server]);
    };
    shuttle::check_random(schedule, SCHEDULES / 10);
}

/// The thread with the lock calls alone, and the others go on when it is released.
#[test]
fn the_lock_is_held_by_one() {
    explore(|path| {
        let (client, server, _listener) = pair(path, true);
        let server = thread::spawn(move || server.echo());
        let held = Arc::new(AtomicBool::new(false));
        let holders = [1, 2].map(|number| {
            let (client, held) = (client.clone(), Arc::clone(&held));
            thread::spawn(move || {
                let locked = client.lock().unwrap();
                assert!(!held.swap(true, Ordering::SeqCst), "two have the lock");
                assert_eq!(locked.call(0, 1, &[number]).unwrap().body, [number]);
                held.store(false, Ordering::SeqCst);
            })
        });
        let others = callers(&client);
        join(holders);
        join(others);
        drop(client);
        join([server]);
    });
}

/// Any thread may read the reply, and any caller may give up.
#[test]
fn completions_are_run_once() {
    for pipelining in [false, true] {
        explore(move |path| {
            let (client, server, _listener) = pair(path, pipelining);
            let server = thread::spawn(move || server.echo());
            let (runs, cancel) = (Arc::new(AtomicUsize::new(0)), Cancel::new());
            for options in [CallOptions::new(), CallOptions::new().cancel(&cancel)] {
                let runs = Arc::clone(&runs);
                let done = move |result: Result<Response, Error>| {
                    assert!(result.is_ok() || result.is_err_and(|error| error.cause() == Cause::Cancelled));
                    runs.fetch_add(1, Ordering::SeqCst);
                };
                client.submit(&options, 0, 1, b"submitted".to_vec(), done).unwrap();
            }
            let dispatcher = {
                let (client, runs) = (client.clone(), Arc::clone(&runs));
                thread::spawn(move || {
                    while runs.load(Ordering::SeqCst) < 2 {
                        client.dispatch(Some(Duration::ZERO)).unwrap();
                        thread::yield_now();
                    }
                })
            };
            let threads = callers(&client);
            cancel.cancel();
            join(threads);
            join([dispatcher]);
            drop(client);
            join([server]);
            assert_eq!(runs.load(Ordering::SeqCst), 2);
        });
    }
}

/// A task that is ready to be polled.
struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls a future whenever its task is woken, so many times at most. A future that is not woken fails the test, as its
/// thread never ends.
fn poll<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let ready = std::sync::Arc::new(Ready(AtomicBool::new(true)));
    let waker = ready.clone().into();
    for _ in 0..times {
        while !ready.0.swap(false, Ordering::SeqCst) {
            thread::yield_now();
        }
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(result);
        }
    }
    None
}

/// The reply may be there, or about to be, when a future is dropped. The others get theirs.
#[test]
fn futures_are_ready_or_dropped() {
    for pipelining in [false, true] {
        explore(move |path| {
            let (client, server, _listener) = pair(path, pipelining);
            let server = thread::spawn(move || server.echo());
            client.event_fd().unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let dispatcher = {
                let (client, over) = (client.clone(), Arc::clone(&over));
                thread::spawn(move || {
                    while !over.load(Ordering::SeqCst) {
                        client.dispatch(Some(Duration::ZERO)).unwrap();
                        thread::yield_now();
                    }
                })
            };
            let cancel = Cancel::new();
            let tasks = [(1, usize::MAX), (2, 1), (3, usize::MAX)].map(|(number, times)| {
                let (client, cancel) = (client.clone(), cancel.clone());
                thread::spawn(move || {
                    let options = CallOptions::new();
                    let options = if number == 3 { options.cancel(&cancel) } else { options };
                    let call = client.call_async_with(&options, 0, 1, vec![number]);
                    match poll(call, times) {
                        Some(Ok(response)) => assert_eq!(response.body, [number]),
                        Some(Err(error)) => assert!(number == 3 && error.cause() == Cause::Cancelled, "{error}"),
                        None => assert_eq!(times, 1),
                    }
                })
            });
            cancel.cancel();
            assert_eq!(client.call(0, 1, b"next").unwrap().body, b"next");
            join(tasks);
            over.store(true, Ordering::SeqCst);
            join([dispatcher]);
            assert_eq!(client.dispatch(Some(Duration::ZERO)), Ok(0));
            drop(client);
            join([server]);
        });
    }
}

/// Makes a call from a thread for each number, and returns how many got their replies. The others fail.
fn call_and_count<const N: usize>(client: &Client, numbers: [u8; N]) -> usize {
    let replies = numbers.map(|number| {
        let client = client.clone();
        thread::spawn(move || match client.call(0, 1, &[number]) {
            Ok(response) => usize::from(response.body == [number]),
            Err(error) => {
                assert_eq!(error.cause(), Cause::NoReply);
                0
            }
        })
    });
    replies.map(|thread| thread.join().unwrap()).iter().sum()
}

/// Each body differs from the others, and each call that was answered was executed once.
#[track_caller]
fn assert_once(mut executed: Vec<Vec<u8>>, replies: usize) {
    assert_eq!(executed.len(), replies);
    executed.sort();
    executed.dedup();
    assert_eq!(executed.len(), replies, "a call was executed twice");
}

/// Serves all connections until `over`, and returns the executed bodies. After `closes_after` of them it closes the
/// connections that it has.
fn serve(listener: &Socket, reads_chunks: bool, closes_after: Option<usize>, over: &AtomicBool) -> Vec<Vec<u8>> {
    let (mut executed, mut connections) = (Vec::new(), Vec::new());
    while !over.load(Ordering::SeqCst) {
        connections.extend(listener.accept().map(|(socket, _)| (socket, false)));
        let before = executed.len();
        for (socket, rejected) in &mut connections {
            socket.set_nonblocking(true).unwrap();
            let mut record = [0; 400];
            let Ok(len @ 1..) = socket.read(&mut record) else { continue };
            let record = &record[..len];
            let in_a_chunk = Header::split(record).filter(|(header, message)| header.total == message.len() as u64);
            assert!(!*rejected, "something else was out before the server has answered");
            if in_a_chunk.is_some() && !reads_chunks {
                *rejected = true;
                // The caller may have given up and closed the connection, here and below.
                let _ = socket.write(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05");
                continue;
            }
            assert_eq!(in_a_chunk.is_some(), reads_chunks, "another framing than that of the server");
            let call = in_a_chunk.map_or(record, |(_, message)| message);
            let Call { module, sequence, body, .. } = Call::decode(call).unwrap();
            let status = if module == 0 { Status::Success } else { Status::UnknownModule };
            if module == 0 {
                executed.push(body.clone());
            }
            let message = Response { sequence, status: status.into(), body, ..Response::default() }.encode_to_vec();
            let header = Header { total: message.len() as u64, data: message.len() as u64, index: 0, count: 1 };
            let _ = socket.write(&if reads_chunks { [&header.to_bytes(), &message[..]].concat() } else { message });
        }
        if executed.len() > before && closes_after == Some(executed.len()) {
            connections.clear();
        }
        thread::yield_now();
    }
    executed
}

/// Any caller may detect the framing of any server, and any may give up meanwhile: every call is executed once.
#[test]
fn what_the_server_speaks_is_found_out() {
    for (reads_chunks, pipelining) in [(false, false), (false, true), (true, false), (true, true)] {
        explore(move |path| {
            let listener = listen(path);
            listener.set_nonblocking(true).unwrap();
            let client = Client::builder().framing(None).pipelining(pipelining).connect(path).unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let server = {
                let over = Arc::clone(&over);
                thread::spawn(move || serve(&listener, reads_chunks, None, &over))
            };
            let cancel = Cancel::new();
            let options = [CallOptions::new().cancel(&cancel), CallOptions::new().timeout(Duration::ZERO)];
            let leaving = options.map(|options| {
                let client = client.clone();
                thread::spawn(move || drop(client.call_with(&options, 0, 1, b"leaving")))
            });
            let large = {
                let client = client.clone();
                thread::spawn(move || assert_eq!(client.call(0, 1, &[9; 300]).unwrap().body, [9; 300]))
            };
            let threads = callers(&client);
            cancel.cancel();
            join(leaving);
            join(threads);
            join([large]);
            over.store(true, Ordering::SeqCst);
            let executed = server.join().unwrap();
            let left = executed.iter().filter(|body| *body == b"leaving").count();
            assert!(left <= 2 && executed.len() == 7 + left, "{executed:?}");
        });
    }
}

/// The connection is lost and the framing forgotten: no call is executed twice.
#[test]
fn what_the_server_speaks_is_found_out_anew() {
    for pipelining in [false, true] {
        explore(move |path| {
            let listener = listen(path);
            listener.set_nonblocking(true).unwrap();
            let client = Client::builder().framing(None).pipelining(pipelining).connect(path).unwrap();
            let over = Arc::new(AtomicBool::new(false));
            let server = {
                let over = Arc::clone(&over);
                thread::spawn(move || serve(&listener, false, Some(1), &over))
            };
            let replies = call_and_count(&client, [1, 2, 3, 4]);
            over.store(true, Ordering::SeqCst);
            let executed = server.join().unwrap();
            assert_once(executed, replies);
        });
    }
}

/// The connection is closed during the calls: every call ends.
#[test]
fn closing_ends_every_call() {
    explore(|path| {
        let (client, server, _listener) = pair(path, true);
        let server = thread::spawn(move || server.echo());
        let threads = [1, 2, 3].map(|number| {
            let client = client.clone();
            thread::spawn(move || match client.call(0, 1, &[number]) {
                Ok(response) => assert_eq!(response.body, [number]),
                Err(error) => assert_eq!(error.cause(), Cause::NotConnected),
            })
        });
        client.close().unwrap();
        join(threads);
        join([server]);
    });
}

/// The connection is lost during the calls: every call ends, and none is executed twice.
#[test]
fn no_call_is_executed_twice() {
    for pipelining in [false, true] {
        explore(move |path| {
            let (client, server, listener) = pair(path, pipelining);
            listener.set_nonblocking(true).unwrap();
            let (executed, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
            let serving = {
                let (executed, over) = (Arc::clone(&executed), Arc::clone(&over));
                thread::spawn(move || {
                    let first = server.receive().unwrap();
                    lock(&executed).push(first.body.clone());
                    server.answer(first);
                    drop(server);
                    while !over.load(Ordering::SeqCst) {
                        let Ok((socket, _)) = listener.accept() else {
                            thread::yield_now();
                            continue;
                        };
                        socket.set_nonblocking(true).unwrap();
                        let next = Server(socket);
                        while let Some(call) = next.receive() {
                            lock(&executed).push(call.body.clone());
                            next.answer(call);
                        }
                    }
                })
            };
            let replies = call_and_count(&client, [1, 2, 3]);
            drop(client);
            over.store(true, Ordering::SeqCst);
            join([serving]);
            let executed = std::mem::take(&mut *lock(&executed));
            assert_once(executed, replies);
        });
    }
}

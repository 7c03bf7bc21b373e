//! The shared client while memory runs out: each scene is played with its first allocation failing, with its second, and so
//! on until it makes no more, and again with all of them failing from each on. What the client does must work, or fail with
//! the cause for it; nothing may leak, every submitted call ends once, and the client is of use afterwards.

use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use drpc::bounded_text::BoundedText;
use drpc::{
    CallOptions, Cancel, Cause, Client, ClientBuilder, Error, Failure, Framing, Listener, Log, Module, Response,
    ResponseFuture, Service, Session,
};

use crate::support::heap::Heap;

/// No test waits longer than this for the other side.
const PATIENCE: Duration = Duration::from_secs(30);

/// No scene asks for memory so often; one that never ends would.
const ENOUGH: usize = 300;

/// Gives the body back.
const ECHO: i32 = 1;
/// Ends the connection instead.
const LEAVE: i32 = 2;

/// More than one chunk.
const LARGE: &[u8] = &[7; 300_000];

struct Echo;

impl Module for Echo {
    fn id(&self) -> i32 {
        7
    }

    fn handle(&self, session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        if method == LEAVE {
            session.close();
        }
        Ok(body.to_vec())
    }
}

/// Serves every connection, in threads of its own.
fn serve(path: &Path, framing: Framing) {
    let listener = Listener::builder().framing(framing).bind(path).unwrap();
    thread::spawn(move || {
        let mut service = Service::new();
        service.register(Echo).unwrap();
        let service = Arc::new(service);
        while let Ok(mut connection) = listener.accept() {
            let service = Arc::clone(&service);
            thread::spawn(move || connection.serve(&service));
        }
    });
}

/// A thread that holds a client's lock when it is told to.
struct Holder {
    client: Arc<(Mutex<Option<Client>>, Barrier)>,
    thread: JoinHandle<()>,
}

impl Holder {
    fn new() -> Self {
        let client = Arc::new((Mutex::new(None::<Client>), Barrier::new(2)));
        let told = Arc::clone(&client);
        let thread = thread::spawn(move || {
            loop {
                told.1.wait();
                let Some(client) = told.0.lock().unwrap().take() else { return };
                let locked = client.lock().unwrap();
                told.1.wait();
                told.1.wait();
                drop(locked);
                drop(client);
                told.1.wait();
            }
        });
        Self { client, thread }
    }

    /// Does something while it has the lock.
    fn meanwhile<T>(&self, client: &Client, work: impl FnOnce() -> T) -> T {
        let wait = || {
            self.client.1.wait();
        };
        *self.client.0.lock().unwrap() = Some(client.clone());
        (0..2).for_each(|_| wait());
        let done = work();
        (0..2).for_each(|_| wait());
        done
    }

    fn end(self) {
        self.client.1.wait();
        self.thread.join().unwrap();
    }
}

/// What has been made before a scene is played.
struct Props<'a> {
    builder: &'a ClientBuilder,
    path: &'a Path,
    holder: &'a Holder,
    cancel: Cancel,
    bodies: [Vec<u8>; 3],
    /// Completions that have been run.
    ended: Arc<AtomicUsize>,
    /// The client, once it has been made.
    client: Option<Client>,
    scarcity: Scarcity,
}

/// The number of the first allocation that fails.
#[derive(Clone, Copy)]
struct Scarcity(usize);

impl Scarcity {
    /// One has failed.
    fn has_begun(self) -> bool {
        Heap::made() > self.0
    }

    fn explains(self, error: &Error) -> bool {
        error.cause() == Cause::NoMemory && self.has_begun()
    }
}

type Scene = fn(&mut Props<'_>) -> Result<(), Error>;

impl Props<'_> {
    fn connect(&mut self) -> Result<Client, Error> {
        let client = self.builder.connect(self.path)?;
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Submits a call for each body, and waits until those that have been taken have ended.
    fn submit(&mut self, client: &Client, options: &CallOptions) -> Result<(), Error> {
        let (mut taken, mut submitted) = (0, Ok(()));
        let scarcity = self.scarcity;
        for body in &mut self.bodies {
            let ended = Arc::clone(&self.ended);
            let done = move |result: Result<Response, Error>| {
                assert!(result.is_ok() || result.is_err_and(|error| scarcity.explains(&error)));
                ended.fetch_add(1, Ordering::SeqCst);
            };
            match client.submit(options, 7, ECHO, std::mem::take(body), done) {
                Ok(()) => taken += 1,
                failed => submitted = failed,
            }
        }
        while self.ended.load(Ordering::SeqCst) < taken {
            client.dispatch(Some(PATIENCE))?;
        }
        assert_eq!(self.ended.load(Ordering::SeqCst), taken, "more completions than calls");
        submitted
    }
}

fn echo(client: &Client, options: &CallOptions, body: &[u8]) -> Result<(), Error> {
    assert_eq!(client.call_with(options, 7, ECHO, body)?.body, body);
    Ok(())
}

fn calls(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let small = echo(&client, &CallOptions::new(), b"small");
    small.and(echo(&client, &CallOptions::new(), LARGE))
}

/// The first call finds out what the server speaks.
fn a_small_call(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    echo(&client, &CallOptions::new(), b"small")
}

/// The same, and it is asked before.
fn a_large_call(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    echo(&client, &CallOptions::new(), LARGE)
}

fn submitted_calls(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let watched = client.event_fd().map(|_| ());
    props.submit(&client, &CallOptions::new().timeout(PATIENCE)).and(watched)
}

/// Each is polled in turn, and the last one dropped.
fn futures(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let watched = client.event_fd().map(|_| ());
    let options = CallOptions::new().timeout(PATIENCE).cancel(&props.cancel);
    let calls = props.bodies.each_mut().map(std::mem::take);
    let [first, second, third] = calls.map(|body| client.call_async_with(&options, 7, ECHO, body));
    let polled = poll_both(&client, first, second)?;
    drop(pin!(third).poll(&mut Context::from_waker(Waker::noop())));
    polled.and(watched)
}

/// Dispatches until both have ended, and gives the last error.
fn poll_both(client: &Client, first: ResponseFuture, second: ResponseFuture) -> Result<Result<(), Error>, Error> {
    let (mut futures, mut result) = ([Some(first), Some(second)], Ok(()));
    loop {
        for future in &mut futures {
            let Some(polled) = future else { continue };
            if let Poll::Ready(ended) = Pin::new(polled).poll(&mut Context::from_waker(Waker::noop())) {
                result = result.and(ended.map(drop));
                *future = None;
            }
        }
        if futures.iter().all(Option::is_none) {
            return Ok(result);
        }
        client.dispatch(Some(PATIENCE))?;
    }
}

fn calls_that_can_be_cancelled(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let options = CallOptions::new().timeout(PATIENCE).cancel(&props.cancel);
    let called = echo(&client, &options, b"small");
    called.and(props.submit(&client, &options))
}

fn a_call_that_is_cancelled(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    props.cancel.cancel();
    let options = CallOptions::new().cancel(&props.cancel);
    except(client.call_with(&options, 7, ECHO, b""), &[Cause::Cancelled])
}

fn a_lock(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let locked = client.lock()?;
    echo(&locked, &CallOptions::new(), b"locked")
}

fn a_caller_that_sleeps(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let options = CallOptions::new().timeout(Duration::from_millis(1));
    let called = props.holder.meanwhile(&client, || client.call_with(&options, 7, ECHO, b""));
    except(called, &[Cause::TimedOut])
}

fn another_connection(props: &mut Props<'_>) -> Result<(), Error> {
    let client = props.connect()?;
    let closed = client.close();
    let opened = client.open();
    // Without a connection there is none to leave.
    let (expected, unopened): (_, &[Cause]) =
        if opened.is_ok() { (Cause::NoReply, &[]) } else { (Cause::NotConnected, &[Cause::NotConnected]) };
    let left = except(client.call(7, LEAVE, b""), &[expected]);
    let again = client.call_with(&CallOptions::new().idempotent(true), 7, ECHO, b"again");
    closed.and(opened).and(left).and(except(again, unopened))
}

/// These failures are those that belong to the scene.
fn except(result: Result<Response, Error>, causes: &[Cause]) -> Result<(), Error> {
    match result {
        Err(error) if causes.contains(&error.cause()) => Ok(()),
        result => result.map(drop),
    }
}

/// Plays a scene once; true if memory was denied.
fn play_once(scene: Scene, builder: &ClientBuilder, framing: Framing, first: usize, count: usize) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let path = &dir.path().join("drpc.sock");
    let holder = Holder::new();
    serve(path, framing);
    drpc::large_block::release_idle();
    let held = Heap::held();
    let bodies = [b"first".to_vec(), LARGE.to_vec(), b"third".to_vec()];
    let (cancel, ended) = (Cancel::new(), Arc::default());
    let scarcity = Scarcity(Heap::made() + first);
    let mut props = Props { builder, path, holder: &holder, cancel, bodies, ended, client: None, scarcity };
    let played = Heap::failing(first, count, || scene(&mut props));
    let denied = scarcity.has_begun();
    if let Err(error) = &played {
        assert!(scarcity.explains(error), "{error}");
    }
    drop(played);
    if let Some(client) = &props.client {
        client.open().unwrap();
        // A server that has been asked what it speaks may be about to end the connection.
        echo(client, &CallOptions::new().idempotent(true), b"afterwards").unwrap();
    }
    drop(props);
    assert_eq!(Heap::held(), held, "memory is left");
    holder.end();
    denied
}

fn play(scene: Scene, builder: &ClientBuilder, framing: Framing) {
    for count in [1, usize::MAX] {
        let denied = (0..ENOUGH).take_while(|first| play_once(scene, builder, framing, *first, count)).count();
        assert!((1..ENOUGH).contains(&denied), "{denied} allocations");
    }
}

fn builder() -> ClientBuilder {
    Client::builder().timeout(PATIENCE).log(Log::to(|_, line| assert!(!BoundedText::new(line).as_bytes().is_empty())))
}

#[test]
fn a_client_without_memory_for_it_says_so() {
    let scenes: [Scene; 8] = [
        calls,
        submitted_calls,
        futures,
        calls_that_can_be_cancelled,
        a_call_that_is_cancelled,
        a_lock,
        a_caller_that_sleeps,
        another_connection,
    ];
    for scene in scenes {
        for pipelining in [false, true] {
            play(scene, &builder().framing(Framing::Chunked).pipelining(pipelining), Framing::Chunked);
        }
    }
}

#[test]
fn a_client_without_memory_finds_out_what_its_server_speaks() {
    play(a_small_call, &builder().framing(None), Framing::Chunked);
    play(a_small_call, &builder().framing(None), Framing::Datagram);
    play(a_large_call, &builder().framing(None), Framing::Chunked);
}

/// It takes what the thread needs with it, so that what this one holds says nothing.
#[test]
fn a_client_without_memory_has_no_thread_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = &dir.path().join("drpc.sock");
    serve(path, Framing::Chunked);
    let builder = builder().framing(Framing::Chunked).thread(true);
    for count in [1, usize::MAX] {
        let failed = |first: &usize| {
            let scarcity = Scarcity(Heap::made() + first);
            match Heap::failing(*first, count, || builder.connect(path)) {
                Ok(client) => {
                    let denied = scarcity.has_begun();
                    assert_eq!(client.call(7, ECHO, b"body").unwrap().body, b"body");
                    denied
                }
                Err(error) => scarcity.explains(&error),
            }
        };
        assert!((1..ENOUGH).contains(&(0..ENOUGH).take_while(failed).count()));
    }
}

/// The first poll starts the thread that completes the call. Whatever is missing, the future is ready or will be.
#[test]
fn a_future_without_memory_for_its_thread_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = &dir.path().join("drpc.sock");
    serve(path, Framing::Chunked);
    for count in [1, usize::MAX] {
        let failed = |first: &usize| {
            let client = builder().framing(Framing::Chunked).connect(path).unwrap();
            let mut call = pin!(client.call_async(7, ECHO, b"body".to_vec()));
            let mut poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let scarcity = Scarcity(Heap::made() + first);
            let mut polled = Heap::failing(*first, count, &mut poll);
            let denied = scarcity.has_begun();
            loop {
                match polled {
                    Poll::Ready(Ok(response)) => assert_eq!(response.body, b"body"),
                    Poll::Ready(Err(error)) => assert!(scarcity.explains(&error), "{error}"),
                    Poll::Pending => {
                        thread::yield_now();
                        polled = poll();
                        continue;
                    }
                }
                return denied;
            }
        };
        assert!((1..ENOUGH).contains(&(0..ENOUGH).take_while(failed).count()));
    }
}

/// Everything that a call may need is there once it has been taken: its end, another try, and its completion take nothing.
#[test]
fn nothing_that_becomes_of_a_call_takes_memory() {
    const CALLS: usize = 100;
    for (pipelining, lost) in [(false, false), (false, true), (true, false), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        let path = &dir.path().join("drpc.sock");
        let listener = Listener::bind(path).unwrap();
        let client = builder().framing(Framing::Chunked).pipelining(pipelining).connect(path).unwrap();
        let connection = listener.accept().unwrap();
        let ended = Arc::new(AtomicUsize::new(0));
        for _ in 0..CALLS {
            let count = Arc::clone(&ended);
            let done = move |result: Result<Response, Error>| {
                let cause = result.unwrap_err().cause();
                assert_eq!(cause, if lost { Cause::Os(libc::ECONNREFUSED) } else { Cause::NotConnected });
                count.fetch_add(1, Ordering::SeqCst);
            };
            client.submit(&CallOptions::new().idempotent(true), 7, ECHO, b"body".to_vec(), done).unwrap();
        }
        client.event_fd().unwrap();
        drop((connection, listener));
        let before = Heap::made();
        Heap::failing(0, usize::MAX, || {
            if !lost {
                client.close().unwrap();
            }
            while ended.load(Ordering::SeqCst) < CALLS {
                client.dispatch(Some(PATIENCE)).unwrap();
            }
        });
        assert_eq!(Heap::made(), before, "{pipelining}, {lost}");
    }
}

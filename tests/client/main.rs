//! The client, shared by any number of threads, with raw servers at the other end.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod call_async;
mod deadlines;
mod detection;
mod floods;
mod fork;
mod reconnect;
mod replies;
mod sharing;
mod submit;
#[path = "../support"]
mod support {
    pub(crate) mod body;
    pub(crate) mod fork;
    pub(crate) mod peer;
    pub(crate) mod raw_server;
    pub(crate) mod records;
    pub(crate) mod socket_path;
    pub(crate) mod subprocess;
}

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use drpc::{Call, CallOptions, Cause, Client, ClientBuilder, Error, Framing, Phase, Response};
use prost::Message;
use socket2::Socket;
use support::peer::Peer;
use support::raw_server::{MOMENT, PATIENCE, describe, raw_listener, success};
use support::socket_path::socket_path;
use tempfile::TempDir;

/// A client, the raw server at the other end, and its listener.
struct Fixture {
    client: Client,
    server: Peer,
    listener: Socket,
    path: PathBuf,
    dir: TempDir,
}

impl Fixture {
    fn new(builder: &ClientBuilder) -> Self {
        let (dir, path) = socket_path();
        let listener = raw_listener(&path);
        let client = builder.connect(&path).unwrap();
        let server = accept(&listener);
        Self { client, server, listener, path, dir }
    }
}

fn accept(listener: &Socket) -> Peer {
    Peer::new(listener.accept().unwrap().0)
}

/// A client that knows its server's framing.
fn chunked_client() -> ClientBuilder {
    detecting_client().framing(Framing::Chunked)
}

/// A client that has to detect its server's framing.
fn detecting_client() -> ClientBuilder {
    Client::builder().framing(None).timeout(PATIENCE)
}

/// A thread that can be seen to block.
struct Runner<'a, T> {
    thread: ScopedJoinHandle<'a, T>,
    /// The kernel's file about the thread.
    stat: PathBuf,
}

impl<T> Runner<'_, T> {
    /// Waits until the thread blocks in any way.
    fn await_blocked(&self) {
        let is_blocked = || {
            let stat = fs::read_to_string(&self.stat).unwrap();
            // The state follows the name, which is in parentheses.
            stat.rsplit(") ").next().unwrap().starts_with('S')
        };
        let began = Instant::now();
        while !is_blocked() {
            assert!(began.elapsed() < PATIENCE, "the thread goes on and on");
            thread::yield_now();
        }
    }

    fn join(self) -> thread::Result<T> {
        self.thread.join()
    }
}

/// Runs `work` in a thread of its own.
fn run_in<'a, T: Send + 'a>(scope: &'a thread::Scope<'a, '_>, work: impl FnOnce() -> T + Send + 'a) -> Runner<'a, T> {
    let (sender, named) = mpsc::channel();
    let thread = scope.spawn(move || {
        sender.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
        work()
    });
    let stat = Path::new("/proc").join(named.recv_timeout(PATIENCE).unwrap()).join("stat");
    Runner { thread, stat }
}

/// Makes a call in a thread of its own.
fn call_in<'a>(scope: &'a thread::Scope<'a, '_>, client: &Client, body: &[u8]) -> Runner<'a, Result<Response, Error>> {
    let (client, body) = (client.clone(), body.to_vec());
    run_in(scope, move || client.call(7, 1, &body))
}

/// Times for an operation that has to begin within one and never ends. Each is longer than the one before, and the last
/// is ample.
fn longer_times() -> impl Iterator<Item = Duration> {
    iter::successors(Some(MOMENT), |time| (*time < PATIENCE).then_some(*time * 4))
}

/// Makes a call that is not answered in time, although the time was enough to send it.
fn time_out(client: &Client) -> (Phase, Cause) {
    let call = |time| describe(client.call_with(&CallOptions::new().timeout(time), 7, 1, b""));
    longer_times().map(call).find(|failure| *failure != (Phase::Call, Cause::TimedOut)).unwrap()
}

/// Submits a call whose result arrives in the channel.
fn submit(client: &Client, options: &CallOptions, body: &[u8]) -> Receiver<Result<Response, Error>> {
    let (sender, receiver) = mpsc::channel();
    client.submit(options, 7, 1, body.to_vec(), move |result| drop(sender.send(result))).unwrap();
    receiver
}

impl Peer {
    fn call(&self) -> Call {
        self.receive_call(Framing::Chunked)
    }

    /// The next call, in any number of records.
    fn long_call(&self) -> Call {
        self.call_from(self.receive())
    }

    /// A call whose first record has been received.
    fn call_from(&self, first: Vec<u8>) -> Call {
        let total = u64::from_ne_bytes(first[..8].try_into().unwrap()) as usize;
        let mut message = first[24..].to_vec();
        while message.len() < total {
            message.extend_from_slice(&self.receive()[24..]);
        }
        Call::decode(&message[..]).unwrap()
    }

    fn answer(&self, call: &Call, body: &[u8]) {
        self.send_message(Framing::Chunked, &success(call.sequence, body));
    }

    /// Waits until something has come.
    fn wait(&self) {
        self.0.peek(&mut [std::mem::MaybeUninit::uninit(); 1]).unwrap();
    }

    /// True if something has come.
    fn has_something(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let peeked = self.0.peek(&mut [std::mem::MaybeUninit::uninit(); 1]);
        self.0.set_nonblocking(false).unwrap();
        peeked.is_ok()
    }

    /// Asserts that nothing comes.
    fn assert_silent(&self) {
        self.0.set_read_timeout(Some(MOMENT)).unwrap();
        assert_eq!(
            self.0.peek(&mut [std::mem::MaybeUninit::uninit(); 1]).unwrap_err().raw_os_error(),
            Some(libc::EAGAIN)
        );
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// Serves the next call, and expects it to have this body.
    fn serve(&self, body: &[u8]) {
        let call = self.call();
        assert_eq!(call.body, body);
        self.answer(&call, &[body, b"!"].concat());
    }
}

//! The client that any number of threads share, with raw servers: turns, deadlines, lost connections, and replies that
//! are late, broken, or nobody's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by panicking")]

mod peer;
mod raw;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use drpc::{Call, CallOptions, Cancel, Cause, Client, ClientBuilder, Error, Framing, Phase, Response, Status};
use peer::{Peer, pattern};
use prost::Message;
use raw::{MOMENT, PATIENCE, describe, place, raw_listener, success};
use socket2::Socket;
use tempfile::TempDir;

const CHUNKED: Framing = Framing::Chunked;

/// A client and the raw server at the other end, with its listener.
struct Set {
    client: Client,
    server: Peer,
    listener: Socket,
    path: PathBuf,
    _dir: TempDir,
}

fn set(builder: &ClientBuilder) -> Set {
    let (dir, path) = place();
    let listener = raw_listener(&path);
    let client = builder.connect(&path).unwrap();
    let server = accept(&listener);
    Set { client, server, listener, path, _dir: dir }
}

fn accept(listener: &Socket) -> Peer {
    Peer::new(listener.accept().unwrap().0)
}

fn patient() -> ClientBuilder {
    Client::builder().timeout(PATIENCE)
}

impl Peer {
    fn call(&self) -> Call {
        self.receive_call(CHUNKED)
    }

    fn answer(&self, call: &Call, body: &[u8]) {
        self.send_message(CHUNKED, &success(call.sequence, body));
    }

    /// Answers calls with their bodies, in another order where there are several at a time, until the client goes.
    fn echo_backwards(&self) {
        let mut calls: Vec<Call> = Vec::new();
        loop {
            self.0.set_nonblocking(!calls.is_empty()).unwrap();
            let mut record = vec![std::mem::MaybeUninit::uninit(); 1 << 12];
            match self.0.recv(&mut record) {
                Ok(0) => return,
                Ok(len) => {
                    // SAFETY: so many bytes have been received.
                    let bytes: Vec<u8> = record[24..len].iter().map(|byte| unsafe { byte.assume_init() }).collect();
                    calls.push(Call::decode(&bytes[..]).unwrap());
                }
                Err(_) => calls.drain(..).rev().for_each(|call| self.answer(&call, &call.body)),
            }
        }
    }
}

#[test]
fn every_thread_gets_its_own_replies() {
    for pipelining in [false, true] {
        let Set { client, server, .. } = set(&patient().pipelining(pipelining));
        thread::scope(|scope| {
            let server = scope.spawn(move || server.echo_backwards());
            let threads: Vec<_> = (0..4u32)
                .map(|thread| {
                    let client = client.clone();
                    scope.spawn(move || {
                        (0..20_000u32)
                            .filter(|number| {
                                let body = [thread.to_le_bytes(), number.to_le_bytes()].concat();
                                client.call(7, 1, &body).unwrap().body != body
                            })
                            .count()
                    })
                })
                .collect();
            let wrong: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
            assert_eq!(wrong, 0, "of 80,000, pipelining {pipelining}");
            drop(client);
            server.join().unwrap();
        });
    }
}

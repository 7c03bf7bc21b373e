//! A thousand sessions at once, of all sorts.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use drpc::framing::chunked::MAX_DATA;
use drpc::{Failure, Framing, Module, Server, Session, Status};

use crate::await_that;
use crate::modules::PATIENCE;
use crate::raw_client::{Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;
use crate::support::subprocess::{is_alone, run_alone};

const SESSIONS: usize = 1000;
const THREADS: usize = 4;
const ROUNDS: usize = 20;

const ORDERED: i32 = 1;
const CONCURRENT: i32 = 2;

/// A module that returns the body and counts its calls.
struct Counted {
    id: i32,
    handled: Arc<AtomicUsize>,
}

impl Module for Counted {
    fn id(&self) -> i32 {
        self.id
    }

    fn handle(&self, _session: &Session, _method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        self.handled.fetch_add(1, Ordering::SeqCst);
        Ok(body.to_vec())
    }

    fn concurrent(&self) -> bool {
        self.id == CONCURRENT
    }
}

/// A deterministic pseudo-random sequence.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

/// A client, and its calls without an answer yet.
struct Client {
    raw: Raw,
    sequence: i64,
    open: BTreeSet<i64>,
}

/// The outcomes of the calls.
#[derive(Debug, Default)]
struct Totals {
    answered: usize,
    /// Calls whose clients did not wait for an answer.
    left: usize,
}

fn body(sequence: i64) -> Vec<u8> {
    pattern(match sequence % 50 {
        0 => 5 * MAX_DATA + 1,
        large if large % 7 == 0 => 20_000,
        _ => 30,
    })
}

impl Client {
    fn connect(path: &Path) -> Self {
        Self { raw: Raw::connect(path, Framing::Chunked), sequence: 0, open: BTreeSet::new() }
    }

    /// Sends a call, unless its records would wait for room that only this thread can make.
    fn send(&mut self, module: i32) {
        self.sequence += 1;
        let body = if self.open.is_empty() { body(self.sequence) } else { pattern(30) };
        self.raw.send(&call(module, 1, self.sequence, &body));
        self.open.insert(self.sequence);
    }

    /// Receives the response to one of the open calls.
    fn take(&mut self, totals: &mut Totals) {
        let reply = self.raw.reply();
        assert_eq!(reply.status(), Status::Success);
        assert!(self.open.remove(&reply.sequence), "no call, or answered twice: {}", reply.sequence);
        let length = reply.body.len();
        assert!(length == 30 || reply.body == body(reply.sequence), "another body");
        totals.answered += 1;
    }

    /// Takes one random action; false once the session has ended.
    fn act(&mut self, dice: &mut Dice, totals: &mut Totals) -> bool {
        match dice.roll(20) {
            // Disconnects, with or without open calls, or in the middle of a call.
            0 => false,
            1 => {
                self.raw.send_part(&call(ORDERED, 1, 1, &pattern(2 * MAX_DATA)));
                false
            }
            2..8 if self.open.len() < 4 => {
                let module = [ORDERED, CONCURRENT][dice.roll(2)];
                self.send(module);
                true
            }
            // Reads only now and then.
            8..14 if !self.open.is_empty() => {
                self.take(totals);
                true
            }
            14.. if self.open.is_empty() => {
                self.send(ORDERED);
                self.take(totals);
                true
            }
            _ => true,
        }
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[test]
fn a_thousand_sessions_of_all_sorts() {
    if !is_alone() {
        return run_alone("chaos::a_thousand_sessions_of_all_sorts", "ulimit -n 4000", Stdio::null());
    }
    let (_dir, path) = socket_path();
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = |id| Counted { id, handled: Arc::clone(&handled) };
    // What one user other than root may have is enough for all of them, and for those that have just ended.
    let limits = drpc::ServerLimits {
        sessions_per_uid: usize::MAX,
        partial_memory: 16 << 30,
        unsent: 16 << 30,
        ..drpc::ServerLimits::default()
    };
    let builder = Server::builder().module(counted(ORDERED)).module(counted(CONCURRENT)).limits(limits);
    let server = builder.threads(4).bind(&path).unwrap();
    server.start().unwrap();
    storm(&path, 1, 2);
    await_that("all have left", || server.stats().sessions == 0);
    let (before, memory, warm) = (descriptors(), resident(), handled.load(Ordering::SeqCst));

    let totals = storm(&path, 2, ROUNDS);
    await_that("all have left", || server.stats().sessions == 0);
    let handled = handled.load(Ordering::SeqCst) - warm;
    // Calls of clients that left without waiting may have been handled, too.
    assert!(totals.answered > 5 * SESSIONS, "{totals:?}");
    assert!((totals.answered..=totals.answered + totals.left).contains(&handled), "{handled} of {totals:?}");
    // The thread that ended the last session may still hold it.
    await_that("all descriptors are closed", || descriptors() == before);
    // Memory that the allocator keeps is no leak. A leak of one large body per session would be 650 MB.
    assert!(resident() < memory + (64 << 20), "{} bytes instead of {memory}", resident());
    let stats = server.stats();
    assert_eq!(stats.calls.iter().map(|calls| calls.total()).sum::<u64>(), (handled + warm) as u64);
    assert_eq!((stats.errors.panics, stats.errors.out_of_step, stats.errors.unparsable), (0, 0, 0));
    assert!(stats.errors.cut > 0);
    assert_eq!(server.shutdown(PATIENCE), Ok(()));
    let Totals { answered, left } = totals;
    println!("# {} sessions: {handled} calls handled, {answered} answered, 0 twice, 0 lost,", stats.accepted);
    println!("# {left} left open by their clients, 0 descriptors left over");
}

/// Runs rounds in which each client takes one action.
fn storm(path: &Path, seed: u64, rounds: usize) -> Totals {
    let total = |(one, other): (Totals, Totals)| Totals {
        answered: one.answered + other.answered,
        left: one.left + other.left,
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (seed << 32) ^ thread as u64);
                    let mut totals = Totals::default();
                    let mut clients: Vec<Client> = (0..SESSIONS / THREADS).map(|_| Client::connect(path)).collect();
                    for _ in 0..rounds {
                        for client in &mut clients {
                            if !client.act(&mut dice, &mut totals) {
                                totals.left += client.open.len();
                                *client = Client::connect(path);
                            }
                        }
                    }
                    for client in &mut clients {
                        while !client.open.is_empty() {
                            client.take(&mut totals);
                        }
                    }
                    totals
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold(Totals::default(), |sum, more| total((sum, more)))
    })
}

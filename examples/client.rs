//! Four threads that call over one connection; for the example `server`.
//!
//! ```sh
//! cargo run --example client /tmp/managed.sock
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use drpc::{Client, Status};

/// Modules of the server.
const ECHO: i32 = 100;
const COUNTER: i32 = 101;

const THREADS: usize = 4;
const CALLS: usize = 1000;

/// Calls with a body of its own each time. Returns how many replies belonged to their call.
fn work(client: &Client, thread: usize) -> Result<usize, drpc::Error> {
    let mut right = 0;
    for call in 0..CALLS {
        let body = format!("thread {thread}, call {call}");
        let response = client.call(ECHO, 0, body.as_bytes())?;
        right += usize::from(response.status() == Status::Success && response.body == body.as_bytes());
    }
    Ok(right)
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: client SOCKET")?;
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        // Our server answers one message after the other, so that calls need not wait for each other.
        .pipelining(true)
        .connect(path)?;

    // A clone would be the same client, for threads that live longer than this function.
    let right = thread::scope(|scope| {
        let start = |number| {
            let client = &client;
            scope.spawn(move || work(client, number))
        };
        let workers: Vec<_> = (0..THREADS).map(start).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(Ok(0))).sum::<Result<usize, _>>()
    })?;
    println!("{THREADS} threads, {} calls, {right} right replies", THREADS * CALLS);

    let count = client.call(COUNTER, 0, b"")?;
    println!("counter: {}", String::from_utf8_lossy(&count.body));
    if right != THREADS * CALLS {
        return Err("some replies belonged to another call".into());
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

//! Serves two modules with threads of the library, until its input ends.
//!
//! ```sh
//! cargo run --example server /tmp/managed.sock
//! ```

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use drpc::{Existing, Failure, Module, ModuleStats, Server, Session};

/// The time that replies may take to go out when the server ends.
const GRACE: Duration = Duration::from_secs(10);

/// Every method answers with the body of its call.
struct Echo;

impl Module for Echo {
    fn id(&self) -> i32 {
        100
    }

    fn handle(&self, _session: &Session, _method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(body.to_vec())
    }
}

/// Method 0 answers with the number of its call.
#[derive(Default)]
struct Counter {
    calls: AtomicU64,
}

impl Module for Counter {
    fn id(&self) -> i32 {
        101
    }

    /// Calls of one session need not wait for each other.
    fn concurrent(&self) -> bool {
        true
    }

    fn handle(&self, _session: &Session, method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
        match method {
            0 => Ok((self.calls.fetch_add(1, Ordering::Relaxed) + 1).to_string().into_bytes()),
            _ => Err(Failure::unknown_method()),
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: server SOCKET")?;
    let server = Server::builder()
        .module(Echo)
        .module(Counter::default())
        // A server that was killed has left its socket behind.
        .existing(Existing::ReplaceStale)
        .bind(path)?;
    server.start()?;
    println!("listening on {}", server.path().display());
    io::copy(&mut io::stdin(), &mut io::sink())?;
    server.shutdown(GRACE)?;
    let calls: u64 = server.stats().calls.iter().map(ModuleStats::total).sum();
    println!("stopped after {calls} calls");
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server: {error}");
            ExitCode::FAILURE
        }
    }
}

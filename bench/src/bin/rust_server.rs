//! `rust_server SOCKET`: `drpc::Server` as it comes, with a module that hands back the body it got.

use std::error::Error;
use std::hint;
use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use drpc::{Failure, Module, Server, ServerLimits, Session};

/// Works so long by the clock before it answers.
struct Echo(Duration);

impl Module for Echo {
    fn id(&self) -> i32 {
        0
    }

    fn handle_owned(&self, _session: &Session, _method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if !self.0.is_zero() {
            let begin = Instant::now();
            while begin.elapsed() < self.0 {
                hint::spin_loop();
            }
        }
        Ok(body)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: rust_server SOCKET")?;
    // The clients of the benchmark are one user's, which need not be root.
    let limits = ServerLimits { sessions_per_uid: usize::MAX, ..ServerLimits::default() };
    let work_us = std::env::var("BENCH_WORK_US").map_or(Ok(0), |text| text.parse())?;
    let server = Server::builder().module(Echo(Duration::from_micros(work_us))).limits(limits).bind(path)?;
    server.start()?;
    println!("ready");
    for line in io::stdin().lock().lines() {
        line?;
        // For how long its threads have looked for calls.
        let looked = u64::try_from(server.stats().spinning.as_nanos())?;
        println!("1");
        io::stdout().write_all(&looked.to_ne_bytes())?;
        io::stdout().flush()?;
    }
    Ok(())
}

//! `rust_server SOCKET`: `drpc::Server` as it comes, with a module that hands back the body it got.

use std::error::Error;
use std::io;

use drpc::{Failure, Module, Server, ServerLimits, Session};

struct Echo;

impl Module for Echo {
    fn id(&self) -> i32 {
        0
    }

    fn handle_owned(&self, _session: &Session, _method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(body)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: rust_server SOCKET")?;
    // The clients of the benchmark are one user's, which need not be root.
    let limits = ServerLimits { sessions_per_uid: usize::MAX, ..ServerLimits::default() };
    let server = Server::builder().module(Echo).limits(limits).bind(path)?;
    server.start()?;
    println!("ready");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

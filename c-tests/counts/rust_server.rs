//! `counted_server SOCKET READY`: `drpc::Server` with one thread; the file READY appears once a client may connect.
//! It marks and ends as `hand_back.h` says.

use std::error::Error;
use std::fs::File;
use std::os::unix::process::parent_id;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use drpc::{Failure, Module, Server, Session};

const MODULE: i32 = 1;
const MARK: i32 = 102;
const END: i32 = 103;

/// The time for the answer to a client's last call to go out.
const GRACE: Duration = Duration::from_secs(60);

/// A module that hands back the body it got.
struct Echo {
    end: Sender<()>,
}

impl Module for Echo {
    fn id(&self) -> i32 {
        MODULE
    }

    fn handle_owned(&self, _session: &Session, method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        match method {
            // It fails when the server ends already.
            END => _ = self.end.send(()),
            MARK => _ = parent_id(),
            _ => {}
        }
        Ok(body)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (path, ready) = arguments.next().zip(arguments.next()).ok_or("usage: counted_server SOCKET READY")?;
    let (end, ended) = channel();
    let server = Server::builder().module(Echo { end }).threads(1).bind(path)?;
    server.start()?;
    File::create(ready)?;
    ended.recv()?;
    Ok(server.shutdown(GRACE)?)
}

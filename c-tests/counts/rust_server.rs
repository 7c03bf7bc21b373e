//! `counted_server SOCKET READY`: `drpc::Server` with one thread; the file READY appears once a client may connect.
//! A call of the module `END` is a client's last, as `hand_back.h` says.

use std::error::Error;
use std::fs::File;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use drpc::{Failure, Module, Server, Session};

const ECHO: i32 = 1;
const END: i32 = 2;

/// The time for the answer to a client's last call to go out.
const GRACE: Duration = Duration::from_secs(60);

/// A module that hands back the body it got, and says that it was called where that ends the server.
struct Echo {
    id: i32,
    end: Option<Sender<()>>,
}

impl Module for Echo {
    fn id(&self) -> i32 {
        self.id
    }

    fn handle_owned(&self, _session: &Session, _method: i32, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        if let Some(end) = &self.end {
            // It fails when the server ends already.
            let _ = end.send(());
        }
        Ok(body)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (path, ready) = arguments.next().zip(arguments.next()).ok_or("usage: counted_server SOCKET READY")?;
    let (end, ended) = channel();
    let modules = Server::builder().module(Echo { id: ECHO, end: None }).module(Echo { id: END, end: Some(end) });
    let server = modules.threads(1).bind(path)?;
    server.start()?;
    File::create(ready)?;
    ended.recv()?;
    Ok(server.shutdown(GRACE)?)
}

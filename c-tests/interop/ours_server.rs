//! The servers of the Rust API, for `c-tests/interop.sh`.
//!
//! ```sh
//! interop_server server|connection SOCKET LOG
//! ```
//!
//! LOG is made once it listens, and gets a line for each call executed. The server serves until it is killed.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::thread;

use drpc::{Failure, Listener, Module, Server, Service, Session};

const MODULE: i32 = 3;
const MAKE: i32 = 306;
const TAKE: i32 = 307;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + 7).to_le_bytes()[0]).collect()
}

/// MAKE answers with as many bytes as the number in the call says, TAKE with none.
struct Methods {
    log: PathBuf,
    file: OnceLock<File>,
}

impl Methods {
    fn new(log: &Path) -> Arc<Self> {
        Arc::new(Self { log: log.to_owned(), file: OnceLock::new() })
    }

    /// Makes the log, now that somebody listens.
    fn listening(&self) -> Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(&self.log)?;
        self.file.set(file).map_err(|_| "the log has been made".into())
    }

    /// One write a line: sessions are threads.
    fn log(&self, method: i32, body: &[u8], name: &str) -> Result<()> {
        let line = format!("{MODULE} {method} {} {name}\n", body.len());
        self.file.get().ok_or("there is no log")?.write_all(line.as_bytes())?;
        Ok(())
    }

    fn execute(&self, method: i32, body: &[u8]) -> Result<Vec<u8>> {
        let (name, answer) = match method {
            MAKE => {
                let number = std::str::from_utf8(body)?;
                (format!("make:{number}"), pattern(number.parse()?))
            }
            TAKE if body == pattern(body.len()) => (format!("take:{}", body.len()), Vec::new()),
            TAKE => ("other".to_owned(), Vec::new()),
            _ => return Err(Failure::unknown_method().into()),
        };
        self.log(method, body, &name)?;
        Ok(answer)
    }
}

/// The same methods, in each session.
struct Shared(Arc<Methods>);

impl Module for Shared {
    fn id(&self) -> i32 {
        MODULE
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        self.0.execute(method, body).map_err(|error| Failure::new(Failure::status_of(Some(&*error))))
    }
}

fn serve_connections(socket: &str, methods: &Arc<Methods>) -> Result<()> {
    let listener = Listener::bind(socket)?;
    methods.listening()?;
    loop {
        let mut connection = listener.accept()?;
        let mut service = Service::new();
        service.register(Shared(Arc::clone(methods)))?;
        // It ends with an error when the client's call was none.
        thread::spawn(move || connection.serve(&service));
    }
}

fn serve(socket: &str, methods: &Arc<Methods>) -> Result<()> {
    let server = Server::builder().module(Shared(Arc::clone(methods))).bind(socket)?;
    methods.listening()?;
    Ok(server.run()?)
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, socket, log] = arguments.as_slice() else {
        return Err("usage: interop_server server|connection SOCKET LOG".into());
    };
    let methods = Methods::new(Path::new(log));
    match kind.as_str() {
        "server" => serve(socket, &methods),
        "connection" => serve_connections(socket, &methods),
        _ => Err("no such kind".into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("interop_server: {error}");
            ExitCode::FAILURE
        }
    }
}

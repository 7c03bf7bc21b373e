//! The servers of the Rust API, for `c-tests/interop_servers.sh`.
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

use drpc::wire::CallRef;
use drpc::{Failure, Listener, Module, Server, Service, Session};

const MODULE: i32 = 3;
const FAIL: i32 = 302;
const MAKE: i32 = 306;
const TAKE: i32 = 307;
const HIDING_MODULE: i32 = 2;
const HIDE: i32 = 201;
const GROUP: i32 = 207;

/// What stands before the call in the body of HIDE, and of GROUP.
const HIDING: &[u8] = b"hiding    ";
const GROUPING: &[u8] = b"xxxxxxxxxx\x04";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + 7).to_le_bytes()[0]).collect()
}

/// MAKE answers with as many bytes as the number in the call says, and the others with none.
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
    fn log(&self, line: &str) -> Result<()> {
        self.file.get().ok_or("there is no log")?.write_all(line.as_bytes())?;
        Ok(())
    }

    fn execute(&self, module: i32, method: i32, body: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        let name = match (module, method) {
            // Clients of every release have to read past the text of a failure.
            (MODULE, FAIL) => return Err(Failure::other().with_detail("x".repeat(body.len()))),
            (MODULE, MAKE) => format!("make:{}", String::from_utf8_lossy(body)),
            (MODULE, TAKE) if body == pattern(body.len()) => format!("take:{}", body.len()),
            (MODULE, TAKE) => "other".to_owned(),
            (HIDING_MODULE, HIDE) => format!("hide:{}", hidden_in(HIDING, body)?),
            (HIDING_MODULE, GROUP) => format!("group:{}", hidden_in(GROUPING, body)?),
            _ => return Err(Failure::unknown_method()),
        };
        self.log(&format!("{module} {method} {} {name}\n", body.len())).map_err(|_| Failure::other())?;
        match name.strip_prefix("make:") {
            Some(number) => Ok(pattern(number.parse().map_err(|_| Failure::unmarshaling_payload())?)),
            None => Ok(Vec::new()),
        }
    }
}

/// How many bytes the call has that stands behind `before` in a body.
fn hidden_in(before: &[u8], body: &[u8]) -> std::result::Result<usize, Failure> {
    let call = body.strip_prefix(before).and_then(|call| CallRef::decode(call).ok());
    call.map(|call| call.body.len()).ok_or_else(Failure::unmarshaling_payload)
}

/// A module of them.
struct Shared {
    module: i32,
    methods: Arc<Methods>,
}

impl Shared {
    fn new(module: i32, methods: &Arc<Methods>) -> Self {
        Self { module, methods: Arc::clone(methods) }
    }
}

impl Module for Shared {
    fn id(&self) -> i32 {
        self.module
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> std::result::Result<Vec<u8>, Failure> {
        self.methods.execute(self.module, method, body)
    }
}

fn serve_connections(socket: &str, methods: &Arc<Methods>) -> Result<()> {
    let listener = Listener::bind(socket)?;
    methods.listening()?;
    loop {
        let mut connection = listener.accept()?;
        let mut service = Service::new();
        service.register(Shared::new(MODULE, methods))?;
        service.register(Shared::new(HIDING_MODULE, methods))?;
        // It ends with an error when the client's call was none.
        thread::spawn(move || connection.serve(&service));
    }
}

fn serve(socket: &str, methods: &Arc<Methods>) -> Result<()> {
    let server = Server::builder()
        .module(Shared::new(MODULE, methods))
        .module(Shared::new(HIDING_MODULE, methods))
        .bind(socket)?;
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

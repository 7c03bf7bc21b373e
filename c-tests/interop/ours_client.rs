//! The client of the Rust API, for `c-tests/interop_clients.sh`.
//!
//! ```sh
//! interop_client datagram|chunked|auto|default first|async|row|threads|asked SOCKET CALL...
//! ```
//!
//! makes the calls and prints what became of each. With `first` and `async` each is the first one of a process; `async`
//! submits it; `threads` are two, which do not wait between calls; `asked` reads the calls from its input, and makes them
//! one by one when they come.

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use drpc::wire::CallRef;
use drpc::{CallOptions, Client, Framing, Response, Status};

const MODULE: i32 = 3;
const FAIL: i32 = 302;
const MAKE: i32 = 306;
const TAKE: i32 = 307;
/// Its body holds a call of TAKE, for who takes the header of a record for a part of the message.
const HIDE: (i32, i32) = (2, 201);
/// Calls that a Go server of DAOS 0.8 takes for others if they come in a chunk as they are.
const GROUP: (i32, i32) = (2, 207);
const SHIFT: (i32, i32) = (4, 200);

const PATIENCE: Duration = Duration::from_secs(20);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A call as the list names it, and what answers it.
struct Task {
    name: String,
    module: i32,
    method: i32,
    body: Vec<u8>,
    answer: Vec<u8>,
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + 7).to_le_bytes()[0]).collect()
}

/// Some bytes, and a call of TAKE with a body of `len` bytes.
fn hiding(len: usize) -> Vec<u8> {
    let body = pattern(len);
    let call = CallRef { module: MODULE, method: TAKE, sequence: 9, body: &body };
    [b"hiding    ".as_slice(), &call.encode(&[]).pieces().concat()].concat()
}

/// Some bytes, the end of a group, and a call with a body of `len` bytes.
fn grouping(len: usize) -> Vec<u8> {
    let body = vec![b'e'; len];
    let call = CallRef { module: 2, method: 241, sequence: 5, body: &body };
    [b"xxxxxxxxxx\x04".as_slice(), &call.encode(&[]).pieces().concat()].concat()
}

impl Task {
    fn new(name: &str) -> Result<Self> {
        let (method, number) = name.split_once(':').ok_or("a call is METHOD:SIZE")?;
        let size = number.parse()?;
        let ((module, method), body, answer) = match method {
            "take" => ((MODULE, TAKE), pattern(size), Vec::new()),
            "fail" => ((MODULE, FAIL), pattern(size), Vec::new()),
            "make" => ((MODULE, MAKE), number.as_bytes().to_vec(), pattern(size)),
            "hide" => (HIDE, hiding(size), Vec::new()),
            "group" => (GROUP, grouping(size), Vec::new()),
            "shift" => (SHIFT, pattern(size), Vec::new()),
            _ => return Err("no such method".into()),
        };
        Ok(Self { name: name.to_owned(), module, method, body, answer })
    }

    fn tell(&self, result: std::result::Result<Response, drpc::Error>) {
        match result {
            Ok(response) if response.status() != Status::Success => {
                println!("{} error status {}", self.name, response.status);
            }
            Ok(response) if response.body == self.answer => println!("{} done", self.name),
            Ok(_) => println!("{} wrong", self.name),
            Err(error) => println!("{} error {error}", self.name),
        }
    }
}

fn connect(setting: &str, pipelining: bool, socket: &str) -> Result<Client> {
    let builder = Client::builder().pipelining(pipelining).timeout(PATIENCE);
    let builder = match setting {
        "datagram" => builder.framing(Framing::Datagram),
        "chunked" => builder.framing(Framing::Chunked),
        "auto" => builder.framing(None),
        "default" => builder,
        _ => return Err("no such setting".into()),
    };
    Ok(builder.connect(socket)?)
}

fn call<'a>(client: &Client, names: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in names {
        let task = Task::new(name)?;
        task.tell(client.call(task.module, task.method, &task.body));
    }
    Ok(())
}

fn submit(client: &Client, names: &[String]) -> Result<()> {
    for name in names {
        let task = Task::new(name)?;
        let (module, method, body) = (task.module, task.method, task.body.clone());
        client.submit(&CallOptions::new(), module, method, body, move |result| task.tell(result))?;
        while client.dispatch(None)? == 0 {}
    }
    Ok(())
}

fn call_from_two_threads(client: &Client, names: &[String]) -> Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(|| call(client, names.iter().skip(1).step_by(2)));
        call(client, names.iter().step_by(2))?;
        other.join().unwrap_or_else(|_| Err("the other thread panicked".into()))
    })
}

fn call_when_asked(client: &Client) -> Result<()> {
    for name in io::stdin().lines() {
        call(client, [name?].iter())?;
    }
    Ok(())
}

/// Has a process of its own make each call.
fn in_processes(setting: &str, mode: &str, socket: &str, names: &[String]) -> Result<()> {
    let program = std::env::current_exe()?;
    for name in names {
        if !Command::new(&program).args([setting, mode, socket, name]).status()?.success() {
            return Err(format!("{name}: the process did not end well").into());
        }
    }
    Ok(())
}

fn run() -> Result<()> {
    let arguments: std::result::Result<Vec<_>, _> = std::env::args_os().skip(1).map(OsString::into_string).collect();
    let arguments = arguments.map_err(|_| "arguments are not UTF-8")?;
    let [setting, mode, socket, names @ ..] = arguments.as_slice() else {
        return Err("usage: interop_client SETTING MODE SOCKET CALL...".into());
    };
    match mode.as_str() {
        "first" | "async" if names.len() > 1 => in_processes(setting, mode, socket, names),
        "first" | "row" => call(&connect(setting, false, socket)?, names.iter()),
        "asked" => call_when_asked(&connect(setting, false, socket)?),
        "async" => submit(&connect(setting, false, socket)?, names),
        "threads" => call_from_two_threads(&connect(setting, true, socket)?, names),
        _ => Err("no such mode".into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("interop_client: {error}");
            ExitCode::FAILURE
        }
    }
}

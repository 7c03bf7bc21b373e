//! `drpc decode`: what records are.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use drpc::framing::chunked::{Header, Progress, Reassembly, is_first_chunk};
use drpc::framing::{DEFAULT_MESSAGE_LIMIT, fallback};
use drpc::wire::{CallRef, ResponseRef};
use drpc::{Cause, Framing, Status};
use serde_json::{Map, Value, json};

use super::Entry;
use crate::answer::{self, Answer, Form};
use crate::exit::{Exit, Failure};
use crate::input;
use crate::json;
use crate::methods::MethodId;
use crate::options;
use crate::output::{Output, Style, escape};
use crate::records::{self, Record, Way};
use crate::release::{Release, framing_name};
use crate::secrets::{self, Side};

pub(super) const COMMAND: Entry =
    Entry { name: "decode", about: "Say what records are: hexadecimal lines, hexdumps, strace -xx", arguments, run };

const EXAMPLES: &str = "\
Examples:
  strace -f -xx -s 200000 -e trace=network,read,write -p PID 2>&1 | drpc decode
  drpc decode trace.txt --json
  echo '08 02 10 ce 01 18 01' | drpc decode

Each line of hexadecimal digits is a record; so is a hexdump (hexdump -Cv, xxd, od -A x -t x1), which \
begins at the offset 0. An answer is read by the method of its call, if that comes before it: without \
the call it is not shown, as it may hold a secret. In a trace, reads and writes are left out whose \
descriptor has no records of dRPC before.

With --json a line for each record: {\"kind\", \"framing\", \"module\", \"method\", \"name\", \"sequence\", \"status\", \
\"status_name\", \"release\", \"body\", \"body_size\", \"chunk\", \"chunks\", \"truncated\"}. The kind is call, response, part (of \
a message in several chunks), probe (the question for the framing) or unknown; what a record does not have is null.";

fn arguments(command: Command) -> Command {
    command
        .args([
            Arg::new("FILE")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The text; stdin if left out"),
            options::release(),
            options::show_secrets(),
            options::json(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let text = match matches.get_one::<PathBuf>("FILE") {
        Some(path) => input::file(path)?,
        None => input::stdin()?,
    };
    let mut decoder = Decoder {
        release: options::release_of(matches),
        show_secrets: options::secrets_shown(matches),
        partial: HashMap::new(),
        calls: HashMap::new(),
    };
    let records = records::read(&text)?;
    if records.is_empty() {
        return Err(Failure::not_understood("there are no records in the text"));
    }
    let mut all_known = true;
    let mut streams = HashSet::new();
    let mut others = 0;
    for record in &records {
        let found = decoder.decode(record);
        if found.get("kind") != Some(&json!("unknown")) {
            streams.insert(record.stream);
        } else if record.may_be_of_file && !streams.contains(&record.stream) {
            others += 1;
            continue;
        } else {
            all_known = false;
        }
        match output.json {
            true => output.json(&Value::Object(found))?,
            false => write(&output, &found)?,
        }
    }
    if others > 0 {
        output.note(&format!("reads and writes of other files that are left out: {others}"));
    }
    if others == records.len() {
        return Err(Failure::not_understood("there are no records in the text"));
    }
    Ok(if all_known { Exit::Good } else { Exit::NotUnderstood })
}

/// What has been seen so far.
struct Decoder {
    release: Option<Release>,
    show_secrets: bool,
    /// Messages of which chunks are still to come, by stream and way.
    partial: HashMap<((u32, i32), Way), Reassembly>,
    /// The calls by stream and sequence.
    calls: HashMap<((u32, i32), i64), MethodId>,
}

/// The fields of a record in the order in which they are written.
const FIELDS: [&str; 14] = [
    "kind",
    "framing",
    "module",
    "method",
    "name",
    "sequence",
    "status",
    "status_name",
    "release",
    "body",
    "body_size",
    "chunk",
    "chunks",
    "truncated",
];

impl Decoder {
    fn decode(&mut self, record: &Record) -> Map<String, Value> {
        let mut found: Map<String, Value> = FIELDS.map(|name| (name.to_owned(), Value::Null)).into_iter().collect();
        let mut set = |name: &str, value: Value| drop(found.insert(name.to_owned(), value));
        set("kind", json!("unknown"));
        set("truncated", json!(record.truncated));
        set("body_size", Value::Null);
        let key = (record.stream, record.way);
        let is_begun = self.partial.contains_key(&key);
        if is_begun || is_first_chunk(&record.bytes) {
            set("framing", json!(framing_name(Framing::Chunked)));
            if let Some((header, _)) = Header::split(&record.bytes) {
                set("chunk", json!(header.index));
                set("chunks", json!(header.count));
            }
            let mut reassembly = self.partial.remove(&key).unwrap_or_else(|| Reassembly::new(DEFAULT_MESSAGE_LIMIT));
            let message = match reassembly.push(&record.bytes) {
                Ok(Progress::Complete(message)) => Some(message.to_vec()),
                Ok(Progress::Partial) => {
                    set("kind", json!("part"));
                    None
                }
                Err(_) => None,
            };
            match message {
                Some(message) => self.message(record, Framing::Chunked, &message, &mut found),
                None if found.get("kind") == Some(&json!("part")) => drop(self.partial.insert(key, reassembly)),
                None => {}
            }
        } else {
            self.message(record, Framing::Datagram, &record.bytes, &mut found);
        }
        found
    }

    /// A whole message, which is a call or a response.
    fn message(&mut self, record: &Record, framing: Framing, message: &[u8], found: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| drop(found.insert(name.to_owned(), value));
        if matches!(fallback::undecodable(message), Cause::Probe(_)) {
            set("kind", json!("probe"));
            set("framing", json!(framing_name(framing)));
            return;
        }
        let releases = self.release.map_or(Release::of_framing(framing).to_vec(), |release| vec![release]);
        let response = ResponseRef::decode(message);
        // Both begin with two numbers. The third field of a call is a number, and that of a response is the body.
        let is_call = |call: &CallRef<'_>| response.is_err() || call.sequence != 0 || !call.body.is_empty();
        match (CallRef::decode(message).ok().filter(is_call), response) {
            (Some(call), _) => {
                let method = MethodId { module: call.module, method: call.method };
                self.calls.insert((record.stream, call.sequence), method);
                set("kind", json!("call"));
                set("module", json!(call.module));
                set("method", json!(call.method));
                set("name", json!(method.name()));
                set("sequence", json!(call.sequence));
                set("body_size", json!(call.body.len()));
                let (body, release) = self.body(method, &releases, Side::Request, call.body);
                set("body", body);
                set("release", release);
            }
            (None, Ok(response)) => {
                set("kind", json!("response"));
                set("sequence", json!(response.sequence));
                set("status", json!(response.status));
                set("status_name", json!(Status::try_from(response.status).ok().map(|status| status.as_str_name())));
                set("body_size", json!(response.body.len()));
                let method = self.calls.get(&(record.stream, response.sequence)).copied();
                if let Some(method) = method {
                    set("module", json!(method.module));
                    set("method", json!(method.method));
                    set("name", json!(method.name()));
                    let (body, release) = self.body(method, &releases, Side::Response, response.body);
                    set("body", body);
                    set("release", release);
                } else if self.show_secrets {
                    set("body", json!(input::to_hex(response.body)));
                }
            }
            (None, Err(_)) => return,
        }
        set("framing", json!(framing_name(framing)));
    }

    /// The body and the release by whose message it was read; as hexadecimal digits where no message fits.
    fn body(&self, method: MethodId, releases: &[Release], side: Side, body: &[u8]) -> (Value, Value) {
        let rows: Vec<_> = method.rows().collect();
        let mut read: Answer = answer::of_method(method, releases, side, Form::Json, body);
        if !self.show_secrets {
            read.mask(&rows, side);
        }
        let is_secret = secrets::may_hold(&rows, side) && !self.show_secrets;
        match (read.release(), read.not_understood()) {
            (Some(release), None) => (read.body(), json!(release.name())),
            _ if is_secret => (Value::Null, Value::Null),
            _ => (json!(input::to_hex(body)), Value::Null),
        }
    }
}

fn write(output: &Output, found: &Map<String, Value>) -> Result<(), Failure> {
    let get = |name: &str| found.get(name).filter(|value| !value.is_null());
    let text = |name: &str| get(name).and_then(Value::as_str).unwrap_or_default();
    let mut line = output.paint(Style::Bold, text("kind"));
    if let (Some(module), Some(method)) = (get("module"), get("method")) {
        line += &format!(" {} ({module}/{method})", escape(text("name")));
    }
    if let Some(sequence) = get("sequence") {
        line += &format!(", sequence {sequence}");
    }
    if let Some(status) = get("status") {
        let name = text("status_name");
        line += &format!(", {}", if name.is_empty() { status.to_string() } else { name.to_owned() });
    }
    if get("framing").is_some() {
        line += &format!(", {}", text("framing"));
    }
    if let (Some(chunk), Some(chunks)) = (get("chunk").and_then(Value::as_u64), get("chunks")) {
        line += &format!(", chunk {} of {chunks}", chunk + 1);
    }
    if let Some(size) = get("body_size") {
        line += &format!(", {size} bytes");
    }
    if get("release").is_some() {
        line += &format!(", DAOS {}", text("release"));
    }
    if get("truncated") == Some(&json!(true)) {
        line += ", the text does not have all of it";
    }
    output.line(&line)?;
    match get("body") {
        Some(Value::Object(body)) if body.is_empty() => Ok(()),
        Some(Value::String(digits)) if digits.is_empty() => Ok(()),
        Some(body @ Value::Object(_)) => output.pretty_json(body),
        Some(other) => output.line(&json::in_one_line(other)),
        None => Ok(()),
    }
}

//! `drpc call`: one call, with its body and the answer's as JSON.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Arg, ArgMatches, Command, value_parser};
use drpc::{CallOptions, Client, Framing, Pong, Response, Status};
use serde_json::{Value, json};

use super::Entry;
use crate::address::shown;
use crate::answer::{self, Answer, Form};
use crate::body::{self, Source};
use crate::exit::{Exit, Failure};
use crate::methods::{self, Class, MethodId};
use crate::options;
use crate::output::Output;
use crate::own_messages::{self, OwnMessages};
use crate::probe;
use crate::release::{Release, framing_name};
use crate::secrets::{self, Side};
use crate::waiting::Waiting;

pub(super) const COMMAND: Entry = Entry { name: "call", about: "Call a method, with JSON in and out", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc call agent mgmt.get_attach_info
  drpc call agent GetAttachInfo '{\"sys\": \"daos_server\"}'
  drpc template mgmt.pool_query >query.json; drpc call engine mgmt.pool_query @query.json
  drpc call ./my.sock 7/701 --proto my.proto --request Question --response Answer '{\"text\": \"?\"}'
  drpc call ./my.sock 7/701 --hex '0a 01 3f'

The body is JSON as protobuf has it (64-bit numbers and bytes are text), with the field names of the \
.proto file. The answer has them, too, and a field that is not on the wire shows its zero.

A method that changes state wants its JSON to be given, even {}. A dangerous one wants --yes. What a \
method does depends on the release: 2.8 is known by its framing; a server of datagrams may be of 0.8 \
or 2.6, and where these differ the worse of both counts and --release is asked for.

With --json: {\"status\", \"status_name\", \"body\", \"der\", \"der_name\", \"elapsed_us\"}. The body is null for an \
answer without SUCCESS, and text with --hex; der is the DAOS error number in the body, null if the method has none.";

fn arguments(command: Command) -> Command {
    command
        .args([
            options::address(),
            options::method(),
            Arg::new("BODY")
                .value_parser(value_parser!(OsString))
                .help("JSON, @FILE for what is in a file, or - for stdin; {} if left out"),
            options::release().conflicts_with("proto"),
            options::flag("yes").help("Call the method although it is dangerous"),
            options::show_secrets(),
            options::flag("hex").help("The body and the answer are hexadecimal digits"),
            options::flag("raw")
                .conflicts_with_all(["hex", options::JSON])
                .help("The body and the answer are bytes as they are"),
            options::timeout(),
            options::json(),
            options::quiet(),
        ])
        .args(own_messages::arguments())
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let method = methods::find(&options::method_of(matches))?;
    let form = match (matches.get_flag("hex"), matches.get_flag("raw")) {
        (true, _) => Form::Hex,
        (_, true) => Form::Raw,
        _ => Form::Json,
    };
    let show_secrets = options::secrets_shown(matches);
    let rows: Vec<_> = method.rows().collect();
    if form != Form::Json && !show_secrets && secrets::may_hold(&rows, Side::Response) {
        let text =
            format!("the answer to {} may hold secrets, which only JSON can mask: add --show-secrets", method.name());
        return Err(Failure::usage(text));
    }
    let given = matches.get_one::<OsString>("BODY");
    let source = Source::read(given.map(OsString::as_os_str), form)?;
    let own_messages = OwnMessages::of(matches)?;
    let check = Check { method, source: &source, is_explicit: given.is_some(), yes: matches.get_flag("yes") };

    // What is wrong whatever the server is, is said before it is connected to.
    let asked = options::release_of(matches);
    let possible = asked.map_or(Release::ALL.to_vec(), |release| vec![release]);
    check.harm(&possible, possible.len() > 1)?;

    let deadline = Instant::now() + options::timeout_of(matches);
    let path = probe::resolve(options::address_of(matches)?, left(deadline))?;
    let waiting = Waiting::for_answer(&output, &shown(&path));
    let is_known = own_messages.is_some() || !method.is_of_daos();
    let (framing, releases) = if is_known || asked.is_some() {
        (None, possible)
    } else {
        let framing = probe::framing(&path, left(deadline))?;
        (Some(framing), Release::of_framing(framing).to_vec())
    };
    let class = check.harm(&releases, false)?;
    if class >= Class::Change {
        output.note(&format!(
            "{} {}",
            method.name(),
            if class == Class::Danger { "is dangerous" } else { "changes state" }
        ));
    }
    let body = match &own_messages {
        Some(messages) => source.encode_as(Some(&messages.request))?,
        None => source.encode(method, &releases)?,
    };

    let began = Instant::now();
    let response = send(&path, framing, method, &body, deadline)?;
    let elapsed = began.elapsed();
    drop(waiting);

    let mut answer = match &own_messages {
        Some(messages) => answer::of_message(&messages.response, &response.body),
        None => answer::of_method(method, &releases, Side::Response, form, &response.body),
    };
    if !show_secrets {
        answer.mask(&rows, Side::Response);
    }
    let is_odd = response.status() != Status::Success || answer.is_odd();
    if let Some(release) = asked.filter(|_| is_odd) {
        note_mismatch(&output, &path, release, left(deadline));
    }
    report(&output, &path, method, &response, &answer, elapsed)
}

/// Says so where the server's framing is not that of the release that the user has named.
fn note_mismatch(output: &Output, path: &Path, release: Release, timeout: Duration) {
    let Some(Ok(Pong { framing, .. })) = probe::ping_within(path, timeout) else { return };
    if !Release::of_framing(framing).contains(&release) {
        let name = framing_name(framing);
        output.note(&format!("version mismatch: the server reads {name}, and DAOS {release} has the other framing"));
    }
}

/// What has to be checked before a call.
struct Check<'a> {
    method: MethodId,
    source: &'a Source,
    is_explicit: bool,
    yes: bool,
}

impl Check<'_> {
    /// Stops a call that may do more harm than the user has agreed to, in the worst of these releases. With `hopeful` the
    /// release is not known yet, and the best of them counts.
    fn harm(&self, releases: &[Release], hopeful: bool) -> Result<Class, Failure> {
        let (method, name) = (self.method, self.method.name());
        let of = |releases: &[Release]| method.class(releases, self.source.json());
        let worst = of(releases);
        let best = releases.iter().map(|release| of(&[*release])).min().unwrap_or(worst);
        let class = if hopeful { best } else { worst };
        if class == Class::Danger && !self.yes {
            return Err(Failure::usage(if best < Class::Danger {
                format!(
                    "{name} is {} in one release and dangerous or unknown in another one: {}",
                    best.name(),
                    ask_for(releases)
                )
            } else if method.rows().next().is_none() {
                format!(
                    "{name} is in no release that is known here, and so counts as dangerous: --yes calls it all the same"
                )
            } else {
                format!("{name} is dangerous: --yes calls it all the same, but use DAOS's own tools if they work")
            }));
        }
        if class >= Class::Change && !self.is_explicit {
            let fields = format!("`drpc template {name}` shows its fields, and {{}} is an empty one");
            return Err(Failure::usage(format!("{name} changes state, so its JSON has to be given: {fields}")));
        }
        Ok(class)
    }
}

/// The option that tells releases apart.
fn ask_for(releases: &[Release]) -> String {
    body::ask_for(releases)
}

/// The time until the deadline, which is never nothing.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn send(
    path: &Path,
    framing: Option<Framing>,
    method: MethodId,
    body: &[u8],
    deadline: Instant,
) -> Result<Response, Failure> {
    let mut builder =
        Client::builder().timeout(left(deadline)).retries(0).datagram_limit(drpc::framing::datagram::MAX_2_6);
    if framing.is_some() {
        builder = builder.framing(framing);
    }
    let client = probe::connect(builder, path, left(deadline))?;
    let options = CallOptions::new().timeout(left(deadline));
    client.call_with(&options, method.module, method.method, body).map_err(Failure::of_silence)
}

fn report(
    output: &Output,
    path: &Path,
    method: MethodId,
    response: &Response,
    answer: &Answer,
    elapsed: Duration,
) -> Result<Exit, Failure> {
    let status = response.status();
    let is_known = Status::try_from(response.status).is_ok();
    let der = if status == Status::Success { answer.der() } else { None };
    if output.json {
        output.json(&json!({
            "status": response.status,
            "status_name": is_known.then(|| status.as_str_name()),
            "body": if status == Status::Success { answer.body() } else { Value::Null },
            "der": der,
            "der_name": der.and_then(super::errno::known).map(|(name, _)| name),
            "elapsed_us": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        }))?;
    } else if status == Status::Success {
        answer.write(output)?;
    }
    if status != Status::Success {
        let name = drpc::modules::names::Names::V2_8.call(method.module, method.method);
        return Err(Failure::new(Exit::Status, format!("reply {}: {}", shown(path), response.answer_to(name))));
    }
    if let Some(reason) = answer.not_understood() {
        return Err(Failure::not_understood(format!("the answer to {} is not understood: {reason}", method.name())));
    }
    for note in answer.notes() {
        output.note(&note);
    }
    match der {
        Some(der) if der < 0 => {
            let meaning = super::errno::known(der)
                .map_or("no DAOS error number".to_owned(), |(name, text)| format!("{name}: {text}"));
            Err(Failure::new(Exit::Der, format!("{} failed: {der} ({meaning})", method.name())))
        }
        _ => Ok(Exit::Good),
    }
}

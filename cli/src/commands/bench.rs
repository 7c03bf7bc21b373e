//! `drpc bench`: how fast a server answers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use drpc::{CallOptions, Client, Framing, Status};
use serde_json::{Map, Value, json};

use super::Entry;
use crate::address::shown;
use crate::answer::{self, Form};
use crate::bench::load::{Limit, Load};
use crate::bench::progress::Progress;
use crate::bench::{comparison, summary};
use crate::body::{Source, ask_for};
use crate::exit::{Exit, Failure};
use crate::input;
use crate::interrupt::Interrupt;
use crate::methods::{self, Class, MethodId};
use crate::options;
use crate::output::Output;
use crate::own_messages::{self, OwnMessages};
use crate::probe;
use crate::release::{Release, framing_name};
use crate::secrets::Side;

pub(super) const COMMAND: Entry =
    Entry { name: "bench", about: "Measure how fast a server answers a method", arguments, run };

/// The most calls under way at once, each of which has a thread.
const MOST_AT_ONCE: u32 = 4096;

const EXAMPLES: &str = "\
Examples:
  drpc bench agent mgmt.get_attach_info
  drpc bench agent mgmt.get_attach_info --connections 8 --rate 2000 --duration 30s
  drpc bench ./my.sock 7/701 --size 65536 --pipelining 16
  drpc bench ./my.sock 7/701 --proto my.proto --request Question --response Answer '{\"text\": \"?\"}'
  drpc bench agent mgmt.get_attach_info --json >old.json
  drpc bench agent mgmt.get_attach_info --compare old.json

Without --rate, a call follows an answer: this shows how much the server can do. With --rate, calls are \
made at fixed times, and each is measured from when it was due, also if it had to wait for others. A server \
that stalls is so seen as its clients see it. Calls that were due at the end and not made are counted as missed.

A first call, which is not measured, has to be answered well. A method that changes state wants --yes and its \
JSON, even {}; a dangerous one is never run. A call that is not answered within --timeout counts with that \
time, and the exit code is 4; a status other than SUCCESS gives 5; a connection that fails ends the run.
Ctrl-C ends it, too, and what was measured so far is shown.

With --json: {\"address\", \"module\", \"method\", \"name\", \"framing\", \"connections\", \"pipelining\", \"rate\", \"size\", \"calls\", \
\"elapsed_s\", \"calls_per_s\", \"statuses\": {NAME: calls}, \"timed_out\", \"missed\", \"latency_us\": {\"min\", \"mean\", \"p50\", \
\"p75\", \"p90\", \"p99\", \"p99_9\", \"p99_99\", \"max\"}, \"histogram\": [{\"from_us\", \"to_us\", \"calls\"}]}, and with --compare \
\"ratios\": {\"calls_per_s\", \"p50\", ...}, the new values divided by the old ones. The rate is null without --rate.";

fn arguments(command: Command) -> Command {
    let count = |name: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .default_value("1")
            .value_parser(value_parser!(u32).range(1..=i64::from(MOST_AT_ONCE)))
    };
    command
        .args([
            options::address(),
            options::method(),
            Arg::new("BODY")
                .value_parser(value_parser!(OsString))
                .help("JSON, @FILE for what is in a file, or - for stdin; {} if left out"),
            Arg::new("size")
                .long("size")
                .value_name("BYTES")
                .value_parser(value_parser!(u32))
                .conflicts_with_all(["BODY", "hex", "raw", "proto"])
                .help("The body is so many zero bytes"),
            count("connections").short('c').help("Connections to the server"),
            count("pipelining").short('p').help("Calls that are under way at once on each connection"),
            Arg::new("rate")
                .long("rate")
                .value_name("N")
                .value_parser(rate)
                .help("Make N calls in a second; as many as the server answers if left out"),
            Arg::new("duration")
                .long("duration")
                .short('d')
                .value_name("TIME")
                .default_value("10s")
                .value_parser(options::duration)
                .help("How long to measure"),
            Arg::new("count")
                .long("count")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .conflicts_with("duration")
                .help("Make N calls, however long that takes"),
            Arg::new("compare")
                .long("compare")
                .value_name("OLD.json")
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf))
                .help("Show the change from a result that --json has written"),
            options::release().conflicts_with("proto"),
            options::flag("yes").help("Call the method although it changes state"),
            options::flag("hex").help("The body is hexadecimal digits"),
            options::flag("raw").conflicts_with("hex").help("The body is bytes as they are"),
            options::timeout(),
            options::json(),
            options::quiet(),
        ])
        .args(own_messages::arguments())
        .after_help(EXAMPLES)
}

fn rate(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if number > 0.0 && number.is_finite() { Ok(number) } else { Err("it has to be more than nothing".to_owned()) }
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let method = methods::find(&options::method_of(matches))?;
    let given = matches.get_one::<OsString>("BODY");
    let own = OwnMessages::of(matches)?;
    let source = source(matches, method, own.is_some())?;
    let old = matches.get_one::<PathBuf>("compare").map(|file| older(file)).transpose()?;

    // What is wrong whatever the server is, is said before it is connected to.
    let asked = options::release_of(matches);
    let possible = asked.map_or(Release::ALL.to_vec(), |release| vec![release]);
    let agreed = matches.get_flag("yes") && given.is_some();
    let best = possible.iter().map(|release| class(method, &[*release], &source)).min().unwrap_or(Class::Danger);
    check(method, best, agreed)?;

    let interrupt = Interrupt::taken()?;
    let timeout = options::timeout_of(matches);
    let path = probe::resolve(options::address_of(matches)?, timeout)?;
    let framing = probe::framing(&path, timeout)?;
    let releases = asked.map_or(Release::of_framing(framing).to_vec(), |release| vec![release]);
    let worst = class(method, &releases, &source);
    if worst == Class::Danger && releases.iter().any(|release| class(method, &[*release], &source) < worst) {
        let text = format!("{} is dangerous or unknown in one release: {}", method.name(), ask_for(&releases));
        return Err(Failure::usage(text));
    }
    check(method, worst, agreed)?;
    let body = match &own {
        Some(own) => source.encode_as(Some(&own.request))?,
        None if method.is_of_daos() => source.encode(method, &releases)?,
        None => source.encode_as(None)?,
    };

    let number = |name| matches.get_one::<u32>(name).copied().unwrap_or(1);
    let (connections, pipelining) = (number("connections"), number("pipelining"));
    if connections.saturating_mul(pipelining) > MOST_AT_ONCE {
        return Err(Failure::usage(format!("at most {MOST_AT_ONCE} calls may be under way at once")));
    }
    let load = Load {
        method,
        body,
        pipelining: usize::try_from(pipelining).unwrap_or(1),
        rate: matches.get_one::<f64>("rate").copied(),
        limit: match (matches.get_one("count"), matches.get_one("duration")) {
            (Some(calls), _) => Limit::Calls(*calls),
            (None, time) => Limit::Time(time.copied().unwrap_or(Duration::from_secs(10))),
        },
        timeout,
    };
    let clients = (0..connections).map(|_| connect(&path, framing, &load)).collect::<Result<Vec<_>, _>>()?;
    first_call(&path, &clients, &load, &releases, own.as_ref())?;
    interrupt.await_one();
    let outcome = load.run(&clients, Progress::new(!output.quiet), &interrupt)?;

    let described = Map::from_iter([
        ("address".to_owned(), json!(shown(&path))),
        ("module".to_owned(), json!(method.module)),
        ("method".to_owned(), json!(method.method)),
        ("name".to_owned(), json!(method.name())),
        ("framing".to_owned(), json!(framing_name(framing))),
        ("connections".to_owned(), json!(connections)),
        ("pipelining".to_owned(), json!(pipelining)),
        ("rate".to_owned(), json!(load.rate)),
        ("size".to_owned(), json!(load.body.len())),
    ]);
    let mut result = summary::json(described, &outcome);
    if let Some(old) = &old {
        let differing = comparison::differing(old, &result);
        if !differing.is_empty() {
            output.note(&format!("the older result is of another load, by {}", differing.join(", ")));
        }
    }
    if output.json {
        let ratios = old.map(|old| comparison::ratios(&old, &result));
        if let (Some(ratios), Some(fields)) = (ratios, result.as_object_mut()) {
            fields.insert("ratios".to_owned(), ratios);
        }
        output.json(&result)?;
    } else {
        summary::write(&output, &outcome)?;
        if let Some(old) = &old {
            comparison::write(&output, old, &result)?;
        }
    }
    outcome.tally.verdict()
}

/// The body as it is given. Of a method of DAOS an empty one is JSON, which has a class.
fn source(matches: &ArgMatches, method: MethodId, is_known: bool) -> Result<Source, Failure> {
    if let Some(size) = matches.get_one::<u32>("size") {
        return Ok(Source::Bytes(vec![0; usize::try_from(*size).unwrap_or_default()]));
    }
    let form = match (matches.get_flag("hex"), matches.get_flag("raw")) {
        (true, _) => Form::Hex,
        (_, true) => Form::Raw,
        _ => Form::Json,
    };
    let given = matches.get_one::<OsString>("BODY").map(OsString::as_os_str);
    if form == Form::Json && given.is_some() && !is_known && !method.is_of_daos() {
        return Err(Failure::usage(format!(
            "no messages of {} are known: use --hex, --raw, --size or --proto",
            method.name()
        )));
    }
    Source::read(given, form)
}

/// What harm calls may do in the worst of these releases.
fn class(method: MethodId, releases: &[Release], source: &Source) -> Class {
    method.class(releases, source.json())
}

/// Stops calls that do more harm than the user has agreed to.
fn check(method: MethodId, class: Class, agreed: bool) -> Result<(), Failure> {
    let name = method.name();
    match class {
        Class::Read | Class::Credential => Ok(()),
        Class::Change if agreed => Ok(()),
        Class::Change => Err(Failure::usage(format!("{name} changes state: give its JSON, even {{}}, and --yes"))),
        Class::Danger if method.rows().next().is_none() => {
            Err(Failure::usage(format!("{name} is in no release that is known here, and so is never measured")))
        }
        Class::Danger => Err(Failure::usage(format!("{name} is dangerous, and so is never measured"))),
    }
}

fn connect(path: &Path, framing: Framing, load: &Load) -> Result<Client, Failure> {
    let builder = Client::builder().retries(0).datagram_limit(drpc::framing::datagram::MAX_2_6);
    let client = builder.framing(framing).pipelining(load.pipelining > 1).build(path);
    client.open_with(&CallOptions::new().timeout(load.timeout))?;
    Ok(client)
}

/// Makes a call whose answer has to be good: the time of failures says little.
fn first_call(
    path: &Path,
    clients: &[Client],
    load: &Load,
    releases: &[Release],
    own: Option<&OwnMessages>,
) -> Result<(), Failure> {
    let Some(client) = clients.first() else { return Ok(()) };
    let MethodId { module, method } = load.method;
    let response = client.call_with(&CallOptions::new().timeout(load.timeout), module, method, &load.body)?;
    if response.status() != Status::Success {
        let name = drpc::modules::names::Names::V2_8.call(module, method);
        return Err(Failure::new(Exit::Status, format!("reply {}: {}", shown(path), response.answer_to(name))));
    }
    let answer = match own {
        Some(own) => answer::of_message(&own.response, &response.body),
        None if !load.method.is_of_daos() => return Ok(()),
        None => answer::of_method(load.method, releases, Side::Response, Form::Json, &response.body),
    };
    if let Some(reason) = answer.not_understood() {
        return Err(Failure::not_understood(format!(
            "the answer to {} is not understood: {reason}",
            load.method.name()
        )));
    }
    match answer.der() {
        Some(der) if der < 0 => {
            let name = super::der_name(der).unwrap_or("no DAOS error number");
            Err(Failure::new(Exit::Der, format!("{} failed: {der} ({name})", load.method.name())))
        }
        _ => Ok(()),
    }
}

/// A result that `--json` has written.
fn older(file: &Path) -> Result<Value, Failure> {
    let named = |failure: Failure| Failure::usage(format!("{}: {}", file.display(), failure.text));
    let json = input::json(&input::file(file)?).map_err(named)?;
    comparison::check(&json).map_err(named)?;
    Ok(json)
}

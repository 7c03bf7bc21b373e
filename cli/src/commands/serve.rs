//! `drpc serve`: a server for tests.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};
use drpc::{Detail, Framing, Listener};
use nix::sys::signal::{SigSet, Signal};

use super::Entry;
use crate::address::Address;
use crate::answer::Form;
use crate::body::Source;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::methods::{self, MethodId};
use crate::options;
use crate::output::{self, Output};
use crate::own_messages::{self, OwnMessages};
use crate::release::{Release, framing_name};
use crate::serve::client::Service;
use crate::serve::fault::{self, Fault};
use crate::serve::fixture;
use crate::serve::journal::Journal;
use crate::serve::rules::{self, Content, Manner, Rule, Rules};
use crate::serve::socket_file::SocketFile;

pub(super) const COMMAND: Entry =
    Entry { name: "serve", about: "Serve for tests: with answers given beforehand, and faults", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc serve ./sock --reply 'mgmt.get_attach_info={\"sys\": \"test\"}'
  drpc serve ./sock --reply mgmt.ping_rank={} --reply 'mgmt.ping_rank={\"status\": -1005}'
  drpc serve ./sock --release 2.6 --exec 'mgmt.smd_list_devs=cat devices.json'
  drpc serve ./sock --raw --exec 7/701=cat
  drpc serve ./sock --proto my.proto --request Question --response Answer --reply '7/701={}'
  drpc serve ./sock --fixture calls.json --delay 50ms
  drpc serve ./sock --status FAILURE --detail 'no pool 7'
  drpc serve ./sock --fault never

Each call is told of on stdout before it is answered. A call without a rule is answered UNKNOWN_MODULE \
or UNKNOWN_METHOD. --status, --detail, --delay and --fault hold for every call, but not where the fixture says otherwise. \
The question of `drpc ping`, which `drpc call` asks first, is answered all the same, unless nothing is read. \
SIGINT, SIGTERM and SIGHUP end the server, which then removes its socket.

Bodies are JSON by the method's messages; --proto has those of methods that are not of DAOS. Without \
--release and --framing a client that speaks chunked gets those of 2.8, and one that speaks datagrams \
those of 2.6.

A fixture is JSON. Calls get the elements of a list in turn, and the last one stays:
  {\"mgmt.get_attach_info\": {\"reply\": {\"sys\": \"test\"}, \"delay\": \"20ms\"},
   \"mgmt.ping_rank\": [{\"fault\": \"never\"}, {\"status\": \"FAILURE\"}, {\"reply\": {}}],
   \"7/701\": {\"hex\": \"0a01\"}, \"7/702\": {\"exec\": \"cat\"}}

A command of --exec is for sh. It finds DRPC_METHOD, DRPC_NUMBER, DRPC_PEER_PID and DRPC_PEER_UID in its \
environment. No output is an empty body. If it fails, the status is FAILURE; if its output is no body, \
FAILED_MARSHAL.

With --json, a line for each event: {\"event\": \"listening\", \"address\"}, and {\"event\": \"call\", \"call\", \"module\", \
\"method\", \"name\", \"sequence\", \"framing\", \"peer\": {\"pid\", \"uid\", \"gid\", \"program\"}, \"size\", \"body\", \"fault\"}. The body \
is hexadecimal digits where no message is known, and null where these may be secret.";

fn arguments(command: Command) -> Command {
    let of_method = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).value_parser(value_parser!(OsString)).action(ArgAction::Append)
    };
    let faults = fault::ALL.map(|(_, name, about)| PossibleValue::new(name).help(about));
    command
        .args([
            Arg::new("PATH")
                .required(true)
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(OsString))
                .help("Where to listen; nothing may be there yet"),
            of_method("reply", "METHOD=JSON|@FILE").help("Answer a method so; again for the next call of it"),
            of_method("exec", "METHOD=COMMAND").help("Answer with what a command writes; it reads the body on stdin"),
            Arg::new("fixture")
                .long("fixture")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf))
                .help("Rules from a file of JSON"),
            Arg::new("delay")
                .long("delay")
                .value_name("TIME")
                .value_parser(options::duration)
                .help("Wait before each answer: 2s, 500ms"),
            Arg::new("status")
                .long("status")
                .value_name("STATUS")
                .value_parser(rules::status)
                .allow_negative_numbers(true)
                .help("Answer with this dRPC status, by name or number"),
            Arg::new("detail")
                .long("detail")
                .value_name("TEXT")
                .help("Say this of every status but SUCCESS; `drpc call` shows it"),
            Arg::new("close-after")
                .long("close-after")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("Close each connection after N calls"),
            Arg::new("fault")
                .long("fault")
                .value_name("FAULT")
                .value_parser(PossibleValuesParser::new(faults))
                .help("Misbehave at each call"),
            Arg::new("framing")
                .long("framing")
                .value_name("FRAMING")
                .value_parser([framing_name(Framing::Chunked), framing_name(Framing::Datagram)])
                .help("Read this framing only; that of --release, or both"),
            options::release(),
            options::flag("hex").help("Bodies are hexadecimal digits, also for commands"),
            options::flag("raw").conflicts_with("hex").help("Bodies are bytes as they are, also for commands"),
            options::show_secrets(),
            options::json(),
            options::quiet(),
        ])
        .args(own_messages::arguments())
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let path = path(matches)?;
    let form = match (matches.get_flag("hex"), matches.get_flag("raw")) {
        (true, _) => Form::Hex,
        (_, true) => Form::Raw,
        _ => Form::Json,
    };
    let (framing, releases) = line(matches);
    let fault = matches.get_one::<String>("fault").map(|name| Fault::named(name)).transpose()?;
    let manner = Manner {
        status: matches.get_one::<i32>("status").copied(),
        detail: matches.get_one::<String>("detail").map(|text| Detail::from(&**text)),
        delay: matches.get_one::<Duration>("delay").copied(),
        fault,
    };
    let rules = rules(matches, form, Rules::new(releases, OwnMessages::of(matches)?, manner))?;
    let journal = Journal::new(Output::of(matches), form, options::secrets_shown(matches));
    let service = Service { rules, journal, form, close_after: matches.get_one("close-after").copied() };

    // Threads inherit the mask, so that a signal waits for the end of this function.
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    signals.thread_block().map_err(std::io::Error::from)?;
    let mut builder = Listener::builder().datagram_limit(drpc::framing::datagram::MAX_2_6);
    if framing.is_some() {
        builder = builder.framing(framing);
    }
    let listener = builder.bind(&path).map_err(Failure::usage)?;
    if fault == Some(Fault::NoAccept) {
        // The queue has room for one client.
        rustix::net::listen(&listener, 0).map_err(std::io::Error::from)?;
    }
    let _file = SocketFile::of(&path);
    service.journal.listening(&path);
    thread::Builder::new().spawn(move || accept(&listener, Arc::new(service), fault))?;
    signals.wait().map_err(std::io::Error::from)?;
    Ok(Exit::Good)
}

fn path(matches: &ArgMatches) -> Result<PathBuf, Failure> {
    let given = matches.get_one::<OsString>("PATH").map(OsString::as_os_str).unwrap_or_default();
    match Address::parse(given)? {
        Address::Path(path) if !path.as_os_str().as_bytes().starts_with(b"\0") => Ok(path),
        Address::Path(_) => Err(Failure::usage("a server listens at a path, not at an abstract name")),
        _ => {
            let given = given.to_string_lossy();
            Err(Failure::usage(format!(
                "a server for tests has a path of its own: say ./{given} for a file of this name"
            )))
        }
    }
}

/// The framing to read, if only one, and the releases whose messages clients may get.
fn line(matches: &ArgMatches) -> (Option<Framing>, Vec<Release>) {
    let of_release = |release: Release| match release {
        Release::V2_8 => Framing::Chunked,
        _ => Framing::Datagram,
    };
    let framing = matches.get_one::<String>("framing").map(|name| match name.as_str() {
        "datagram" => Framing::Datagram,
        _ => Framing::Chunked,
    });
    match (options::release_of(matches), framing) {
        (Some(release), framing) => (framing.or(Some(of_release(release))), vec![release]),
        (None, Some(framing)) => (Some(framing), Release::of_framing(framing).iter().copied().rev().take(1).collect()),
        (None, None) => (None, vec![Release::V2_8, Release::V2_6]),
    }
}

fn rules(matches: &ArgMatches, form: Form, mut rules: Rules) -> Result<Rules, Failure> {
    let mut of_methods: BTreeMap<MethodId, Vec<Rule>> = BTreeMap::new();
    let mut add = |method, content| {
        of_methods.entry(method).or_default().push(Rule { content: Some(content), manner: Manner::default() });
    };
    for given in matches.get_many::<OsString>("reply").into_iter().flatten() {
        let (method, body) = split(given)?;
        let named = |failure: Failure| Failure::usage(format!("--reply {}: {}", method.name(), failure.text));
        let source = Source::read(Some(&body), form).map_err(named)?;
        add(method, rules.content(method, &source).map_err(named)?);
    }
    for given in matches.get_many::<OsString>("exec").into_iter().flatten() {
        let (method, command) = split(given)?;
        add(method, Content::Command(command));
    }
    for (method, turns) in of_methods {
        rules.add(method, turns)?;
    }
    if let Some(file) = matches.get_one::<PathBuf>("fixture") {
        let named = |failure: Failure| Failure::usage(format!("{}: {}", file.display(), failure.text));
        let json = input::json(&input::file(file)?).map_err(named)?;
        fixture::add_to(&mut rules, &json).map_err(named)?;
    }
    Ok(rules)
}

/// The method and the value of METHOD=VALUE.
fn split(given: &OsString) -> Result<(MethodId, OsString), Failure> {
    let mut parts = given.as_bytes().splitn(2, |byte| *byte == b'=');
    let (Some(method), Some(value)) = (parts.next(), parts.next()) else {
        let given = given.to_string_lossy();
        return Err(Failure::usage(format!("there is no = in {given}: give METHOD=VALUE")));
    };
    Ok((methods::find(&String::from_utf8_lossy(method))?, OsString::from_vec(value.to_vec())))
}

/// Accepts clients, each with a thread of its own.
fn accept(listener: &Listener, service: Arc<Service>, fault: Option<Fault>) {
    let mut unread = Vec::new();
    while fault != Some(Fault::NoAccept) {
        let connection = match listener.accept() {
            Ok(connection) => connection,
            Err(error) => {
                // What was missing may come back when a client goes.
                output::complain(&error.to_string());
                thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        match fault {
            Some(Fault::CloseAtOnce) => drop(connection),
            Some(Fault::NoRead) => unread.push(connection),
            _ => {
                let service = Arc::clone(&service);
                let served = thread::Builder::new().spawn(move || {
                    if let Err(failure) = service.serve(connection) {
                        output::complain(&failure.text);
                    }
                });
                if let Err(error) = served {
                    output::complain(&format!("a client is sent away: {error}"));
                }
            }
        }
    }
    // The listener has to stay, for clients to find a queue.
    loop {
        thread::park();
    }
}

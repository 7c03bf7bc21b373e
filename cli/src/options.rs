//! The arguments that several commands have.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::{OsStringValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, Error, error::ErrorKind};

use crate::address::Address;
use crate::exit::Failure;
use crate::methods;
use crate::release::Release;

/// The name of `--json`.
pub const JSON: &str = "json";
/// The name of `--quiet`.
pub const QUIET: &str = "quiet";
const TIMEOUT: &str = "timeout";
const RELEASE: &str = "release";
const ADDRESS: &str = "ADDR";
const METHOD: &str = "METHOD";
const SECRETS: &str = "show-secrets";

/// An option without a value.
pub fn flag(name: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue)
}

/// `--json`.
pub fn json() -> Arg {
    flag(JSON).help("Write JSON, whose fields are stable")
}

/// `--quiet`.
pub fn quiet() -> Arg {
    flag(QUIET).short('q').help("Write nothing but errors; the exit code tells the result")
}

/// `--timeout`.
pub fn timeout() -> Arg {
    Arg::new(TIMEOUT)
        .long(TIMEOUT)
        .value_name("TIME")
        .default_value("10s")
        .value_parser(duration)
        .help("Time for connecting and for the answer: 10s, 500ms, 2m; a bare number is seconds")
}

/// The value of [`timeout`].
pub fn timeout_of(matches: &ArgMatches) -> Duration {
    matches.get_one(TIMEOUT).copied().unwrap_or(Duration::from_secs(10))
}

/// `--release`.
pub fn release() -> Arg {
    Arg::new(RELEASE)
        .long(RELEASE)
        .value_name("RELEASE")
        .value_parser(Release::ALL.map(Release::name))
        .help("The release of DAOS whose messages are meant")
}

/// The value of [`release`].
pub fn release_of(matches: &ArgMatches) -> Option<Release> {
    matches.get_one::<String>(RELEASE).and_then(|name| Release::named(name))
}

/// `--show-secrets`.
pub fn show_secrets() -> Arg {
    flag(SECRETS).help("Show credentials and other secrets, which are masked otherwise")
}

/// The value of [`show_secrets`].
pub fn secrets_shown(matches: &ArgMatches) -> bool {
    matches.get_flag(SECRETS)
}

/// The argument `ADDR`.
pub fn address() -> Arg {
    Arg::new(ADDRESS)
        .required(true)
        .value_parser(Words { words: addresses, parser: OsStringValueParser::new() })
        .hide_possible_values(true)
        .help("A path, unix:PATH, @ABSTRACT, agent, server, engine or engine:PID")
}

/// The value of [`address`].
pub fn address_of(matches: &ArgMatches) -> Result<Address, Failure> {
    let given = matches.get_one::<OsString>(ADDRESS).map(OsString::as_os_str).unwrap_or_default();
    Address::parse(given)
}

/// The value of [`address`], where it may be left out.
pub fn optional_address_of(matches: &ArgMatches) -> Result<Option<Address>, Failure> {
    matches.get_one::<OsString>(ADDRESS).map(|given| Address::parse(given)).transpose()
}

/// The argument `METHOD`.
pub fn method() -> Arg {
    Arg::new(METHOD)
        .required(true)
        .value_parser(Words { words: methods::names, parser: OsStringValueParser::new() })
        .hide_possible_values(true)
        .help("A method: mgmt.get_attach_info, GetAttachInfo, 2/206")
}

/// The value of [`method`].
pub fn method_of(matches: &ArgMatches) -> String {
    let given = matches.get_one::<OsString>(METHOD).map(OsString::as_os_str).unwrap_or_default();
    given.to_string_lossy().into_owned()
}

/// The words that are addresses.
pub fn addresses() -> Vec<String> {
    ["agent", "server", "engine"].map(str::to_owned).to_vec()
}

/// A parser that takes any text. The words are for completions.
#[derive(Clone)]
struct Words {
    words: fn() -> Vec<String>,
    parser: OsStringValueParser,
}

impl TypedValueParser for Words {
    type Value = OsString;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &std::ffi::OsStr) -> Result<OsString, Error> {
        match value.is_empty() {
            true => Err(Error::new(ErrorKind::InvalidValue).with_cmd(command)),
            false => self.parser.parse_ref(command, arg, value),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.words)().into_iter().map(PossibleValue::new)))
    }
}

/// Parses a time: a number, and a unit of which seconds are the default.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" => 1e-6,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("the unit {unit} is none of ms, s, m and h")),
    };
    let number: f64 = number.parse().map_err(|_| "no number".to_owned())?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("it has to be more than nothing".to_owned()) } else { Ok(time) }
}

//! Messages that the user brings, for methods that are not of DAOS: `--proto`, `--request` and `--response`.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, ValueHint, value_parser};
use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::exit::Failure;
use crate::messages;

const PROTO: &str = "proto";
const INCLUDE: &str = "include";
const REQUEST: &str = "request";
const RESPONSE: &str = "response";

/// The messages of a method's call and answer.
#[derive(Clone, Debug)]
pub struct OwnMessages {
    /// That of the call's body.
    pub request: MessageDescriptor,
    /// That of the answer's body.
    pub response: MessageDescriptor,
}

/// The options, for a command that has `--hex` and `--raw`, too.
pub fn arguments() -> [Arg; 4] {
    let message = |name: &'static str| Arg::new(name).long(name).value_name("MESSAGE").requires(PROTO);
    [
        Arg::new(PROTO)
            .long(PROTO)
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .value_parser(value_parser!(PathBuf))
            .requires(REQUEST)
            .requires(RESPONSE)
            .conflicts_with_all(["hex", "raw"])
            .help("A .proto file with the messages of --request and --response"),
        Arg::new(INCLUDE)
            .short('I')
            .value_name("DIR")
            .value_hint(ValueHint::DirPath)
            .value_parser(value_parser!(PathBuf))
            .action(ArgAction::Append)
            .requires(PROTO)
            .help("A directory for what the file imports; that of the file if left out"),
        message(REQUEST).help("The message of the call's body; its package may be left out"),
        message(RESPONSE).help("The message of the answer's body"),
    ]
}

impl OwnMessages {
    /// The messages that the arguments name, if they do.
    pub fn of(matches: &ArgMatches) -> Result<Option<Self>, Failure> {
        let Some(file) = matches.get_one::<PathBuf>(PROTO) else { return Ok(None) };
        let include: Vec<PathBuf> = matches.get_many(INCLUDE).into_iter().flatten().cloned().collect();
        let pool = messages::compile(file, &include)?;
        let of = |option: &str| {
            let name = matches.get_one::<String>(option).map(String::as_str).unwrap_or_default();
            named(&pool, name, file)
        };
        Ok(Some(Self { request: of(REQUEST)?, response: of(RESPONSE)? }))
    }
}

/// The message of a name, with its package or without where no other one has the name.
fn named(pool: &DescriptorPool, name: &str, file: &Path) -> Result<MessageDescriptor, Failure> {
    let short: Vec<_> = pool.all_messages().filter(|message| message.name() == name).collect();
    match (pool.get_message_by_name(name), short.as_slice()) {
        (Some(message), _) => Ok(message),
        (None, [message]) => Ok(message.clone()),
        (None, _) => {
            let known: Vec<_> = pool.all_messages().map(|message| message.full_name().to_owned()).collect();
            Err(Failure::usage(format!("{} has no message {name}: it has {}", file.display(), known.join(", "))))
        }
    }
}

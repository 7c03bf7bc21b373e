//! What each call gets.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use drpc::{Detail, Framing, Status};
use prost_reflect::MessageDescriptor;

use super::fault::Fault;
use crate::body::Source;
use crate::exit::Failure;
use crate::messages;
use crate::methods::MethodId;
use crate::own_messages::OwnMessages;
use crate::release::Release;

/// What one call gets.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Where the body of the answer comes from; `None` if the rule does not say.
    pub content: Option<Content>,
    /// How the answer is given.
    pub manner: Manner,
}

/// How an answer is given. What a rule leaves open, the options for all calls say.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    /// The status in the place of `SUCCESS`.
    pub status: Option<i32>,
    /// What is said of another status than `SUCCESS`.
    pub detail: Option<Detail>,
    /// The pause before the answer.
    pub delay: Option<Duration>,
    /// What is done in the place of the answer.
    pub fault: Option<Fault>,
}

/// Where the body of an answer comes from.
#[derive(Clone, Debug)]
pub enum Content {
    /// It is this body, by release, of which there is at least one.
    Body(Vec<(Release, Vec<u8>)>),
    /// A shell command writes it.
    Command(OsString),
}

/// The rules of all methods.
#[derive(Debug)]
pub struct Rules {
    methods: BTreeMap<MethodId, Turns>,
    /// For calls that have no rule, and what rules leave open.
    otherwise: Manner,
    releases: Vec<Release>,
    own: Option<OwnMessages>,
}

/// The messages of a method, where they are known; `None` is a body without fields.
#[derive(Clone, Debug)]
pub struct Messages {
    /// That of the call.
    pub request: Option<MessageDescriptor>,
    /// That of the answer.
    pub response: Option<MessageDescriptor>,
}

/// The rules of one method, each for one call; the last one stays.
#[derive(Debug, Default)]
struct Turns {
    rules: Vec<Rule>,
    next: AtomicUsize,
}

impl Manner {
    /// This manner, and another one for what it leaves open.
    fn or(self, other: Self) -> Self {
        Self {
            status: self.status.or(other.status),
            detail: self.detail.or(other.detail),
            delay: self.delay.or(other.delay),
            fault: self.fault.or(other.fault),
        }
    }
}

impl Rules {
    /// No rules yet. The server is of one of these releases; the messages are for methods that are not of DAOS.
    pub fn new(releases: Vec<Release>, own: Option<OwnMessages>, otherwise: Manner) -> Self {
        Self { methods: BTreeMap::new(), otherwise, releases, own }
    }

    /// Adds the rules of a method, for its calls in turn.
    pub fn add(&mut self, method: MethodId, rules: Vec<Rule>) -> Result<(), Failure> {
        match self.methods.insert(method, Turns { rules, next: AtomicUsize::new(0) }) {
            None => Ok(()),
            Some(_) => Err(Failure::usage(format!(
                "{} is in several places: --reply may be repeated for answers in turn, and a fixture has a list for them",
                method.name()
            ))),
        }
    }

    /// The body of a method's answers, in each release that the server may be of.
    pub fn content(&self, method: MethodId, source: &Source) -> Result<Content, Failure> {
        if let Source::Bytes(bytes) = source {
            return Ok(Content::Body(self.releases.iter().map(|release| (*release, bytes.clone())).collect()));
        }
        if let Some(own) = self.own_of(method) {
            let body = source.encode_as(Some(&own.response))?;
            return Ok(Content::Body(self.releases.iter().map(|release| (*release, body.clone())).collect()));
        }
        let mut bodies = Vec::new();
        let mut failure = None;
        for release in &self.releases {
            let Some(row) = method.in_release(*release) else { continue };
            let message = row.response.map(|name| messages::message(*release, name)).transpose()?;
            match source.encode_as(message.as_ref()) {
                Ok(body) => bodies.push((*release, body)),
                Err(other) => failure = failure.or(Some(other)),
            }
        }
        match failure {
            _ if !bodies.is_empty() => Ok(Content::Body(bodies)),
            Some(failure) => Err(failure),
            None => {
                let releases = self.releases.iter().map(|release| release.name()).collect::<Vec<_>>().join(" or ");
                let name = method.name();
                Err(Failure::usage(format!(
                    "no message of {name} is known in DAOS {releases}: use --hex, --raw or --proto"
                )))
            }
        }
    }

    /// What the next call of a method gets.
    pub fn next(&self, method: MethodId) -> Rule {
        let rule = self.methods.get(&method).and_then(Turns::next).unwrap_or_else(|| {
            let serves_module = self.methods.keys().any(|known| known.module == method.module);
            let status = if serves_module { Status::UnknownMethod } else { Status::UnknownModule };
            // The options for all calls go before.
            let manner = self.otherwise.clone().or(Manner { status: Some(status.into()), ..Manner::default() });
            Rule { content: None, manner }
        });
        Rule { manner: rule.manner.or(self.otherwise.clone()), content: rule.content }
    }

    /// The release whose messages a client of this framing gets: the newest that speaks it, if there is one.
    pub fn release(&self, framing: Framing) -> Release {
        let speaks = |release: &&Release| Release::of_framing(framing).contains(release);
        let found = self.releases.iter().find(speaks).or(self.releases.first());
        found.copied().unwrap_or(Release::V2_8)
    }

    fn own_of(&self, method: MethodId) -> Option<&OwnMessages> {
        self.own.as_ref().filter(|_| !method.is_of_daos())
    }

    /// The messages of a method in the release of this framing; `None` if none are known.
    pub fn messages(&self, method: MethodId, framing: Framing) -> Option<Messages> {
        if let Some(own) = self.own_of(method) {
            return Some(Messages { request: Some(own.request.clone()), response: Some(own.response.clone()) });
        }
        let row = method.in_release(self.release(framing))?;
        let message = |name: Option<&str>| name.map(|name| messages::message(row.release, name)).transpose().ok();
        Some(Messages { request: message(row.request)?, response: message(row.response)? })
    }
}

impl Turns {
    fn next(&self) -> Option<Rule> {
        let last = self.rules.len().checked_sub(1)?;
        let at = self.next.fetch_add(1, Ordering::Relaxed).min(last);
        self.rules.get(at).cloned()
    }
}

/// The body of a release; of another one if there is none.
pub fn body_of(bodies: &[(Release, Vec<u8>)], release: Release) -> &[u8] {
    let found = bodies.iter().find(|(known, _)| *known == release).or(bodies.first());
    found.map(|(_, body)| &body[..]).unwrap_or_default()
}

/// The number of a status, given by name or by number.
pub fn status(given: &str) -> Result<i32, String> {
    let named = Status::from_str_name(&given.to_uppercase()).map(i32::from);
    let number = given.parse().ok().or(named);
    if number.is_some_and(|number| number < 0) {
        return Err("a DAOS error number is in the body, as in --reply 'METHOD={\"status\": -1005}'".to_owned());
    }
    number.ok_or_else(|| {
        let names: Vec<_> = (0..8).flat_map(Status::try_from).map(|status| status.as_str_name()).collect();
        format!("it has to be a number, or one of {}", names.join(", "))
    })
}

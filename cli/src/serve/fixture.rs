//! Rules from a file of JSON.

use std::time::Duration;

use drpc::Detail;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::rules::{self, Content, Manner, Rule, Rules};
use crate::body::Source;
use crate::exit::Failure;
use crate::input;
use crate::methods::{self, MethodId};
use crate::options;

const KEYS: &str = "reply, hex, exec, status, detail, delay and fault";

/// Adds the rules of a file: an object with methods as keys, and as values what the next call gets, or a list of that for
/// calls in turn.
pub fn add_to(rules: &mut Rules, json: &Value) -> Result<(), Failure> {
    for (name, value) in json.as_object().into_iter().flatten() {
        let method = methods::find(name)?;
        let turns: Vec<_> = match value {
            Value::Array(turns) if !turns.is_empty() => turns.iter().collect(),
            one => vec![one],
        };
        let of_method: Result<Vec<_>, _> = turns.into_iter().map(|turn| rule(rules, method, turn)).collect();
        let named = |failure: Failure| Failure::usage(format!("fixture: {name}: {}", failure.text));
        rules.add(method, of_method.map_err(named)?).map_err(named)?;
    }
    Ok(())
}

fn rule(rules: &Rules, method: MethodId, json: &Value) -> Result<Rule, Failure> {
    let fields = json.as_object().ok_or_else(|| Failure::usage(format!("a rule is an object with {KEYS}")))?;
    if let Some(unknown) = fields.keys().find(|key| !KEYS.split([',', ' ']).any(|known| known == *key)) {
        return Err(Failure::usage(format!("a rule has no {unknown}: it has {KEYS}")));
    }
    let mut contents = Vec::new();
    if let Some(reply) = fields.get("reply") {
        contents.push(rules.content(method, &Source::Json(reply.clone()))?);
    }
    if let Some(hex) = text(fields, "hex")? {
        let bytes = input::hex(hex.as_bytes()).ok_or_else(|| Failure::usage("hex is pairs of digits"))?;
        contents.push(rules.content(method, &Source::Bytes(bytes))?);
    }
    if let Some(command) = text(fields, "exec")? {
        contents.push(Content::Command(command.into()));
    }
    if contents.len() > 1 {
        return Err(Failure::usage("of reply, hex and exec a rule has one"));
    }
    let manner = Manner {
        status: text(fields, "status")?.map(|given| rules::status(&given).map_err(Failure::usage)).transpose()?,
        detail: text(fields, "detail")?.map(|given| Detail::from(&*given)),
        delay: text(fields, "delay")?.map(|given| delay(&given)).transpose()?,
        fault: text(fields, "fault")?.map(|given| fault_of_call(&given)).transpose()?,
    };
    Ok(Rule { content: contents.pop(), manner })
}

/// A value that is text, or a number.
fn text(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, Failure> {
    match fields.get(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(Failure::usage(format!("{key} is text"))),
    }
}

fn delay(given: &str) -> Result<Duration, Failure> {
    options::duration(given).map_err(|reason| Failure::usage(format!("delay: {reason}")))
}

fn fault_of_call(given: &str) -> Result<Fault, Failure> {
    let fault = Fault::named(given)?;
    match fault.is_of_connection() {
        true => Err(Failure::usage(format!("{given} comes before any call: use --fault"))),
        false => Ok(fault),
    }
}

//! A result beside an older one.

use serde_json::{Map, Value, json};

use super::summary::{PERCENTILES, text};
use crate::exit::Failure;
use crate::output::Output;

/// The fields that have to be equal for a comparison to mean much.
const LOAD: [&str; 6] = ["name", "connections", "pipelining", "rate", "size", "framing"];

/// Checks that JSON is a result.
pub fn check(old: &Value) -> Result<(), Failure> {
    let is_there = |name: &str| number(old, name).is_some_and(|value| value > 0.0);
    match is_there("/calls_per_s") && is_there("/latency_us/p50") {
        true => Ok(()),
        false => Err(Failure::usage("it is no result of `drpc bench --json`")),
    }
}

/// The loads' fields that differ.
pub fn differing(old: &Value, new: &Value) -> Vec<&'static str> {
    LOAD.into_iter().filter(|name| old.get(*name) != new.get(*name)).collect()
}

/// What is compared: its name, and where it is in a result.
fn measures() -> impl Iterator<Item = (&'static str, String)> {
    let percentiles = PERCENTILES.into_iter().map(|(name, _)| (name, format!("/latency_us/{name}")));
    [("calls_per_s", "/calls_per_s".to_owned())].into_iter().chain(percentiles)
}

/// The new values divided by the old ones.
pub fn ratios(old: &Value, new: &Value) -> Value {
    let ratio = |place: &str| Some(number(new, place)? / number(old, place).filter(|value| *value > 0.0)?);
    measures().map(|(name, place)| (name.to_owned(), json!(ratio(&place)))).collect::<Map<_, _>>().into()
}

/// Writes the old values, the new ones and the changes.
pub fn write(output: &Output, old: &Value, new: &Value) -> Result<(), Failure> {
    let ratios = ratios(old, new);
    let mut rows = Vec::new();
    for (name, place) in measures() {
        let shown = |result| match number(result, &place) {
            Some(value) if name == "calls_per_s" => format!("{value:.0}"),
            Some(us) => text((us * 1e3) as u64),
            None => String::new(),
        };
        let change = ratios.get(name).and_then(Value::as_f64).map(change);
        rows.push(vec![name.replace('_', "."), shown(old), shown(new), change.unwrap_or_default()]);
    }
    if let Some(name) = rows.first_mut().and_then(|row| row.first_mut()) {
        *name = "calls/s".to_owned();
    }
    output.table(&["COMPARED", "OLD", "NEW", "CHANGE"], &rows)
}

/// A change in percent, where less than half of the last digit is none.
fn change(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    format!("{:+.1} %", if percent.abs() < 0.05 { 0.0 } else { percent })
}

fn number(result: &Value, place: &str) -> Option<f64> {
    result.pointer(place)?.as_f64()
}

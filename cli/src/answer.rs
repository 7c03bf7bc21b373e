//! The body of an answer, or of a call seen on the way: found out what it is, and written.

use prost_reflect::MessageDescriptor;
use serde_json::Value;

use crate::exit::Failure;
use crate::input::to_hex;
use crate::messages::{self, Decoded};
use crate::methods::{Method, MethodId};
use crate::output::Output;
use crate::release::Release;
use crate::secrets::{self, Side};

/// The form of bodies in arguments and in output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, by the message.
    Json,
    /// Hexadecimal digits.
    Hex,
    /// The bytes as they are.
    Raw,
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    content: Content,
    /// The method in the release by which the body was read.
    row: Option<&'static Method>,
    notes: Vec<String>,
}

#[derive(Clone, Debug)]
enum Content {
    Message(Value),
    Hex(Vec<u8>),
    Raw(Vec<u8>),
    /// Why the body makes no sense.
    NotUnderstood(String),
}

/// A body read by one message.
pub fn of_message(message: &MessageDescriptor, body: &[u8]) -> Answer {
    match messages::decode(message, body) {
        Some(decoded) => of_decoded(decoded, None),
        None => {
            let text = format!("its {} bytes are no {}", body.len(), message.full_name());
            Answer { content: Content::NotUnderstood(text), row: None, notes: Vec::new() }
        }
    }
}

fn of_decoded(decoded: Decoded, row: Option<&'static Method>) -> Answer {
    let mut notes = Vec::new();
    if decoded.has_unknown {
        notes.push("the body has fields that are not known here, of another release perhaps".to_owned());
    }
    Answer { content: Content::Message(decoded.json), row, notes }
}

/// The body on one side of a method, by a peer of one of these releases. Of several releases the oldest whose message has all
/// fields of the body counts, since later ones added fields.
pub fn of_method(method: MethodId, releases: &[Release], side: Side, form: Form, body: &[u8]) -> Answer {
    let content = match form {
        Form::Hex => Content::Hex(body.to_vec()),
        Form::Raw => Content::Raw(body.to_vec()),
        Form::Json => return of_releases(method, releases, side, body),
    };
    Answer { content, row: None, notes: Vec::new() }
}

fn of_releases(method: MethodId, releases: &[Release], side: Side, body: &[u8]) -> Answer {
    let message_of = |row: &Method| if side == Side::Request { row.request } else { row.response };
    let read = |release: &Release| {
        let row = method.in_release(*release)?;
        let Some(name) = message_of(row) else {
            let empty = Decoded { json: Value::Object(Default::default()), has_unknown: !body.is_empty() };
            return Some((empty, row));
        };
        let message = messages::message(*release, name).ok()?;
        messages::decode(&message, body).map(|decoded| (decoded, row))
    };
    let mut readings: Vec<_> = releases.iter().filter_map(read).collect();
    let whole = readings.iter().position(|(decoded, _)| !decoded.has_unknown);
    let newest = readings.len().checked_sub(1);
    match whole.or(newest) {
        Some(at) => {
            let (decoded, row) = readings.swap_remove(at);
            of_decoded(decoded, Some(row))
        }
        None => {
            let names: Vec<_> =
                releases.iter().filter_map(|release| message_of(method.in_release(*release)?)).collect();
            let text = format!("its {} bytes are no {}", body.len(), names.join(" and no "));
            Answer { content: Content::NotUnderstood(text), row: None, notes: Vec::new() }
        }
    }
}

impl Answer {
    /// Masks the secrets that a method has in any release.
    pub fn mask(&mut self, rows: &[&'static Method], side: Side) {
        if let Content::Message(json) = &mut self.content {
            secrets::mask(json, rows, side);
        }
    }

    /// The release by whose message the body was read.
    pub fn release(&self) -> Option<Release> {
        self.row.map(|row| row.release)
    }

    /// The DAOS error number of the method; `None` if it has none.
    pub fn der(&self) -> Option<i32> {
        let field = self.row?.status_fields.split(';').next().filter(|field| !field.is_empty())?;
        self.numbers_at(field).next()
    }

    /// Numbers of failures in other fields, and what else there is to say.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        let fields = self.row.map(|row| row.status_fields).unwrap_or_default();
        for field in fields.split(';').skip(1) {
            for number in self.numbers_at(field).filter(|number| *number < 0) {
                let name = crate::commands::der_name(number).unwrap_or("unknown");
                notes.push(format!("{field} is {number} ({name})"));
            }
        }
        notes
    }

    fn numbers_at(&self, field: &str) -> impl Iterator<Item = i32> {
        let values = match &self.content {
            Content::Message(json) => messages::values_at(json, field),
            _ => Vec::new(),
        };
        values.into_iter().filter_map(Value::as_i64).filter_map(|number| i32::try_from(number).ok())
    }

    /// True if the body is none of the message, or has fields that the message does not.
    pub fn is_odd(&self) -> bool {
        !self.notes.is_empty() || self.not_understood().is_some()
    }

    /// Why the body makes no sense; `None` if it does.
    pub fn not_understood(&self) -> Option<&str> {
        match &self.content {
            Content::NotUnderstood(reason) => Some(reason),
            _ => None,
        }
    }

    /// The body for `--json`.
    pub fn body(&self) -> Value {
        match &self.content {
            Content::Message(json) => json.clone(),
            Content::Hex(bytes) => Value::from(to_hex(bytes)),
            Content::Raw(_) | Content::NotUnderstood(_) => Value::Null,
        }
    }

    /// Writes the body.
    pub fn write(&self, output: &Output) -> Result<(), Failure> {
        match &self.content {
            Content::Message(json) => output.pretty_json(json),
            Content::Hex(bytes) => output.line(&to_hex(bytes)),
            Content::Raw(bytes) => output.bytes(bytes),
            Content::NotUnderstood(_) => Ok(()),
        }
    }
}

//! The body of a call, as the user gives it.

use std::ffi::OsStr;

use prost_reflect::MessageDescriptor;
use serde_json::{Value, json};

use crate::answer::Form;
use crate::exit::Failure;
use crate::input;
use crate::messages;
use crate::methods::MethodId;
use crate::release::Release;

/// The body of a call before it is encoded.
#[derive(Clone, Debug)]
pub enum Source {
    /// JSON.
    Json(Value),
    /// Bytes that are the body.
    Bytes(Vec<u8>),
}

impl Source {
    /// Reads an argument. Without one, the body is empty.
    pub fn read(argument: Option<&OsStr>, form: Form) -> Result<Self, Failure> {
        let Some(argument) = argument else {
            return Ok(if form == Form::Json { Self::Json(json!({})) } else { Self::Bytes(Vec::new()) });
        };
        let bytes = input::read(argument)?;
        match form {
            Form::Json => input::json(&bytes).map(Self::Json),
            Form::Raw => Ok(Self::Bytes(bytes)),
            Form::Hex => {
                let odd =
                    || Failure::usage("the body is not hexadecimal: it has to be pairs of digits, as in '0a 01 3f'");
                input::hex(&bytes).map(Self::Bytes).ok_or_else(odd)
            }
        }
    }

    /// The JSON, if it is such.
    pub fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(json) => Some(json),
            Self::Bytes(_) => None,
        }
    }

    /// The body as this message; `None` stands for a body that is empty.
    pub fn encode_as(&self, message: Option<&MessageDescriptor>) -> Result<Vec<u8>, Failure> {
        match (self, message) {
            (Self::Bytes(bytes), _) => Ok(bytes.clone()),
            (Self::Json(json), Some(message)) => messages::encode(message, json),
            (Self::Json(json), None) if json.as_object().is_some_and(|fields| fields.is_empty()) => Ok(Vec::new()),
            (Self::Json(_), None) => Err(Failure::usage("the method takes no fields: give {}")),
        }
    }

    /// The body for a method, which has to be the same in all releases that the server may be of.
    pub fn encode(&self, method: MethodId, releases: &[Release]) -> Result<Vec<u8>, Failure> {
        if let Self::Bytes(bytes) = self {
            return Ok(bytes.clone());
        }
        let mut results = Vec::new();
        for release in releases {
            let Some(row) = method.in_release(*release) else { continue };
            let message = row.request.map(|name| messages::message(*release, name)).transpose()?;
            results.push(self.encode_as(message.as_ref()));
        }
        let Some(first) = results.pop() else {
            let name = method.name();
            return Err(Failure::usage(format!(
                "no messages of {name} are known: use --hex or --raw, or --proto and --request"
            )));
        };
        match results.iter().all(|other| other.as_ref().ok() == first.as_ref().ok()) {
            true => first,
            false => {
                let name = method.name();
                Err(Failure::usage(format!("{name} has another message in each release: {}", ask_for(releases))))
            }
        }
    }
}

/// The option that tells releases apart.
pub fn ask_for(releases: &[Release]) -> String {
    let options = releases.iter().map(|release| format!("--release {release}")).collect::<Vec<_>>().join(" or ");
    format!("say {options}")
}

//! The messages of each release, and bodies as JSON.

use std::path::PathBuf;
use std::sync::OnceLock;

use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Value;

use crate::exit::Failure;
use crate::methods;
use crate::release::Release;

/// The descriptors of the messages of a release.
pub fn pool(release: Release) -> Result<&'static DescriptorPool, Failure> {
    static POOLS: [OnceLock<DescriptorPool>; 3] = [const { OnceLock::new() }; 3];
    let (pool, encoded): (_, &[u8]) = match release {
        Release::V0_8 => (&POOLS[0], include_bytes!(concat!(env!("OUT_DIR"), "/0.8.0.binpb"))),
        Release::V2_6 => (&POOLS[1], include_bytes!(concat!(env!("OUT_DIR"), "/2.6.5.binpb"))),
        Release::V2_8 => (&POOLS[2], include_bytes!(concat!(env!("OUT_DIR"), "/2.8.0.binpb"))),
    };
    if let Some(pool) = pool.get() {
        return Ok(pool);
    }
    let decoded = DescriptorPool::decode(encoded).map_err(Failure::not_understood)?;
    Ok(pool.get_or_init(|| decoded))
}

/// The message of this name in a release.
pub fn message(release: Release, name: &str) -> Result<MessageDescriptor, Failure> {
    let unknown = || Failure::usage(format!("DAOS {release} has no message {name}"));
    pool(release)?.get_message_by_name(name).ok_or_else(unknown)
}

/// The messages of a `.proto` file of the user.
pub fn compile(file: &PathBuf, include: &[PathBuf]) -> Result<DescriptorPool, Failure> {
    let beside = file.parent().map(PathBuf::from).unwrap_or_default();
    let beside = if beside.as_os_str().is_empty() { PathBuf::from(".") } else { beside };
    let include = if include.is_empty() { vec![beside] } else { include.to_vec() };
    let set = protox::compile([file], include).map_err(|error| {
        // The error shows one line; its causes say which file and why.
        let mut text = format!("{}: {error}", file.display());
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Failure::usage(text)
    })?;
    DescriptorPool::from_file_descriptor_set(set).map_err(Failure::usage)
}

/// Encodes JSON as a message.
pub fn encode(descriptor: &MessageDescriptor, json: &Value) -> Result<Vec<u8>, Failure> {
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor.clone(), json, &options);
    message.map(|message| message.encode_to_vec()).map_err(|error| {
        let error = error.to_string();
        let cure = hint(descriptor, &error);
        Failure::usage(format!("the JSON is no {}: {error}{cure}", descriptor.full_name()))
    })
}

/// What to do about JSON with an unknown field.
fn hint(descriptor: &MessageDescriptor, error: &str) -> String {
    let Some(field) = error.strip_prefix("unrecognized field name '").and_then(|rest| rest.split('\'').next()) else {
        return String::new();
    };
    // The field may be that of a message within.
    let names = descriptor.fields().map(|known| (methods::similarity(known.name(), field), known.name().to_owned()));
    let is_of_daos = Release::ALL.iter().any(|release| message(*release, descriptor.full_name()).is_ok());
    let cure = match is_of_daos {
        true => format!("`drpc describe {}` shows its fields", descriptor.full_name()),
        false => {
            let all: Vec<_> = descriptor.fields().map(|field| field.name().to_owned()).collect();
            format!("its fields are {}", all.join(", "))
        }
    };
    match methods::nearest(names).as_slice() {
        [] => format!(": {cure}"),
        names => format!(": did you mean {}? {cure}", names.join(", ")),
    }
}

/// A body as JSON.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The body. Fields have their names in the `.proto` file, and those that are not on the wire their zero.
    pub json: Value,
    /// True if the body has fields that the message does not.
    pub has_unknown: bool,
}

/// Decodes a body; `None` if it is no such message.
pub fn decode(descriptor: &MessageDescriptor, body: &[u8]) -> Option<Decoded> {
    let message = DynamicMessage::decode(descriptor.clone(), body).ok()?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    let json = message.serialize_with_options(serde_json::value::Serializer, &options).ok()?;
    Some(Decoded { json, has_unknown: has_unknown(&message) })
}

/// True if a message, or one within, has fields that its descriptor does not know.
fn has_unknown(message: &DynamicMessage) -> bool {
    let within = |value: &prost_reflect::Value| match value {
        prost_reflect::Value::Message(message) => has_unknown(message),
        prost_reflect::Value::List(list) => list.iter().any(|item| item.as_message().is_some_and(has_unknown)),
        prost_reflect::Value::Map(map) => map.values().any(|item| item.as_message().is_some_and(has_unknown)),
        _ => false,
    };
    message.unknown_fields().next().is_some() || message.fields().any(|(_, value)| within(value))
}

/// The value at a path of fields, as in `rebuild.status`; several, if the path goes through a list, as in
/// `reports[].result`.
pub fn values_at<'a>(json: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![json];
    for step in path.split('.') {
        let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        found = found.into_iter().filter_map(|value| value.get(name)).collect();
        if is_list {
            found = found.into_iter().filter_map(Value::as_array).flatten().collect();
        }
    }
    found
}

//! `drpc describe`: a method, a message or an enum in detail.

use clap::{ArgMatches, Command};
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use super::Entry;
use crate::exit::{Exit, Failure};
use crate::messages;
use crate::methods::{self, Method, MethodId};
use crate::options;
use crate::output::{Output, Style};
use crate::release::Release;

pub(super) const COMMAND: Entry = Entry {
    name: "describe",
    about: "Describe a method or a message: fields, types, what harm it does",
    arguments,
    run,
};

const EXAMPLES: &str = "\
Examples:
  drpc describe mgmt.get_attach_info
  drpc describe GetAttachInfoResp --release 0.8
  drpc describe chk.CheckScanPhase

Without --release it is the newest release that has the name.
With --json, for a method: {\"method\", \"module\", \"name\", \"release\", \"releases\", \"servers\", \"class\", \"status_fields\", \
\"secret_fields\", \"request\", \"response\"}, the last two null or as for a message: {\"message\", \"release\", \
\"fields\": [{\"number\", \"name\", \"type\", \"repeated\", \"oneof\"}]}; for an enum: {\"enum\", \"release\", \"values\"}.";

fn arguments(command: Command) -> Command {
    command
        .args([
            options::method().value_name("NAME").help("A method (2/206, mgmt.get_attach_info), a message or an enum"),
            options::release(),
            options::json(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let name = &options::method_of(matches);
    let asked = options::release_of(matches);
    let known = methods::find(name);
    // A method without its module and a message without its package may have the same name.
    let found = match find_type(name, asked, MessageDescriptor::full_name, EnumDescriptor::full_name)? {
        None if known.is_err() => find_type(name, asked, MessageDescriptor::name, EnumDescriptor::name)?,
        found => found,
    };
    match found {
        Some((release, Type::Message(message))) if output.json => output.json(&message_json(release, &message))?,
        Some((release, Type::Enum(values))) if output.json => output.json(&enum_json(release, &values))?,
        Some((release, Type::Message(message))) => {
            output.line(&format!("{} of DAOS {release}", output.paint(Style::Bold, message.full_name())))?;
            write_message(&output, &message)?;
        }
        Some((release, Type::Enum(values))) => {
            output.line(&format!("{} of DAOS {release}", output.paint(Style::Bold, values.full_name())))?;
            write_enum(&output, &values)?;
        }
        None => describe_method(&output, known?, asked)?,
    }
    Ok(Exit::Good)
}

/// The row of a method in the release that was asked for, or in the newest one that has the method.
pub(super) fn row_of(method: MethodId, asked: Option<Release>) -> Result<&'static Method, Failure> {
    let row = match asked {
        Some(release) => method.in_release(release),
        None => method.rows().last(),
    };
    row.ok_or_else(|| {
        let releases: Vec<_> = method.rows().map(|row| row.release.name()).collect();
        let name = method.name();
        Failure::usage(match (asked, releases.as_slice()) {
            (_, []) => format!("{name} is in no release that is known here: `drpc list` shows all methods"),
            (Some(asked), releases) => format!("DAOS {asked} has no {name}: {} has", releases.join(" and ")),
            (None, _) => format!("{name} is not known"),
        })
    })
}

enum Type {
    Message(MessageDescriptor),
    Enum(EnumDescriptor),
}

/// The message or the enum of a name, in the release that was asked for or the newest one that has the name. `of_message` and
/// `of_enum` say which name is meant: that with the package, or that without.
fn find_type(
    name: &str,
    asked: Option<Release>,
    of_message: fn(&MessageDescriptor) -> &str,
    of_enum: fn(&EnumDescriptor) -> &str,
) -> Result<Option<(Release, Type)>, Failure> {
    for release in Release::ALL.into_iter().rev().filter(|release| asked.is_none_or(|asked| asked == *release)) {
        let pool = messages::pool(release)?;
        let messages: Vec<_> = pool.all_messages().filter(|it| of_message(it).eq_ignore_ascii_case(name)).collect();
        let enums: Vec<_> = pool.all_enums().filter(|it| of_enum(it).eq_ignore_ascii_case(name)).collect();
        match (messages.as_slice(), enums.as_slice()) {
            ([], []) => {}
            ([message], []) => return Ok(Some((release, Type::Message(message.clone())))),
            ([], [values]) => return Ok(Some((release, Type::Enum(values.clone())))),
            _ => {
                let names = messages.iter().map(MessageDescriptor::full_name);
                let names = names.chain(enums.iter().map(EnumDescriptor::full_name)).collect::<Vec<_>>();
                return Err(Failure::usage(format!("{name} is in several packages: say {}", names.join(" or "))));
            }
        }
    }
    Ok(None)
}

fn describe_method(output: &Output, method: MethodId, asked: Option<Release>) -> Result<(), Failure> {
    let row = row_of(method, asked)?;
    let release = row.release;
    let message = |name: Option<&str>| name.map(|name| messages::message(release, name)).transpose();
    let (request, response) = (message(row.request)?, message(row.response)?);
    let releases: Vec<_> = method.rows().map(|row| row.release.name()).collect();
    let list = |fields: &'static str| fields.split(';').filter(|field| !field.is_empty()).collect::<Vec<_>>();
    if output.json {
        let shape =
            |message: &Option<MessageDescriptor>| message.as_ref().map(|message| message_json(release, message));
        return output.json(&json!({
            "module": method.module, "method": method.method, "name": method.name(),
            "release": release.name(), "releases": releases, "servers": list(row.server),
            "class": row.class(None).name(), "status_fields": list(row.status_fields),
            "secret_fields": list(row.secret_fields), "request": shape(&request), "response": shape(&response),
        }));
    }
    let name = output.paint(Style::Bold, &method.name());
    output.line(&format!("{name} of DAOS {release}, {}/{}", method.module, method.method))?;
    output.line(&format!("known in: {}", releases.join(", ")))?;
    output.line(&format!("served by: {}", list(row.server).join(", ")))?;
    output.line(&format!("class: {}", row.class(None).name()))?;
    for (what, fields) in [("error number", row.status_fields), ("secret", row.secret_fields)] {
        if !fields.is_empty() {
            output.line(&format!("{what}: {}", list(fields).join(", ")))?;
        }
    }
    for (what, message) in [("call", request), ("answer", response)] {
        match message {
            None => output.line(&format!("{what}: empty"))?,
            Some(message) => {
                output.line(&format!("{what}: {}", output.paint(Style::Bold, message.full_name())))?;
                write_message(output, &message)?;
            }
        }
    }
    Ok(())
}

fn write_message(output: &Output, message: &MessageDescriptor) -> Result<(), Failure> {
    if message.fields().len() == 0 {
        output.line("    no fields")?;
    }
    for field in message.fields() {
        let choice = field.containing_oneof().map(|choice| format!(" (one of {})", choice.name())).unwrap_or_default();
        let repeated = if is_repeated(&field) { "repeated " } else { "" };
        let line = format!("  {:>3} {}: {repeated}{}{choice}", field.number(), field.name(), type_name(&field));
        output.line(&line)?;
    }
    Ok(())
}

fn write_enum(output: &Output, values: &EnumDescriptor) -> Result<(), Failure> {
    values.values().try_for_each(|value| output.line(&format!("  {:>3} {}", value.number(), value.name())))
}

fn message_json(release: Release, message: &MessageDescriptor) -> Value {
    let field = |field: FieldDescriptor| {
        json!({
            "number": field.number(), "name": field.name(), "type": type_name(&field), "repeated": is_repeated(&field),
            "oneof": field.containing_oneof().map(|choice| choice.name().to_owned()),
        })
    };
    let fields: Vec<Value> = message.fields().map(field).collect();
    json!({ "message": message.full_name(), "release": release.name(), "fields": fields })
}

fn enum_json(release: Release, values: &EnumDescriptor) -> Value {
    let all: Vec<Value> =
        values.values().map(|value| json!({ "number": value.number(), "name": value.name() })).collect();
    json!({ "enum": values.full_name(), "release": release.name(), "values": all })
}

fn is_repeated(field: &FieldDescriptor) -> bool {
    field.is_list()
}

/// The type of a field as in a `.proto` file.
fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let of = |field: FieldDescriptor| type_name(&field);
            format!("map<{}, {}>", of(entry.map_entry_key_field()), of(entry.map_entry_value_field()))
        }
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(values) => values.full_name().to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

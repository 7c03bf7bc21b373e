//! A message as JSON to be filled in.

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

/// Every field with its zero; a list has one element, and of a choice the first alternative is there.
pub fn of(descriptor: &MessageDescriptor) -> Value {
    of_message(descriptor, &mut Vec::new())
}

/// `outer` are the messages around this one. A message that has itself inside ends there.
fn of_message(descriptor: &MessageDescriptor, outer: &mut Vec<String>) -> Value {
    if outer.iter().any(|name| name == descriptor.full_name()) {
        return json!({});
    }
    outer.push(descriptor.full_name().to_owned());
    let mut fields = Map::new();
    for field in descriptor.fields() {
        let is_other_choice =
            field.containing_oneof().is_some_and(|choice| choice.fields().next().is_some_and(|first| first != field));
        if !is_other_choice {
            fields.insert(field.name().to_owned(), of_field(&field, outer));
        }
    }
    outer.pop();
    Value::Object(fields)
}

fn of_field(field: &FieldDescriptor, outer: &mut Vec<String>) -> Value {
    if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
        return json!({ "": of_kind(&entry.map_entry_value_field().kind(), outer) });
    }
    let one = of_kind(&field.kind(), outer);
    if field.cardinality() == Cardinality::Repeated { json!([one]) } else { one }
}

fn of_kind(kind: &Kind, outer: &mut Vec<String>) -> Value {
    match kind {
        Kind::Message(message) => of_message(message, outer),
        Kind::Enum(values) => Value::from(values.values().next().map(|value| value.name().to_owned())),
        Kind::Bool => json!(false),
        Kind::String | Kind::Bytes => json!(""),
        // JSON has such numbers as text, because some readers take numbers for floating-point ones.
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => json!("0"),
        Kind::Float | Kind::Double => json!(0.0),
        _ => json!(0),
    }
}

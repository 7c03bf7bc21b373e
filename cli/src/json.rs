//! JSON as text.

use std::fmt::Write;

use serde_json::Value;

use crate::output::is_safe;

/// A value in one line.
pub fn in_one_line(value: &Value) -> String {
    escaped(&value.to_string())
}

/// A value in several lines, with colours if wanted.
pub fn pretty(value: &Value, colour: bool) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0, colour);
    text
}

/// JSON in which no string has a character that a terminal acts upon.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_safe(character) {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

fn write_value(text: &mut String, value: &Value, depth: usize, colour: bool) {
    let inner = "  ".repeat(depth + 1);
    let outer = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                text.push_str(if at == 0 { "\n" } else { ",\n" });
                text.push_str(&inner);
                text.push_str(&painted("\x1b[34m", &Value::from(name.as_str()), colour));
                text.push_str(": ");
                write_value(text, value, depth + 1, colour);
            }
            let _ = write!(text, "\n{outer}}}");
        }
        Value::Array(values) if !values.is_empty() => {
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                text.push_str(if at == 0 { "\n" } else { ",\n" });
                text.push_str(&inner);
                write_value(text, value, depth + 1, colour);
            }
            let _ = write!(text, "\n{outer}]");
        }
        Value::String(_) => text.push_str(&painted("\x1b[32m", value, colour)),
        other => text.push_str(&painted("\x1b[36m", other, colour)),
    }
}

fn painted(begin: &str, value: &Value, colour: bool) -> String {
    let json = in_one_line(value);
    if colour { format!("{begin}{json}\x1b[0m") } else { json }
}

//! The `key=value` part of log lines. What a peer has chosen cannot begin a line, end a value or add a key.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt::{self, Write};

/// A value as it stands behind its key: plain, or in quotes if it has other characters than those of names and paths.
/// What cannot be printed is escaped.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(
    /// The bytes of the value.
    pub &'a [u8],
);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:@+,".contains(byte);
        if !self.0.is_empty() && self.0.iter().all(is_plain) {
            return self.0.iter().try_for_each(|byte| f.write_char(char::from(*byte)));
        }
        f.write_char('"')?;
        for chunk in self.0.utf8_chunks() {
            for char in chunk.valid().chars() {
                match char {
                    '\'' => f.write_char(char)?,
                    _ => write!(f, "{}", char.escape_debug())?,
                }
            }
            write!(f, "{}", Hexadecimal(chunk.invalid()))?;
        }
        f.write_char('"')
    }
}

/// Bytes that are no text.
struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_forge_a_line() {
        let text = |bytes: &[u8]| Value(bytes).to_string();
        assert_eq!(text(b"/run/daos_agent.sock"), "/run/daos_agent.sock");
        assert_eq!(text(b""), "\"\"");
        assert_eq!(text(b"a b"), "\"a b\"");
        assert_eq!(text(b"x\" uid=0"), "\"x\\\" uid=0\"");
        assert_eq!(text(b"x\\"), "\"x\\\\\"");
        assert_eq!(text(b"x\nlibdrpc: error: y\r"), "\"x\\nlibdrpc: error: y\\r\"");
        assert_eq!(text(b"\x1b[2J\0"), "\"\\u{1b}[2J\\0\"");
        assert_eq!(text("größe".as_bytes()), "\"größe\"");
        // Control characters of 8-bit terminals, and those that change the direction of text.
        assert_eq!(text("\u{9b}2J\u{202e}".as_bytes()), "\"\\u{9b}2J\\u{202e}\"");
        assert_eq!(text(b"\xff\xc3"), "\"\\xff\\xc3\"");
    }
}

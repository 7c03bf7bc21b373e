//! Text in an array of fixed size.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::CStr;
use std::fmt::{self, Write};

use crate::sys::TEXT_ROOM;

/// A C string of limited length. Longer text is cut.
#[derive(Clone, Debug)]
pub struct Bounded<const ROOM: usize> {
    bytes: [u8; ROOM],
    len: usize,
}

/// The text of an error.
pub type BoundedText = Bounded<TEXT_ROOM>;

/// A log line: room for a text of an error, and for what follows it.
pub type LogLine = Bounded<1024>;

impl<const ROOM: usize> Bounded<ROOM> {
    /// The text as far as it fits.
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut this = Self { bytes: [0; ROOM], len: 0 };
        // Neither writing below nor the Display of a type of ours reports an error.
        let _ = this.write_fmt(text);
        this
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The text as a C string.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

/// The text, without a character that was cut.
impl<const ROOM: usize> fmt::Display for Bounded<ROOM> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().utf8_chunks().try_for_each(|chunk| f.write_str(chunk.valid()))
    }
}

impl<const ROOM: usize> Write for Bounded<ROOM> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The last byte stays zero. A path may contain a zero byte or a line break, which would end the text or forge a
        // line.
        let room = self.bytes.get_mut(self.len..ROOM.saturating_sub(1)).unwrap_or_default();
        for (to, from) in room.iter_mut().zip(text.bytes()) {
            *to = if from.is_ascii_control() { b'?' } else { from };
            self.len += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_and_ends_with_a_zero_byte() {
        let text = BoundedText::new(format_args!("{}", "x".repeat(2 * TEXT_ROOM)));
        assert_eq!(text.as_c_str().to_bytes().len(), TEXT_ROOM - 1);
    }

    #[test]
    fn control_characters_cannot_forge_a_line() {
        let text = BoundedText::new(format_args!("a\nb\0c"));
        assert_eq!(text.as_c_str(), c"a?b?c");
    }
}

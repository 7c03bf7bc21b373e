//! The text that a server may give a response other than `SUCCESS`, in a field that DAOS's parsers skip. Free of I/O.
//!
//! The text comes from a peer. So what is kept of it can be shown on a terminal and written to a log, whatever was sent.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt::{self, Write};

use super::wire::{self, Fields, VARINT_MAX};

/// The most bytes of a text.
const MAX: usize = 200;

/// The most bytes of a character.
const CHAR_MAX: usize = 4;

/// The most bytes of the field: the key, the length and the text.
const FIELD_MAX: usize = 2 + 2 + MAX;

/// Why a call has failed, in a server's words: at most 200 bytes of printable UTF-8, in one line. A longer text is cut at a
/// character, and a `?` stands for what cannot be shown.
///
/// ```
/// use drpc::Detail;
///
/// assert_eq!(Detail::from("no pool 7\n").as_str(), "no pool 7?");
/// assert_eq!(Detail::from(&*"x".repeat(300)).as_str().len(), 200);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Detail {
    len: usize,
    bytes: [u8; MAX],
}

impl Detail {
    /// The number of the field, whose type is that of bytes. `docs/wire.md` says why it is this one.
    pub const FIELD: u32 = 2046;

    /// The wire type of the field.
    #[doc(hidden)]
    pub const WIRE_TYPE: u8 = 2;

    const EMPTY: Self = Self { len: 0, bytes: [0; MAX] };

    /// A text as far as it fits.
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut this = Self::EMPTY;
        // An error says that the text is full.
        let _ = this.write_fmt(text);
        this
    }

    /// The text in bytes from a peer or a program. A `?` stands for each sequence of bytes that is no UTF-8.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut this = Self::EMPTY;
        // Each character is kept as one byte at least, so that no later ones find room.
        let bytes = bytes.get(..CHAR_MAX * MAX).unwrap_or(bytes);
        for chunk in bytes.utf8_chunks() {
            let invalid = if chunk.invalid().is_empty() { "" } else { "?" };
            if this.write_str(chunk.valid()).and_then(|()| this.write_str(invalid)).is_err() {
                break;
            }
        }
        this
    }

    /// The text in the value of a field with its length, as it is encoded.
    #[doc(hidden)]
    pub fn of_value(number: u32, wire_type: u8, value: &[u8]) -> Option<Self> {
        let is_text = (number, wire_type) == (Self::FIELD, Self::WIRE_TYPE);
        if is_text { wire::without_length(value).map(Self::of_bytes) } else { None }
    }

    /// The text in an encoded response. Of a repeated field the last one counts. `None` without a text.
    pub fn find_in(message: &[u8]) -> Option<Self> {
        let last = Fields::new(message)
            .flatten()
            .filter(|field| (field.number, field.wire_type) == (Self::FIELD, Self::WIRE_TYPE))
            .last()?;
        Self::of_value(last.number, last.wire_type, last.value).filter(|text| !text.is_empty())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// True if there is no text.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The text as an encoded field.
    #[doc(hidden)]
    pub fn encode(&self) -> EncodedDetail {
        let mut field = EncodedDetail { len: 0, value: 0, bytes: [0; FIELD_MAX] };
        field.put(wire::key(Self::FIELD, Self::WIRE_TYPE));
        field.value = field.len;
        field.put(wire::varint_bytes(self.len as u64));
        field.extend(self.as_bytes());
        field
    }
}

/// Keeps what fits, and ends with the first character that does not.
impl Write for Detail {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let c = if is_printable(c) { c } else { '?' };
            let free = self.bytes.get_mut(self.len..self.len + c.len_utf8()).ok_or(fmt::Error)?;
            self.len += c.encode_utf8(free).len();
        }
        Ok(())
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::of_bytes(text.as_bytes())
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// False for a character that is not seen, or changes how others are shown: control characters, the marks that change the
/// direction of writing, other marks without a shape, line ends, tags, and what is for private use.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..)
}

/// A text as a field of an encoded response.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct EncodedDetail {
    len: usize,
    /// The index of the value, which is the length of the text and the text.
    value: usize,
    bytes: [u8; FIELD_MAX],
}

impl EncodedDetail {
    /// The whole field.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The field without its key.
    pub fn value(&self) -> &[u8] {
        self.bytes.get(self.value..self.len).unwrap_or_default()
    }

    fn put(&mut self, (bytes, len): ([u8; VARINT_MAX], usize)) {
        self.extend(bytes.get(..len).unwrap_or_default());
    }

    fn extend(&mut self, bytes: &[u8]) {
        if let Some(free) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            free.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u32, wire_type: u8, value: &[u8]) -> Vec<u8> {
        let (key, len) = wire::key(number, wire_type);
        [&key[..len], value].concat()
    }

    #[test]
    fn a_text_of_any_length_is_found_as_it_was_encoded() {
        for len in 1..=MAX {
            let text = Detail::from(&*"x".repeat(len));
            let field = text.encode();
            assert_eq!((field.as_bytes().len(), text.as_str().len()), (len + if len < 128 { 3 } else { 4 }, len));
            assert!(!field.as_bytes().contains(&0), "what has no zero is no chunk");
            assert_eq!(field.as_bytes()[..2], [0xf2, 0x7f]);
            assert_eq!(Detail::find_in(&[b"\x08\x01\x10\x02", field.as_bytes()].concat()), Some(text));
            assert_eq!(Detail::of_value(Detail::FIELD, 2, field.value()), Some(text));
        }
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        for before in 0..CHAR_MAX {
            let text = "x".repeat(before) + &"\u{1f600}".repeat(MAX);
            let kept = before + (MAX - before) / CHAR_MAX * CHAR_MAX;
            assert_eq!(Detail::from(&*text).as_str(), &text[..kept]);
            assert_eq!(Detail::new(format_args!("{text}!")).as_str(), &text[..kept], "nothing follows the cut");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_replaced() {
        let shown = |text: &str| Detail::from(text).as_str().to_owned();
        assert_eq!(shown("a\nb\0c\x1b[31m\u{85}\x7f"), "a?b?c?[31m??");
        assert_eq!(shown("\u{202e}evil\u{2066}\u{200f}\u{200b}\u{2028}\u{feff}\u{e0041}\u{e000}"), "?evil???????");
        assert_eq!(shown("é ü ж 好 \u{1f600} \u{fffd} e\u{301} \"'\\"), "é ü ж 好 \u{1f600} \u{fffd} e\u{301} \"'\\");
    }

    #[test]
    fn bytes_of_any_kind_are_a_text() {
        assert_eq!(Detail::of_bytes(b"a\xffb\xe2\x82c\xf0\x9f").as_str(), "a?b?c?");
        assert_eq!(Detail::of_bytes(&[0xff; 10_000]).as_str(), "?".repeat(MAX));
        assert_eq!(Detail::of_bytes(&"\u{1f600}".repeat(10_000).into_bytes()).as_str().len(), MAX);
    }

    #[test]
    fn the_last_text_of_the_right_type_counts() {
        let [first, last] = ["first", "last"].map(|text| Detail::from(text).encode().as_bytes().to_vec());
        let none = field(Detail::FIELD, 2, b"\0");
        let others = [
            field(Detail::FIELD, 0, b"\x05"),
            field(Detail::FIELD, 1, b"12345678"),
            field(Detail::FIELD, 5, b"1234"),
            field(Detail::FIELD - 1, 2, b"\x04more"),
            field(Detail::FIELD + 1, 0, b"\x01"),
        ]
        .concat();
        let found = |fields: &[&[u8]]| Detail::find_in(&fields.concat()).map(|text| text.to_string());
        assert_eq!(found(&[&first, &others, &last, &others]).as_deref(), Some("last"));
        assert_eq!(found(&[&others, &first, &others]).as_deref(), Some("first"));
        assert_eq!(found(&[&others]), None);
        assert_eq!(found(&[&first, &none]), None);
        // What is before a fault has been read; whoever decodes the message refuses it.
        assert_eq!(found(&[&first, &field(Detail::FIELD, 2, b"\x7fcut")]).as_deref(), Some("first"));
    }
}

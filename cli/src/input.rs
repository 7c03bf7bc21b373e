//! Bodies that the user gives.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;

use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value;

use crate::exit::Failure;

/// The bytes of an argument: `-` is stdin, `@FILE` a file, and anything else is meant itself.
pub fn read(argument: &OsStr) -> Result<Vec<u8>, Failure> {
    match argument.as_bytes() {
        b"-" => stdin(),
        [b'@', path @ ..] => file(Path::new(OsStr::from_bytes(path))),
        bytes => Ok(bytes.to_vec()),
    }
}

/// All of stdin.
pub fn stdin() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| Failure::usage(format!("stdin: {error}")))?;
    Ok(bytes)
}

/// The content of a file.
pub fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// A JSON object, read from bytes.
pub fn json(bytes: &[u8]) -> Result<Value, Failure> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        Failure::usage(format!("this is no JSON: {error}: JSON is as in '{{\"sys\": \"daos_server\"}}'"))
    })?;
    if value.is_object() { Ok(value) } else { Err(Failure::usage("the JSON of a message is an object, as in {}")) }
}

/// The bytes of hexadecimal digits, between which white space and colons may be, and `0x` or `\x` before each pair.
pub fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(text).replace("0x", " ").replace("\\x", " ");
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: &u8| char::from(*digit).to_digit(16);
    digits.chunks(2).map(|pair| Some((nibble(pair.first()?)? << 4 | nibble(pair.get(1)?)?) as u8)).collect()
}

/// Bytes as hexadecimal digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

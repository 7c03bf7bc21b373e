//! Records in text: lines of hexadecimal digits, hexdumps, and the output of `strace -xx`.

use std::collections::HashMap;

use crate::exit::Failure;
use crate::input;

/// The way that a record went, as far as the text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The traced process has sent the record.
    Sent,
    /// The traced process has received the record.
    Received,
    /// Unknown.
    Either,
}

/// A record from a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The bytes, as far as the text has them.
    pub bytes: Vec<u8>,
    /// The process and the descriptor in the trace; zeros where there is none.
    pub stream: (u32, i32),
    /// The way that the record went.
    pub way: Way,
    /// True if the text has not all bytes of the record.
    pub truncated: bool,
    /// True if the system call may also be about a file: read(2) and write(2).
    pub may_be_of_file: bool,
}

impl Record {
    /// A record of which nothing is known but its bytes.
    fn bare(bytes: Vec<u8>) -> Self {
        Self { bytes, stream: (0, 0), way: Way::Either, truncated: false, may_be_of_file: false }
    }
}

/// All records of a text, in the order of the text.
pub fn read(text: &[u8]) -> Result<Vec<Record>, Failure> {
    let text = String::from_utf8_lossy(text);
    let mut reader = Reader::default();
    for (at, line) in text.lines().enumerate() {
        if !reader.line(line) {
            let what = "is none of hexadecimal digits, a hexdump with all its lines (hexdump -v) and strace -xx";
            return Err(Failure::not_understood(format!("line {} {what}", at + 1)));
        }
    }
    reader.end_dump();
    Ok(reader.records)
}

#[derive(Default)]
struct Reader {
    records: Vec<Record>,
    /// The hexdump that has begun.
    dump: Vec<u8>,
    is_in_dump: bool,
    /// The descriptors of calls that a trace shows in two lines, by the process.
    unfinished: HashMap<u32, i32>,
}

impl Reader {
    /// Takes a line; false if it makes no sense.
    fn line(&mut self, line: &str) -> bool {
        let line = line.trim_end();
        if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
            self.end_dump();
            return true;
        }
        if let Some((offset, bytes)) = dump_line(line).filter(|(offset, _)| *offset == 0 || *offset == self.dump.len())
        {
            // An offset of 0 begins a record, and one without bytes ends it.
            if offset == 0 || bytes.is_empty() {
                self.end_dump();
            }
            self.is_in_dump |= !bytes.is_empty();
            self.dump.extend(bytes);
            return true;
        }
        self.end_dump();
        if let Some(bytes) = input::hex(line.as_bytes()) {
            self.records.push(Record::bare(bytes));
            return true;
        }
        self.trace_line(line)
    }

    fn end_dump(&mut self) {
        let bytes = std::mem::take(&mut self.dump);
        if std::mem::take(&mut self.is_in_dump) {
            self.records.push(Record::bare(bytes));
        }
    }

    /// Takes a line of strace. Lines about other system calls are passed over; false for what is no such line.
    fn trace_line(&mut self, line: &str) -> bool {
        let pid = pid_of(line);
        let resumed = line.find("<... ").and_then(|at| line.get(at + 5..)?.split_once(" resumed>"));
        let (name, descriptor, rest) = match resumed {
            Some((name, rest)) => (name, self.unfinished.remove(&pid), rest),
            None => {
                let Some((before, rest)) = line.split_once('(') else {
                    return line.contains("+++ ") || line.contains("--- ");
                };
                let name = before.rsplit([' ', ']']).next().unwrap_or_default();
                let digits = rest.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
                (name, digits.parse().ok(), rest)
            }
        };
        let way = match name {
            "send" | "sendto" | "sendmsg" | "write" | "writev" => Way::Sent,
            "recv" | "recvfrom" | "recvmsg" | "read" | "readv" => Way::Received,
            _ => return line.contains(" = ") || line.contains("<unfinished") || line.contains("resumed>"),
        };
        if rest.ends_with("<unfinished ...>") {
            self.unfinished.extend(descriptor.map(|descriptor| (pid, descriptor)));
            // What is sent is there already, and what is received is not.
            if way == Way::Received || !rest.contains('"') {
                return true;
            }
        }
        let is_received_or_whole = resumed.is_none() || way == Way::Received;
        if let (true, Some(record)) = (is_received_or_whole, traced(rest, way, (pid, descriptor.unwrap_or_default()))) {
            let may_be_of_file = matches!(name, "read" | "readv" | "write" | "writev");
            self.records.push(Record { may_be_of_file, ..record });
        }
        true
    }
}

/// The process of a line of `strace -f`; 0 if it names none.
fn pid_of(line: &str) -> u32 {
    let line = line.trim_start();
    let line = line.strip_prefix("[pid").unwrap_or(line).trim_start();
    let digits = line.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or_default()
}

/// The record in the arguments of a system call; `None` if there is none, as after an error.
fn traced(arguments: &str, way: Way, stream: (u32, i32)) -> Option<Record> {
    let result: Option<usize> = arguments.rsplit_once(") = ").and_then(|(_, result)| {
        let digits = result.split(' ').next()?;
        Some(digits.parse::<i64>().ok()?.try_into().unwrap_or(0))
    });
    if result == Some(0) {
        return None;
    }
    let mut bytes = Vec::new();
    let mut truncated = false;
    // Other strings are addresses.
    let is_vector = arguments.contains("iov_base=");
    let mut rest = arguments;
    while let Some(at) = if is_vector { rest.find("iov_base=\"").map(|at| at + 9) } else { rest.find('"') } {
        let (piece, behind) = quoted(rest.get(at + 1..)?);
        bytes.extend(piece);
        truncated |= behind.starts_with("...");
        rest = behind;
        if !is_vector {
            break;
        }
    }
    if let Some(len) = result {
        truncated |= bytes.len() < len;
        bytes.truncate(len);
    }
    if bytes.is_empty() { None } else { Some(Record { bytes, stream, way, truncated, may_be_of_file: false }) }
}

/// The bytes of a string up to its closing quote, and what is behind that.
fn quoted(text: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        if first == '"' {
            break;
        }
        if first != '\\' {
            bytes.extend(first.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let kind = rest.chars().next().unwrap_or('\\');
        let (byte, taken) = match kind {
            'x' => (rest.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()), 3),
            '0'..='7' => {
                let len = rest.bytes().take(3).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
                (rest.get(..len).and_then(|digits| u8::from_str_radix(digits, 8).ok()), len)
            }
            'n' => (Some(b'\n'), 1),
            't' => (Some(b'\t'), 1),
            'r' => (Some(b'\r'), 1),
            'v' => (Some(0x0b), 1),
            'f' => (Some(0x0c), 1),
            other => (u8::try_from(other).ok(), other.len_utf8()),
        };
        bytes.extend(byte);
        rest = rest.get(taken..).unwrap_or_default();
    }
    (bytes, rest)
}

/// A line of a hexdump: its offset and its bytes. `xxd`, `hexdump` with and without `-C`, and `od -A x` are known.
fn dump_line(line: &str) -> Option<(usize, Vec<u8>)> {
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let of_xxd = first.strip_suffix(':');
    let offset = of_xxd.unwrap_or(first);
    if !(6..=8).contains(&offset.len()) {
        return None;
    }
    let offset = usize::from_str_radix(offset, 16).ok()?;
    // The text beside the bytes begins with a bar, or in xxd after two spaces.
    let columns = match of_xxd {
        Some(_) => rest.trim_start().split("  ").next()?,
        None => rest.split('|').next()?,
    };
    let mut bytes = Vec::new();
    for column in columns.split_ascii_whitespace() {
        let mut pair = input::hex(column.as_bytes())?;
        match (column.len(), of_xxd) {
            (2 | 4, Some(_)) | (2, None) => {}
            // Words of this machine.
            (4, None) => pair.reverse(),
            _ => return None,
        }
        bytes.extend(pair);
    }
    Some((offset, bytes))
}

//! Models of the four kinds of parser by which servers of DAOS 0.8 to 2.6 read a call from a record, and clients of all
//! releases a response. They share no code with the library. `parsers.txt` beside this file holds them, and those of `c-tests/interop`, to the same records.

/// The rules by which a record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// protobuf-c before 1.3.2: zero is a field number, groups and a known field of another type are faults.
    OldC,
    /// protobuf-c from 1.3.2 on: a key's first byte does not have the field number zero.
    C,
    /// Go before golang/protobuf 1.4 (DAOS up to 1.0): a known field of another type is skipped. So is a group, up to the
    /// mark that ends it, and no field number within it is looked at.
    OldGo,
    /// Go since: every field number is looked at, and a group ends with its own.
    Go,
}

impl Rules {
    pub(crate) const ALL: [Self; 4] = [Self::OldC, Self::C, Self::OldGo, Self::Go];

    fn are_of_go(self) -> bool {
        matches!(self, Self::OldGo | Self::Go)
    }

    /// Number of bytes that a key and a length may take.
    fn longest(self) -> usize {
        if self.are_of_go() { 10 } else { 5 }
    }
}

/// The call that has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    pub(crate) module: i32,
    pub(crate) method: i32,
    pub(crate) sequence: i64,
    pub(crate) body: &'a [u8],
}

/// The largest field number, and the largest within a group that Go skips.
const MAX_NUMBER: u64 = (1 << 29) - 1;
const MAX_INNER_NUMBER: u64 = i32::MAX as u64;

const GROUP: u64 = 3;
const GROUP_END: u64 = 4;

/// A varint of at most `max` bytes, and what follows it. To Go, bits over 64 are an error.
fn varint(input: &[u8], max: usize, rules: Rules) -> Option<(u64, &[u8])> {
    let len = input.iter().take(max).position(|byte| byte & 0x80 == 0)? + 1;
    if rules.are_of_go() && len == 10 && input[9] > 1 {
        return None;
    }
    let value = input[..len].iter().rev().fold(0, |value: u64, byte| (value << 7) | u64::from(byte & 0x7f));
    Some((value, &input[len..]))
}

/// What follows a value that is no group.
fn after_scalar(input: &[u8], wire_type: u64, rules: Rules) -> Option<&[u8]> {
    match wire_type {
        0 => varint(input, 10, rules).map(|(_, rest)| rest),
        1 => input.get(8..),
        2 => varint(input, rules.longest(), rules).and_then(|(len, rest)| rest.get(usize::try_from(len).ok()?..)),
        5 => input.get(4..),
        _ => None,
    }
}

/// What follows a group: old Go counts the marks, new Go keeps the number of each group that is open.
fn after_group(mut input: &[u8], number: u64, rules: Rules) -> Option<&[u8]> {
    let mut open = vec![number];
    while let Some(innermost) = open.last() {
        let (key, rest) = varint(input, 10, rules)?;
        let (number, wire_type) = (key >> 3, key & 7);
        if rules == Rules::Go && (number == 0 || number > MAX_INNER_NUMBER) {
            return None;
        }
        input = rest;
        match wire_type {
            GROUP => open.push(number),
            GROUP_END if rules == Rules::Go && number != *innermost => return None,
            GROUP_END => {
                open.pop();
            }
            _ => input = after_scalar(rest, wire_type, rules)?,
        }
    }
    Some(input)
}

/// The call that such a server reads from a record; `None` if it answers `FAILED_UNMARSHAL_CALL`.
pub(crate) fn read(record: &[u8], rules: Rules) -> Option<Read<'_>> {
    let ([module, method, sequence], body) = fields(record, rules, 4)?;
    Some(Read { module: module as i32, method: method as i32, sequence: sequence as i64, body })
}

/// The response that such a client reads from a record: the sequence, the status and the body.
pub(crate) fn read_response(record: &[u8], rules: Rules) -> Option<(i64, i32, &[u8])> {
    let ([sequence, status, _], body) = fields(record, rules, 3)?;
    Some((sequence as i64, status as i32, body))
}

/// The numbers before the body, which is the field `body_number`, and the body.
fn fields(mut record: &[u8], rules: Rules, body_number: u64) -> Option<([u64; 3], &[u8])> {
    let (mut numbers, mut body) = ([0; 3], &[][..]);
    while !record.is_empty() {
        if rules == Rules::C && record[0] & 0xf8 == 0 {
            return None;
        }
        let (key, value) = varint(record, rules.longest(), rules)?;
        let (number, wire_type) = (key >> 3, key & 7);
        if (rules.are_of_go() && number == 0) || (rules == Rules::Go && number > MAX_NUMBER) {
            return None;
        }
        record = match wire_type {
            GROUP if rules.are_of_go() => after_group(value, number, rules)?,
            _ => after_scalar(value, wire_type, rules)?,
        };
        if number == 0 || number > body_number {
            continue;
        }
        let expected = if number == body_number { 2 } else { 0 };
        match number {
            _ if wire_type != expected && rules.are_of_go() => {}
            _ if wire_type != expected => return None,
            _ if number == body_number => {
                let (len, bytes) = varint(value, 10, rules)?;
                body = &bytes[..len as usize];
            }
            _ => numbers[number as usize - 1] = varint(value, 10, rules)?.0,
        }
    }
    Some((numbers, body))
}

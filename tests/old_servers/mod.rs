//! How servers of DAOS up to 2.6, which read a call from each record, read any record. It shares no code with the
//! library.

/// By whose rules a record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rules {
    /// Go's: a known field with another wire type is passed over, and so are groups.
    Go,
    /// Those of protobuf-c from 1.3.2 on: neither is allowed.
    C,
    /// Those of protobuf-c before: as after, and zero is a field number.
    OldC,
}

/// What they read as a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    pub(crate) module: i32,
    pub(crate) method: i32,
    pub(crate) sequence: i64,
    pub(crate) body: &'a [u8],
}

/// A varint of at most `max` bytes, and what follows it. To Go, bits over 64 are an error.
fn varint(input: &[u8], max: usize, rules: Rules) -> Option<(u64, &[u8])> {
    let len = input.iter().take(max).position(|byte| byte & 0x80 == 0)? + 1;
    if rules == Rules::Go && len == 10 && input[9] > 1 {
        return None;
    }
    let value = input[..len].iter().rev().fold(0, |value: u64, byte| (value << 7) | u64::from(byte & 0x7f));
    Some((value, &input[len..]))
}

/// What follows a group.
fn after_group(mut input: &[u8], number: u64) -> Option<&[u8]> {
    loop {
        let (key, rest) = varint(input, 10, Rules::Go)?;
        if key & 7 == 4 {
            return (key >> 3 == number).then_some(rest);
        }
        input = after_value(rest, key, Rules::Go)?;
    }
}

/// What follows the value of a field.
fn after_value(input: &[u8], key: u64, rules: Rules) -> Option<&[u8]> {
    let long = if rules == Rules::Go { 10 } else { 5 };
    if rules == Rules::Go && key >> 3 == 0 {
        return None;
    }
    match key & 7 {
        0 => varint(input, 10, rules).map(|(_, rest)| rest),
        1 => input.get(8..),
        2 => varint(input, long, rules).and_then(|(len, rest)| rest.get(usize::try_from(len).ok()?..)),
        3 if rules == Rules::Go => after_group(input, key >> 3),
        5 => input.get(4..),
        _ => None,
    }
}

/// The call that such a server reads from a record; `None` if it answers `FAILED_UNMARSHAL_CALL`.
pub(crate) fn read(mut record: &[u8], rules: Rules) -> Option<Read<'_>> {
    let mut call = Read::default();
    while !record.is_empty() {
        if rules == Rules::C && record[0] & 0xf8 == 0 {
            return None;
        }
        let (key, value) = varint(record, if rules == Rules::Go { 10 } else { 5 }, rules)?;
        record = after_value(value, key, rules)?;
        let expected = match key >> 3 {
            1..=3 => 0,
            4 => 2,
            _ => continue,
        };
        match key >> 3 {
            _ if key & 7 != expected && rules == Rules::Go => {}
            _ if key & 7 != expected => return None,
            1 => call.module = varint(value, 10, rules)?.0 as i32,
            2 => call.method = varint(value, 10, rules)?.0 as i32,
            3 => call.sequence = varint(value, 10, rules)?.0 as i64,
            _ => {
                let (len, bytes) = varint(value, 10, rules)?;
                call.body = &bytes[..len as usize];
            }
        }
    }
    Some(call)
}

//! The kernel's table of Unix sockets: from sock_diag(7), or from /proc/net/unix where that is not to be had.

use std::fs;
use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

/// What a socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It listens.
    Listening,
    /// It is connected.
    Connected,
    /// It is the server's end of a connection that waits to be accepted. Only /proc/net/unix shows such.
    Waiting,
    /// Something else.
    Other,
}

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// The number of the socket, by which /proc shows who has it open.
    pub inode: u64,
    /// What it does.
    pub state: State,
    /// Its type: `stream`, `datagram` or `seqpacket`.
    pub kind: &'static str,
    /// The path as it was bound; an abstract name begins with a zero byte. An accepted socket has the name of its listener.
    pub name: Vec<u8>,
    /// The number and the device of the file that it is bound to.
    pub file: Option<(u32, u32)>,
    /// The socket at the other end.
    pub peer: Option<u64>,
    /// Of a listener: connections that wait to be accepted, and the limit. Of others: bytes that are not read, and not sent.
    pub queue: Option<(u32, u32)>,
}

/// All Unix sockets of this network namespace.
pub fn all() -> io::Result<Vec<UnixSocket>> {
    by_sock_diag().or_else(|_| by_table())
}

/// The same by /proc/net/unix, which knows less.
pub fn by_table() -> io::Result<Vec<UnixSocket>> {
    fs::read("/proc/net/unix").map(|table| parse_table(&table))
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// NLM_F_REQUEST and NLM_F_DUMP.
const DUMP: u16 = 0x301;
const HEADER: usize = 16;
/// The length of an answer before its attributes.
const ANSWER: usize = HEADER + 16;
/// Names, files, peers and queues.
const SHOW: u32 = 0x1 | 0x2 | 0x4 | 0x10;

/// The same by sock_diag.
pub fn by_sock_diag() -> io::Result<Vec<UnixSocket>> {
    let kernel = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    send(&kernel, &request(), SendFlags::empty())?;
    let mut sockets = Vec::new();
    let mut room = vec![0; 64 << 10];
    loop {
        // The next part of the answer is there as soon as the one before has been taken.
        let (len, _) = recv(&kernel, &mut room[..], RecvFlags::DONTWAIT)?;
        if !parse_answers(room.get(..len).unwrap_or_default(), &mut sockets)? {
            return Ok(sockets);
        }
    }
}

/// An `nlmsghdr` and a `unix_diag_req` for all sockets.
fn request() -> Vec<u8> {
    let mut bytes = Vec::new();
    let words = |bytes: &mut Vec<u8>, words: &[u32]| words.iter().for_each(|word| bytes.extend(word.to_ne_bytes()));
    words(&mut bytes, &[40]);
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(DUMP.to_ne_bytes());
    words(&mut bytes, &[1, 0]);
    bytes.extend([AddressFamily::UNIX.as_raw() as u8, 0, 0, 0]);
    words(&mut bytes, &[u32::MAX, 0, SHOW, u32::MAX, u32::MAX]);
    bytes
}

/// Adds the sockets of some answers. False after the last one.
fn parse_answers(mut answers: &[u8], sockets: &mut Vec<UnixSocket>) -> io::Result<bool> {
    while let (Some(len), Some(kind)) = (u32_at(answers, 0), u16_at(answers, 4)) {
        let len = (len as usize).max(HEADER);
        let answer = answers.get(..len).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let errno = u32_at(answer, HEADER).unwrap_or_default().cast_signed();
                return Err(io::Error::from_raw_os_error(errno.wrapping_neg()));
            }
            SOCK_DIAG_BY_FAMILY => sockets.extend(parse_answer(answer)),
            _ => {}
        }
        answers = answers.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

fn parse_answer(answer: &[u8]) -> Option<UnixSocket> {
    let mut socket = UnixSocket {
        inode: u32_at(answer, HEADER + 4)?.into(),
        state: match answer.get(HEADER + 2)? {
            1 => State::Connected,
            10 => State::Listening,
            _ => State::Other,
        },
        kind: kind_name((*answer.get(HEADER + 1)?).into()),
        name: Vec::new(),
        file: None,
        peer: None,
        queue: None,
    };
    let mut at = ANSWER;
    while let (Some(len), Some(kind)) = (u16_at(answer, at), u16_at(answer, at + 2)) {
        let len = usize::from(len).max(4);
        let value = answer.get(at + 4..at + len)?;
        let pair = || u32_at(value, 0).zip(u32_at(value, 4));
        match kind {
            // The zero behind a path is a part of its address.
            0 if value.first() != Some(&0) => socket.name = value.strip_suffix(b"\0").unwrap_or(value).to_vec(),
            0 => socket.name = value.to_vec(),
            1 => socket.file = pair(),
            2 => socket.peer = u32_at(value, 0).map(u64::from),
            4 => socket.queue = pair(),
            _ => {}
        }
        at += len.next_multiple_of(4);
    }
    Some(socket)
}

/// Reads /proc/net/unix, whose lines have a number, five hexadecimal fields, an inode, and perhaps a path.
fn parse_table(table: &[u8]) -> Vec<UnixSocket> {
    table.split(|byte| *byte == b'\n').skip(1).filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<UnixSocket> {
    let mut rest = line;
    let mut field = || {
        let start = rest.iter().position(|byte| *byte != b' ')?;
        let field = rest.get(start..)?;
        let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        rest = field.get(end..)?;
        std::str::from_utf8(field.get(..end)?).ok()
    };
    let (_, _, _) = (field()?, field()?, field()?);
    let (flags, kind, state) = (field()?, field()?, field()?);
    let inode = field()?.parse().ok()?;
    let hex = |text| u32::from_str_radix(text, 16).ok();
    let mut name = rest.strip_prefix(b" ").unwrap_or_default().to_vec();
    if let Some(first) = name.first_mut().filter(|first| **first == b'@') {
        *first = 0;
    }
    let state = match (hex(flags)? & 0x1_0000, hex(state)?) {
        (0, 2) => State::Waiting,
        (0, 3) => State::Connected,
        (0, _) => State::Other,
        _ => State::Listening,
    };
    Some(UnixSocket { inode, state, kind: kind_name(hex(kind)?), name, file: None, peer: None, queue: None })
}

fn kind_name(kind: u32) -> &'static str {
    match kind {
        1 => "stream",
        2 => "datagram",
        5 => "seqpacket",
        _ => "other",
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

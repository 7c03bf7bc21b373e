//! Faults: what a server may do instead of answering.

use drpc::framing::chunked::{Chunks, HEADER_LEN, Header, MAX_DATA};
use drpc::framing::datagram;
use drpc::wire::ResponseRef;
use drpc::{Detail, Framing, Response};
use prost_reflect::prost::encoding::string;

use crate::exit::Failure;

/// A way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Half of the answer.
    HalfMessage,
    /// Half of the answer, then the end.
    HalfClose,
    /// The answer to another call.
    WrongSequence,
    /// Two answers.
    Twice,
    /// Bytes that are no message.
    Garbage,
    /// A body that is shorter than its length.
    BadLength,
    /// A chunk that is shorter than its header says.
    BadHeader,
    /// More than a client can take.
    Huge,
    /// The answer in the framing that the client does not read.
    OtherFraming,
    /// A record without bytes.
    EmptyRecord,
    /// The end of the connection.
    Close,
    /// Nothing.
    Never,
    /// The end of the connection before anything is read.
    CloseAtOnce,
    /// Nothing is read.
    NoRead,
    /// No client is accepted.
    NoAccept,
}

/// The faults, with their names and what they do.
pub const ALL: [(Fault, &str, &str); 15] = [
    (Fault::HalfMessage, "half-message", "Send half of the answer: the first of two chunks, or half of a datagram"),
    (Fault::HalfClose, "half-close", "The same, then close the connection"),
    (Fault::WrongSequence, "wrong-sequence", "Answer the call after this one"),
    (Fault::Twice, "twice", "Send the answer twice"),
    (Fault::Garbage, "garbage", "Send 64 bytes 0xff in the place of the answer"),
    (Fault::BadLength, "bad-length", "Send a body one byte shorter than its length says"),
    (Fault::BadHeader, "bad-header", "Send a chunk shorter than its header says"),
    (Fault::Huge, "huge", "Announce an answer of 1 TiB in chunks, or send a datagram larger than DAOS receives"),
    (Fault::OtherFraming, "other-framing", "Answer in the framing that the client does not speak"),
    (Fault::EmptyRecord, "empty-record", "Send a record of no bytes, which looks like the end of the connection"),
    (Fault::Close, "close", "Read the call, then close the connection"),
    (Fault::Never, "never", "Read the call, and never answer"),
    (Fault::CloseAtOnce, "close-at-once", "Close the connection before anything is read"),
    (Fault::NoRead, "no-read", "Accept clients, and never read"),
    (Fault::NoAccept, "no-accept", "Listen, and never accept: one client waits, and the next finds the queue full"),
];

/// What a fault sends, and whether the connection goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The records to send.
    pub records: Vec<Vec<u8>>,
    /// True if the connection is closed then.
    pub closes: bool,
}

impl Fault {
    /// The fault of this name.
    pub fn named(given: &str) -> Result<Self, Failure> {
        let known = ALL.iter().find(|(_, name, _)| *name == given).map(|(fault, ..)| *fault);
        known.ok_or_else(|| {
            let names = ALL.map(|(_, name, _)| name).join(", ");
            Failure::usage(format!("there is no fault {given}: the faults are {names}"))
        })
    }

    /// The name in arguments and output.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(fault, ..)| *fault == self).map_or("", |(_, name, _)| name)
    }

    /// True for faults of a connection, which come before any call.
    pub fn is_of_connection(self) -> bool {
        matches!(self, Self::CloseAtOnce | Self::NoRead | Self::NoAccept)
    }

    /// What comes in the place of this answer.
    pub fn deed(self, framing: Framing, answer: &Response) -> Deed {
        let whole = |framing| records(framing, &encoded(answer));
        let records = match self {
            Self::HalfMessage | Self::HalfClose => half(framing, answer),
            Self::WrongSequence => {
                records(framing, &encoded(&Response { sequence: answer.sequence.wrapping_add(1), ..answer.clone() }))
            }
            Self::Twice => [whole(framing), whole(framing)].concat(),
            Self::Garbage => vec![vec![0xff; 64]],
            Self::BadLength => records(framing, &cut_short(answer)),
            Self::BadHeader => {
                let message = encoded(answer);
                let header = Header { data: message.len() as u64 + 1, ..Header::only(message.len()) };
                vec![[&header.to_bytes(), &message[..]].concat()]
            }
            Self::Huge => huge(framing),
            Self::OtherFraming => whole(match framing {
                Framing::Datagram => Framing::Chunked,
                _ => Framing::Datagram,
            }),
            Self::EmptyRecord => vec![Vec::new()],
            Self::Close | Self::Never | Self::CloseAtOnce | Self::NoRead | Self::NoAccept => Vec::new(),
        };
        Deed { records, closes: matches!(self, Self::HalfClose | Self::Close | Self::CloseAtOnce) }
    }
}

fn encoded(answer: &Response) -> Vec<u8> {
    let Response { sequence, status, body, .. } = answer;
    let mut detail = Vec::new();
    if let Some(text) = answer.detail() {
        string::encode(Detail::FIELD, &text.to_owned(), &mut detail);
    }
    ResponseRef { sequence: *sequence, status: *status, body }.encode(&detail).pieces().concat()
}

/// An answer as it should be, in records. The library encodes none with a detail, which only its own servers give.
pub fn well(framing: Framing, answer: &Response) -> Vec<Vec<u8>> {
    records(framing, &encoded(answer))
}

/// The records of a message.
fn records(framing: Framing, message: &[u8]) -> Vec<Vec<u8>> {
    match framing {
        Framing::Datagram => vec![message.to_vec()],
        _ => {
            let chunks = Chunks::new(message.len()).into_iter().flatten();
            let record = |(header, range): (Header, _)| {
                [&header.to_bytes(), message.get::<std::ops::Range<usize>>(range).unwrap_or_default()].concat()
            };
            chunks.map(record).collect()
        }
    }
}

/// Every chunk but the last is full, so that half of a message begins with a full one.
fn half(framing: Framing, answer: &Response) -> Vec<Vec<u8>> {
    match framing {
        Framing::Datagram => {
            let message = encoded(answer);
            vec![message.get(..message.len() / 2).unwrap_or_default().to_vec()]
        }
        _ => {
            let mut longer = answer.clone();
            longer.body.resize(answer.body.len() + MAX_DATA, 0);
            let mut all = records(framing, &encoded(&longer));
            all.pop();
            all
        }
    }
}

/// A message whose last field is one byte shorter than its length says.
fn cut_short(answer: &Response) -> Vec<u8> {
    let mut longer = answer.clone();
    longer.body.push(0);
    let mut message = encoded(&longer);
    message.pop();
    message
}

fn huge(framing: Framing) -> Vec<Vec<u8>> {
    match framing {
        Framing::Datagram => vec![vec![0; datagram::MAX_2_6 + HEADER_LEN]],
        _ => Chunks::new(1 << 40)
            .into_iter()
            .flatten()
            .take(1)
            .map(|(header, range)| [&header.to_bytes()[..], &vec![0; range.len()]].concat())
            .collect(),
    }
}

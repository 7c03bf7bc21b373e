//! Bodies received where they stay: the same messages and the same errors as without, whatever comes.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod support {
    pub(crate) mod heap;
}

use std::io::Write;
use std::os::fd::AsRawFd;

use drpc::Cause;
use drpc::framing::Framing;
use drpc::framing::chunked::{Chunks, HEADER_LEN, MAX_DATA, MAX_RECORD, Reassembly};
use drpc::framing::detect::PeerFraming;
use drpc::transport::{self, Received};
use drpc::wire::{CallRef, MAX_FIELDS};
use proptest::prelude::*;
use proptest::sample::Index;
use socket2::{Domain, Socket, Type};
use support::heap::Heap;

const LIMIT: usize = 3 * MAX_DATA;

/// Bytes that a head of the calls below takes, for sizes next to where a chunk ends.
const HEAD: usize = 9;

/// A call as it came: module, method, sequence, body, and the number of unknown fields.
type Came = (i32, i32, i64, Vec<u8>, usize);

/// What became of a record, whether a message is in parts then, and its sequence.
type Heard = (Result<Option<Came>, Cause>, bool, Option<i64>);

/// One end of a connection that does not wait.
struct Session {
    ours: Socket,
    theirs: Socket,
    peer_framing: PeerFraming,
    message: Reassembly,
    /// Bodies that had a block of their own.
    placed: usize,
}

impl Session {
    /// `body` is the number of the field that is placed.
    fn new(framing: Framing, body: u8) -> Self {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_send_buffer_size(1 << 20).unwrap();
        let (peer_framing, message) = (PeerFraming::known(framing), Reassembly::with_body(LIMIT, body));
        Self { ours, theirs, peer_framing, message, placed: 0 }
    }

    fn send(&self, record: &[u8]) {
        assert_eq!((&self.theirs).write(record).unwrap(), record.len());
    }

    fn receive(&mut self) -> Result<Option<Came>, Cause> {
        let placed = &mut self.placed;
        let keep = |mut got: Received<'_>| {
            let (call, unknown) = CallRef::decode_counting(got.within_limit()?, MAX_FIELDS)?;
            let own = got.take_body();
            *placed += usize::from(own.is_some());
            let mut copy = Vec::new();
            copy.try_reserve_exact(call.body.len()).map_err(|_| Cause::NoMemory)?;
            copy.extend_from_slice(call.body);
            let body = own.unwrap_or(copy);
            Ok((call.module, call.method, call.sequence, body, unknown))
        };
        let fd = self.ours.as_raw_fd();
        transport::receive_record(fd, &mut self.peer_framing, &mut self.message, MAX_RECORD, keep)
    }

    fn observe(&mut self, record: &[u8]) -> Heard {
        self.send(record);
        let came = self.receive();
        (came, self.message.is_partial(), CallRef::sequence_in(self.message.partial()))
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251 + 7) as u8).collect()
}

fn encoded(sequence: i64, body: &[u8]) -> Vec<u8> {
    CallRef { module: 2, method: 207, sequence, body }.encode(&[]).pieces().concat()
}

fn cut(message: &[u8]) -> Vec<Vec<u8>> {
    let chunks = Chunks::new(message.len()).unwrap();
    chunks.map(|(header, range)| [&header.to_bytes(), &message[range]].concat()).collect()
}

/// How the fields of a message stand.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Usual,
    UnknownBehind,
    UnknownBefore,
    BodyTwice,
    /// So many that the body begins in a later chunk, or not at all among the first bytes.
    LongHead(usize),
    /// The body claims this many bytes more.
    WrongLength(i8),
}

/// What befalls a record of a message.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Lost,
    Cut(Index),
    Surplus(usize),
    Doubled,
    /// A byte of the first ones is another one.
    Changed(usize, u8),
}

#[derive(Clone, Debug)]
struct Sent {
    session: usize,
    sequence: i64,
    body: usize,
    shape: Shape,
    which: usize,
    fault: Fault,
}

fn shaped(sent: &Sent) -> Vec<u8> {
    let body = &pattern(sent.body);
    let usual = encoded(sent.sequence, body);
    match sent.shape {
        Shape::Usual => usual,
        Shape::UnknownBehind => [&usual[..], &[0x78, 5]].concat(),
        Shape::UnknownBefore => [&[0x78, 5], &usual[..]].concat(),
        Shape::BodyTwice => [&[0x22, 1, b'x'], &usual[..]].concat(),
        Shape::LongHead(repeats) => [[0x08, 3].repeat(repeats), usual].concat(),
        Shape::WrongLength(more) => {
            let head = encoded(sent.sequence, &pattern(sent.body.saturating_add_signed(more.into())));
            let head = head.len() - sent.body.saturating_add_signed(more.into());
            let longer = encoded(sent.sequence, &pattern(sent.body + 200));
            [&longer[..head.min(longer.len())], body].concat()
        }
    }
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let near_end = (1..=2usize, 0..5usize).prop_map(|(chunks, off)| chunks * MAX_DATA + off - 2 - HEAD);
    let size = prop_oneof![
        2 => 0..300usize,
        2 => 4080..4110usize,
        3 => Just(60_000usize),
        2 => Just(130_000usize),
        3 => near_end,
        3 => Just(2 * MAX_DATA + 77),
        1 => 0..4 * MAX_DATA,
    ];
    let shape = prop_oneof![
        8 => Just(Shape::Usual),
        1 => Just(Shape::UnknownBehind),
        1 => Just(Shape::UnknownBefore),
        1 => Just(Shape::BodyTwice),
        1 => prop_oneof![1..30usize, Just(MAX_DATA / 2 - 3), Just(MAX_DATA)].prop_map(Shape::LongHead),
        1 => (-3..=3i8).prop_map(Shape::WrongLength),
    ];
    let fault = prop_oneof![
        12 => Just(Fault::None),
        1 => Just(Fault::Lost),
        1 => any::<Index>().prop_map(Fault::Cut),
        1 => prop_oneof![1..100usize, Just(150_000usize)].prop_map(Fault::Surplus),
        1 => Just(Fault::Doubled),
        2 => (0..HEADER_LEN + HEAD, any::<u8>()).prop_map(|(at, by)| Fault::Changed(at, by)),
    ];
    (0..3usize, prop_oneof![1..4i64, 126..130i64], size, shape, any::<usize>(), fault).prop_map(
        |(session, sequence, body, shape, which, fault)| Sent { session, sequence, body, shape, which, fault },
    )
}

/// The records of a message, as they come.
fn records(sent: &Sent, framing: Framing) -> Vec<Vec<u8>> {
    let message = shaped(sent);
    let mut records = match framing {
        Framing::Chunked => cut(&message),
        _ => vec![message],
    };
    let which = sent.which % records.len();
    let record = &mut records[which];
    match sent.fault {
        Fault::None => {}
        Fault::Lost => drop(records.remove(which)),
        Fault::Cut(keep) => record.truncate(1 + keep.index(record.len().max(1))),
        Fault::Surplus(more) => record.extend(pattern(more)),
        Fault::Doubled => records.insert(which, records[which].clone()),
        Fault::Changed(at, by) => {
            if let Some(byte) = record.get_mut(at) {
                *byte ^= by;
            }
        }
    }
    records.retain(|record| !record.is_empty());
    records
}

/// What becomes of all records, in three sessions of one thread, and how many bodies were placed.
fn outcome(all: &[Sent], number: u8) -> (Vec<Heard>, usize) {
    let framings = [Framing::Chunked, Framing::Chunked, Framing::Datagram];
    let mut sessions = framings.map(|framing| Session::new(framing, number));
    let mut outcome = Vec::new();
    for sent in all {
        for record in records(sent, framings[sent.session]) {
            outcome.push(sessions[sent.session].observe(&record));
        }
    }
    (outcome, sessions.iter().map(|session| session.placed).sum())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn placing_changes_nothing(all in proptest::collection::vec(any_sent(), 1..10)) {
        let (whole, none) = outcome(&all, 0);
        let (placed, _) = outcome(&all, CallRef::BODY);
        prop_assert_eq!(none, 0);
        for (i, (whole, placed)) in whole.iter().zip(&placed).enumerate() {
            prop_assert!(whole == placed, "record {}: {:.300?} became {:.300?}", i, whole, placed);
        }
        prop_assert_eq!(whole.len(), placed.len());
    }
}

fn usual(session: usize, body: usize) -> Sent {
    let (shape, fault) = (Shape::Usual, Fault::None);
    Sent { session, sequence: 5, body, shape, which: 0, fault }
}

/// Which bodies have blocks of their own.
#[test]
fn bodies_are_placed() {
    let placed = |bodies: &[(usize, usize)]| {
        let all: Vec<_> = bodies.iter().map(|(session, body)| usual(*session, *body)).collect();
        let mut thread = None;
        // In a thread that has received nothing yet.
        std::thread::scope(|scope| thread = Some(scope.spawn(|| outcome(&all, CallRef::BODY)).join().unwrap()));
        let (outcome, placed) = thread.unwrap();
        let came: Vec<_> = outcome.into_iter().filter_map(|(came, ..)| came.unwrap()).map(|came| came.3).collect();
        assert_eq!(came, bodies.iter().map(|(_, body)| pattern(*body)).collect::<Vec<_>>());
        placed
    };
    assert_eq!(placed(&[(0, 100), (0, 100), (0, 100)]), 0, "small ones");
    assert_eq!(placed(&[(0, 60_000)]), 0, "nothing was known");
    assert_eq!(placed(&[(0, 60_000), (0, 60_000), (1, 60_000)]), 2, "like the last one, in whatever session");
    assert_eq!(placed(&[(2, 60_000), (2, 60_000)]), 1, "a datagram");
    assert_eq!(placed(&[(2, 60_000), (0, 60_000), (2, 60_000)]), 0, "headers make a difference");
    assert_eq!(placed(&[(0, 60_000), (0, 60_001), (0, 59_999), (0, 10), (0, 60_000)]), 0, "wrong guesses");
    assert_eq!(placed(&[(0, MAX_DATA), (0, MAX_DATA), (1, 2 * MAX_DATA)]), 3, "of several chunks");
}

/// A message whose chunks come one by one, while other sessions of the thread are served.
#[test]
fn a_part_waits_for_the_rest() {
    let body = pattern(2 * MAX_DATA + 5);
    let records = cut(&encoded(1, &body));
    let mut sessions = [Framing::Chunked; 2].map(|framing| Session::new(framing, CallRef::BODY));
    for round in 1..4 {
        for record in &records {
            for session in &mut sessions {
                let nothing = session.receive();
                assert!(nothing.unwrap_err().is_would_block());
                let (came, partial, sequence) = session.observe(record);
                assert_eq!((partial, sequence), if record == &records[2] { (false, None) } else { (true, Some(1)) });
                assert_eq!(came.unwrap().map(|came| came.3), (record == &records[2]).then(|| body.clone()));
            }
        }
        assert!(sessions.iter().all(|session| session.placed == round));
    }
}

/// A record too large for any room does not end up in the message that it comes into.
#[test]
fn a_record_in_between_leaves_nothing() {
    let body = pattern(2 * MAX_DATA);
    let records = cut(&encoded(1, &body));
    let mut session = Session::new(Framing::Chunked, CallRef::BODY);
    assert_eq!(session.observe(&records[0]).0, Ok(None));
    assert!(matches!(session.observe(&pattern(300_000)).0, Err(Cause::Truncated { .. })));
    assert_eq!(session.observe(&records[1]).0, Ok(None));
    assert_eq!(session.observe(&records[2]).0.unwrap().unwrap().3, body);
}

/// Each allocation fails in turn: a message is right or has found no memory, and the next one is right.
#[test]
fn messages_without_memory() {
    for size in [60_000, 2 * MAX_DATA] {
        let (body, mut session) = (pattern(size), Session::new(Framing::Chunked, CallRef::BODY));
        let records = cut(&encoded(1, &body));
        // The second one is like the one before.
        for like in 0..2 {
            for nth in 0.. {
                let (mut denied, mut held) = (false, 0);
                for round in 0..=like {
                    let mut came = Ok(None);
                    let mut left = if round == like { nth } else { usize::MAX / 2 };
                    for record in &records {
                        session.send(record);
                        let (before, had) = (Heap::made(), Heap::held());
                        came = Heap::failing(left, 1, || session.receive());
                        let made = Heap::made() - before;
                        denied |= left < made;
                        left = if left < made { usize::MAX / 2 } else { left - made };
                        held += Heap::held() - had;
                    }
                    match came {
                        Ok(Some(came)) => assert_eq!(came.3, body),
                        other => assert!(denied && round == like && other == Err(Cause::NoMemory), "{size} {nth}"),
                    }
                    assert!(held < (2 * size + MAX_RECORD) as isize, "{held} bytes for {size}");
                }
                if !denied {
                    assert!(nth > 0, "this test measures nothing");
                    break;
                }
            }
        }
    }
}

/// Room for data that has not come: all of the body where it is at most 64 times what has come, else twice as much.
#[test]
fn room_follows_what_arrives() {
    for (body, first, second) in [
        (MAX_DATA + 50, MAX_DATA + 50, MAX_DATA + 50),
        (7 << 20, 7 << 20, 7 << 20),
        (16 << 20, 2 * MAX_DATA, 2 * MAX_DATA),
        (1 << 27, 2 * MAX_DATA, 2 * MAX_DATA),
    ] {
        let mut message = Reassembly::with_body(usize::MAX, CallRef::BODY);
        let message_bytes = encoded(1, &pattern(body));
        let records = cut(&message_bytes);
        let before = Heap::held();
        for (record, (room, count)) in records.iter().zip([(first, 1), (second, 2)]) {
            let whole = message.accept(record, false).unwrap().is_some();
            assert_eq!(whole, count * MAX_DATA >= message_bytes.len());
            let held = Heap::held() - before;
            assert!((room as isize..room as isize + 100).contains(&held), "{held} bytes for chunk {count} of {body}");
            assert!(message.held() <= 2 * count * MAX_DATA, "what has not come is not held");
        }
    }
}

/// As `drpc_set_framing` allows.
#[test]
fn a_datagram_is_not_taken_for_the_next_chunk() {
    let mut session = Session::new(Framing::Chunked, CallRef::BODY);
    let records = cut(&encoded(1, &pattern(2 * MAX_DATA)));
    assert_eq!(session.observe(&records[0]), (Ok(None), true, Some(1)));
    session.peer_framing = PeerFraming::known(Framing::Datagram);
    let body = pattern(100);
    session.send(&encoded(2, &body));
    assert_eq!(session.receive(), Ok(Some((2, 207, 2, body, 0))));
}

//! Detection of the framing that a peer uses, by the records that it sends. Free of I/O.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use super::chunked::is_first_chunk;
use super::datagram::MAX_0_8;
use super::fallback::{self, FirstMessage};
use super::{Framing, FramingChoice};
use crate::cause::{Cause, HeaderFault};
use crate::protocol::message::{NO_SEQUENCE, Status};
use crate::protocol::wire::{CallRef, HEAD_CAPACITY, ResponseRef};

/// The framing in which a peer's first record makes sense; `None` if there is none.
///
/// A record that could be a chunk and a datagram is taken for a chunk. `docs/wire.md` shows that no call looks like a
/// chunk, but for calls of module 0 and calls that no known sender writes.
#[inline]
pub fn detect(record: &[u8]) -> Option<Framing> {
    if is_first_chunk(record) {
        Some(Framing::Chunked)
    } else if CallRef::decode(record).is_ok() {
        Some(Framing::Datagram)
    } else {
        None
    }
}

/// The cause to report for an answer that cannot be decoded, read as a datagram or put together from chunks. A chunk is
/// none: it has zero bytes where the next key should be.
#[cold]
pub fn unreadable_answer(message: &[u8], cause: Cause) -> Cause {
    match cause {
        Cause::Malformed if is_first_chunk(message) => Cause::OtherFraming { speaks: Framing::Chunked, set: None },
        cause => cause,
    }
}

/// The cause to report for an answer that is no chunk of a message. Servers that read datagrams answer so to a chunk.
#[cold]
pub fn unreadable_chunk(record: &[u8], cause: Cause) -> Cause {
    match cause {
        Cause::Header(HeaderFault::Missing { .. }) if ResponseRef::decode(record).is_ok() => {
            Cause::OtherFraming { speaks: Framing::Datagram, set: None }
        }
        cause => cause,
    }
}

/// The reason why a server could not read a call that went out as a datagram, by the client's choice. `None` if the answer
/// does not say that, and for a call of a size that old servers cut. Calls are well-formed, so that nothing else is left.
#[cold]
pub fn unread_call(sequence: i64, status: i32, size: usize, choice: FramingChoice) -> Option<Cause> {
    let unread = sequence == NO_SEQUENCE && status == i32::from(Status::FailedUnmarshalCall);
    let whole = size.saturating_add(HEAD_CAPACITY) <= MAX_0_8;
    (unread && whole).then_some(Cause::OtherFraming { speaks: Framing::Chunked, set: Some(choice) })
}

/// The framing of a peer, as far as it is known. The first record that tells it decides for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerFraming(State);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Known(Framing),
    /// The peer sends first, and has not yet. Until then this framing is assumed.
    Unknown(Framing),
    /// The answer to this first message, which is sent in chunks, or about to be, will tell.
    Probing(FirstMessage),
}

impl PeerFraming {
    /// The framing of a peer for which it is fixed.
    pub const fn known(framing: Framing) -> Self {
        Self(State::Known(framing))
    }

    /// The unknown framing of a peer that sends first. Records that do not tell it are read in the framing `assumed`.
    pub const fn unknown(assumed: Framing) -> Self {
        Self(State::Unknown(assumed))
    }

    /// The unknown framing of a server that has got a [first message](fallback). An answer that is not known is read as a
    /// chunk.
    pub const fn probing(sent: FirstMessage) -> Self {
        Self(State::Probing(sent))
    }

    /// The framing that the program has configured, or if it has not the unknown one of a peer that sends first.
    #[inline]
    pub fn configured(framing: Option<Framing>, assumed: Framing) -> Self {
        framing.map_or(Self::unknown(assumed), Self::known)
    }

    /// The framing; `None` until it is known.
    #[inline]
    pub fn get(self) -> Option<Framing> {
        match self.0 {
            State::Known(framing) => Some(framing),
            State::Unknown(_) | State::Probing(_) => None,
        }
    }

    /// The first message whose answer is to tell the framing.
    pub fn unanswered(self) -> Option<FirstMessage> {
        match self.0 {
            State::Probing(sent) => Some(sent),
            State::Known(_) | State::Unknown(_) => None,
        }
    }

    /// The framing to answer in: the known one, or the assumed one.
    #[inline]
    pub fn framing(self) -> Framing {
        match self.0 {
            State::Known(framing) | State::Unknown(framing) => framing,
            State::Probing(_) => Framing::Chunked,
        }
    }

    /// The cause to report for a received message. A probe in another framing than the peer's is a malformed message.
    #[cold]
    pub fn check_probe(self, cause: Cause) -> Cause {
        match cause {
            Cause::Probe(framing) if framing != self.framing() => Cause::Malformed,
            cause => cause,
        }
    }

    /// Learns from a record, and returns the framing to read it in. `truncated` is true if the kernel has cut the record.
    #[inline]
    pub fn observe(&mut self, record: &[u8], truncated: bool) -> Framing {
        if self.get().is_none() {
            self.observe_first(record, truncated);
        }
        self.framing()
    }

    #[cold]
    fn observe_first(&mut self, record: &[u8], truncated: bool) {
        let told = match (self.0, truncated) {
            (State::Probing(sent), _) => fallback::framing_from_answer(sent, record),
            // A full chunk is never cut: the buffer has more room.
            (_, true) => Some(Framing::Datagram),
            (_, false) => detect(record),
        };
        if let Some(framing) = told {
            *self = Self::known(framing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::framing::chunked::{Chunks, Header, MAX_DATA};

    fn chunk(header: Header, data: usize) -> Vec<u8> {
        [&header.to_bytes()[..], &vec![0x22; data]].concat()
    }

    #[test]
    fn the_first_chunk_of_every_size_is_one() {
        for total in [0, 1, MAX_DATA - 1, MAX_DATA, MAX_DATA + 1, 5 * MAX_DATA, 5 * MAX_DATA + 1, (1 << 40) - 1] {
            let (header, range) = Chunks::new(total).unwrap().next().unwrap();
            let record = chunk(header, range.len());
            assert_eq!(detect(&record), Some(Framing::Chunked), "{total}");
            assert!(!is_first_chunk(&record[..record.len() - 1]), "{total}");
        }
    }

    #[test]
    fn the_first_record_that_tells_decides() {
        let call = [0x08, 0x02, 0x10, 0x01];
        let mut peer_framing = PeerFraming::unknown(Framing::Chunked);
        assert_eq!((peer_framing.observe(b"\xff?", false), peer_framing.get()), (Framing::Chunked, None));
        assert_eq!(
            (peer_framing.observe(&call, false), peer_framing.get()),
            (Framing::Datagram, Some(Framing::Datagram))
        );
        let chunk = chunk(Header { total: 0, data: 0, index: 0, count: 1 }, 0);
        assert_eq!(peer_framing.observe(&chunk, false), Framing::Datagram);
        assert_eq!(PeerFraming::unknown(Framing::Datagram).observe(&chunk, false), Framing::Chunked);
        assert_eq!(PeerFraming::unknown(Framing::Chunked).observe(&chunk, true), Framing::Datagram);
        assert_eq!(PeerFraming::known(Framing::Chunked).observe(&call, false), Framing::Chunked);
        assert_eq!(PeerFraming::configured(None, Framing::Datagram).get(), None);
    }

    #[test]
    fn a_probe_is_one_in_the_framing_of_its_sender() {
        let known = PeerFraming::known(Framing::Datagram);
        assert_eq!(known.check_probe(Cause::Probe(Framing::Datagram)), Cause::Probe(Framing::Datagram));
        assert_eq!(known.check_probe(Cause::Probe(Framing::Chunked)), Cause::Malformed);
        assert_eq!(known.check_probe(Cause::Closed), Cause::Closed);
    }

    #[test]
    fn an_answer_in_the_other_framing_is_told_from_garbage() {
        let refusal = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
        let other = |speaks| Cause::OtherFraming { speaks, set: None };
        let short = |len| Cause::Header(HeaderFault::Missing { len });
        assert_eq!(unreadable_chunk(refusal, short(13)), other(Framing::Datagram));
        assert_eq!(unreadable_chunk(b"\x07garbage", short(8)), short(8));
        assert_eq!(unreadable_chunk(refusal, Cause::Closed), Cause::Closed);
        for (total, count) in [(0, 1), (13, 1), (14, 1), (300, 1), (1 << 20, 9)] {
            let answer = chunk(Header { total, data: total.min(MAX_DATA as u64), index: 0, count }, MAX_DATA);
            assert!(ResponseRef::decode(&answer).is_err(), "{total}");
            assert_eq!(unreadable_answer(&answer, Cause::Malformed), other(Framing::Chunked), "{total}");
        }
        assert_eq!(unreadable_answer(refusal, Cause::Malformed), Cause::Malformed);
    }

    #[test]
    fn an_answer_tells_if_it_is_one_that_is_known() {
        let refusal = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
        let chunk = chunk(Header { total: 0, data: 0, index: 0, count: 1 }, 0);
        for sent in [FirstMessage::PaddedCall, FirstMessage::Probe] {
            let mut peer_framing = PeerFraming::probing(sent);
            assert_eq!((peer_framing.observe(&[0x10, 0x03], false), peer_framing.get()), (Framing::Chunked, None));
            assert_eq!(
                (peer_framing.observe(refusal, false), peer_framing.get()),
                (Framing::Datagram, Some(Framing::Datagram))
            );
            assert_eq!(peer_framing.observe(&chunk, false), Framing::Datagram);
        }
        let mut peer_framing = PeerFraming::probing(FirstMessage::Probe);
        assert_eq!((peer_framing.observe(&chunk, false), peer_framing.get()), (Framing::Chunked, None));
        let mut peer_framing = PeerFraming::probing(FirstMessage::PaddedCall);
        assert_eq!(
            (peer_framing.observe(&chunk, false), peer_framing.get()),
            (Framing::Chunked, Some(Framing::Chunked))
        );
        assert_eq!(peer_framing.observe(refusal, false), Framing::Chunked);
    }
}

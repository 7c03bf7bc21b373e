//! The calls in flight by number, and the count of abandoned replies.

use super::operation::Ticket;
use crate::cause::Cause;
use crate::protocol::message::NO_SEQUENCE;
use crate::protocol::sequence::Sequence;
use crate::slot_map::SlotMap;

/// Abandoned replies that a connection may owe before it is replaced.
const MAX_ABANDONED: usize = 1024;

/// The key of a call's number.
fn key(number: i32) -> u64 {
    number as u64
}

/// The calls that have been sent at least in part, and wait for a reply.
#[derive(Debug)]
pub(super) struct InFlight {
    calls: SlotMap<Ticket>,
    /// The number of replies that are still to come, and that no caller waits for.
    abandoned: usize,
    /// True while the server's framing is unknown.
    framing_unknown: bool,
    counter: i32,
    wrapped: bool,
}

/// The call that a reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyTarget {
    /// This call.
    Call(Ticket),
    /// A call that no caller waits for any more.
    Abandoned,
    /// One of several calls, and the reply does not say which.
    Ambiguous,
}

impl InFlight {
    /// No call in flight.
    pub(super) fn new() -> Self {
        Self { calls: SlotMap::new(), abandoned: 0, framing_unknown: false, counter: 1, wrapped: false }
    }

    /// Makes room for `len` calls in all. Up to that number, no insertion takes memory.
    pub(super) fn make_room(&mut self, len: usize) -> Result<(), Cause> {
        self.calls.make_room(len)
    }

    /// Frees the memory of a burst, once no call is left of it.
    pub(super) fn shrink(&mut self) {
        self.calls.shrink();
    }

    /// True while no call is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// True while a reply is to come, even one that no caller waits for.
    pub(super) fn owes_reply(&self) -> bool {
        self.abandoned > 0 || !self.calls.is_empty()
    }

    /// True while the server's framing is unknown. Until it is known, one message is out at a time.
    pub(super) fn is_framing_unknown(&self) -> bool {
        self.framing_unknown
    }

    /// Records whether the server's framing is unknown.
    pub(super) fn set_framing_unknown(&mut self, framing_unknown: bool) -> bool {
        std::mem::replace(&mut self.framing_unknown, framing_unknown)
    }

    /// True while a reply is to come that reveals the framing, even if its caller has given up.
    pub(super) fn awaits_framing(&self) -> bool {
        self.framing_unknown && self.owes_reply()
    }

    /// Adds a call, for which there has to be room, under the next free number.
    pub(super) fn insert(&mut self, ticket: Ticket) -> i32 {
        let number = self.take_number();
        self.insert_numbered(number, ticket);
        number
    }

    /// Adds a call, for which there has to be room, under a number that was taken for it.
    pub(super) fn insert_numbered(&mut self, number: i32, ticket: Ticket) {
        self.calls.insert(key(number), ticket);
    }

    /// The next number while no call is in flight, so that all are free.
    pub(super) fn next_number(&self) -> i32 {
        Sequence::at(self.counter).number()
    }

    /// Takes the next free number.
    pub(super) fn take_number(&mut self) -> i32 {
        loop {
            let sequence = Sequence::at(self.counter);
            self.counter = sequence.next_counter();
            self.wrapped |= sequence.number() == i32::MAX;
            if self.calls.is_free(key(sequence.number())) {
                return sequence.number();
            }
        }
    }

    /// Removes a call.
    pub(super) fn remove(&mut self, number: i32) {
        self.calls.remove(key(number));
    }

    /// Counts a reply that is still to come, and that no caller waits for any more.
    pub(super) fn abandon(&mut self) {
        self.abandoned += 1;
    }

    /// True once the connection owes too many abandoned replies, and no call would be lost with it.
    pub(super) fn has_too_many_abandoned(&self) -> bool {
        self.abandoned > MAX_ABANDONED && self.calls.is_empty()
    }

    /// The call that a reply with this sequence is for, among those that `may_be_answered`. Fails if no reply to such a
    /// call is due.
    pub(super) fn target_of(
        &mut self,
        sequence: i64,
        may_be_answered: impl Fn(Ticket) -> bool,
    ) -> Result<ReplyTarget, Cause> {
        let number = i32::try_from(sequence).unwrap_or(0);
        let target = match self.calls.get(key(number)) {
            Some(ticket) => may_be_answered(*ticket).then_some(ReplyTarget::Call(*ticket)),
            _ if sequence == NO_SEQUENCE => self.target_of_unnumbered(may_be_answered),
            _ if number >= 1 && (self.wrapped || number < self.counter) => self.take_abandoned(),
            _ => None,
        };
        target.ok_or(Cause::UnexpectedReply { sequence })
    }

    /// The call that a reply without a number is for: the only candidate, or an ambiguous one. `None` if no reply is
    /// due.
    pub(super) fn target_of_unnumbered(&mut self, may_be_answered: impl Fn(Ticket) -> bool) -> Option<ReplyTarget> {
        let mut known = self.tickets().filter(|ticket| may_be_answered(*ticket));
        let (first, second) = (known.next(), known.next());
        drop(known);
        match (first, second) {
            (Some(only), None) if self.abandoned == 0 => Some(ReplyTarget::Call(only)),
            (Some(_), _) => Some(ReplyTarget::Ambiguous),
            (None, _) => self.take_abandoned(),
        }
    }

    /// Counts one abandoned reply as received. `None` if none is due: a server that sent such replies without end would
    /// keep its reader busy for ever.
    fn take_abandoned(&mut self) -> Option<ReplyTarget> {
        self.abandoned = self.abandoned.checked_sub(1)?;
        Some(ReplyTarget::Abandoned)
    }

    /// The calls in flight.
    pub(super) fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.calls.iter().map(|(_, ticket)| *ticket)
    }

    /// Abandons `len` calls. All replies but one stay owed, as one of the calls has been answered.
    pub(super) fn abandon_all_but_one(&mut self, len: usize) {
        self.abandoned = (self.abandoned + len).saturating_sub(1);
    }

    /// Forgets all calls and abandoned replies, as the connection is gone.
    pub(super) fn clear(&mut self) {
        self.abandoned = 0;
        self.calls.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_room() -> InFlight {
        let mut out = InFlight::new();
        out.make_room(10).unwrap();
        out
    }

    /// A server that has seen every call.
    fn known(_: Ticket) -> bool {
        true
    }

    fn abandon_all_but_one(out: &mut InFlight) {
        out.abandon_all_but_one(out.calls.len());
        out.calls.clear();
    }

    #[test]
    fn numbers_wrap_and_skip_those_in_use() {
        let mut out = with_room();
        assert_eq!([7, 8, 9].map(|ticket| out.insert(ticket)), [1, 2, 3]);
        out.remove(2);
        out.counter = i32::MAX - 1;
        assert_eq!([1, 2, 3, 4].map(|ticket| out.insert(ticket)), [i32::MAX - 1, i32::MAX, 2, 4]);
        // Every number has been used by now.
        out.abandon();
        assert_eq!(out.target_of(1 << 30, known), Ok(ReplyTarget::Abandoned));
    }

    #[test]
    fn a_reply_is_for_its_call_or_an_abandoned_one_or_none() {
        let mut out = with_room();
        for ticket in 1..=3 {
            out.insert(ticket);
        }
        assert_eq!(out.target_of(2, known), Ok(ReplyTarget::Call(2)));
        out.remove(2);
        out.abandon();
        assert_eq!(out.target_of(2, known), Ok(ReplyTarget::Abandoned));
        assert_eq!(out.abandoned, 0);
        for sequence in [2, 4, 0, -2, i64::from(i32::MAX) + 1, i64::MIN] {
            assert_eq!(out.target_of(sequence, known), Err(Cause::UnexpectedReply { sequence }));
        }
    }

    #[test]
    fn a_reply_without_a_number_is_for_the_only_one() {
        let mut out = with_room();
        assert_eq!(out.target_of(-1, known), Err(Cause::UnexpectedReply { sequence: -1 }));
        out.insert(1);
        assert_eq!(out.target_of(-1, known), Ok(ReplyTarget::Call(1)));
        out.insert(2);
        assert_eq!(out.target_of(-1, known), Ok(ReplyTarget::Ambiguous));
        assert_eq!(out.tickets().sum::<u64>(), 3);
        abandon_all_but_one(&mut out);
        assert_eq!(out.abandoned, 1, "one of the two has been answered");
        out.insert(3);
        assert_eq!(out.target_of(-1, known), Ok(ReplyTarget::Ambiguous), "it may also be for the late one");
        abandon_all_but_one(&mut out);
        assert_eq!(out.target_of(-1, known), Ok(ReplyTarget::Abandoned));
        assert_eq!((out.abandoned, out.target_of_unnumbered(known)), (0, None));
    }

    #[test]
    fn a_call_of_which_nothing_was_sent_is_not_answered() {
        let mut out = with_room();
        (1..=3).for_each(|ticket| assert_eq!(out.insert(ticket), ticket as i32));
        for sequence in [1, -1] {
            assert_eq!(out.target_of(sequence, |_| false), Err(Cause::UnexpectedReply { sequence }));
            assert_eq!(out.target_of(sequence, |ticket| ticket == 1), Ok(ReplyTarget::Call(1)));
        }
        assert_eq!(out.target_of(-1, |ticket| ticket < 3), Ok(ReplyTarget::Ambiguous));
        out.abandon();
        assert_eq!(out.target_of(-1, |ticket| ticket == 1), Ok(ReplyTarget::Ambiguous));
        assert_eq!(out.target_of(-1, |_| false), Ok(ReplyTarget::Abandoned));
    }

    #[test]
    fn too_many_are_abandoned_only_while_no_call_is_out() {
        let mut out = with_room();
        (0..=MAX_ABANDONED).for_each(|_| out.abandon());
        assert!(out.has_too_many_abandoned());
        out.insert(1);
        assert!(!out.has_too_many_abandoned());
        out.clear();
        assert!(!out.has_too_many_abandoned());
    }
}

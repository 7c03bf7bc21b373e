//! What the library remembers about a connection, in the high bits of `comm->flags`.
//!
//! The struct is the caller's, who may make and free one without us, so that there is no other place for it. The bits
//! below are left to the caller: O_NONBLOCK, SOCK_CLOEXEC and whatever else has a place there.

use std::sync::atomic::{AtomicU32, Ordering};

use ::drpc::Framing;

/// A call is being made or received, by a program with a yield function, which must not begin another one here.
pub(crate) const UNDER_WAY: u32 = 1 << 21;
/// Of a client: the server has been asked which framing it reads; what is known of that is in the side table.
pub(crate) const HANDSHAKE: u32 = 1 << 22;
/// Of a session: its last call came after the process had forked, how often is in the side table.
pub(crate) const AFTER_FORK: u32 = 1 << 22;
/// A message received in part waits in the side table.
pub(crate) const PARTIAL: u32 = 1 << 23;
/// Somebody is sending.
pub(crate) const SENDING: u32 = 1 << 24;
/// Somebody waits until that is over.
pub(crate) const SEND_AWAITED: u32 = 1 << 25;
// A listener neither sends nor receives, so that its flags have the same bits.

/// Of a listener: `drpc_progress` is at work on it.
pub(crate) const IN_PROGRESS: u32 = 1 << 23;
/// Of a listener: its progress context is to be closed when that is over.
pub(crate) const CLOSE_ASKED: u32 = 1 << 24;
/// Of a listener: accepting rests, until when is in the side table.
pub(crate) const BACKING_OFF: u32 = 1 << 25;

/// Of a client: replies still to come that nobody waits for. Of a session: calls not answered yet. In 4 bits. At the top the count stands still: "many".
const OWED: u32 = 0xf << OWED_SHIFT;
const OWED_SHIFT: u32 = 26;
const OWED_ONE: u32 = 1 << OWED_SHIFT;

/// The framing, in 2 bits: chosen for a connection or a listener, or learnt from the peer. Both are set where it is to be
/// found out because the program says so, none where nothing has been said.
const FRAMING: u32 = DATAGRAM | CHUNKED;
const DATAGRAM: u32 = 1 << 30;
const CHUNKED: u32 = 1 << 31;

/// The flags of one connection.
#[derive(Clone, Copy)]
pub(crate) struct Flags<'a>(pub(crate) &'a AtomicU32);

impl Flags<'_> {
    pub(crate) fn has(self, flag: u32) -> bool {
        self.0.load(Ordering::Relaxed) & flag != 0
    }

    /// Sets the flag; true if it was set before.
    pub(crate) fn set(self, flag: u32) -> bool {
        self.0.fetch_or(flag, Ordering::AcqRel) & flag != 0
    }

    /// Asks whoever is at work on a listener to close it; false if nobody is.
    pub(crate) fn ask_to_close(self) -> bool {
        let ask = |flags: u32| (flags & IN_PROGRESS != 0).then_some(flags | CLOSE_ASKED);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, ask).is_ok()
    }

    /// Clears the flag and says what all flags were before.
    pub(crate) fn clear(self, flag: u32) -> u32 {
        self.0.fetch_and(!flag, Ordering::AcqRel)
    }

    /// The framing, if it has been chosen or learnt.
    pub(crate) fn framing(self) -> Option<Framing> {
        match self.0.load(Ordering::Relaxed) & FRAMING {
            DATAGRAM => Some(Framing::Datagram),
            CHUNKED => Some(Framing::Chunked),
            _ => None,
        }
    }

    /// The program wants the framing to be found out.
    pub(crate) fn detects_framing(self) -> bool {
        self.0.load(Ordering::Relaxed) & FRAMING == FRAMING
    }

    /// Sets the framing, or that it is to be found out.
    pub(crate) fn set_framing(self, framing: Option<Framing>) {
        let bits = match framing {
            Some(Framing::Datagram) => DATAGRAM,
            Some(Framing::Chunked) => CHUNKED,
            _ => FRAMING,
        };
        // It always changes them.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |flags| Some(flags & !FRAMING | bits));
    }

    /// Replies that nobody waits for are still to come.
    pub(crate) fn owes_replies(self) -> bool {
        self.owed() != 0
    }

    /// How many, as far as they can be counted.
    pub(crate) fn owed(self) -> u32 {
        (self.0.load(Ordering::Relaxed) & OWED) >> OWED_SHIFT
    }

    /// One more is to come.
    pub(crate) fn owe_reply(self) {
        let add = |flags: u32| (flags & OWED != OWED).then(|| flags + OWED_ONE);
        // Standing still is no failure.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// None is to come that this process has to do with.
    pub(crate) fn owe_nothing(self) {
        self.clear(OWED);
    }

    /// One has come.
    pub(crate) fn reply_came(self) {
        let subtract = |flags: u32| (flags & OWED != OWED && flags & OWED != 0).then(|| flags - OWED_ONE);
        // Nor is this: of many, many are left.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }

    /// A call of a session has been answered. Of many, less are left: rather too few are refused at the end than some
    /// that have been answered.
    pub(crate) fn answered(self) {
        let subtract = |flags: u32| (flags & OWED != 0).then(|| flags - OWED_ONE);
        // There is nothing to do for an answer that nobody has asked for.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_counted_up_to_many() {
        let flags = AtomicU32::new(1);
        let flags = Flags(&flags);
        flags.owe_reply();
        flags.owe_reply();
        flags.reply_came();
        assert!(flags.owes_replies());
        flags.reply_came();
        assert!(!flags.owes_replies());
        flags.reply_came();
        assert_eq!(flags.0.load(Ordering::Relaxed), 1);
        for _ in 0..300 {
            flags.owe_reply();
        }
        for _ in 0..300 {
            flags.reply_came();
        }
        assert!(flags.owes_replies());
        assert!(
            !flags.has(
                UNDER_WAY | HANDSHAKE | PARTIAL | SENDING | SEND_AWAITED | IN_PROGRESS | CLOSE_ASKED | BACKING_OFF
            )
        );
    }
}

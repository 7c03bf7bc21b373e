//! The state that the library keeps about a connection, in the high bits of `comm->flags`.
//!
//! The caller may make and free the struct without the library, so that no other place is safe. The lower bits belong
//! to the caller: O_NONBLOCK, SOCK_CLOEXEC and other flags.

use std::sync::atomic::{AtomicU32, Ordering};

use ::drpc::Framing;

/// Set while a program with a yield function makes or receives a call on the context. The yield function must not begin
/// another one.
pub(crate) const UNDER_WAY: u32 = 1 << 21;
/// Of a client: a handshake with the server has begun; its state is in the side table.
pub(crate) const HANDSHAKE: u32 = 1 << 22;
/// Of a session: the process had forked before the last call came; the side table says how often.
pub(crate) const AFTER_FORK: u32 = 1 << 22;
/// Set while a message received in part waits in the side table.
pub(crate) const PARTIAL: u32 = 1 << 23;
/// Set while a thread sends.
pub(crate) const SENDING: u32 = 1 << 24;
/// Set while another thread waits for the right to send.
pub(crate) const SEND_AWAITED: u32 = 1 << 25;
// A listener neither sends nor receives; its flags reuse the same bits.

/// Of a listener: set while `drpc_progress` runs on it.
pub(crate) const IN_PROGRESS: u32 = 1 << 23;
/// Of a listener: its progress context is to be closed when `drpc_progress` returns.
pub(crate) const CLOSE_ASKED: u32 = 1 << 24;
/// Of a listener: accepting pauses; the side table says until when.
pub(crate) const BACKING_OFF: u32 = 1 << 25;

/// A count in 4 bits. Of a client: replies to come that no call waits for. Of a session: calls not answered yet. At 15
/// the count stays, which means "many".
const OWED: u32 = 0xf << OWED_SHIFT;
const OWED_SHIFT: u32 = 26;
const OWED_ONE: u32 = 1 << OWED_SHIFT;

/// The framing in 2 bits, chosen for a connection or a listener or learnt from the peer. Both bits: the program has
/// asked for detection. No bit: nothing has been chosen or learnt.
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

    /// Asks drpc_progress to close the listener's progress context; false if drpc_progress does not run.
    pub(crate) fn ask_to_close(self) -> bool {
        let ask = |flags: u32| (flags & IN_PROGRESS != 0).then_some(flags | CLOSE_ASKED);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, ask).is_ok()
    }

    /// Clears the flag and returns all flags as they were.
    pub(crate) fn clear(self, flag: u32) -> u32 {
        self.0.fetch_and(!flag, Ordering::AcqRel)
    }

    /// The framing that has been chosen or learnt.
    pub(crate) fn framing(self) -> Option<Framing> {
        match self.0.load(Ordering::Relaxed) & FRAMING {
            DATAGRAM => Some(Framing::Datagram),
            CHUNKED => Some(Framing::Chunked),
            _ => None,
        }
    }

    /// True if the program has asked for detection of the framing.
    pub(crate) fn detects_framing(self) -> bool {
        self.0.load(Ordering::Relaxed) & FRAMING == FRAMING
    }

    /// Sets the framing; `None` asks for detection.
    pub(crate) fn set_framing(self, framing: Option<Framing>) {
        let bits = match framing {
            Some(Framing::Datagram) => DATAGRAM,
            Some(Framing::Chunked) => CHUNKED,
            _ => FRAMING,
        };
        // The update never fails, as the closure always gives a value.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |flags| Some(flags & !FRAMING | bits));
    }

    /// True while replies or answers are owed.
    pub(crate) fn owes_replies(self) -> bool {
        self.owed() != 0
    }

    /// The number of owed replies or answers, of which 15 means "many".
    pub(crate) fn owed(self) -> u32 {
        (self.0.load(Ordering::Relaxed) & OWED) >> OWED_SHIFT
    }

    /// Counts one more owed reply or answer.
    pub(crate) fn owe_reply(self) {
        let add = |flags: u32| (flags & OWED != OWED).then(|| flags + OWED_ONE);
        // At "many" the count stays, which is no error.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Forgets all owed replies or answers.
    pub(crate) fn owe_nothing(self) {
        self.clear(OWED);
    }

    /// Counts one owed reply as received.
    pub(crate) fn reply_came(self) {
        let subtract = |flags: u32| (flags & OWED != OWED && flags & OWED != 0).then(|| flags - OWED_ONE);
        // "Many" stays "many", and 0 stays 0.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }

    /// Counts a call of a session as answered. "Many" counts down too: the count may then be too low, so that too few
    /// calls are refused at the end, never an answered one.
    pub(crate) fn answered(self) {
        let subtract = |flags: u32| (flags & OWED != 0).then(|| flags - OWED_ONE);
        // An answer without an owed call changes nothing.
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

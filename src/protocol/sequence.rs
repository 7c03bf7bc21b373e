//! The numbering of calls.

/// The numbering of calls, and what it says about the replies.
///
/// Calls are numbered from 1 and after `i32::MAX` from 1 again. Number 0, which the original C client begins with,
/// is left out: the empty reply to it has no bytes at all and cannot be told from the end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(i32);

impl Sequence {
    /// The number of the next call while the counter stands at `counter`.
    #[inline]
    pub fn at(counter: i32) -> Self {
        Self(counter.max(1))
    }

    /// The number.
    #[inline]
    pub fn number(self) -> i32 {
        self.0
    }

    /// The value of the counter after this call.
    #[inline]
    pub fn next_counter(self) -> i32 {
        self.0.checked_add(1).unwrap_or(1)
    }

    /// True if a reply answers an earlier call. Numbers are compared only while such replies are owed, because some servers
    /// send wrong ones, and -1 answers a call that could not be decoded.
    #[inline]
    pub fn is_stale(self, reply: i64, owed: bool) -> bool {
        owed && (0..i64::from(self.0)).contains(&reply)
    }
}

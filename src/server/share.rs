//! Fair shares of a memory limit that all users have in common. Free of I/O.
//!
//! Only a request for more is refused: memory that is held is never taken back for another user.

use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::{Mutex, lock};

/// The part of the limit reserved for root, as a divisor.
const RESERVE: usize = 8;

/// A user may hold this many times the memory that is left for others.
const TIMES_LEFT: usize = 4;

/// The part of the limit that is little, as a divisor.
const LITTLE: usize = 64;

/// A limit on memory, in bytes, and the sum that is held.
#[derive(Debug)]
pub(super) struct MemoryLimit {
    limit: usize,
    /// The most that one user other than root may hold.
    per_user: usize,
    /// Bytes held by all users, and those of them held by root. Changed under the lock, and read without.
    all: AtomicUsize,
    root: AtomicUsize,
    changing: Mutex<()>,
}

/// One user's part of a [`MemoryLimit`], which alone changes it.
#[derive(Debug)]
pub(super) struct Share {
    is_root: bool,
    held: AtomicUsize,
}

impl Share {
    pub(super) fn new(is_root: bool) -> Self {
        Self { is_root, held: AtomicUsize::new(0) }
    }

    fn held(&self) -> usize {
        self.held.load(Relaxed)
    }
}

impl MemoryLimit {
    /// A limit, and the part of it that one user other than root may hold.
    pub(super) fn new(limit: usize, per_user: usize) -> Self {
        let (all, root) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { limit, per_user, all, root, changing: Mutex::new(()) }
    }

    /// Asks for `size` bytes more for an incomplete message, which holds `own`. Returns how many of them count, or
    /// `None` for a refusal. While nothing else is held, a message of any size is granted. The excess over its user's
    /// share does not count then.
    pub(super) fn acquire(&self, share: &Share, own: usize, size: usize) -> Option<usize> {
        let _changing = lock(&self.changing);
        let all = self.all.load(Relaxed);
        if all == own {
            return Some(self.add_within(share, size));
        }
        let user = share.held().saturating_add(size);
        let granted = match share.is_root {
            true => user <= self.limit / RESERVE || all.saturating_add(size) <= self.limit,
            false => {
                let left = self.left().checked_sub(size);
                user <= self.per_user && left.is_some_and(|left| user <= left.saturating_mul(TIMES_LEFT))
            }
        };
        granted.then(|| self.add_within(share, size))
    }

    /// Asks for memory for a response, and returns how much of it counts. Only the user's own share matters here, so
    /// that no response is lost because of other users. A user's only response is kept whatever its size.
    pub(super) fn keep(&self, share: &Share, size: usize) -> Option<usize> {
        let _changing = lock(&self.changing);
        let granted = share.held() == 0 || share.held().saturating_add(size) <= self.most(share);
        granted.then(|| self.add_within(share, size))
    }

    /// True if a user may begin a call whose response may have to be kept. A user who holds little may, as long as all
    /// hold at most twice the limit.
    #[inline]
    pub(super) fn admits(&self, share: &Share) -> bool {
        self.all.load(Relaxed) == 0 || self.admits_more(share)
    }

    #[cold]
    fn admits_more(&self, share: &Share) -> bool {
        let _changing = lock(&self.changing);
        let (held, left) = (share.held(), self.left());
        let fits = || held <= left.saturating_mul(TIMES_LEFT) && left > 0;
        let has_little = || held <= self.limit / LITTLE && self.all.load(Relaxed) <= self.limit.saturating_mul(2);
        share.is_root || held < self.per_user && fits() || has_little()
    }

    /// Releases bytes.
    pub(super) fn release(&self, share: &Share, less: usize) {
        let _changing = lock(&self.changing);
        self.add(share, less.wrapping_neg());
    }

    fn most(&self, share: &Share) -> usize {
        if share.is_root { self.limit } else { self.per_user }
    }

    /// Adds the part of a size that fits the user's share.
    fn add_within(&self, share: &Share, size: usize) -> usize {
        let counted = size.min(self.most(share).saturating_sub(share.held()));
        self.add(share, counted);
        counted
    }

    /// The bytes left for users other than root.
    fn left(&self) -> usize {
        let (all, root) = (self.all.load(Relaxed), self.root.load(Relaxed));
        self.limit.saturating_sub(all - root + root.max(self.limit / RESERVE))
    }

    /// Adds to all sums; wrapping, so that it can subtract, too.
    fn add(&self, share: &Share, more: usize) {
        let of = |sum: &AtomicUsize| sum.store(sum.load(Relaxed).wrapping_add(more), Relaxed);
        of(&self.all);
        of(&share.held);
        if share.is_root {
            of(&self.root);
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    fn memory() -> (MemoryLimit, Share, [Share; 6]) {
        (MemoryLimit::new(256 * MIB, 128 * MIB), Share::new(true), [(); 6].map(|()| Share::new(false)))
    }

    #[test]
    fn a_user_may_hold_half_and_others_a_part_of_the_rest() {
        let (memory, root, users) = memory();
        let [first, second, third, ..] = &users;
        let acquire = |share, mib: usize| memory.acquire(share, usize::MAX, mib * MIB).is_some();
        assert!(acquire(first, 128), "a message of the largest size");
        assert!(!acquire(first, 1));
        assert!(!acquire(second, 80) && acquire(second, 70));
        assert!(acquire(third, 20));
        assert!(acquire(&root, 32) && !acquire(&root, 10));
        memory.release(first, 128 * MIB);
        assert!(acquire(&root, 128));
    }

    /// A message larger than the limit, or than its user's share, leaves other users the same room.
    #[test]
    fn a_sole_message_is_granted_whatever_its_size() {
        let (memory, user, other) = (MemoryLimit::new(16 * MIB, 8 * MIB), Share::new(false), Share::new(false));
        assert_eq!(memory.acquire(&user, 0, 4 * MIB), Some(4 * MIB));
        assert_eq!(memory.acquire(&user, 4 * MIB, 100 * MIB), Some(4 * MIB));
        assert_eq!((memory.acquire(&user, 0, 1), memory.acquire(&other, 0, MIB)), (None, Some(MIB)));
        memory.release(&user, 8 * MIB);
        memory.release(&other, MIB);
        assert_eq!(memory.acquire(&other, 0, 10 * MIB), Some(8 * MIB));
    }

    #[test]
    fn a_kept_response_counts_for_its_user_alone() {
        let (memory, root, users) = memory();
        assert!(users.iter().all(|user| memory.keep(user, 127 * MIB).is_some()), "whatever the others hold");
        assert_eq!(memory.keep(&users[0], 2 * MIB), None);
        assert_eq!(memory.keep(&users[0], MIB), Some(MIB));
        assert_eq!(memory.keep(&root, 300 * MIB), Some(256 * MIB));
        assert_eq!(memory.keep(&root, 1), None);
    }

    /// A user who holds nothing is served whatever others hold, up to twice the limit.
    #[test]
    fn calls_are_not_admitted_when_too_little_is_left() {
        let (memory, root, users) = memory();
        let fresh = Share::new(false);
        for (held, user) in users.iter().enumerate().take(4) {
            assert!(memory.admits(user) && memory.keep(user, 127 * MIB).is_some());
            assert_eq!(memory.admits(user), held == 0, "there is something left for one that holds much");
        }
        assert!(memory.admits(&fresh) && memory.keep(&fresh, 6 * MIB).is_some());
        assert!(!memory.admits(&users[4]) && !memory.admits(&fresh) && memory.admits(&root));
        memory.release(&users[1], 127 * MIB);
        assert!(memory.admits(&users[4]) && !memory.admits(&fresh), "it has its part");
    }

    #[test]
    fn a_limit_of_usize_max_is_none() {
        let (memory, user) = (MemoryLimit::new(usize::MAX, usize::MAX), Share::new(false));
        assert!((0..2).all(|_| memory.acquire(&user, 0, 1 << 40).is_some()));
        assert!(memory.keep(&user, 1 << 40).is_some() && memory.admits(&user));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        /// Whatever users ask for and release, the sums are right, and no user exceeds the share. Root has its reserve,
        /// and there is memory left for the next user.
        #[test]
        fn every_user_keeps_a_share(steps in prop::collection::vec((0..7_usize, any::<bool>(), 1..100 * MIB), 0..60)) {
            let (memory, root, users) = memory();
            let mut held = [0; 7];
            let share = |who: usize| users.get(who).unwrap_or(&root);
            for (who, takes, amount) in steps {
                match takes {
                    true => held[who] += memory.acquire(share(who), usize::MAX, amount).unwrap_or_default(),
                    false => {
                        let less = amount.min(held[who]);
                        memory.release(share(who), less);
                        held[who] -= less;
                    }
                }
                let (all, root_holds) = (held.iter().sum::<usize>(), held[6]);
                prop_assert_eq!((memory.all.load(Relaxed), memory.root.load(Relaxed)), (all, root_holds));
                prop_assert!(all <= 256 * MIB);
                prop_assert!(held[..6].iter().all(|held| *held <= 128 * MIB));
                prop_assert!(all - root_holds <= 224 * MIB);
                if root_holds < 32 * MIB {
                    prop_assert!(memory.acquire(&root, usize::MAX, 32 * MIB - root_holds).is_some());
                    memory.release(&root, 32 * MIB - root_holds);
                }
                if root_holds == 0 {
                    prop_assert!(memory.left() > 0);
                }
            }
        }
    }
}

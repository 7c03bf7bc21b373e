//! How much of a memory that all clients share one user may hold. Free of I/O.
//!
//! Only who asks for more can be refused: what is held is never taken back for another's sake.

use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::{Mutex, lock};

/// One part in so many is root's alone.
const RESERVE: usize = 8;

/// A user may hold so many times what is left for others after that.
const TIMES_LEFT: usize = 4;

/// A memory that all clients share, in bytes.
#[derive(Debug)]
pub(super) struct Pool {
    limit: usize,
    /// The most that one user other than root may hold.
    per_user: usize,
    /// What is held of it, and what of that root holds. Both are changed under the lock, and read without.
    all: AtomicUsize,
    root: AtomicUsize,
    changing: Mutex<()>,
}

/// What one user holds of a [`Pool`], which alone changes it.
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

impl Pool {
    /// A user other than root may hold half of it, unless the program says how much.
    pub(super) fn new(limit: usize, per_user: Option<usize>) -> Self {
        let (all, root) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { limit, per_user: per_user.unwrap_or(limit / 2), all, root, changing: Mutex::new(()) }
    }

    /// Takes so much more for a session that holds `own`, if its user may have it. One message goes in, however large, while
    /// nothing else is held.
    pub(super) fn take(&self, share: &Share, own: usize, more: usize) -> bool {
        let _changing = lock(&self.changing);
        let (all, user) = (self.all.load(Relaxed), share.held().saturating_add(more));
        let granted = all == own
            || match share.is_root {
                true => user <= self.limit / RESERVE || all.saturating_add(more) <= self.limit,
                false => {
                    let left = self.left().checked_sub(more);
                    user <= self.per_user && left.is_some_and(|left| user <= left.saturating_mul(TIMES_LEFT))
                }
            };
        if granted {
            self.add(share, more);
        }
        granted
    }

    /// Takes so much more for what must not be lost because of others: a user is refused who holds too much already.
    pub(super) fn keep(&self, share: &Share, more: usize) -> bool {
        let _changing = lock(&self.changing);
        let most = if share.is_root { self.limit } else { self.per_user };
        let granted = share.held() == 0 || share.held().saturating_add(more) <= most;
        if granted {
            self.add(share, more);
        }
        granted
    }

    /// A user may go on to something that will ask to be kept.
    #[inline]
    pub(super) fn admits(&self, share: &Share) -> bool {
        self.all.load(Relaxed) == 0 || self.admits_more(share)
    }

    #[cold]
    fn admits_more(&self, share: &Share) -> bool {
        let _changing = lock(&self.changing);
        let (held, left) = (share.held(), self.left());
        share.is_root || left > 0 && held < self.per_user && held <= left.saturating_mul(TIMES_LEFT)
    }

    /// Gives back so much.
    pub(super) fn give_back(&self, share: &Share, less: usize) {
        let _changing = lock(&self.changing);
        self.add(share, less.wrapping_neg());
    }

    /// What users other than root could have.
    fn left(&self) -> usize {
        let (all, root) = (self.all.load(Relaxed), self.root.load(Relaxed));
        self.limit.saturating_sub(all - root + root.max(self.limit / RESERVE))
    }

    /// It wraps, so that less can be added, too.
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

    fn pool() -> (Pool, Share, [Share; 6]) {
        (Pool::new(256 * MIB, None), Share::new(true), [(); 6].map(|()| Share::new(false)))
    }

    #[test]
    fn a_user_has_half_and_the_others_what_is_left_of_the_rest() {
        let (pool, root, users) = pool();
        let [first, second, third, ..] = &users;
        assert!(pool.take(first, 0, 128 * MIB), "a message of the largest size");
        assert!(!pool.take(first, 0, 1));
        assert!(!pool.take(second, 0, 80 * MIB) && pool.take(second, 0, 70 * MIB));
        assert!(pool.take(third, 0, 20 * MIB));
        assert!(pool.take(&root, 0, 32 * MIB) && !pool.take(&root, 32 * MIB, 10 * MIB));
        pool.give_back(first, 128 * MIB);
        assert!(pool.take(&root, 32 * MIB, 128 * MIB));
    }

    /// Also if it is larger than the memory, or than a user's part of it.
    #[test]
    fn the_only_message_goes_in_whatever_its_size() {
        let (pool, user, other) = (Pool::new(MIB, Some(1)), Share::new(false), Share::new(false));
        assert!(pool.take(&user, 0, 10 * MIB) && pool.take(&user, 10 * MIB, 10 * MIB));
        assert!(!pool.take(&user, 0, 1) && !pool.take(&other, 0, 1));
        pool.give_back(&user, 20 * MIB);
        assert!(pool.take(&other, 0, MIB));
    }

    #[test]
    fn what_must_not_be_lost_goes_by_what_its_user_holds() {
        let (pool, root, users) = pool();
        assert!(users.iter().all(|user| pool.keep(user, 127 * MIB)), "whatever the others hold");
        assert!(!pool.keep(&users[0], 2 * MIB) && pool.keep(&users[0], MIB));
        assert!(pool.keep(&root, 256 * MIB) && !pool.keep(&root, 1));
    }

    /// So that there is an end to it.
    #[test]
    fn users_are_stopped_before_they_ask_when_nothing_is_left() {
        let (pool, root, users) = pool();
        let fresh = Share::new(false);
        let mut held = 0;
        for user in &users {
            if pool.admits(user) {
                assert!(pool.keep(user, 127 * MIB));
                held += 127 * MIB;
            }
        }
        assert_eq!(held, 2 * 127 * MIB);
        assert!(!pool.admits(&fresh) && pool.admits(&root));
        pool.give_back(&users[1], 127 * MIB);
        assert!(pool.admits(&fresh) && pool.admits(&users[0]));
        assert!(pool.keep(&users[0], MIB) && !pool.admits(&users[0]), "it has all it may have");
    }

    #[test]
    fn no_limit_is_none() {
        let (pool, user) = (Pool::new(usize::MAX, Some(usize::MAX)), Share::new(false));
        assert!(pool.take(&user, 0, 1 << 40) && pool.take(&user, 0, 1 << 40));
        assert!(pool.keep(&user, 1 << 40) && pool.admits(&user));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        /// Whatever users ask for and give back: the sums are right, no user has more than may be, root has its reserve, and
        /// there is something left for who comes next.
        #[test]
        fn a_share_is_kept_for_everyone(steps in prop::collection::vec((0..7_usize, any::<bool>(), 1..100 * MIB), 0..60)) {
            let (pool, root, users) = pool();
            let mut held = [0; 7];
            let share = |who: usize| users.get(who).unwrap_or(&root);
            for (who, takes, amount) in steps {
                match takes {
                    // As if each were in a session of its own, so that no message is the only one.
                    true if pool.take(share(who), usize::MAX, amount) => held[who] += amount,
                    true => {}
                    false => {
                        let less = amount.min(held[who]);
                        pool.give_back(share(who), less);
                        held[who] -= less;
                    }
                }
                let (all, root_holds) = (held.iter().sum::<usize>(), held[6]);
                prop_assert_eq!((pool.all.load(Relaxed), pool.root.load(Relaxed)), (all, root_holds));
                prop_assert!(all <= 256 * MIB);
                prop_assert!(held[..6].iter().all(|held| *held <= 128 * MIB));
                prop_assert!(all - root_holds <= 224 * MIB);
                if root_holds < 32 * MIB {
                    prop_assert!(pool.take(&root, usize::MAX, 32 * MIB - root_holds));
                    pool.give_back(&root, 32 * MIB - root_holds);
                }
                if root_holds == 0 {
                    prop_assert!(pool.left() > 0);
                }
            }
        }
    }
}

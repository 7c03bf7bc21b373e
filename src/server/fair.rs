//! Whose turn it is when several wait: that of the user who has waited for the longest time and, of this user's sessions, of
//! the one that has. Free of I/O.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Calls of one user that are handled, on average, before others are looked for, where several users wait: these may have more
/// to be served by then. To look costs more than a quick call.
const IN_A_ROW: usize = 4;

/// The number of the turn that something had last; 0 if it has had none.
#[derive(Debug, Default)]
pub(super) struct LastTurn {
    number: AtomicU64,
    /// The number of the queue that it waited in last.
    queue: AtomicU64,
}

/// Counts turns.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU64);

/// What waits for its turn, as others of the same user may.
pub(super) trait Waiting {
    /// When its user had a turn.
    fn of_user(&self) -> &LastTurn;

    /// When it had one itself.
    fn own(&self) -> &LastTurn;
}

/// Some that wait.
pub(super) struct FairQueue<'a, T, const MOST: usize> {
    turns: &'a Turns,
    number: u64,
    waiting: [Option<T>; MOST],
    len: usize,
    users: usize,
    /// Calls there have been.
    calls: usize,
}

impl<'a, T: Waiting, const MOST: usize> FairQueue<'a, T, MOST> {
    pub(super) fn new(turns: &'a Turns) -> Self {
        Self { turns, number: turns.next(), waiting: [const { None }; MOST], len: 0, users: 0, calls: 0 }
    }

    /// Adds one; no more than there is room for.
    pub(super) fn add(&mut self, one: T) {
        if let Some(place) = self.waiting.get_mut(self.len) {
            self.users += usize::from(one.of_user().queue.swap(self.number, Relaxed) != self.number);
            *place = Some(one);
            self.len += 1;
        }
    }

    /// There was a call to be handled.
    pub(super) fn called(&mut self) {
        self.calls += 1;
    }

    /// Takes the next one out, which has its turn. `None` when others are to be looked for.
    pub(super) fn next(&mut self) -> Option<T> {
        if self.users > 1 && self.calls >= IN_A_ROW * self.users {
            return None;
        }
        let last = self.len.checked_sub(1)?;
        let since = |one: &Option<T>| one.as_ref().map(|one| (one.of_user().number(), one.own().number()));
        let next = (0..self.len).min_by_key(|at| self.waiting.get(*at).and_then(since))?;
        self.waiting.swap(next, last);
        self.len = last;
        let one = self.waiting.get_mut(last)?.take()?;
        let turn = self.turns.next();
        one.of_user().number.store(turn, Relaxed);
        one.own().number.store(turn, Relaxed);
        Some(one)
    }
}

impl Turns {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Relaxed) + 1
    }
}

impl LastTurn {
    fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    struct One<'a> {
        user: &'a LastTurn,
        own: &'a LastTurn,
        name: usize,
    }

    impl Waiting for One<'_> {
        fn of_user(&self) -> &LastTurn {
            self.user
        }

        fn own(&self) -> &LastTurn {
            self.own
        }
    }

    /// Rounds in which everything waits, of which only a part is seen at a time, and a part of that has its turn.
    fn turns_of(sessions: &[usize], rounds: usize, turns_a_round: usize) -> Vec<usize> {
        let turns = Turns::default();
        let users: Vec<LastTurn> = sessions.iter().map(|_| LastTurn::default()).collect();
        let owners: Vec<usize> = sessions.iter().enumerate().flat_map(|(user, count)| vec![user; *count]).collect();
        let own: Vec<LastTurn> = owners.iter().map(|_| LastTurn::default()).collect();
        let mut had = vec![0; owners.len()];
        let mut seen = (0..owners.len()).cycle();
        for _ in 0..rounds {
            let mut queue = FairQueue::<One<'_>, 8>::new(&turns);
            for name in seen.by_ref().take(8.min(owners.len())) {
                queue.add(One { user: &users[owners[name]], own: &own[name], name });
            }
            for _ in 0..turns_a_round {
                if let Some(one) = queue.next() {
                    queue.called();
                    had[one.name] += 1;
                }
            }
        }
        had
    }

    #[test]
    fn users_take_turns_whatever_their_number_of_sessions() {
        assert_eq!(turns_of(&[6, 1, 1], 30, 3), [5, 5, 5, 5, 5, 5, 30, 30]);
    }

    #[test]
    fn sessions_of_a_user_take_turns() {
        assert_eq!(turns_of(&[4], 20, 2), [10; 4]);
        assert_eq!(turns_of(&[2, 2], 20, 2), [10; 4]);
    }

    /// One that has more to be served does not wait for all sessions of others.
    #[test]
    fn others_are_looked_for_after_some_turns_where_several_users_wait() {
        assert_eq!(turns_of(&[7], 10, 100), [10; 7]);
        assert_eq!(turns_of(&[7, 1], 7, 100), [7, 7, 7, 7, 7, 7, 7, 7]);
    }

    /// More wait than are seen at a time.
    #[test]
    fn who_is_seen_has_a_turn_however_many_others_wait() {
        let had = turns_of(&[100, 1], 101 * 8, 1);
        assert_eq!(had.iter().sum::<usize>(), 101 * 8);
        // Each is seen 64 times.
        assert_eq!(had[100], 64);
        assert!(had[..100].iter().all(|turns| (3..=9).contains(turns)), "{had:?}");
    }
}

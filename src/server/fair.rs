//! Fair order among waiting sessions: first the user who was served longest ago, then this user's session that was.
//! Free of I/O.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Calls per waiting user, on average, after which new events are looked for. Waiting users may have more to be served
/// by then. A look costs more than a quick call.
const IN_A_ROW: usize = 4;

/// The number of a session's or user's last turn; 0 before the first.
#[derive(Debug, Default)]
pub(super) struct LastTurn {
    number: AtomicU64,
    /// The number of the last queue it was added to.
    queue: AtomicU64,
}

/// A count of all turns and queues of a server.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicU64);

/// A session that waits to be served, and its user.
pub(super) trait Waiting {
    /// The last turn of its user.
    fn user_turn(&self) -> &LastTurn;

    /// Its own last turn.
    fn own_turn(&self) -> &LastTurn;
}

/// A batch of waiting sessions.
pub(super) struct FairQueue<'a, T, const CAPACITY: usize> {
    turns: &'a Turns,
    number: u64,
    /// The sessions with the numbers of their last turns; `None` for those that have been taken out.
    waiting: [Option<(u64, T)>; CAPACITY],
    /// The number of sessions that have been added.
    len: usize,
    /// The place of the first session that may still be there.
    first: usize,
    users: usize,
    /// Calls handled since the queue was made.
    calls: usize,
}

impl<'a, T: Waiting, const CAPACITY: usize> FairQueue<'a, T, CAPACITY> {
    /// A queue of sessions, as many as there is room for.
    pub(super) fn new(turns: &'a Turns, fill: impl FnOnce(&mut dyn FnMut(T))) -> Self {
        let waiting = [const { None }; CAPACITY];
        let mut queue = Self { turns, number: turns.next(), waiting, len: 0, first: 0, users: 0, calls: 0 };
        fill(&mut |one| queue.push(one));
        queue.waiting().sort_unstable_by_key(|one| one.as_ref().map(|(own_turn, _)| *own_turn));
        queue
    }

    fn push(&mut self, one: T) {
        if let Some(place) = self.waiting.get_mut(self.len) {
            self.users += usize::from(one.user_turn().queue.swap(self.number, Relaxed) != self.number);
            *place = Some((one.own_turn().number(), one));
            self.len += 1;
        }
    }

    /// The places of the sessions that are still there, and of some that are not.
    fn waiting(&mut self) -> &mut [Option<(u64, T)>] {
        self.waiting.get_mut(self.first..self.len).unwrap_or_default()
    }

    /// Counts a call that was handled.
    pub(super) fn count_call(&mut self) {
        self.calls += 1;
    }

    /// Takes the next session out and notes its turn. `None` once the queue is empty, or new events are to be looked
    /// for.
    pub(super) fn pop(&mut self) -> Option<T> {
        let (_, one) = match self.users {
            ..=1 => self.waiting().first_mut()?.take()?,
            users if self.calls >= IN_A_ROW * users => return None,
            // The sessions are in order, so that the first of a user is its next one.
            _ => {
                let waiting = self.waiting().iter_mut().filter(|one| one.is_some());
                let since = |one: &&mut Option<(u64, T)>| one.as_ref().map(|(_, one)| one.user_turn().number());
                waiting.min_by_key(since)?.take()?
            }
        };
        while let Some(None) = self.waiting().first() {
            self.first += 1;
        }
        let turn = self.turns.next();
        one.user_turn().number.store(turn, Relaxed);
        one.own_turn().number.store(turn, Relaxed);
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
        fn user_turn(&self) -> &LastTurn {
            self.user
        }

        fn own_turn(&self) -> &LastTurn {
            self.own
        }
    }

    /// Runs rounds in which all sessions wait. A round sees eight of them in rotation and serves a few.
    fn turns_of(sessions: &[usize], rounds: usize, turns_a_round: usize) -> Vec<usize> {
        let turns = Turns::default();
        let users: Vec<LastTurn> = sessions.iter().map(|_| LastTurn::default()).collect();
        let owners: Vec<usize> = sessions.iter().enumerate().flat_map(|(user, count)| vec![user; *count]).collect();
        let own: Vec<LastTurn> = owners.iter().map(|_| LastTurn::default()).collect();
        let mut had = vec![0; owners.len()];
        let mut seen = (0..owners.len()).cycle();
        for _ in 0..rounds {
            let mut queue = FairQueue::<One<'_>, 8>::new(&turns, |push| {
                for name in seen.by_ref().take(8.min(owners.len())) {
                    push(One { user: &users[owners[name]], own: &own[name], name });
                }
            });
            for _ in 0..turns_a_round {
                if let Some(one) = queue.pop() {
                    queue.count_call();
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

    /// A user with one busy session does not wait for all sessions of another.
    #[test]
    fn new_events_are_looked_for_after_some_calls_if_several_users_wait() {
        assert_eq!(turns_of(&[7], 10, 100), [10; 7]);
        assert_eq!(turns_of(&[7, 1], 7, 100), [7, 7, 7, 7, 7, 7, 7, 7]);
    }

    /// More sessions wait than one round sees.
    #[test]
    fn a_user_is_served_whenever_seen_however_many_others_wait() {
        let had = turns_of(&[100, 1], 101 * 8, 1);
        assert_eq!(had.iter().sum::<usize>(), 101 * 8);
        // Each session is seen 64 times.
        assert_eq!(had[100], 64);
        assert!(had[..100].iter().all(|turns| (3..=9).contains(turns)), "{had:?}");
    }
}

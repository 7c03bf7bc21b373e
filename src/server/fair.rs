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
pub(super) struct FairQueue<T, const CAPACITY: usize> {
    number: u64,
    /// The number of the last turn that was taken from the queue.
    turn: u64,
    /// The sessions with the numbers of their last turns, in this order; `None` for those that have been taken out.
    waiting: [Option<(u64, T)>; CAPACITY],
    /// The number of sessions that have been added.
    len: usize,
    /// The latest of their last turns.
    last_turn: u64,
    /// The place of the first session that may still be there.
    first: usize,
    users: usize,
    /// Calls handled since the queue was made.
    calls: usize,
}

impl<T: Waiting, const CAPACITY: usize> FairQueue<T, CAPACITY> {
    /// An empty queue.
    pub(super) fn new(turns: &Turns) -> Self {
        let number = turns.reserve(CAPACITY);
        let waiting = [const { None }; CAPACITY];
        Self { number, turn: number, waiting, len: 0, last_turn: 0, first: 0, users: 0, calls: 0 }
    }

    /// Adds a session, if there is room for it.
    #[inline]
    pub(super) fn push(&mut self, one: T) {
        let Some(place) = self.waiting.get_mut(self.len) else { return };
        // Two queues that are made at once may count a user twice.
        let queue = &one.user_turn().queue;
        self.users += usize::from(queue.load(Relaxed) != self.number);
        queue.store(self.number, Relaxed);
        let own_turn = one.own_turn().number();
        *place = Some((own_turn, one));
        self.len += 1;
        if own_turn < self.last_turn {
            self.move_up(own_turn);
        }
        self.last_turn = self.last_turn.max(own_turn);
    }

    /// Moves the session at the end to its place. Sessions mostly come in the order in which they were served.
    #[cold]
    fn move_up(&mut self, own_turn: u64) {
        let waiting = self.waiting.get_mut(..self.len).unwrap_or_default();
        let Some((_, others)) = waiting.split_last() else { return };
        let place = others.partition_point(|one| one.as_ref().is_some_and(|(turn, _)| *turn <= own_turn));
        waiting.get_mut(place..).unwrap_or_default().rotate_right(1);
    }

    /// The places of the sessions that are still there, and of some that are not.
    fn waiting(&mut self) -> &mut [Option<(u64, T)>] {
        self.waiting.get_mut(self.first..self.len).unwrap_or_default()
    }

    /// Takes the session out that was served longest ago.
    #[inline]
    fn pop_first(&mut self) -> Option<T> {
        while self.first < self.len {
            let one = self.waiting.get_mut(self.first).and_then(Option::take);
            self.first += 1;
            if let Some((_, one)) = one {
                return Some(one);
            }
        }
        None
    }

    /// Counts a call that was handled.
    pub(super) fn count_call(&mut self) {
        self.calls += 1;
    }

    /// Takes the next session out and notes its turn. `None` once the queue is empty, or new events are to be looked
    /// for.
    pub(super) fn pop(&mut self) -> Option<T> {
        let one = match self.users {
            ..=1 => self.pop_first()?,
            users if self.calls >= IN_A_ROW * users => return None,
            // The sessions are in order, so that the first of a user is its next one.
            _ => {
                let waiting = self.waiting().iter_mut().filter(|one| one.is_some());
                let since = |one: &&mut Option<(u64, T)>| one.as_ref().map(|(_, one)| one.user_turn().number());
                waiting.min_by_key(since)?.take()?.1
            }
        };
        self.turn += 1;
        one.user_turn().number.store(self.turn, Relaxed);
        one.own_turn().number.store(self.turn, Relaxed);
        Some(one)
    }
}

impl Turns {
    /// Reserves the number of a queue, and those of its turns, which follow it.
    fn reserve(&self, turns: usize) -> u64 {
        let count = turns as u64 + 1;
        self.0.fetch_add(count, Relaxed) + 1
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
            let mut queue = FairQueue::<One<'_>, 8>::new(&turns);
            for name in seen.by_ref().take(8.min(owners.len())) {
                queue.push(One { user: &users[owners[name]], own: &own[name], name });
            }
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

    #[test]
    fn sessions_come_in_the_order_of_their_last_turns() {
        let (turns, user) = (Turns::default(), LastTurn::default());
        let own: Vec<LastTurn> =
            [4, 2, 0, 9, 2].map(|turn| LastTurn { number: turn.into(), ..LastTurn::default() }).into();
        let mut queue = FairQueue::<One<'_>, 8>::new(&turns);
        own.iter().enumerate().for_each(|(name, own)| queue.push(One { user: &user, own, name }));
        let order: Vec<usize> = std::iter::from_fn(|| queue.pop()).map(|one| one.name).collect();
        assert_eq!(order, [2, 1, 4, 0, 3]);
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

//! Adaptive spinning: a thread looks for a message for some microseconds before it sleeps, while that pays.
//!
//! To be woken takes the time of several small calls. A look saves that time where the message comes within it, and is
//! lost where none does. So a thread looks only while its waits follow one another quickly. After a look in vain it
//! sleeps at once for a while, and each further look in vain makes that while longer. A look that finds its message late
//! costs as much as sleeping: some of them count as one in vain.
//!
//! Two peers have to look at the same time. The one that begins makes the waits of the other follow more quickly, which
//! shows the other that it should look, too.
//!
//! This file does no I/O: clock, look and sleep are the caller's, and times are nanoseconds of any clock. A clock that
//! jumps costs some looks, or one in vain.

#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::hint;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

const US: u64 = 1_000;

/// The average time between waits from which on a thread does not look.
const RARE: u64 = 100 * US;

/// The longest time between two waits that counts. After one of it some 20 quick waits bring the average below [`RARE`], so that
/// shorter conversations are not looked for: they would end before the looks have paid.
const LONGEST: u64 = 12_800 * US;

/// The average of a thread that has not waited yet. Some 18 quick waits bring it below [`RARE`].
const UNKNOWN: u64 = 1_000 * US;

/// The longest time that a message takes to be "there at once" after a thread has gone to sleep. The peer was waiting for
/// this processor then.
const AT_ONCE: u64 = 10 * US;

/// The time from which on an adaptive look costs about as much as sleeping and being woken.
const DEAR: u64 = 6 * US;

/// The same for a look that takes less than a quarter of the time since the last wait. The thread does other things in between, so
/// that messages would come as often without looks. Mostly one end looks then, and saves no more than its own waking up.
const DEAR_IN_PASSING: u64 = 3 * US;

/// So many dear looks count as one in vain. A conversation begins with some, while the peer still sleeps.
const DEAR_LOOKS: u32 = 6;

/// In a pause that nothing can end early, so many waits pass without reading the clock, which would take a hundredth of each.
const UNREAD: u32 = 15;

/// In such a pause the clock shows the average time between waits. If it is twice as long as before so often in a row, the system has
/// moved one of the two to another processor.
const SLOW_AVERAGES: u32 = 3;

/// So many waits in a row that follow one another much quicker than before show that the peer has begun to look.
const QUICK_WAITS: u32 = 2;

/// Half of the pause after a first look in vain. Each further one doubles the pause, up to [`MOST_MISSES`].
const PAUSE: u64 = 100 * US;
const MOST_MISSES: u32 = 8;
/// The same where the peer was waiting for this processor. The system then places the two anew, which costs them far more than the
/// look: most of a millisecond.
const MOST_SHARED_MISSES: u32 = 11;
/// From so many misses on a pause is so long that its waits need not read the clock.
const LONG_PAUSE: u32 = 5;
const LONGEST_PAUSE: u64 = PAUSE << MOST_SHARED_MISSES;

/// The bits of a count of threads.
const COUNT: u64 = u32::MAX as u64;

/// With one processor, one of so many waits reads the clock, to find out whether there are more by now.
const WAITS: u32 = 64;

/// The time after which the number of processors is read again.
const SECOND: u64 = 1_000_000 * US;

/// Whether threads look for a message before they sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spin {
    /// Never.
    Off,
    /// While messages come in quick succession: a client for 25 µs at most, a server for 20.
    Adaptive,
    /// Before each sleep, for so long at most, and for a second at most.
    AtMost(Duration),
}

/// The end of a connection at which a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A client waits for the answer to its call.
    Client,
    /// A server waits for the next call.
    Server,
}

/// The looks that a thread may take, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// While waits follow one another quickly, for so long at most.
    Adaptive(u64),
    /// Before each sleep, for so long at most.
    Asked(u64),
}

impl Look {
    /// Adaptive looks. A client's are the longer ones, so that it still looks when the first answer of a server that slept
    /// comes.
    pub(crate) fn adaptive(side: Side) -> Self {
        Self::Adaptive(match side {
            Side::Client => 25 * US,
            Side::Server => 20 * US,
        })
    }

    /// The same for a wait that has so much time left. An adaptive look is so short that it need not be cut.
    pub(crate) fn within(self, left: impl FnOnce() -> Option<Duration>) -> Self {
        let Self::Asked(limit) = self else { return self };
        let left = left().and_then(|left| u64::try_from(left.as_nanos()).ok());
        Self::Asked(left.map_or(limit, |left| limit.min(left)))
    }
}

/// One wait for a message.
pub(crate) trait Wait {
    /// A message, or the failure that ends the wait.
    type Found;

    /// The clock.
    fn now(&self) -> u64;

    /// Takes the message if it is there.
    fn look(&mut self) -> Option<Self::Found>;

    /// Sleeps until there is a message, and takes it. The thread has looked for `looked` nanoseconds.
    fn sleep(&mut self, looked: u64) -> Self::Found;

    /// Notes that a look has ended.
    fn note(&mut self, _look: EndedLook) {}
}

/// A look that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedLook {
    /// True if it found a message.
    pub(crate) found: bool,
    /// Its time in nanoseconds, up to the last time that it read the clock.
    pub(crate) time: u64,
}

/// The waits so far of one thread for one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WaitHistory {
    /// The beginning of the last wait.
    pub(crate) last: u64,
    /// The average time between waits.
    pub(crate) period: u64,
    /// The looks in vain, less those that paid; one counts twice if the message came at once after it.
    pub(crate) misses: u32,
    /// The dear looks since the last pause, less those that paid.
    pub(crate) dear: u32,
    /// The last waits in a row that followed one another much quicker than before.
    pub(crate) quick: u32,
    /// The time until which the thread does not look.
    pub(crate) until: u64,
    /// True while the last look in vain was on the processor that the peer was waiting for.
    pub(crate) shared: bool,
    /// True if waits may have passed since `last`.
    pub(crate) blind: bool,
    /// The waits that are still to pass without reading the clock.
    pub(crate) unread: u32,
    /// The last averages in a row over unread waits that were twice as long as before.
    pub(crate) slow: u32,
}

impl Default for WaitHistory {
    fn default() -> Self {
        Self {
            last: 0,
            period: UNKNOWN,
            misses: 0,
            dear: 0,
            quick: 0,
            until: 0,
            shared: false,
            blind: false,
            unread: 0,
            slow: 0,
        }
    }
}

impl WaitHistory {
    /// Waits for a message: looks for it first, if that is likely to pay and there is a `turn` to. A wait without a look
    /// reads the clock once.
    #[inline]
    pub(crate) fn wait<W: Wait, T>(
        &mut self,
        look: Look,
        turn: impl FnOnce(u64) -> Option<T>,
        wait: &mut W,
    ) -> W::Found {
        if self.unread > 0 {
            self.unread -= 1;
            return wait.sleep(0);
        }
        let began = wait.now();
        let passed = self.count(began);
        let Some(limit) = self.limit(look, began) else { return wait.sleep(0) };
        let Some(turn) = turn(began) else { return wait.sleep(0) };
        // A message that is there already says nothing about looking.
        if let Some(found) = wait.look() {
            return found;
        }
        let mut now = began;
        loop {
            hint::spin_loop();
            if let Some(found) = wait.look() {
                let time = now.wrapping_sub(began);
                self.hit(look, passed, time, now);
                wait.note(EndedLook { found: true, time });
                return found;
            }
            now = wait.now();
            if now.wrapping_sub(began) >= limit {
                break;
            }
        }
        drop(turn);
        let time = now.wrapping_sub(began);
        wait.note(EndedLook { found: false, time });
        let found = wait.sleep(time);
        self.miss(now, wait.now());
        found
    }

    /// Counts a wait that begins now. Returns the time since the last one, [`LONGEST`] at most.
    fn count(&mut self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.last).min(LONGEST);
        self.last = now;
        if self.blind && passed < LONGEST {
            // The waits between are not known one by one. So long a time tells that they are rare.
            self.quick = 0;
            self.count_unread(passed / u64::from(UNREAD + 1));
            return passed;
        }
        self.quick = if passed * 8 < self.period * 5 { self.quick.saturating_add(1) } else { 0 };
        self.count_period(passed);
        passed
    }

    /// Counts waits of which the average is known. Where the peer was waiting for this processor, much longer ones end the pause: it
    /// has another processor now.
    fn count_unread(&mut self, average: u64) {
        if average <= 2 * self.period {
            self.slow = 0;
            self.count_period(average);
            return;
        }
        self.slow += 1;
        if self.shared && self.slow == SLOW_AVERAGES {
            (self.period, self.until, self.misses, self.slow) = (average, 0, 0, 0);
        }
    }

    /// An average of the last eight times between waits or so, without a division.
    fn count_period(&mut self, passed: u64) {
        self.period = self.period - self.period / 8 + passed / 8;
    }

    /// The length of a look that begins now; `None` if there is to be none.
    fn limit(&mut self, look: Look, now: u64) -> Option<u64> {
        if self.until.saturating_sub(now) > LONGEST_PAUSE {
            // The clock has jumped back.
            self.until = now;
        }
        if self.is_paused(now) {
            return None;
        }
        (self.shared, self.blind) = (false, false);
        match look {
            Look::Asked(limit) => Some(limit),
            Look::Adaptive(limit) => (self.period < RARE).then_some(limit),
        }
    }

    /// True during the pause after looks in vain. A part of it ends early if the peer has begun to look, whose messages a look
    /// finds: of a short pause the last three quarters, of a long one the last.
    fn is_paused(&mut self, now: u64) -> bool {
        let (left, quarter) = (self.until.saturating_sub(now), (PAUSE << self.misses) / 4);
        let is_long = self.misses >= LONG_PAUSE;
        let is_fixed = left > if is_long { quarter } else { 3 * quarter };
        self.blind = self.shared || is_long && is_fixed;
        self.unread = if left > 0 && self.blind { UNREAD } else { 0 };
        left > 0 && (is_fixed || self.quick < QUICK_WAITS)
    }

    /// Counts a look that found a message, in a wait that began so long after the last one. The look's time is known up to the
    /// last time that it read the clock, which is `now`.
    fn hit(&mut self, look: Look, passed: u64, time: u64, now: u64) {
        let dear = if time.saturating_mul(4) < passed { DEAR_IN_PASSING } else { DEAR };
        if matches!(look, Look::Asked(_)) || time < dear {
            (self.misses, self.dear, self.until) = (self.misses.saturating_sub(1), self.dear.saturating_sub(1), 0);
            return;
        }
        self.dear += 1;
        if self.dear == DEAR_LOOKS {
            self.dear = 0;
            self.pause(1, now);
            // Shorter by chance, as otherwise two peers might for long look by turns.
            self.until = self.until.saturating_sub(now % (PAUSE << self.misses) / 2);
        }
    }

    /// Counts a look in vain, after which the thread slept from one time to another.
    fn miss(&mut self, asleep: u64, awake: u64) {
        self.shared = awake.wrapping_sub(asleep) < AT_ONCE;
        self.pause(if self.shared { 2 } else { 1 }, awake);
    }

    fn pause(&mut self, misses: u32, now: u64) {
        let most = if self.shared { MOST_SHARED_MISSES } else { MOST_MISSES };
        self.misses = (self.misses + misses).min(most);
        (self.quick, self.slow) = (0, 0);
        self.until = now.saturating_add(PAUSE << self.misses);
    }
}

/// The looks of a process: at most half as many at a time as it has processors.
#[derive(Debug)]
pub(crate) struct SpinBudget {
    /// The number of the process, and below it the number of its threads that look. A child of a fork has another number,
    /// and none of its parent's other threads.
    looking: AtomicU64,
    processors: AtomicU32,
    /// The time at which the number of processors was read.
    read: AtomicU64,
    /// The waits that there were with one processor.
    waits: AtomicU32,
}

impl SpinBudget {
    pub(crate) const fn new() -> Self {
        Self {
            looking: AtomicU64::new(0),
            processors: AtomicU32::new(0),
            read: AtomicU64::new(0),
            waits: AtomicU32::new(0),
        }
    }

    /// False while the process is known to have too few processors for these looks. Such a wait reads no clock, but for one
    /// of so many, which finds out anew.
    pub(crate) fn has_processors(
        &self,
        look: Look,
        now: impl FnOnce() -> u64,
        processors: impl FnOnce() -> u32,
    ) -> bool {
        if matches!(look, Look::Asked(_)) || self.processors.load(Ordering::Relaxed) != 1 {
            return true;
        }
        let waits = self.waits.load(Ordering::Relaxed).wrapping_add(1);
        self.waits.store(waits, Ordering::Relaxed);
        waits.is_multiple_of(WAITS) && self.processors(now(), processors) > 1
    }

    /// A turn to look, which ends when it is dropped; `None` if no further thread may look. A thread that was asked to look
    /// has a turn also with one processor. The number of processors is read once a second at most.
    pub(crate) fn turn(
        &self,
        look: Look,
        now: u64,
        process: impl FnOnce() -> u64,
        processors: impl FnOnce() -> u32,
    ) -> Option<Turn<'_>> {
        let half = self.processors(now, processors) / 2;
        let most = if let Look::Asked(_) = look { half.max(1) } else { half };
        if most == 0 {
            return None;
        }
        let process = process();
        let take = |looking| {
            let own = own(looking, process);
            (own < u64::from(most)).then(|| process << 32 | (own + 1))
        };
        self.looking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Turn { budget: self, process })
    }

    fn processors(&self, now: u64, read: impl FnOnce() -> u32) -> u32 {
        let last = self.read.load(Ordering::Relaxed);
        let is_due = now.wrapping_sub(last) >= SECOND;
        // Of several threads one reads.
        if is_due && self.read.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.processors.store(read(), Ordering::Relaxed);
        }
        self.processors.load(Ordering::Relaxed)
    }
}

/// The looks of a process among all that `looking` counts.
fn own(looking: u64, process: u64) -> u64 {
    if looking >> 32 == process & COUNT { looking & COUNT } else { 0 }
}

/// A turn of a thread to look.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    budget: &'a SpinBudget,
    process: u64,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // In a child of a fork there may be none.
        let give_back = |looking| (own(looking, self.process) > 0).then(|| looking - 1);
        let _ = self.budget.looking.fetch_update(Ordering::Relaxed, Ordering::Relaxed, give_back);
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const CLIENT: Look = Look::Adaptive(25 * US);
    const SERVER: Look = Look::Adaptive(20 * US);

    /// The time of a system call that looks, and of being woken.
    const CALL: u64 = US / 2;
    const WAKE_UP: u64 = 22 * US;

    /// The processor time of sleeping and being woken, both sides together.
    const SLEEP: u64 = 11 * US;

    /// A clock and a message on its way, and what the waits cost.
    #[derive(Debug, Default)]
    struct Simulated {
        now: Cell<u64>,
        /// The time at which the message comes; `None` if it comes 3 µs after the thread has gone to sleep, as from a peer
        /// that waits for the same processor.
        message: Option<u64>,
        looking: u64,
        looks: u64,
        sleeps: u64,
        clocks: Cell<u64>,
    }

    impl Simulated {
        /// The processor time of all waits.
        fn spent(&self) -> u64 {
            self.looking + self.sleeps * SLEEP
        }
    }

    impl Wait for Simulated {
        type Found = ();

        fn now(&self) -> u64 {
            self.clocks.set(self.clocks.get() + 1);
            self.now.get()
        }

        fn look(&mut self) -> Option<()> {
            self.looks += 1;
            self.looking += CALL;
            self.now.set(self.now.get() + CALL);
            self.message.filter(|at| *at <= self.now.get()).map(drop)
        }

        fn sleep(&mut self, _looked: u64) {
            let now = self.now.get();
            self.sleeps += u64::from(self.message.is_none_or(|at| at > now));
            self.now.set(match self.message {
                None => now + 3 * US,
                Some(at) if at <= now => now + CALL,
                Some(at) => at + WAKE_UP,
            });
        }
    }

    /// A thread that waits again and again.
    #[derive(Debug, Default)]
    struct Thread {
        history: WaitHistory,
        simulated: Simulated,
    }

    impl Thread {
        /// Begins to wait at a time. Returns the time at which the thread has the message.
        fn wait(&mut self, look: Look, from: u64, message: Option<u64>) -> u64 {
            self.simulated.now.set(from);
            self.simulated.message = message;
            self.history.wait(look, Some, &mut self.simulated);
            self.simulated.now.get()
        }

        /// Serves calls, each of which comes so long after the last one.
        fn serve(&mut self, pauses: impl IntoIterator<Item = u64>) -> u64 {
            let (mut at, mut free) = (SECOND, SECOND);
            for pause in pauses {
                at += pause;
                free = self.wait(SERVER, free, Some(at)).max(at) + US;
            }
            free - SECOND
        }
    }

    /// A client and a server that each have a processor, and call without a pause.
    #[derive(Debug, Default)]
    struct Pair {
        client: Thread,
        server: Thread,
        now: u64,
    }

    impl Pair {
        /// Makes a call, and returns the time that it took.
        fn call(&mut self, handler: u64) -> u64 {
            let Self { client, server, now } = self;
            let begin = *now;
            let free = server.simulated.now.get();
            let answered = server.wait(SERVER, free, Some(begin + US)) + handler + US;
            server.simulated.now.set(answered);
            *now = client.wait(CLIENT, begin + US, Some(answered));
            *now - begin
        }

        fn calls(&mut self, count: u32, handler: u64) {
            for _ in 0..count {
                self.call(handler);
            }
        }
    }

    #[test]
    fn back_to_back_it_begins_to_look_and_goes_on() {
        let mut pair = Pair { now: SECOND, ..Pair::default() };
        let slow = (0..100).position(|_| pair.call(0) < 8 * US).unwrap();
        assert!((15..40).contains(&slow), "{slow} calls");
        assert!((0..10_000).all(|_| pair.call(0) < 8 * US));
        assert_eq!((pair.client.history.misses, pair.server.history.misses), (0, 0));
    }

    #[test]
    fn a_slow_handler_ends_the_client_s_looks() {
        let mut pair = Pair { now: SECOND, ..Pair::default() };
        pair.calls(1000, 0);
        let began = pair.now;
        pair.client.simulated.looking = 0;
        pair.calls(10_000, 40 * US);
        assert_eq!(pair.client.history.misses, MOST_MISSES);
        assert!(pair.client.simulated.looking * 500 < pair.now - began);
        pair.calls(20_000, 0);
        assert!(pair.call(0) < 8 * US, "quick again");
    }

    /// Has conversations of `calls` calls that follow one another after `think`, with a pause after each conversation.
    fn converse(pair: &mut Pair, conversations: u32, calls: u32, think: u64, pause: u64, handler: u64) {
        for _ in 0..conversations {
            for _ in 0..calls {
                pair.call(handler);
                pair.now += think;
            }
            pair.now += pause;
        }
    }

    /// Looking takes hardly more processor time than sleeping where it does not pay, and far less where it does.
    #[test]
    fn looking_costs_hardly_more_than_sleeping() {
        let cases = [
            ("back to back", 100_000, 1, 0, 0, 0),
            ("handlers of 10 us", 100_000, 1, 0, 0, 10),
            ("handlers of 20 us", 100_000, 1, 0, 0, 20),
            ("handlers of 30 us", 100_000, 1, 0, 0, 30),
            ("handlers of 50 us", 100_000, 1, 0, 0, 50),
            ("20,000 a second", 100_000, 1, 10, 0, 0),
            ("callers that think for 30 us", 100_000, 1, 30, 0, 0),
            ("10,000 a second", 100_000, 1, 60, 0, 0),
            ("5 in a row", 2000, 5, 0, 20_000, 0),
            ("20 in a row", 2000, 20, 0, 20_000, 0),
            ("200 in a row", 2000, 200, 0, 20_000, 0),
            ("20 in a row, closer together", 2000, 20, 0, 1000, 0),
        ];
        for (name, conversations, calls, think, pause, handler) in cases {
            let mut pair = Pair { now: SECOND, ..Pair::default() };
            converse(&mut pair, conversations, calls, think * US, pause * US, handler * US);
            let spent = pair.client.simulated.spent() + pair.server.simulated.spent();
            let asleep = 2 * u64::from(conversations * calls) * SLEEP;
            let ratio = spent as f64 / asleep as f64;
            assert!(ratio < 1.02, "{name}: {ratio}");
            let pays = handler + think == 0 && (calls == 1 || calls == 200);
            assert!(!pays || ratio < 0.4, "{name}: {ratio}");
        }
    }

    /// The same where callers think for random times, and a few looks happen to pay.
    #[test]
    fn looking_costs_hardly_more_than_sleeping_where_calls_come_at_random() {
        let mut random = proptest::test_runner::TestRng::deterministic_rng(Default::default());
        for think in [10, 20, 40, 80, 150] {
            let mut pair = Pair { now: SECOND, ..Pair::default() };
            for _ in 0..100_000 {
                let uniform = f64::from(random.next_u32() | 1) / f64::from(u32::MAX);
                converse(&mut pair, 1, 1, 0, (-uniform.ln() * f64::from(think) * US as f64) as u64, 0);
            }
            let spent = pair.client.simulated.spent() + pair.server.simulated.spent();
            let ratio = spent as f64 / (200_000 * SLEEP) as f64;
            assert!(ratio < 1.05, "{think} us: {ratio}");
        }
    }

    /// As of a client that calls at a rate, on a machine that wakes threads up quickly.
    #[test]
    fn looks_of_a_thread_that_does_other_things_have_to_be_short() {
        for (look, is_dear) in [(2 * US, false), (5 * US, true)] {
            let mut thread = Thread::default();
            let (mut now, count) = (SECOND, 20_000);
            for _ in 0..count {
                thread.wait(CLIENT, now, Some(now + look));
                now += 50 * US;
            }
            let ended = (now - SECOND) / thread.simulated.looking;
            assert_eq!(ended > 100, is_dear, "1 / {ended} of the time with looks of {look} ns");
        }
    }

    /// As where the peer needs the processor that the look takes.
    #[test]
    fn on_one_processor_hardly_any_wait_looks() {
        let mut thread = Thread::default();
        let mut now = SECOND;
        (0..200_000).for_each(|_| now = thread.wait(CLIENT, now, None) + US);
        let taken = now - SECOND;
        assert!(thread.simulated.looks > 0);
        assert!(thread.simulated.looking * 500 < taken, "{} of {taken}", thread.simulated.looking);
    }

    /// As where the system moves the peer to another processor after a while.
    #[test]
    fn a_peer_that_gets_a_processor_of_its_own_ends_the_pause() {
        let mut thread = Thread::default();
        let mut now = SECOND;
        (0..200_000).for_each(|_| now = thread.wait(CLIENT, now, None) + US);
        // The first pause that begins from here on.
        let looks = thread.simulated.looks;
        while thread.simulated.looks == looks {
            now = thread.wait(CLIENT, now, None) + US;
        }
        let looks = thread.simulated.looks;
        (0..10_000).for_each(|_| now = thread.wait(CLIENT, now, None) + US);
        assert_eq!(thread.simulated.looks, looks, "it pauses");
        let waits = (0..200).position(|_| {
            now = thread.wait(CLIENT, now, Some(now + 20 * US)) + US;
            thread.simulated.looks > looks
        });
        assert!(waits.is_some_and(|waits| waits < 70), "{waits:?}");
    }

    #[test]
    fn a_message_at_once_after_a_look_counts_twice() {
        let mut history = WaitHistory::default();
        let pauses = [0, 9].map(|us| {
            history.miss(SECOND, SECOND + us * US);
            (history.until - SECOND) / US - us
        });
        assert_eq!(pauses, [400, 1600]);
        (0..9).for_each(|_| history.miss(SECOND, SECOND));
        assert_eq!((history.until - SECOND) / US, 204_800);
        let mut history = WaitHistory::default();
        let pauses = [(); 10].map(|()| {
            history.miss(SECOND, SECOND + 10 * US);
            (history.until - SECOND) / US - 10
        });
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 25_600, 25_600]);
    }

    #[test]
    fn rare_calls_and_idle_connections_spend_nothing() {
        for per_second in [1, 100, 1000, 5000] {
            let mut thread = Thread::default();
            thread.serve((0..10 * per_second).map(|_| SECOND / per_second));
            assert_eq!(thread.simulated.looks, 0, "{per_second} calls a second");
        }
        let mut day = Thread::default();
        day.serve([30 * SECOND; 2880]);
        assert_eq!((day.simulated.looks, day.simulated.clocks.get()), (0, 2880));
    }

    /// Calls that come at random come in quick succession now and then.
    #[test]
    fn calls_at_random_spend_little() {
        let mut random = proptest::test_runner::TestRng::deterministic_rng(Default::default());
        for per_second in [100, 1000, 5000] {
            let mut thread = Thread::default();
            let pauses = (0..20 * per_second).map(|_| {
                let uniform = f64::from(random.next_u32() | 1) / f64::from(u32::MAX);
                (-uniform.ln() * SECOND as f64 / per_second as f64) as u64
            });
            let taken = thread.serve(pauses);
            let share = thread.simulated.looking as f64 / taken as f64;
            assert!(share < 0.002, "{per_second} calls a second: {share}");
        }
    }

    #[test]
    fn a_pause_ends_a_conversation_and_the_next_one_begins_sooner() {
        let mut thread = Thread::default();
        let calls = |count, pause| std::iter::repeat_n(pause, count);
        thread.serve(calls(30, 5 * US));
        let looks = thread.simulated.looks;
        assert!(looks > 0);
        thread.serve(calls(3, SECOND));
        let rare = thread.simulated.looks;
        thread.serve(calls(100, SECOND));
        assert_eq!(thread.simulated.looks, rare);
    }

    #[test]
    fn a_look_that_was_asked_for_needs_no_conversation_and_pauses_too() {
        let mut thread = Thread::default();
        let look = Look::Asked(50 * US);
        let found = thread.wait(look, SECOND, Some(SECOND + 40 * US));
        assert!(found <= SECOND + 41 * US);
        let missed = thread.wait(look, found, Some(found + SECOND));
        let looks = thread.simulated.looks;
        assert!(thread.simulated.looking < 40 * US + 51 * US + 2 * CALL);
        let again = thread.wait(look, missed + US, Some(missed + 10 * US));
        assert_eq!(thread.simulated.looks, looks, "it pauses");
        thread.wait(look, again + 200 * US, Some(again + 210 * US));
        assert!(thread.simulated.looks > looks);
    }

    #[test]
    fn half_of_the_processors_look_at_a_time() {
        for (processors, adaptive, asked) in [(0, 0, 1), (1, 0, 1), (2, 1, 1), (3, 1, 1), (4, 2, 2), (9, 4, 4)] {
            for (look, most) in [(CLIENT, adaptive), (Look::Asked(US), asked)] {
                let budget = SpinBudget::new();
                let turn = |process| budget.turn(look, 5 * SECOND, || process, || processors);
                let mut turns: Vec<_> = (0..20).map_while(|_| turn(7)).collect();
                assert_eq!(turns.len(), most, "{look:?} with {processors}");
                turns.pop();
                let back = turn(7);
                assert_eq!(back.is_some(), most > 0, "the turn came back");
                // A fork leaves the child without the threads of its parent, and one gives its turn back.
                let child = turn(8);
                assert_eq!(child.is_some(), most > 0);
                drop(turns);
                assert_eq!(turn(8).is_some(), most > 1);
                drop(child);
                assert_eq!(own(budget.looking.load(Ordering::Relaxed), 8), 0);
            }
        }
    }

    #[test]
    fn the_processors_are_read_by_the_first_look_and_once_a_second() {
        let budget = SpinBudget::new();
        let reads = Cell::new(0);
        let read = |now| {
            drop(budget.turn(
                CLIENT,
                now,
                || 1,
                || {
                    reads.set(reads.get() + 1);
                    2
                },
            ));
            reads.get()
        };
        let mut now = 3 * SECOND;
        assert_eq!(
            [0, 1, SECOND - 2, 1, 0].map(|step| {
                now += step;
                read(now)
            }),
            [1, 1, 1, 2, 2]
        );
        let mut thread = Thread::default();
        (0..10).for_each(|_| {
            let no_turn = |_| -> Option<()> { panic!("it would not look") };
            thread.history.wait(CLIENT, no_turn, &mut Simulated { message: Some(0), ..Simulated::default() });
        });
    }

    /// A clock that shows anything, and a message that comes at any look or none.
    struct Broken {
        clock: RefCell<VecDeque<u64>>,
        found_at: u32,
        looks: u32,
        last: Cell<u64>,
    }

    impl Wait for Broken {
        type Found = ();

        fn now(&self) -> u64 {
            // In the end the clock goes on.
            let next = self.clock.borrow_mut().pop_front().unwrap_or(self.last.get().wrapping_add(US));
            self.last.set(next);
            next
        }

        fn look(&mut self) -> Option<()> {
            self.looks += 1;
            (self.looks == self.found_at).then_some(())
        }

        fn sleep(&mut self, _looked: u64) {}
    }

    fn time() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            0..2 * SECOND,
            Just(0),
            Just(u64::MAX),
            (0..1000_u64).prop_map(|back| u64::MAX - back)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        /// Whatever the clock shows, each wait ends, and once the clock is right again the thread looks as before.
        #[test]
        fn a_clock_that_jumps_does_no_harm(
            waits in prop::collection::vec((prop::collection::vec(time(), 0..6), 0..10_u32), 0..30),
            start in time(),
        ) {
            let mut history = WaitHistory::default();
            for (clock, found_at) in waits {
                let times = clock.len() as u32;
                let mut wait = Broken { clock: RefCell::new(clock.into()), found_at, looks: 0, last: Cell::new(0) };
                history.wait(Look::Asked(25 * US), Some, &mut wait);
                prop_assert!(wait.looks <= times + 27, "{} looks", wait.looks);
                prop_assert!(history.period <= LONGEST && history.misses <= MOST_SHARED_MISSES);
            }
            let mut thread = Thread { history, ..Thread::default() };
            let mut now = start.min(u64::MAX - 100 * SECOND);
            // The first waits may not read the clock.
            for _ in 0..=UNREAD {
                thread.wait(CLIENT, now, Some(now));
            }
            now += LONGEST_PAUSE;
            for _ in 0..60 {
                now = thread.wait(CLIENT, now, Some(now + 3 * US)) + US;
            }
            let found = thread.wait(CLIENT, now, Some(now + 3 * US));
            prop_assert!(found < now + 4 * US, "quick again");
        }

        /// However messages come that no look finds: one look for each pause, the ten of the first pauses aside.
        #[test]
        fn what_looks_in_vain_take_has_a_limit(pauses in prop::collection::vec(26 * US..300 * US, 1..3000)) {
            let mut thread = Thread::default();
            let mut now = SECOND;
            for pause in &pauses {
                now = thread.wait(CLIENT, now, Some(now + pause));
            }
            let most = u64::from(MOST_MISSES) + (now - SECOND) / (PAUSE << MOST_MISSES) + 1;
            prop_assert!(thread.simulated.looking <= most * 26 * US);
        }

        /// The turns never exceed the budget, whatever is taken and given back.
        #[test]
        fn turns_stay_within_the_budget(
            steps in prop::collection::vec((any::<bool>(), 0..8_usize, 0..12_u32), 0..100),
        ) {
            let budget = SpinBudget::new();
            let (mut turns, mut now, mut known) = (Vec::new(), SECOND, 0);
            for (take, at, processors) in steps {
                now += SECOND / 3;
                if take {
                    let taken = budget.turn(SERVER, now, || 1, || { known = processors; processors });
                    prop_assert_eq!(taken.is_some(), turns.len() < (known / 2) as usize);
                    turns.extend(taken);
                } else if at < turns.len() {
                    drop(turns.swap_remove(at));
                }
            }
        }
    }
}

//! The calls of a session that are being handled, and whether the next one may be read. Free of I/O.

use crate::cause::Cause;
use crate::sys::Interest;

/// The treatment of a session's next calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    /// Calls are handled.
    Serving,
    /// The first call is answered with a failure, and the session is closed.
    Refused,
    /// No more can arrive. Those that came before are read and answered with failures.
    Closing,
}

/// A call that is being handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ActiveCall {
    tag: u64,
    /// The sequence of the call.
    pub(super) sequence: i64,
    /// The slot of the call's module.
    pub(super) slot: usize,
    concurrent: bool,
}

/// The calls of one session.
#[derive(Debug)]
pub(super) struct InFlight {
    admission: Admission,
    calls: Vec<ActiveCall>,
    /// How many of the calls are not concurrent.
    in_order: usize,
    next_tag: u64,
    ended: bool,
}

impl InFlight {
    pub(super) fn new(refused: bool) -> Self {
        let admission = if refused { Admission::Refused } else { Admission::Serving };
        Self { admission, calls: Vec::new(), in_order: 0, next_tag: 0, ended: false }
    }

    /// True while the session's calls are handled.
    pub(super) fn is_serving(&self) -> bool {
        self.admission == Admission::Serving
    }

    /// True while calls may arrive and are handled.
    pub(super) fn is_reading(&self) -> bool {
        self.is_serving() && !self.ended
    }

    /// True while the session waits for the call to refuse.
    pub(super) fn is_refused(&self) -> bool {
        self.admission == Admission::Refused
    }

    /// True once no more calls can arrive.
    pub(super) fn is_closing(&self) -> bool {
        self.admission == Admission::Closing
    }

    /// True while no call is being handled.
    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    /// Admits a call, and returns the tag under which it is answered. [`Cause::Busy`] if the session is closing or the
    /// limit is reached.
    #[expect(clippy::disallowed_methods, reason = "there is room")]
    pub(super) fn admit(&mut self, sequence: i64, slot: usize, concurrent: bool, limit: usize) -> Result<u64, Cause> {
        if !self.is_serving() || self.calls.len() >= limit {
            return Err(Cause::Busy);
        }
        self.calls.try_reserve(1).map_err(|_| Cause::NoMemory)?;
        let tag = self.next_tag;
        self.next_tag += 1;
        self.in_order += usize::from(!concurrent);
        self.calls.push(ActiveCall { tag, sequence, slot, concurrent });
        Ok(tag)
    }

    /// Ends a call that is answered; `None` if it was before.
    pub(super) fn finish(&mut self, tag: u64) -> Option<ActiveCall> {
        let call = match self.calls.last()?.tag == tag {
            true => self.calls.pop()?,
            false => self.calls.remove(self.calls.iter().position(|call| call.tag == tag)?),
        };
        self.in_order -= usize::from(!call.concurrent);
        Some(call)
    }

    /// Removes all calls, to be answered for their handlers.
    pub(super) fn take_all(&mut self) -> Vec<ActiveCall> {
        self.in_order = 0;
        std::mem::take(&mut self.calls)
    }

    /// Begins to close the session; true the first time.
    pub(super) fn close(&mut self) -> bool {
        std::mem::replace(&mut self.admission, Admission::Closing) != Admission::Closing
    }

    /// Records that nothing more can be read.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// True once nothing is left but to send waiting responses.
    pub(super) fn is_over(&self) -> bool {
        self.ended && self.calls.is_empty()
    }

    /// The event to wait for. Nothing is read while responses wait to be sent. After a call that is not concurrent,
    /// nothing is read until it is answered; the rest waits in the socket.
    pub(super) fn interest(&self, unsent: bool) -> Interest {
        match unsent {
            true => Interest::WRITE,
            false if self.ended || self.in_order > 0 => Interest::NONE,
            false => Interest::READ,
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 3;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A call is read, if one may be.
        Read {
            concurrent: bool,
        },
        /// A call is answered, which may have been answered before.
        Answer(usize),
        Unsent(bool),
        Close,
        End,
        TakeAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => any::<bool>().prop_map(|concurrent| Step::Read { concurrent }),
            8 => (0..20_usize).prop_map(Step::Answer),
            4 => any::<bool>().prop_map(Step::Unsent),
            1 => Just(Step::Close),
            1 => Just(Step::End),
            1 => Just(Step::TakeAll),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

        #[test]
        fn calls_are_handled_in_order_and_answered_once(steps in prop::collection::vec(step(), 0..60)) {
            let mut in_flight = InFlight::new(false);
            let (mut open, mut admitted) = (Vec::new(), 0);
            let (mut unsent, mut closing, mut ended) = (false, false, false);
            for step in steps {
                match step {
                    Step::Read { concurrent } => {
                        let reads = in_flight.interest(unsent) == Interest::READ;
                        let in_order = open.iter().any(|(_, concurrent)| !concurrent);
                        prop_assert_eq!(reads, !unsent && !ended && !in_order);
                        if reads {
                            let tag = in_flight.admit(7, 0, concurrent, LIMIT);
                            prop_assert_eq!(tag.is_ok(), !closing && open.len() < LIMIT);
                            if let Ok(tag) = tag {
                                prop_assert_eq!(tag, admitted);
                                admitted += 1;
                                open.push((tag, concurrent));
                            }
                        }
                    }
                    Step::Answer(which) => {
                        let tag = which as u64;
                        let was_open = open.iter().any(|(open, _)| *open == tag);
                        prop_assert_eq!(in_flight.finish(tag).is_some(), was_open);
                        open.retain(|(open, _)| *open != tag);
                    }
                    Step::Unsent(now) => unsent = now,
                    Step::Close => {
                        prop_assert_eq!(in_flight.close(), !closing);
                        closing = true;
                    }
                    Step::End => {
                        in_flight.end();
                        ended = true;
                    }
                    Step::TakeAll => {
                        let taken: Vec<u64> = in_flight.take_all().iter().map(|call| call.tag).collect();
                        let expected: Vec<u64> = open.drain(..).map(|(tag, _)| tag).collect();
                        prop_assert_eq!(taken, expected);
                    }
                }
                prop_assert_eq!(in_flight.is_idle(), open.is_empty());
                prop_assert_eq!(in_flight.is_over(), ended && open.is_empty());
                prop_assert_eq!((in_flight.is_serving(), in_flight.is_closing()), (!closing, closing));
                prop_assert_eq!(in_flight.interest(true), Interest::WRITE);
            }
        }
    }

    #[test]
    fn a_refused_session_handles_nothing() {
        let mut in_flight = InFlight::new(true);
        assert!(in_flight.is_refused());
        assert_eq!(in_flight.interest(false), Interest::READ);
        assert_eq!(in_flight.admit(1, 0, true, LIMIT), Err(Cause::Busy));
        assert!(in_flight.close());
        assert!(!in_flight.is_refused());
    }
}

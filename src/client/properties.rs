//! What holds for the calls of a client whatever happens, and in whatever order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::calls::Calls;
use super::operation::{Operation, Stage, Ticket};
use super::pending::{CompletionTarget, Submission};
use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::message::Response;

/// What can happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Somebody calls.
    Call { submitted: bool, idempotent: bool },
    /// Whoever is next is sent, or begins to be, or a probe is; over a new connection if there is none.
    Send { whole: bool, large: bool, undecided: bool },
    /// Of the first message that is being sent a part goes out.
    Begin,
    /// A message goes out to its end.
    Finish(usize),
    /// A call of these is answered.
    Answer(usize),
    /// An answer begins to come, which tells what the server speaks.
    Decide,
    /// The server has told what it reads, and refuses what was sent first. There may be no other connection then.
    Refuse { stays: bool },
    /// One answer comes twice, or late.
    AnswerAgain(i64),
    /// Something comes that does not say what it answers.
    Unnamed,
    /// Something cannot be decoded.
    Spoilt,
    /// Somebody gives up.
    Abandon(usize),
    /// The connection is lost, or is of no use.
    Lose(Cause),
    /// There is no other one.
    Unreachable(Cause),
    /// The client is closed.
    Close,
}

fn event() -> impl Strategy<Value = Event> {
    let lost = prop_oneof![Just(Cause::Closed), Just(Cause::Os(libc::EPIPE)), Just(Cause::Cut), Just(Cause::Malformed)];
    let unreachable = prop_oneof![Just(Cause::Os(libc::ECONNREFUSED)), Just(Cause::Os(libc::EAGAIN))];
    prop_oneof![
        4 => (any::<bool>(), any::<bool>()).prop_map(|(submitted, idempotent)| Event::Call { submitted, idempotent }),
        5 => any::<[bool; 3]>().prop_map(|[whole, large, undecided]| Event::Send { whole, large, undecided }),
        2 => Just(Event::Begin),
        2 => any::<usize>().prop_map(Event::Finish),
        3 => any::<usize>().prop_map(Event::Answer),
        1 => Just(Event::Decide),
        2 => any::<bool>().prop_map(|stays| Event::Refuse { stays }),
        1 => (1..4i64).prop_map(Event::AnswerAgain),
        1 => Just(Event::Unnamed),
        1 => Just(Event::Spoilt),
        1 => any::<usize>().prop_map(Event::Abandon),
        1 => lost.prop_map(Event::Lose),
        1 => unreachable.prop_map(Event::Unreachable),
        1 => Just(Event::Close),
    ]
}

/// What the test knows of a call.
#[derive(Debug, Default)]
struct Known {
    idempotent: bool,
    submitted: bool,
    /// It has been sent to its end, so that it may have been executed.
    executed: bool,
    ends: usize,
}

/// The calls, and what the test knows of them.
struct Model {
    calls: Calls,
    known: BTreeMap<Ticket, Known>,
    connected: bool,
    /// The message of which a part has been sent.
    begun: Option<Ticket>,
    /// It is not known what the server speaks.
    undecided: bool,
    /// It has been sent something.
    asked: bool,
}

impl Model {
    fn new(pipelining: bool) -> Self {
        let (connected, undecided, asked) = (false, false, false);
        Self { calls: Calls::new(pipelining), known: BTreeMap::new(), connected, begun: None, undecided, asked }
    }

    /// The calls in a stage.
    fn at(&mut self, stage: impl Fn(&Stage) -> bool) -> Vec<Ticket> {
        let tickets = self.known.keys().copied();
        tickets.filter(|ticket| self.calls.pending(*ticket).is_some_and(|pending| stage(&pending.stage))).collect()
    }

    fn out(&mut self) -> Vec<Ticket> {
        self.at(|stage| !matches!(stage, Stage::Waiting | Stage::Ended(_)))
    }

    fn connect(&mut self, undecided: bool) {
        (self.connected, self.undecided, self.asked) = (true, undecided, false);
        self.calls.set_undecided(undecided);
    }

    fn decide(&mut self) {
        self.undecided = false;
        self.calls.set_undecided(false);
    }

    fn disconnect(&mut self) {
        (self.connected, self.begun, self.undecided) = (false, None, false);
    }

    /// Something comes. Calls of which nothing has been sent are as they were then, or the connection is lost.
    fn come(&mut self, receive: impl FnOnce(&mut Calls, Option<Ticket>) -> Result<(), Cause>) {
        self.decide();
        let unsent = self.at(|stage| matches!(stage, Stage::Sending(_)));
        match receive(&mut self.calls, self.begun) {
            Ok(()) => {
                let left = self.at(|stage| matches!(stage, Stage::Sending(_)));
                let mut unsent = unsent.iter().filter(|ticket| self.begun != Some(**ticket));
                assert!(unsent.all(|ticket| left.contains(ticket)), "a message is left behind");
            }
            Err(cause) => self.lose(cause),
        }
    }

    fn lose(&mut self, cause: Cause) {
        self.calls.lost(cause);
        self.disconnect();
    }

    fn sent(&mut self, ticket: Ticket) {
        self.calls.sent(ticket);
        self.begun.take_if(|begun| *begun == ticket);
        if let Some(known) = self.known.get_mut(&ticket) {
            assert!(known.idempotent || !known.executed, "{ticket} is executed twice");
            known.executed = true;
        }
    }

    fn happen(&mut self, event: Event) {
        let pick = |tickets: Vec<Ticket>, which: usize| tickets.get(which % tickets.len().max(1)).copied();
        match event {
            Event::Call { submitted, idempotent } => {
                let submission =
                    Submission { module: 0, method: 0, body: Vec::new(), end: None, hook: None, done: Box::new(drop) };
                let target =
                    if submitted { CompletionTarget::Submitted(submission) } else { CompletionTarget::Blocked };
                self.calls.make_room().unwrap();
                let ticket = self.calls.add(Operation::Call { idempotent }, 2, target);
                self.known.insert(ticket, Known { idempotent, submitted, ..Known::default() });
            }
            Event::Send { whole, large, undecided } => {
                if !self.connected {
                    self.connect(undecided);
                }
                let Some((ticket, _)) = self.calls.next() else { return };
                assert!(!self.undecided || !self.asked, "{ticket} is sent before the server has answered");
                self.asked = true;
                assert_eq!(self.at(|stage| matches!(stage, Stage::Waiting)).first(), Some(&ticket), "not in order");
                self.calls.grant(ticket);
                self.calls.begin(ticket);
                if self.undecided && large {
                    self.calls.probe(ticket);
                } else if whole {
                    self.sent(ticket);
                }
            }
            Event::Begin => {
                let first = self.at(|stage| matches!(stage, Stage::Sending(_))).first().copied();
                self.begun = self.begun.or(first);
            }
            Event::Finish(which) => {
                if let Some(ticket) = pick(self.at(|stage| matches!(stage, Stage::Sending(_))), which) {
                    self.sent(ticket);
                }
            }
            Event::Answer(which) => {
                let Some(ticket) = pick(self.at(|stage| matches!(stage, Stage::Sent(_))), which) else { return };
                let Some(Stage::Sent(sequence)) = self.calls.pending(ticket).map(|pending| &pending.stage) else {
                    return;
                };
                let sequence = (*sequence).into();
                self.decide();
                self.calls.reply(sequence, Ok(Response::default()), self.begun).unwrap();
                assert!(!self.out().contains(&ticket), "{ticket} has been answered");
            }
            // That a probe has been answered is a refusal.
            Event::Decide if !self.at(|stage| matches!(stage, Stage::Probing(_))).is_empty() => {}
            Event::Decide => self.decide(),
            Event::Refuse { stays } => {
                if self.undecided {
                    for ticket in self.at(|stage| matches!(stage, Stage::Sent(_))) {
                        self.known.entry(ticket).or_default().executed = false;
                    }
                    self.calls.rejected();
                    assert!(self.out().is_empty());
                    if stays { self.decide() } else { self.disconnect() }
                }
            }
            Event::AnswerAgain(sequence) => {
                self.come(|calls, begun| calls.reply(sequence, Ok(Response::default()), begun));
            }
            Event::Unnamed => self.come(|calls, begun| calls.reply(-1, Ok(Response::default()), begun)),
            Event::Spoilt => self.come(|calls, begun| calls.spoilt(Cause::Malformed, begun)),
            Event::Abandon(which) => {
                if let Some(ticket) = pick(self.at(|stage| !matches!(stage, Stage::Ended(_))), which) {
                    self.calls.abandon(ticket, Phase::Call, Cause::TimedOut, false);
                }
            }
            Event::Lose(cause) => self.lose(cause),
            Event::Unreachable(cause) => self.calls.unreachable(cause),
            Event::Close => {
                self.calls.close();
                self.disconnect();
            }
        }
    }

    /// Takes the results that are there.
    fn collect(&mut self) {
        let tickets: Vec<Ticket> = self.known.keys().copied().collect();
        for ticket in tickets {
            let ended = self.calls.take(ticket).is_some();
            self.known.entry(ticket).or_default().ends += usize::from(ended);
        }
        while self.calls.next_completion().is_some() {
            let gone = |(ticket, known): &(&Ticket, &mut Known)| {
                known.submitted && known.ends == 0 && self.calls.pending(**ticket).is_none()
            };
            self.known.iter_mut().find(gone).unwrap().1.ends += 1;
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens(pipelining: bool, events in prop::collection::vec(event(), 0..60)) {
        let mut model = Model::new(pipelining);
        for event in events {
            model.happen(event);
            prop_assert!(pipelining && !model.undecided || model.out().len() <= 1, "two calls at a time");
            model.collect();
        }
        model.happen(Event::Close);
        model.collect();
        for (ticket, known) in &model.known {
            prop_assert_eq!(known.ends, 1, "{}: {:?}", ticket, known);
        }
        prop_assert!(model.calls.next().is_none());
    }
}

//! Properties of a client's calls that hold for any events in any order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::calls::Calls;
use super::operation::{Operation, Stage, Ticket};
use super::pending::{CompletionTarget, Submission};
use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::message::Response;

/// An event in the life of a client.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A caller makes a call.
    Call { submitted: bool, idempotent: bool },
    /// A caller makes a call that is sent alone, if there is no other.
    CallAlone { idempotent: bool },
    /// The call that is alone is answered.
    AnswerAlone,
    /// The next call is sent, in part or as a whole, or its probe is; over a new connection if there is none.
    Send { whole: bool, large: bool, framing_unknown: bool },
    /// A part goes out of the first message that is being sent.
    Begin,
    /// One of the messages that are being sent goes out as a whole.
    Finish(usize),
    /// One of the calls that have been sent is answered.
    Answer(usize),
    /// The first part of an answer comes, and reveals the framing.
    Detect,
    /// The server rejects the first message and reveals its framing. There may be no other connection then.
    Reject { stays: bool },
    /// A reply comes twice, or late.
    AnswerAgain(i64),
    /// A reply comes without a number.
    Unnumbered,
    /// A reply comes that cannot be decoded.
    Unreadable,
    /// A caller gives up.
    Abandon(usize),
    /// The connection is lost.
    Lose(Cause),
    /// An attempt to connect fails.
    ConnectFailed(Cause),
    /// The program closes the client.
    Close,
}

fn event() -> impl Strategy<Value = Event> {
    let lost = prop_oneof![Just(Cause::Closed), Just(Cause::Os(libc::EPIPE)), Just(Cause::Cut), Just(Cause::Malformed)];
    let connect_failed = prop_oneof![Just(Cause::Os(libc::ECONNREFUSED)), Just(Cause::Os(libc::EAGAIN))];
    prop_oneof![
        4 => (any::<bool>(), any::<bool>()).prop_map(|(submitted, idempotent)| Event::Call { submitted, idempotent }),
        2 => any::<bool>().prop_map(|idempotent| Event::CallAlone { idempotent }),
        2 => Just(Event::AnswerAlone),
        5 => any::<[bool; 3]>().prop_map(|[whole, large, framing_unknown]| Event::Send { whole, large, framing_unknown }),
        2 => Just(Event::Begin),
        2 => any::<usize>().prop_map(Event::Finish),
        3 => any::<usize>().prop_map(Event::Answer),
        1 => Just(Event::Detect),
        2 => any::<bool>().prop_map(|stays| Event::Reject { stays }),
        1 => (1..4i64).prop_map(Event::AnswerAgain),
        1 => Just(Event::Unnumbered),
        1 => Just(Event::Unreadable),
        1 => any::<usize>().prop_map(Event::Abandon),
        1 => lost.prop_map(Event::Lose),
        1 => connect_failed.prop_map(Event::ConnectFailed),
        1 => Just(Event::Close),
    ]
}

/// The test's own record of a call.
#[derive(Debug, Default)]
struct Known {
    idempotent: bool,
    submitted: bool,
    /// True once the call has been sent as a whole, so that it may have been executed.
    executed: bool,
    ends: usize,
}

/// The calls under test, with the test's own record of each.
struct Model {
    calls: Calls,
    known: BTreeMap<Ticket, Known>,
    connected: bool,
    /// The call of which a part has been sent.
    partly_sent: Option<Ticket>,
    /// True while the server's framing is unknown.
    framing_unknown: bool,
    /// True once the connection has been sent a message.
    asked: bool,
    /// The call that is alone, and its number.
    lone: Option<(Ticket, i32)>,
}

impl Model {
    fn new(pipelining: bool) -> Self {
        let (connected, framing_unknown, asked) = (false, false, false);
        Self {
            calls: Calls::new(pipelining),
            known: BTreeMap::new(),
            connected,
            partly_sent: None,
            framing_unknown,
            asked,
            lone: None,
        }
    }

    /// The calls in a stage.
    fn at(&mut self, stage: impl Fn(&Stage) -> bool) -> Vec<Ticket> {
        let tickets = self.known.keys().copied();
        tickets.filter(|ticket| self.calls.pending(*ticket).is_some_and(|pending| stage(&pending.stage))).collect()
    }

    fn out(&mut self) -> Vec<Ticket> {
        self.at(|stage| !matches!(stage, Stage::Waiting | Stage::Ended(_)))
    }

    fn connect(&mut self, framing_unknown: bool) {
        (self.connected, self.framing_unknown, self.asked) = (true, framing_unknown, false);
        self.calls.set_framing_unknown(framing_unknown);
    }

    fn detect(&mut self) {
        self.framing_unknown = false;
        self.calls.set_framing_unknown(false);
    }

    fn disconnect(&mut self) {
        (self.connected, self.partly_sent, self.framing_unknown) = (false, None, false);
    }

    /// Receives a reply. Either calls of which nothing has been sent are left as they were, or the connection is lost.
    fn come(&mut self, receive: impl FnOnce(&mut Calls, Option<Ticket>) -> Result<(), Cause>) {
        self.detect();
        let unsent = self.at(|stage| matches!(stage, Stage::Sending(_)));
        match receive(&mut self.calls, self.partly_sent) {
            Ok(()) => {
                let left = self.at(|stage| matches!(stage, Stage::Sending(_)));
                let mut unsent = unsent.iter().filter(|ticket| self.partly_sent != Some(**ticket));
                assert!(unsent.all(|ticket| left.contains(ticket)), "a message is left behind");
            }
            Err(cause) => self.lose(cause),
        }
    }

    fn lose(&mut self, cause: Cause) {
        self.calls.connection_lost(cause);
        self.disconnect();
    }

    /// Puts a call that is alone into the lists.
    fn enlist(&mut self) {
        assert_eq!(self.calls.enlist(2), self.lone.map(|(ticket, _)| ticket));
        if let Some((ticket, number)) = self.lone.take() {
            assert!(self.at(|stage| matches!(stage, Stage::Sent(sent) if *sent == number)).contains(&ticket));
        }
    }

    fn sent(&mut self, ticket: Ticket) {
        self.calls.sent(ticket);
        self.partly_sent.take_if(|partly_sent| *partly_sent == ticket);
        if let Some(known) = self.known.get_mut(&ticket) {
            assert!(known.idempotent || !known.executed, "{ticket} is executed twice");
            known.executed = true;
        }
    }

    fn happen(&mut self, event: Event) {
        if !matches!(event, Event::AnswerAlone) {
            self.enlist();
        }
        let pick = |tickets: Vec<Ticket>, which: usize| tickets.get(which % tickets.len().max(1)).copied();
        match event {
            Event::Call { submitted, idempotent } => {
                let submission = Submission {
                    module: 0,
                    method: 0,
                    body: Vec::new(),
                    deadline: None,
                    limit: None,
                    hook: None,
                    completion: Box::new(drop),
                    noted: None,
                };
                let target =
                    if submitted { CompletionTarget::Submitted(submission) } else { CompletionTarget::Blocked };
                self.calls.make_room_to_submit().unwrap();
                let ticket = self.calls.add(Operation::Call { idempotent }, 2, target);
                self.known.insert(ticket, Known { idempotent, submitted, ..Known::default() });
            }
            Event::CallAlone { idempotent } => {
                self.calls.make_room().unwrap();
                let Some(number) = self.calls.number_alone().filter(|_| self.connected) else { return };
                assert!(self.at(|stage| !matches!(stage, Stage::Ended(_))).is_empty(), "another one is first");
                let ticket = self.calls.sent_alone(idempotent);
                self.known.insert(ticket, Known { idempotent, executed: true, ..Known::default() });
                (self.lone, self.asked) = (Some((ticket, number)), true);
            }
            Event::AnswerAlone => {
                let Some((ticket, number)) = self.lone.take() else { return };
                assert!(!self.calls.end_alone(i64::from(number) + 1) && self.calls.end_alone(number.into()));
                self.known.entry(ticket).or_default().ends += 1;
            }
            Event::Send { whole, large, framing_unknown } => {
                if !self.connected {
                    self.connect(framing_unknown);
                }
                let Some((ticket, _)) = self.calls.next() else { return };
                assert!(!self.framing_unknown || !self.asked, "{ticket} is sent before the server has answered");
                self.asked = true;
                assert_eq!(self.at(|stage| matches!(stage, Stage::Waiting)).first(), Some(&ticket), "not in order");
                self.calls.grant(ticket);
                self.calls.start_sending(ticket);
                if self.framing_unknown && large {
                    self.calls.start_probing(ticket);
                } else if whole {
                    self.sent(ticket);
                }
            }
            Event::Begin => {
                let first = self.at(|stage| matches!(stage, Stage::Sending(_))).first().copied();
                self.partly_sent = self.partly_sent.or(first);
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
                self.detect();
                self.calls.reply(sequence, Ok(Response::default()), self.partly_sent).unwrap();
                assert!(!self.out().contains(&ticket), "{ticket} has been answered");
            }
            // An answer to a probe is a rejection.
            Event::Detect if !self.at(|stage| matches!(stage, Stage::Probing(_))).is_empty() => {}
            Event::Detect => self.detect(),
            Event::Reject { stays } => {
                if self.framing_unknown {
                    for ticket in self.at(|stage| matches!(stage, Stage::Sent(_))) {
                        self.known.entry(ticket).or_default().executed = false;
                    }
                    self.calls.rejected();
                    assert!(self.out().is_empty());
                    if stays { self.detect() } else { self.disconnect() }
                }
            }
            Event::AnswerAgain(sequence) => {
                self.come(|calls, partly_sent| calls.reply(sequence, Ok(Response::default()), partly_sent));
            }
            Event::Unnumbered => self.come(|calls, partly_sent| calls.reply(-1, Ok(Response::default()), partly_sent)),
            Event::Unreadable => self.come(|calls, partly_sent| calls.unreadable(Cause::Malformed, partly_sent)),
            Event::Abandon(which) => {
                if let Some(ticket) = pick(self.at(|stage| !matches!(stage, Stage::Ended(_))), which) {
                    self.calls.abandon(ticket, Phase::Call, Cause::TimedOut, false);
                }
            }
            Event::Lose(cause) => self.lose(cause),
            Event::ConnectFailed(cause) => self.calls.connect_failed(cause),
            Event::Close => {
                self.calls.close();
                self.disconnect();
            }
        }
    }

    /// Takes the outcomes that are there, and counts them.
    fn collect(&mut self) {
        let tickets: Vec<Ticket> = self.known.keys().copied().collect();
        for ticket in tickets {
            let ended = self.calls.take_outcome(ticket).is_some();
            self.known.entry(ticket).or_default().ends += usize::from(ended);
        }
        while self.calls.take_completion().is_some() {
            let gone = |(ticket, known): &(&Ticket, &mut Known)| {
                known.submitted && known.ends == 0 && self.calls.pending(**ticket).is_none()
            };
            self.known.iter_mut().find(gone).unwrap().1.ends += 1;
        }
    }
}

proptest! {
    #[test]
    fn calls_end_once_in_any_order_of_events(pipelining: bool, events in prop::collection::vec(event(), 0..60)) {
        let mut model = Model::new(pipelining);
        for event in events {
            model.happen(event);
            prop_assert!(pipelining && !model.framing_unknown || model.out().len() <= 1, "two calls at a time");
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

//! What is done with a session while its state is locked: reading, closing, and what is to be waited for next.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::incoming::{self, Incoming, NoCall};
use super::lane::Flight;
use super::link::{Job, Link, State};
use super::remark::{Fault, Limit, Remark, Remarks};
use crate::cause::Cause;
use crate::protocol::framing::Framing;
use crate::protocol::message::{Call, NO_SEQUENCE, Status};
use crate::request::Answers;
use crate::sys::{self, Ahead, Interest, Peeked, Watch};
use crate::transport::Outbox;

/// Records read at a time, before other sessions get their turn. A full one takes some 20 µs.
const RECORDS: usize = 8;

/// Turns of a session that is cut off, to answer what has come.
const LAST_TURNS: usize = 32;

/// How long a refused client has for the call that tells it so.
const REFUSED_TIME: Duration = Duration::from_secs(1);

/// What a session has no more time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Overdue {
    Reply,
    Message,
    Refused,
    Idle,
}

/// A thread's turn with the state of a session.
pub(super) struct Turn<'a> {
    pub(super) link: &'a Link,
    pub(super) hub: &'a Hub,
    pub(super) state: &'a mut State,
    /// Written when the lock has been given up.
    pub(super) remarks: &'a mut Remarks,
}

impl Turn<'_> {
    pub(super) fn fd(&self) -> RawFd {
        self.link.session().as_fd().as_raw_fd()
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        remark.count(&self.hub.counters);
        self.remarks.add(remark);
    }

    #[inline(always)]
    pub(super) fn serve(&mut self) -> Option<Job> {
        for _ in 0..RECORDS {
            if self.link.session().is_closed() {
                self.abandon();
            }
            if self.hub.is_draining() {
                self.close();
            }
            self.flush();
            if self.interest() != Interest::READ {
                break;
            }
            match self.link.session().ahead() {
                Ahead::Plain => {}
                Ahead::Nothing => break,
                Ahead::Descriptors => {
                    self.turn_away();
                    break;
                }
            }
            let (fd, State { dialect, message, .. }) = (self.fd(), &mut *self.state);
            let (incoming, bytes) = incoming::receive(fd, dialect, message);
            self.hub.counters.bytes_in.add(bytes);
            if !self.state.message.is_partial() {
                self.state.began = None;
            }
            // Before anything else is asked for.
            self.give_back();
            match incoming {
                Incoming::Nothing => break,
                Incoming::Part => self.part(),
                Incoming::Call(call) => {
                    let job = self.call(call);
                    if job.is_some() {
                        return job;
                    }
                }
                Incoming::Other(what) => self.take(what),
            }
        }
        None
    }

    /// A record has descriptors with it, which would be closed here if it was read.
    #[cold]
    fn turn_away(&mut self) {
        self.remark(Remark::Fault(Fault::OutOfStep, Some(Cause::Invalid("there are descriptors with it"))));
        self.abandon();
    }

    /// Deals with what is no call.
    #[cold]
    fn take(&mut self, what: NoCall) {
        match what {
            NoCall::Unparsable(cause) => {
                self.remark(Remark::Fault(Fault::Unparsable, Some(cause)));
                self.answer(NO_SEQUENCE, Status::FailedUnmarshalCall);
                if self.state.lane.is_refused() {
                    self.close();
                }
                // Nobody is there to be told so, and what comes is no calls.
                if self.state.deaf {
                    self.abandon();
                }
            }
            // Among calls that are handled it is a message like any other: the session does not end before they do.
            NoCall::Probe if !self.state.lane.is_idle() => self.take(NoCall::Unparsable(Cause::Malformed)),
            NoCall::Probe => {
                // The client connects anew once it has the answer, and its user's place has to be free by then.
                self.depart();
                self.answer(NO_SEQUENCE, Status::FailedUnmarshalCall);
                self.abandon();
            }
            NoCall::Refused { sequence, cause } => {
                self.remark(match cause {
                    Cause::NoMemory => Remark::Fault(Fault::NoMemory, None),
                    _ => Remark::Limit(Limit::Message),
                });
                self.fail(sequence);
                self.close();
            }
            NoCall::OutOfStep { cause, bare } => {
                // Once is enough, and the rest of a call that was refused makes no sense either.
                if self.state.lane.is_serving() {
                    self.remark(Remark::Fault(Fault::OutOfStep, Some(cause)));
                }
                if bare {
                    self.answer_as(Framing::Datagram, NO_SEQUENCE, Status::FailedUnmarshalCall);
                }
                self.close();
            }
            NoCall::End => {
                if self.state.message.is_partial() {
                    self.remark(Remark::Fault(Fault::Cut, None));
                    self.fail_partial();
                }
                self.state.lane.end();
            }
        }
    }

    /// A part of a call has come.
    #[cold]
    fn part(&mut self) {
        self.state.began.get_or_insert_with(Instant::now);
        // Asked for before it has come, so that others who come later do not stop it.
        let State { message, partial, asked, .. } = &mut *self.state;
        let more = message.promised().saturating_sub(*asked);
        if more == 0 {
            return;
        }
        match self.hub.partial.take(&self.link.user.partial, *partial, more) {
            Some(counted) => {
                *partial += counted;
                *asked += more;
            }
            None => {
                self.remark(Remark::Limit(Limit::PartialMemory));
                self.fail_partial();
                self.close();
            }
        }
    }

    /// Gives back what the session does not hold any more of what all share.
    #[inline(always)]
    pub(super) fn give_back(&mut self) {
        if self.state.asked | self.state.unsent != 0 {
            self.give_back_shares();
        }
    }

    #[cold]
    fn give_back_shares(&mut self) {
        let (hub, user) = (self.hub, &self.link.user);
        let State { partial, asked, unsent, message, outbox, .. } = &mut *self.state;
        if *asked > 0 && !message.is_partial() {
            hub.partial.give_back(&user.partial, std::mem::take(partial));
            *asked = 0;
        }
        if outbox.bytes() < *unsent {
            hub.unsent.give_back(&user.unsent, *unsent - outbox.bytes());
            *unsent = outbox.bytes();
        }
    }

    #[inline(always)]
    fn call(&mut self, call: Call) -> Option<Job> {
        let (sequence, served) = (call.sequence, self.hub.terms(call.module));
        let slot = served.map_or(self.hub.terms.len(), |(slot, _)| slot);
        if !self.state.lane.is_serving() {
            self.answer_call(slot, sequence, Status::Failure);
            self.close();
            return None;
        }
        let Some((_, terms)) = served else {
            self.answer_call(slot, sequence, Status::UnknownModule);
            return None;
        };
        let uid = self.link.session().peer().uid;
        if terms.allowed.as_ref().is_some_and(|uids| uids.binary_search(&uid).is_err()) {
            self.remark(Remark::Fault(Fault::Forbidden, None));
            self.answer_call(slot, sequence, Status::Failure);
            return None;
        }
        // Its response would not be kept if the client did not take it.
        if !self.hub.unsent.admits(&self.link.user.unsent) {
            self.remark(Remark::Limit(Limit::Unsent));
            self.answer_call(slot, sequence, Status::Failure);
            return None;
        }
        match self.state.lane.admit(sequence, slot, terms.concurrent, self.hub.limits.calls_per_session) {
            Ok(tag) => Some(Job { tag, slot, call }),
            Err(cause) => {
                self.remark(match cause {
                    Cause::NoMemory => Remark::Fault(Fault::NoMemory, None),
                    _ => Remark::Limit(Limit::CallsPerSession),
                });
                self.answer_call(slot, sequence, Status::Failure);
                self.close();
                None
            }
        }
    }

    /// Takes no more calls, but reads what has come to its end, so that no call is lost without an answer. (A socket that
    /// is closed with something unread gives its peer an error in place of what was sent before.)
    #[cold]
    pub(super) fn close(&mut self) {
        if self.state.lane.close() {
            sys::end_receiving(self.fd());
        }
    }

    /// Ends the connection: nothing is read or sent any more.
    #[cold]
    pub(super) fn abandon(&mut self) {
        self.state.deaf = true;
        self.state.outbox = Outbox::default();
        self.state.message.reset();
        self.close();
        self.state.lane.end();
        sys::shut_down(self.fd());
    }

    #[cold]
    pub(super) fn cut(&mut self) {
        let flights = self.state.lane.cut();
        if !flights.is_empty() || !self.state.outbox.is_empty() {
            self.hub.set_lossy();
        }
        for Flight { sequence, slot, .. } in flights {
            self.answer_call(slot, sequence, Status::Failure);
        }
        self.close();
        // No more can come. Who has sent very much without waiting for answers does not hold the end up.
        for _ in 0..LAST_TURNS {
            if self.interest() == Interest::READ {
                self.serve();
            }
        }
        self.abandon();
    }

    pub(super) fn interest(&self) -> Interest {
        self.state.lane.interest(!self.state.outbox.is_empty())
    }

    /// There may be something for which the session has no more time; not so after nearly every call.
    fn has_deadline(&self) -> bool {
        let State { lane, outbox, began, .. } = &*self.state;
        !lane.is_serving() || !outbox.is_empty() || began.is_some() || self.hub.limits.idle_time.is_some()
    }

    /// What the session has no more time for, and when.
    #[cold]
    fn deadline(&self) -> Option<(Instant, Overdue)> {
        let State { lane, message, outbox, began, active, .. } = &*self.state;
        let limits = &self.hub.limits;
        let after = |since: Instant, time: Duration, what| since.checked_add(time).map(|at| (at, what));
        let partial = message.is_partial();
        let quiet = lane.is_serving() && lane.is_idle() && outbox.is_empty() && !partial;
        let reply = outbox.since().and_then(|since| after(since, limits.reply_time, Overdue::Reply));
        let rest = began
            .filter(|_| partial && !lane.is_closing())
            .and_then(|began| after(began, limits.message_time, Overdue::Message));
        let refused = Some(*active).filter(|_| lane.is_refused());
        let refused = refused.and_then(|active| after(active, REFUSED_TIME, Overdue::Refused));
        let idle = limits.idle_time.filter(|_| quiet).and_then(|time| after(*active, time, Overdue::Idle));
        [reply, rest, refused, idle].into_iter().flatten().min()
    }

    /// Something happens. (Asking for the time takes some.)
    pub(super) fn be_active(&mut self) {
        if self.hub.limits.idle_time.is_some() {
            self.state.active = Instant::now();
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        // It may only have been that no thread had the time to send.
        self.flush();
        let Some((_, overdue)) = self.deadline().filter(|(at, _)| *at <= now) else { return };
        match overdue {
            Overdue::Reply => {
                self.remark(Remark::Limit(Limit::ReplyTime));
                self.abandon();
            }
            // More has come, and no thread has had the time to read it.
            Overdue::Message if self.has_unread() => self.state.began = Some(now),
            Overdue::Refused | Overdue::Idle if self.has_unread() => self.state.active = now,
            Overdue::Message => {
                self.remark(Remark::Limit(Limit::MessageTime));
                self.close();
            }
            Overdue::Refused => self.close(),
            Overdue::Idle => {
                self.remark(Remark::Limit(Limit::IdleTime));
                self.close();
            }
        }
    }

    fn has_unread(&self) -> bool {
        sys::peek(self.fd()) == Peeked::Data
    }

    /// Draws the consequences of what has been done.
    pub(super) fn settle(&mut self) {
        if self.state.gone {
            return;
        }
        self.give_back();
        // Who is only there to be told so takes it at once or not at all.
        if !self.link.claimed && !self.state.outbox.is_empty() {
            self.abandon();
        }
        if self.state.lane.is_over() && self.state.outbox.is_empty() {
            return self.leave();
        }
        // What is not wanted for a moment does no harm, unless it happens.
        let interest = self.interest();
        let is_watched = interest == Interest::NONE || interest == self.state.armed;
        if !is_watched || self.has_deadline() {
            self.settle_otherwise(is_watched, interest);
        }
    }

    #[cold]
    fn settle_otherwise(&mut self, is_watched: bool, interest: Interest) {
        if !is_watched {
            self.watch(interest, Watch::Always(interest));
        }
        self.set_alarm();
    }

    /// Something has happened, if only that the client has gone, and nothing is to be done about it now: it is told no
    /// more.
    #[cold]
    pub(super) fn ignore(&mut self) {
        if self.state.armed != Interest::NONE {
            // The end cannot be left out, but is told only once.
            self.watch(Interest::NONE, Watch::Once(Interest::NONE));
        }
    }

    fn watch(&mut self, interest: Interest, watch: Watch) {
        // It cannot fail for a descriptor that has been added.
        let _ = self.hub.epoll.set(self.link.session().as_fd(), self.link.token(), watch);
        self.state.armed = interest;
    }

    /// One alarm is enough: when it rings too early, it is set again.
    fn set_alarm(&mut self) {
        let Some((at, _)) = self.deadline() else { return };
        let id = self.link.token();
        match self.state.alarm {
            Some(alarm) if alarm <= at => return,
            Some(alarm) => self.hub.timers.remove(alarm, id),
            None => {}
        }
        self.hub.timers.set(at, id);
        self.state.alarm = Some(at);
    }

    /// The session is over.
    #[cold]
    pub(super) fn leave(&mut self) {
        self.depart();
        sys::shut_down(self.fd());
    }

    /// The session is none of the server's any more. The connection is still there.
    fn depart(&mut self) {
        let (hub, link) = (self.hub, self.link);
        self.state.gone = true;
        self.state.message.reset();
        self.state.outbox = Outbox::default();
        self.give_back();
        if let Some(alarm) = self.state.alarm.take() {
            hub.timers.remove(alarm, link.token());
        }
        // It is not watched if it could not be added.
        let _ = hub.epoll.remove(link.session().as_fd());
        // A client that sees the end finds its place free.
        hub.users.leave(&link.user, link.claimed);
        hub.roll.leave(link.token(), !link.claimed);
        hub.make_room();
        hub.end_if_empty();
    }
}

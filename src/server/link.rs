//! One session of a server: reads calls, and sends what answers them.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::hub::Hub;
use super::incoming::{self, Incoming};
use super::lane::{Flight, Lane};
use super::remark::{Fault, Limit, Remark};
use crate::error::Cause;
use crate::framing::Framing;
use crate::framing::chunked::Reassembly;
use crate::message::{Call, Status};
use crate::outbox::Outbox;
use crate::request::Answers;
use crate::session::Session;
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::{Arc, Mutex, Weak, lock};
use crate::sys::{self, Interest, Peeked, Watch};
use crate::wire::{CallRef, ResponseRef};

/// Records read at a time, before other sessions get their turn.
const RECORDS: usize = 16;

/// How long a refused client has for the call that tells it so.
const REFUSED_TIME: Duration = Duration::from_secs(1);

/// The sequence of an answer to nobody knows what.
const NO_SEQUENCE: i64 = -1;

/// A session, and what is going on there. Whoever changes the state settles, before the lock is given up, what is to
/// be waited for next: so a session is in the hands of one thread, and waits in the kernel when it is in none.
#[derive(Debug)]
pub(super) struct Link {
    session: Session,
    hub: Weak<Hub>,
    state: Mutex<State>,
    /// It is one of its user's sessions.
    claimed: bool,
}

#[derive(Debug)]
struct State {
    lane: Lane,
    message: Reassembly,
    outbox: Outbox,
    /// What the session is watched for.
    armed: Interest,
    /// The client takes no responses any more.
    deaf: bool,
    /// It has left the server.
    gone: bool,
    /// When the message of which a part has come began.
    began: Option<Instant>,
    /// When something happened last.
    active: Instant,
    /// The alarm that is set.
    alarm: Option<Instant>,
    /// Bytes of this session in the sums of all.
    partial: usize,
    unsent: usize,
}

/// A call to be handled, and to be answered under its tag.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) tag: u64,
    pub(super) call: Call,
}

/// What a session has no more time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Overdue {
    Reply,
    Message,
    Refused,
    Idle,
}

impl Link {
    pub(super) fn new(session: Session, hub: &Arc<Hub>, refused: bool) -> Self {
        let state = State {
            lane: Lane::new(refused),
            message: Reassembly::new(hub.limits.message),
            outbox: Outbox::default(),
            armed: Interest::READ,
            deaf: false,
            gone: false,
            began: None,
            active: Instant::now(),
            alarm: None,
            partial: 0,
            unsent: 0,
        };
        Self { session, hub: Arc::downgrade(hub), state: Mutex::new(state), claimed: !refused }
    }

    pub(super) fn id(&self) -> u64 {
        self.session.id()
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Waits for the first call.
    pub(super) fn watch(&self, hub: &Hub) {
        let added = hub.epoll.add(self.session.as_fd(), self.id(), Watch::Once(Interest::READ));
        self.change(hub, |turn| {
            if let Err(cause) = added {
                turn.remark(Remark::Fault(Fault::Accept, Some(cause)));
                turn.leave();
            }
        });
    }

    /// Something has happened on the socket: sends what waits, and reads. Returns a call to be handled.
    pub(super) fn serve(&self, hub: &Hub) -> Option<Job> {
        self.change(hub, |turn| {
            // The kernel has told what it was asked for.
            turn.state.armed = Interest::NONE;
            turn.state.active = Instant::now();
            turn.serve()
        })
    }

    /// Takes no more calls, and ends the session when those that have come are answered.
    pub(super) fn close(&self, hub: &Hub) {
        self.change(hub, |turn| turn.close());
    }

    /// Ends the session now; true when something was going on. Calls that have come, and are not answered, are answered
    /// for their handlers.
    pub(super) fn cut(&self, hub: &Hub) -> bool {
        self.change(hub, |turn| turn.cut())
    }

    /// An alarm of the session has rung.
    pub(super) fn expire(&self, hub: &Hub, now: Instant) {
        self.change(hub, |turn| {
            turn.state.alarm = None;
            turn.expire(now);
        });
    }

    fn change<T>(&self, hub: &Hub, work: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        let mut remarks = Vec::new();
        let result = {
            let mut state = lock(&self.state);
            let mut turn = Turn { link: self, hub, state: &mut state, remarks: &mut remarks };
            let result = work(&mut turn);
            turn.settle();
            result
        };
        remarks.iter().for_each(|remark| remark.log_about(&hub.log, &self.session));
        result
    }
}

impl Answers for Link {
    fn answer(&self, tag: u64, response: &ResponseRef<'_>) -> Result<(), Cause> {
        let hub = self.hub.upgrade().ok_or(Cause::SessionEnded)?;
        self.change(&hub, |turn| {
            let flight = turn.state.lane.finish(tag).ok_or(Cause::SessionEnded)?;
            turn.state.active = Instant::now();
            turn.reply(flight.slot, response).map_err(|cause| match cause {
                // The server has not noticed yet.
                Cause::Os(libc::EPIPE | libc::ECONNRESET) => Cause::SessionEnded,
                cause => cause,
            })
        })
    }
}

/// A thread's turn with the state of a session.
struct Turn<'a> {
    link: &'a Link,
    hub: &'a Hub,
    state: &'a mut State,
    /// Written when the lock has been given up.
    remarks: &'a mut Vec<Remark>,
}

impl Turn<'_> {
    fn fd(&self) -> RawFd {
        self.link.session.as_fd().as_raw_fd()
    }

    fn remark(&mut self, remark: Remark) {
        remark.count(&self.hub.counters);
        self.remarks.push(remark);
    }

    fn serve(&mut self) -> Option<Job> {
        for _ in 0..RECORDS {
            if self.link.session.is_closed() {
                self.abandon();
            }
            if self.hub.is_draining() {
                self.close();
            }
            self.flush();
            if self.interest() != Interest::READ {
                break;
            }
            let (incoming, bytes) = incoming::receive(self.fd(), self.hub.framing, &mut self.state.message);
            self.hub.counters.bytes_in.add(bytes);
            if !self.state.message.is_partial() {
                self.state.began = None;
            }
            if matches!(incoming, Incoming::Nothing) {
                break;
            }
            if let Some(job) = self.take(incoming) {
                return Some(job);
            }
        }
        None
    }

    /// Deals with what has come. Returns a call to be handled.
    fn take(&mut self, incoming: Incoming) -> Option<Job> {
        match incoming {
            Incoming::Nothing => {}
            Incoming::Part => self.part(),
            Incoming::Call(call) => return self.call(call),
            Incoming::Unparsable(cause) => {
                self.remark(Remark::Fault(Fault::Unparsable, Some(cause)));
                self.answer(NO_SEQUENCE, Status::FailedUnmarshalCall);
            }
            Incoming::Refused { sequence, cause } => {
                self.remark(match cause {
                    Cause::NoMemory => Remark::Fault(Fault::NoMemory, None),
                    _ => Remark::Limit(Limit::Message),
                });
                self.fail(sequence);
                self.close();
            }
            Incoming::OutOfStep { cause, older } => {
                // The rest of a call that was refused makes no sense either.
                if self.state.lane.is_serving() {
                    self.remark(Remark::Fault(Fault::OutOfStep, Some(cause)));
                }
                if older {
                    self.answer_as(Framing::Datagram, NO_SEQUENCE, Status::FailedUnmarshalCall);
                }
                self.close();
                self.state.lane.end();
            }
            Incoming::End => {
                if self.state.message.is_partial() {
                    self.remark(Remark::Fault(Fault::Cut, None));
                    self.fail_partial();
                }
                self.state.lane.end();
            }
        }
        None
    }

    /// A part of a call has come.
    fn part(&mut self) {
        self.state.began.get_or_insert_with(Instant::now);
        Hub::account(&self.hub.partial, &mut self.state.partial, self.state.message.held());
        if self.hub.partial.load(Relaxed) > self.hub.limits.partial_memory {
            self.remark(Remark::Limit(Limit::PartialMemory));
            self.fail_partial();
            self.close();
            self.state.lane.end();
        }
    }

    fn call(&mut self, call: Call) -> Option<Job> {
        let (sequence, terms) = (call.sequence, self.hub.terms.get(&call.module));
        let slot = terms.map_or(self.hub.terms.len(), |terms| terms.slot);
        if !self.state.lane.is_serving() {
            self.answer_call(slot, sequence, Status::Failure);
            self.close();
            return None;
        }
        let Some(terms) = terms else {
            self.answer_call(slot, sequence, Status::UnknownModule);
            return None;
        };
        let uid = self.link.session.peer().uid;
        if terms.allowed.as_ref().is_some_and(|uids| !uids.contains(&uid)) {
            self.remark(Remark::Fault(Fault::Forbidden, None));
            self.answer_call(slot, sequence, Status::Failure);
            return None;
        }
        let tag = self.state.lane.admit(sequence, slot, terms.concurrent, self.hub.limits.calls_per_session);
        if tag.is_none() {
            self.remark(Remark::Limit(Limit::CallsPerSession));
            self.answer_call(slot, sequence, Status::Failure);
            self.close();
        }
        tag.map(|tag| Job { tag, call })
    }

    /// Answers a message of which a part has come with a failure, and forgets it.
    fn fail_partial(&mut self) {
        let sequence = CallRef::sequence_in(self.state.message.partial());
        self.state.message.reset();
        self.fail(sequence);
    }

    fn fail(&mut self, sequence: Option<i64>) {
        self.answer(sequence.unwrap_or(NO_SEQUENCE), Status::Failure);
    }

    /// Answers what was no call, or not a whole one.
    fn answer(&mut self, sequence: i64, status: Status) {
        self.answer_as(self.hub.framing, sequence, status);
    }

    fn answer_as(&mut self, framing: Framing, sequence: i64, status: Status) {
        // The client that does not take it is dealt with as with every response.
        let _ = self.send(framing, &ResponseRef { sequence, status: status.into(), body: &[] });
    }

    /// Answers a call that is not handled.
    fn answer_call(&mut self, slot: usize, sequence: i64, status: Status) {
        // As above.
        let _ = self.reply(slot, &ResponseRef { sequence, status: status.into(), body: &[] });
    }

    /// Sends the response to a call, or one that says why it cannot be sent.
    fn reply(&mut self, slot: usize, response: &ResponseRef<'_>) -> Result<(), Cause> {
        let sent = self.send(self.hub.framing, response);
        let (status, remark, fatal) = match sent {
            Err(cause @ (Cause::TooBig { .. } | Cause::Os(libc::EMSGSIZE))) => {
                (Status::FailedMarshal, Remark::Fault(Fault::Unsendable, Some(cause)), false)
            }
            Err(Cause::NoMemory) => (Status::Failure, Remark::Fault(Fault::NoMemory, None), true),
            Err(OVER_LIMIT) => (Status::Failure, Remark::Limit(Limit::Unsent), true),
            _ => {
                self.hub.counters.answered(slot, response.status);
                return sent;
            }
        };
        self.hub.counters.answered(slot, status.into());
        self.remark(remark);
        self.answer(response.sequence, status);
        if fatal {
            self.close();
        }
        sent
    }

    fn send(&mut self, framing: Framing, response: &ResponseRef<'_>) -> Result<(), Cause> {
        if self.state.deaf {
            return Err(Cause::SessionEnded);
        }
        let (hub, fd) = (self.hub, self.fd());
        let message = response.encode(&[]);
        let len = message.len();
        match self.state.outbox.send_now(fd, framing, &message, hub.reply_limit) {
            Ok(true) => {}
            Ok(false) => {
                // Without a body it is too small to matter, and the last one before the session is closed.
                if !response.body.is_empty() && hub.unsent.load(Relaxed) + len > hub.limits.unsent {
                    return Err(OVER_LIMIT);
                }
                self.state.outbox.keep(framing, &message, 0)?;
                self.flush();
            }
            Err(cause @ (Cause::TooBig { .. } | Cause::Os(libc::EMSGSIZE))) => return Err(cause),
            Err(cause) => {
                self.broken(cause);
                return Err(cause);
            }
        }
        hub.counters.bytes_out.add(len);
        Ok(())
    }

    fn flush(&mut self) {
        let fd = self.fd();
        if let Err(cause) = self.state.outbox.flush(fd, |_| {}) {
            self.broken(cause);
        }
    }

    /// The socket takes nothing more.
    fn broken(&mut self, cause: Cause) {
        self.state.deaf = true;
        self.state.outbox = Outbox::default();
        // A client that has gone without waiting for responses has its calls handled all the same.
        if !matches!(cause, Cause::Os(libc::EPIPE | libc::ECONNRESET)) {
            self.remark(Remark::Fault(Fault::Unsendable, Some(cause)));
            self.close();
        }
    }

    /// Takes no more calls, but reads those that have come, so that none is lost without an answer.
    fn close(&mut self) {
        if self.state.lane.close() {
            sys::end_receiving(self.fd());
        }
    }

    /// Ends the connection: nothing is read or sent any more.
    fn abandon(&mut self) {
        self.state.deaf = true;
        self.state.outbox = Outbox::default();
        self.state.message.reset();
        self.close();
        self.state.lane.end();
        sys::shut_down(self.fd());
    }

    fn cut(&mut self) -> bool {
        let flights = self.state.lane.cut();
        let busy = !flights.is_empty() || !self.state.outbox.is_empty();
        for Flight { sequence, slot, .. } in flights {
            self.answer_call(slot, sequence, Status::Failure);
        }
        self.close();
        // What the socket holds has an end, as no more can come.
        while self.interest() == Interest::READ {
            let job = self.serve();
            debug_assert!(job.is_none(), "a call of a session that is being closed");
        }
        self.abandon();
        busy
    }

    fn interest(&self) -> Interest {
        self.state.lane.interest(!self.state.outbox.is_empty())
    }

    /// What the session has no more time for, and when.
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

    fn expire(&mut self, now: Instant) {
        // It may only have been that no thread had the time to send.
        self.flush();
        let Some((_, overdue)) = self.deadline().filter(|(at, _)| *at <= now) else { return };
        match overdue {
            Overdue::Reply => {
                self.remark(Remark::Limit(Limit::ReplyTime));
                self.abandon();
            }
            // More has come, and no thread has had the time to read it.
            Overdue::Message if sys::peek(self.fd()) == Peeked::Data => self.state.began = Some(now),
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

    /// Draws the consequences of what has been done.
    fn settle(&mut self) {
        if self.state.gone {
            return;
        }
        Hub::account(&self.hub.partial, &mut self.state.partial, self.state.message.held());
        Hub::account(&self.hub.unsent, &mut self.state.unsent, self.state.outbox.bytes());
        if self.state.lane.is_over() && self.state.outbox.is_empty() {
            return self.leave();
        }
        let interest = self.interest();
        if interest != self.state.armed && interest != Interest::NONE {
            // It cannot fail for a descriptor that has been added.
            let _ = self.hub.epoll.set(self.link.session.as_fd(), self.link.id(), Watch::Once(interest));
            self.state.armed = interest;
        }
        self.set_alarm();
    }

    /// One alarm is enough: when it rings too early, it is set again.
    fn set_alarm(&mut self) {
        let Some((at, _)) = self.deadline() else { return };
        let id = self.link.id();
        match self.state.alarm {
            Some(alarm) if alarm <= at => return,
            Some(alarm) => self.hub.timers.remove(alarm, id),
            None => {}
        }
        self.hub.timers.set(at, id);
        self.state.alarm = Some(at);
    }

    /// The session is over.
    fn leave(&mut self) {
        let (hub, link) = (self.hub, self.link);
        self.state.gone = true;
        if let Some(alarm) = self.state.alarm.take() {
            hub.timers.remove(alarm, link.id());
        }
        // It is not watched if it could not be added.
        let _ = hub.epoll.remove(link.session.as_fd());
        sys::shut_down(self.fd());
        hub.roll.leave(link.id(), link.claimed.then(|| link.session.peer().uid));
        hub.make_room();
        hub.end_if_empty();
    }
}

/// The responses that have not been taken use as much memory as they may.
const OVER_LIMIT: Cause = Cause::Os(libc::ENOBUFS);

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    /// Nothing on the heap belongs to it but the session, of less than 100 bytes.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Link>() <= 512, "{} bytes", size_of::<Link>());
    }
}

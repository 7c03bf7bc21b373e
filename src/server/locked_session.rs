//! Work on a locked session: reading, closing, and setting the next event to wait for.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::in_flight::ActiveCall;
use super::incoming::{self, Incoming, NotACall};
use super::log_event::{Fault, Limit, LogEvent};
use super::reactor::Reactor;
use super::server_session::{ReadyCall, ServerSession, State};
use super::session_log::{End, Line, Lines};
use super::stats::Tally;
use crate::cause::Cause;
use crate::log::Level;
use crate::noted_call::NotedCall;
use crate::protocol::framing::Framing;
use crate::protocol::message::{Call, NO_SEQUENCE, Status};
use crate::sys::{self, Interest, NextRecord, Peeked, Watch};
use crate::transport::Outbox;

/// Records read at a time, before other sessions are served. A full record takes some 20 µs.
const RECORDS: usize = 8;

/// Rounds of reading in an aborted session, to answer calls that have come.
const LAST_ROUNDS: usize = 32;

/// The time in which a refused client must send the call that is refused.
const REFUSED_TIME: Duration = Duration::from_secs(1);

/// The reason of a session's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TimeoutKind {
    Reply,
    Message,
    Refused,
    Idle,
}

/// A session whose state this thread has locked.
pub(super) struct LockedSession<'a> {
    pub(super) session: &'a ServerSession,
    pub(super) reactor: &'a Reactor,
    /// The counters of this thread.
    pub(super) tally: &'a Tally,
    pub(super) state: &'a mut State,
    /// Lines to be logged after the lock is released.
    pub(super) lines: &'a mut Lines,
}

impl LockedSession<'_> {
    pub(super) fn fd(&self) -> RawFd {
        self.session.handle().as_fd().as_raw_fd()
    }

    pub(super) fn log(&mut self, event: LogEvent) {
        self.reactor.counters.event(event);
        self.lines.add(Line::Event(event));
        self.state.last_event = Some(event);
    }

    /// True if the log has asked for what is noted of sessions and calls.
    #[inline(always)]
    pub(super) fn is_noting(&self) -> bool {
        self.reactor.log.is_on(Level::Debug)
    }

    #[cold]
    fn note_received(&mut self, bytes: usize) {
        let State { log, peer_framing, .. } = &mut *self.state;
        if let Some(found) = log.received(bytes, peer_framing.get()) {
            self.lines.add(Line::Framing(found));
        }
    }

    #[cold]
    fn note_call(&mut self, call: &Call) {
        let State { log, in_flight, .. } = &mut *self.state;
        let noted = NotedCall::new(call.module, call.method, call.body.len());
        if !log.came(call.sequence, noted, in_flight.is_idle()) {
            self.reactor.log.leave_out(1);
        }
    }

    /// Notes the answer to a call.
    #[cold]
    pub(super) fn note_answer(&mut self, sequence: i64, status: i32, body: usize, bytes: usize) {
        let line = self.state.log.answered(sequence, status, body, bytes);
        if let Some(line) = line.filter(|line| self.reactor.log.is_on(line.level())) {
            self.lines.add(line);
        }
    }

    /// Why the session is closed now, if it has not been before.
    fn note_end(&mut self) {
        let end = match self.state.last_event.or(self.session.refusal) {
            _ if self.session.handle().is_closed() => End::PROGRAM,
            _ if self.reactor.is_draining() => End::SHUTDOWN,
            Some(event) => End::Event(event),
            None => End::CLIENT,
        };
        self.state.log.end.get_or_insert(end);
    }

    #[inline(always)]
    pub(super) fn serve(&mut self) -> Option<ReadyCall> {
        for _ in 0..RECORDS {
            if self.session.handle().is_closed() {
                self.abandon();
            }
            if self.reactor.is_draining() {
                self.close();
            }
            self.flush();
            if self.interest() != Interest::READ {
                break;
            }
            match self.session.handle().next_record() {
                NextRecord::Plain => {}
                NextRecord::Nothing => break,
                NextRecord::Descriptors => {
                    self.reject_descriptors();
                    break;
                }
            }
            let (fd, State { peer_framing, message, .. }) = (self.fd(), &mut *self.state);
            let (incoming, bytes) = incoming::receive(fd, peer_framing, message);
            self.tally.received(bytes);
            if self.is_noting() {
                self.note_received(bytes);
            }
            if !self.state.message.is_partial() {
                self.state.partial_since = None;
            }
            // Released before more is asked for.
            self.release_unused();
            match incoming {
                Incoming::Nothing => break,
                Incoming::Part => self.account_for_part(),
                Incoming::Call(call) => {
                    let ready = self.call(call);
                    if ready.is_some() {
                        return ready;
                    }
                }
                Incoming::NotACall(what) => self.reject(what),
            }
        }
        None
    }

    /// Ends a session that was sent a record with descriptors. Reading the record would close them here.
    #[cold]
    fn reject_descriptors(&mut self) {
        self.log(LogEvent::Fault(Fault::OutOfStep, Some(Cause::Invalid("there are descriptors with it"))));
        self.abandon();
    }

    /// Answers a message or record that is no call.
    #[cold]
    fn reject(&mut self, what: NotACall) {
        match what {
            NotACall::Unparsable(cause) => {
                self.log(LogEvent::Fault(Fault::Unparsable, Some(cause)));
                self.answer(NO_SEQUENCE, Status::FailedUnmarshalCall, None);
                if self.state.in_flight.is_refused() {
                    self.close();
                }
                // The client cannot be answered, and what it sends are no calls.
                if self.state.write_closed {
                    self.abandon();
                }
            }
            // While calls are handled, a probe is a malformed message like any other, so that the session does not end
            // before they do.
            NotACall::Probe if !self.state.in_flight.is_idle() => self.reject(NotACall::Unparsable(Cause::Malformed)),
            NotACall::Probe => {
                self.state.log.end = Some(End::PROBE);
                // The client reconnects once it has the answer, so the session stops counting for its user before that.
                self.deregister();
                self.answer(NO_SEQUENCE, Status::FailedUnmarshalCall, None);
                self.abandon();
            }
            NotACall::Refused { sequence, cause } => {
                let event = LogEvent::of_refused(cause);
                self.log(event);
                self.fail(sequence, Some(event));
                self.close();
            }
            NotACall::OutOfStep { cause, bare } => {
                // Logged once per session: the rest of a refused call makes no sense either.
                if self.state.in_flight.is_serving() {
                    self.log(LogEvent::Fault(Fault::OutOfStep, Some(cause)));
                }
                if bare {
                    self.answer_as(Framing::Datagram, NO_SEQUENCE, Status::FailedUnmarshalCall, None);
                }
                self.close();
            }
            NotACall::End => {
                if self.state.message.is_partial() {
                    let late = self.state.last_event.filter(|event| *event == LogEvent::Limit(Limit::MessageTime));
                    if late.is_none() {
                        self.log(LogEvent::Fault(Fault::Cut, None));
                    }
                    self.fail_partial(late);
                } else if self.state.in_flight.is_serving() {
                    self.state.log.end.get_or_insert(End::CLIENT);
                }
                self.state.in_flight.end();
            }
        }
    }

    /// Accounts for a new part of a call.
    #[cold]
    fn account_for_part(&mut self) {
        self.state.partial_since.get_or_insert_with(Instant::now);
        // Asked for before the rest arrives, so that later calls of other users do not stop this one.
        let State { message, partial, partial_asked, .. } = &mut *self.state;
        let more = message.reservation().saturating_sub(*partial_asked);
        if more == 0 {
            return;
        }
        match self.reactor.partial.acquire(&self.session.user.partial, *partial, more) {
            Some(counted) => {
                *partial += counted;
                *partial_asked += more;
            }
            None => {
                let event = LogEvent::Limit(Limit::PartialMemory);
                self.log(event);
                self.fail_partial(Some(event));
                self.close();
            }
        }
    }

    /// Releases shared memory that the session no longer uses.
    #[inline(always)]
    pub(super) fn release_unused(&mut self) {
        if self.state.partial_asked | self.state.unsent != 0 {
            self.release_unused_shares();
        }
    }

    #[cold]
    fn release_unused_shares(&mut self) {
        let (reactor, user) = (self.reactor, &self.session.user);
        let State { partial, partial_asked, unsent, message, outbox, .. } = &mut *self.state;
        if *partial_asked > 0 && !message.is_partial() {
            reactor.partial.release(&user.partial, std::mem::take(partial));
            *partial_asked = 0;
        }
        if outbox.bytes() < *unsent {
            reactor.unsent.release(&user.unsent, *unsent - outbox.bytes());
            *unsent = outbox.bytes();
        }
    }

    #[inline(always)]
    fn call(&mut self, call: Call) -> Option<ReadyCall> {
        let (sequence, served) = (call.sequence, self.reactor.rules(call.module));
        let slot = served.map_or(self.reactor.rules.len(), |(slot, _)| slot);
        if self.is_noting() {
            self.note_call(&call);
        }
        if !self.state.in_flight.is_serving() {
            match self.session.refusal {
                None if self.reactor.is_draining() => self.answer_aborted(slot, sequence),
                refusal => self.answer_call(slot, sequence, Status::Failure, refusal),
            }
            self.close();
            return None;
        }
        let Some((_, rules)) = served else {
            self.answer_call(slot, sequence, Status::UnknownModule, None);
            return None;
        };
        let uid = self.session.handle().peer().uid;
        if rules.allowed.as_ref().is_some_and(|uids| uids.binary_search(&uid).is_err()) {
            self.refuse_call(slot, sequence, LogEvent::Forbidden(call.module));
            return None;
        }
        // The response would not be kept if the client did not read it.
        if !self.reactor.unsent.admits(&self.session.user.unsent) {
            self.refuse_call(slot, sequence, LogEvent::Limit(Limit::Unsent));
            return None;
        }
        match self.state.in_flight.admit(sequence, slot, rules.concurrent, self.reactor.limits.calls_per_session) {
            Ok(tag) => Some(ReadyCall { tag, slot, call }),
            Err(cause) => {
                self.refuse_call(
                    slot,
                    sequence,
                    match cause {
                        Cause::NoMemory => LogEvent::Fault(Fault::NoMemory, None),
                        _ => LogEvent::Limit(Limit::CallsPerSession),
                    },
                );
                self.close();
                None
            }
        }
    }

    /// Fails a call before it is handled, and says why to the log and to the client.
    #[cold]
    fn refuse_call(&mut self, slot: usize, sequence: i64, event: LogEvent) {
        self.log(event);
        self.answer_call(slot, sequence, Status::Failure, Some(event));
    }

    /// Takes no more calls, but reads those that have come, so that each is answered. (Closing a socket with unread
    /// data gives its peer an error in place of what was sent before.)
    #[cold]
    pub(super) fn close(&mut self) {
        self.note_end();
        if self.state.in_flight.close() {
            sys::shutdown_read(self.fd());
        }
    }

    /// Ends the connection: nothing is read or sent any more.
    #[cold]
    pub(super) fn abandon(&mut self) {
        self.state.write_closed = true;
        self.state.outbox = Outbox::default();
        self.state.message.reset();
        self.close();
        self.state.in_flight.end();
        sys::shut_down(self.fd());
    }

    #[cold]
    pub(super) fn abort(&mut self) {
        let calls = self.state.in_flight.take_all();
        if !calls.is_empty() || !self.state.outbox.is_empty() {
            self.reactor.set_calls_aborted();
        }
        for ActiveCall { sequence, slot, .. } in calls {
            self.answer_aborted(slot, sequence);
        }
        self.close();
        // No more can arrive. The rounds are limited, so that a client that has sent very much does not delay the end.
        for _ in 0..LAST_ROUNDS {
            if self.interest() == Interest::READ {
                self.serve();
            }
        }
        self.abandon();
    }

    pub(super) fn interest(&self) -> Interest {
        self.state.in_flight.interest(!self.state.outbox.is_empty())
    }

    /// True while the session may have a deadline; a cheap check, as it follows every call.
    fn has_deadline(&self) -> bool {
        let State { in_flight, outbox, partial_since, .. } = &*self.state;
        !in_flight.is_serving()
            || !outbox.is_empty()
            || partial_since.is_some()
            || self.reactor.limits.idle_time.is_some()
    }

    /// The session's next deadline and its reason.
    #[cold]
    fn deadline(&self) -> Option<(Instant, TimeoutKind)> {
        let State { in_flight, message, outbox, partial_since, last_active, .. } = &*self.state;
        let limits = &self.reactor.limits;
        let after = |since: Instant, time: Duration, what| since.checked_add(time).map(|at| (at, what));
        let partial = message.is_partial();
        let quiet = in_flight.is_serving() && in_flight.is_idle() && outbox.is_empty() && !partial;
        let reply = outbox.since().and_then(|since| after(since, limits.reply_time, TimeoutKind::Reply));
        let rest = partial_since
            .filter(|_| partial && !in_flight.is_closing())
            .and_then(|partial_since| after(partial_since, limits.message_time, TimeoutKind::Message));
        let refused = Some(*last_active).filter(|_| in_flight.is_refused());
        let refused = refused.and_then(|last_active| after(last_active, REFUSED_TIME, TimeoutKind::Refused));
        let idle = limits.idle_time.filter(|_| quiet).and_then(|time| after(*last_active, time, TimeoutKind::Idle));
        [reply, rest, refused, idle].into_iter().flatten().min()
    }

    /// Restarts the idle time. (Reading the clock takes time, and is left out without a limit.)
    pub(super) fn restart_idle_time(&mut self) {
        if self.reactor.limits.idle_time.is_some() {
            self.state.last_active = Instant::now();
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        // The response may only wait for a thread with time to send it.
        if self.flush() {
            self.state.outbox.restart(now);
        }
        let Some((_, overdue)) = self.deadline().filter(|(at, _)| *at <= now) else { return };
        match overdue {
            TimeoutKind::Reply => {
                self.log(LogEvent::Limit(Limit::ReplyTime));
                self.abandon();
            }
            // More data has come, and no thread has had time to read it.
            TimeoutKind::Message if self.has_unread() => self.state.partial_since = Some(now),
            TimeoutKind::Refused | TimeoutKind::Idle if self.has_unread() => self.state.last_active = now,
            TimeoutKind::Message => {
                self.log(LogEvent::Limit(Limit::MessageTime));
                // The end, which is read next, fails the incomplete call.
                self.close();
            }
            TimeoutKind::Refused => self.close(),
            TimeoutKind::Idle => {
                self.log(LogEvent::Limit(Limit::IdleTime));
                self.close();
            }
        }
    }

    fn has_unread(&self) -> bool {
        sys::peek(self.fd()) == Peeked::Data
    }

    /// Sets the event and the deadline to wait for next, or removes the session if it is over.
    #[inline(always)]
    pub(super) fn rearm(&mut self) {
        if !self.is_quiet() {
            self.rearm_any();
        }
    }

    /// True if there is nothing to wait for but the next call: a cheap check, as it follows every step of a call. After a
    /// call that is not concurrent the session stays armed: see [`ignore`](Self::ignore).
    #[inline(always)]
    fn is_quiet(&self) -> bool {
        let State { in_flight, armed, partial_asked, unsent, .. } = &*self.state;
        armed.readable && *partial_asked | *unsent == 0 && in_flight.is_reading() && !self.has_deadline()
    }

    #[inline(never)]
    fn rearm_any(&mut self) {
        if self.state.removed {
            return;
        }
        self.release_unused();
        // A refused client reads its answer at once or not at all.
        if !self.session.is_counted() && !self.state.outbox.is_empty() {
            self.abandon();
        }
        if self.state.in_flight.is_over() && self.state.outbox.is_empty() {
            return self.remove();
        }
        // Disarming waits until an unwanted event arrives.
        let interest = self.interest();
        let is_watched = interest == Interest::NONE || interest == self.state.armed;
        if !is_watched || self.has_deadline() {
            self.rearm_changed(is_watched, interest);
        }
    }

    #[cold]
    fn rearm_changed(&mut self, is_watched: bool, interest: Interest) {
        if !is_watched {
            self.watch(interest, Watch::Always(interest));
        }
        self.set_alarm();
    }

    /// Disarms the session after an unwanted event, which may be a hang-up.
    #[cold]
    pub(super) fn ignore(&mut self) {
        if self.state.armed != Interest::NONE {
            // Epoll always reports a hang-up, but a one-shot registration reports it only once.
            self.watch(Interest::NONE, Watch::Once(Interest::NONE));
        }
    }

    fn watch(&mut self, interest: Interest, watch: Watch) {
        // This cannot fail for a descriptor that was added.
        let _ = self.reactor.epoll.set(self.session.handle().as_fd(), self.session.token(), watch);
        self.state.armed = interest;
    }

    /// Sets the session's one alarm. If it fires too early it is set again.
    fn set_alarm(&mut self) {
        let Some((at, _)) = self.deadline() else { return };
        let id = self.session.token();
        match self.state.alarm {
            Some(alarm) if alarm <= at => return,
            Some(alarm) => self.reactor.timers.remove(alarm, id),
            None => {}
        }
        self.reactor.timers.set(at, id);
        self.state.alarm = Some(at);
    }

    /// Removes the session and ends its connection.
    #[cold]
    pub(super) fn remove(&mut self) {
        self.deregister();
        // A child of a fork may hold the socket, and the program the session.
        if !self.state.hung_up {
            sys::shut_down(self.fd());
        }
    }

    /// Removes the session from the server; the connection stays.
    fn deregister(&mut self) {
        let (reactor, session) = (self.reactor, self.session);
        self.state.removed = true;
        if self.is_noting() {
            self.lines.add(self.state.log.ended());
        }
        self.state.message.reset();
        self.state.outbox = Outbox::default();
        self.release_unused();
        if let Some(alarm) = self.state.alarm.take() {
            reactor.timers.remove(alarm, session.token());
        }
        // This fails only if the session could not be added.
        let _ = reactor.epoll.remove(session.handle().as_fd());
        // Freed before the connection ends, so that a client that sees the end can connect again.
        reactor.users.remove_client(&session.user, session.is_counted());
        reactor.sessions.remove(session.token(), !session.is_counted());
        reactor.resume_accepting();
        reactor.end_if_empty();
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::io::Read;
    use std::path::Path;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::Server;
    use crate::protocol::wire::Head;
    use crate::session::Session;
    use crate::shared_path::SharedPath;
    use crate::sync::lock;
    use crate::sys::{Program, TryArc};
    use crate::transport::Body;

    /// Replies kept for more than their time, as no thread has sent them: none is thrown away as long as the client takes
    /// them, however many turns that needs.
    #[test]
    fn a_late_server_throws_no_reply_away() {
        const REPLIES: usize = 40;
        let dir = tempfile::tempdir().unwrap();
        let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
        let (ours, mut theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        ours.set_nonblocking(true).unwrap();
        theirs.set_nonblocking(true).unwrap();
        let handle = Session::new(ours.into(), SharedPath::new(Path::new("drpc.sock")).unwrap()).unwrap();
        let reactor = server.reactor();
        reactor.users.reserve().unwrap();
        let user = reactor.users.add_client(0).unwrap();
        let session = TryArc::new(ServerSession::new(1, handle, user, reactor, None, Program::default())).unwrap();
        let (mut state, mut lines) = (lock(&session.state), Lines::default());
        let tally = reactor.tally();
        let mut locked = LockedSession { session: &session, reactor, tally, state: &mut state, lines: &mut lines };
        let keep = |locked: &mut LockedSession<'_>, size: usize| {
            let message = (Head::new(), Body::Owned(vec![1; size]));
            locked.state.outbox.push(locked.fd(), Framing::Datagram, message, 0, &mut 0).unwrap();
        };
        (0..REPLIES).for_each(|_| keep(&mut locked, 10));
        let (mut turns, mut now) = (0, Instant::now());
        while !locked.state.outbox.is_empty() && !locked.state.write_closed {
            now += Duration::from_secs(3600);
            locked.expire(now);
            turns += 1;
        }
        let mut record = [0; 16];
        let taken = (0..).take_while(|_| matches!(theirs.read(&mut record), Ok(10))).count();
        assert_eq!((turns, taken, locked.state.write_closed), (3, REPLIES, false));
        // A client that takes nothing is late itself.
        (0..20 * REPLIES).for_each(|_| keep(&mut locked, 1 << 14));
        while !locked.state.outbox.is_empty() && !locked.state.write_closed {
            now += Duration::from_secs(3600);
            locked.expire(now);
        }
        assert!(locked.state.write_closed);
    }
}

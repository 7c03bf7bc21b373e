//! The calls of a client, free of I/O: whose turn it is, which reply answers which call, and what becomes of each when
//! the connection is lost.

use std::collections::VecDeque;
use std::time::Instant;

use super::in_flight::{InFlight, ReplyTarget};
use super::operation::{Operation, Outcome, Stage, Ticket};
use super::parker::Parker;
use super::pending::{CompletionTarget, Pending, Submission};
use super::sorted_queue::{self, SortedQueue};
use crate::cause::Cause;
use crate::error::Phase;
use crate::protocol::message::Response;
use crate::slot_map::SlotMap;
use crate::sync::ThreadId;
use crate::sys::TryArc;

/// Calls for which there is room at first.
const FIRST_ROOM: usize = 8;

/// The calls that have not ended, and those whose result nobody has taken yet.
///
/// A call waits for its turn, is given it, is being sent, has been sent and has ended, in this order; one whose
/// connection was lost may have to wait again, and so has one whose server had to be asked first what it speaks. Its
/// ticket stays the same, so that it is first in line then.
///
/// Everything that may ever be needed for a call is there before it is added: nothing that becomes of it takes memory.
pub(super) struct Calls {
    pipelining: bool,
    pending: SlotMap<Pending>,
    /// Entries for which there is room, here and in all lists.
    room: usize,
    last: Ticket,
    /// Calls and locks that wait for their turn.
    queue: SortedQueue<Ticket>,
    /// Who waits for nothing but a connection.
    connecting: SortedQueue<Ticket>,
    /// Calls that have their turn and of which nothing has been sent.
    granted: usize,
    /// Calls that are being sent or have been.
    in_flight: InFlight,
    /// Who holds the lock.
    lock_holder: Option<ThreadId>,
    /// When submitted calls are over.
    deadlines: SortedQueue<(Instant, Ticket)>,
    /// Submitted calls that have ended, whose completions are to be run.
    completions: VecDeque<Ticket>,
    /// Callers that sleep and are to be woken, each of them once.
    notified: Vec<Ticket>,
    /// Callers that sleep.
    sleepers: SortedQueue<Ticket>,
    /// Those that something is being done with, one after the other.
    batch: Vec<Ticket>,
}

/// The server can know of a call that is out: all of it has been sent, or a part of it has (`partly_sent`). An answer to another one
/// is no answer, and must not end it: its message would be left behind, and the next one's too.
fn may_be_answered(pending: &SlotMap<Pending>, ticket: Ticket, partly_sent: Option<Ticket>) -> bool {
    partly_sent == Some(ticket)
        || !pending.get(ticket).is_some_and(|pending| matches!(pending.stage, Stage::Sending(_)))
}

impl Calls {
    pub(super) fn new(pipelining: bool) -> Self {
        Self {
            pipelining,
            pending: SlotMap::new(),
            room: 0,
            last: 0,
            queue: SortedQueue::new(),
            connecting: SortedQueue::new(),
            granted: 0,
            in_flight: InFlight::new(),
            lock_holder: None,
            deadlines: SortedQueue::new(),
            completions: VecDeque::new(),
            notified: Vec::new(),
            sleepers: SortedQueue::new(),
            batch: Vec::new(),
        }
    }

    /// Makes room for one more, or says that there is none.
    pub(super) fn make_room(&mut self) -> Result<(), Cause> {
        if self.pending.len() < self.room { Ok(()) } else { self.make_room_for((2 * self.room).max(FIRST_ROOM)) }
    }

    #[cold]
    fn make_room_for(&mut self, len: usize) -> Result<(), Cause> {
        self.pending.make_room(len)?;
        self.in_flight.make_room(len)?;
        for queue in [&mut self.queue, &mut self.connecting, &mut self.sleepers] {
            queue.make_room(len)?;
        }
        self.deadlines.make_room(len)?;
        sorted_queue::make_room(&mut self.completions, len)?;
        for list in [&mut self.notified, &mut self.batch] {
            list.try_reserve(len - list.len()).map_err(|_| Cause::NoMemory)?;
        }
        self.room = len;
        Ok(())
    }

    /// Puts somebody in line, for whom there is room, and who may be tried again so many times.
    pub(super) fn add(&mut self, operation: Operation, retries: u32, target: CompletionTarget) -> Ticket {
        self.last += 1;
        while !self.pending.is_free(self.last) {
            self.last += 1;
        }
        let ticket = self.last;
        if let CompletionTarget::Submitted(Submission { deadline: Some(deadline), .. }) = &target {
            self.deadlines.insert((*deadline, ticket));
        }
        match operation {
            Operation::Connect { .. } => self.connecting.insert(ticket),
            Operation::Call { .. } | Operation::Lock(_) => self.queue.insert(ticket),
        };
        self.pending.insert(ticket, Pending::new(operation, retries, target));
        ticket
    }

    pub(super) fn pending(&mut self, ticket: Ticket) -> Option<&mut Pending> {
        self.pending.get_mut(ticket)
    }

    /// The calling thread holds the lock.
    pub(super) fn holds_lock(&self) -> bool {
        self.lock_holder.is_some_and(|holder| holder == ThreadId::current())
    }

    /// Gives the lock back.
    pub(super) fn unlock(&mut self) {
        self.lock_holder = None;
    }

    /// Who is next, if it is somebody's turn.
    pub(super) fn next(&self) -> Option<(Ticket, Operation)> {
        let mut queue = self.queue.iter().filter_map(|ticket| Some((ticket, self.pending.get(ticket)?)));
        let (ticket, pending) = match self.lock_holder {
            None => queue.next()?,
            Some(holder) => queue.find(|(_, pending)| pending.thread == holder)?,
        };
        let alone = self.in_flight.is_empty() && self.granted == 0;
        let its_turn = match pending.operation {
            Operation::Call { .. } if self.in_flight.is_framing_unknown() => alone && !self.in_flight.awaits_framing(),
            Operation::Call { .. } => alone || self.pipelining,
            _ => alone,
        };
        its_turn.then_some((ticket, pending.operation))
    }

    /// Somebody waits for a connection, and cannot go on without.
    pub(super) fn needs_connection(&self) -> bool {
        self.awaits_connection() || matches!(self.next(), Some((_, Operation::Call { .. })))
    }

    /// Somebody waits for nothing but a connection.
    pub(super) fn awaits_connection(&self) -> bool {
        !self.connecting.is_empty()
    }

    /// It is a call's turn to be sent.
    pub(super) fn grant(&mut self, ticket: Ticket) {
        if let Some(pending) = self.pending.get_mut(ticket) {
            self.queue.remove(ticket);
            pending.stage = Stage::Granted;
            self.granted += 1;
            if pending.notify() {
                self.notified.extend([ticket]);
            }
        }
    }

    /// Does something with each of a batch, in the order in which they came.
    fn for_each(&mut self, mut batch: Vec<Ticket>, mut work: impl FnMut(&mut Self, Ticket)) {
        batch.sort_unstable();
        batch.drain(..).for_each(|ticket| work(self, ticket));
        self.batch = batch;
    }

    /// Gives the lock to a thread that waits for it.
    pub(super) fn grant_lock(&mut self, ticket: Ticket, holder: ThreadId) {
        self.lock_holder = Some(holder);
        self.end(ticket, Ok(Response::default()));
    }

    /// It is being sent now, under this sequence.
    pub(super) fn start_sending(&mut self, ticket: Ticket) -> i32 {
        let sequence = self.in_flight.insert(ticket);
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.stage = Stage::Sending(sequence);
            self.granted -= 1;
        }
        sequence
    }

    /// The probe is sent in its place.
    pub(super) fn start_probing(&mut self, ticket: Ticket) {
        if let Some(Pending { stage, .. }) = self.pending.get_mut(ticket)
            && let Stage::Sending(sequence) = *stage
        {
            *stage = Stage::Probing(sequence);
        }
    }

    /// It has been sent to its end.
    pub(super) fn sent(&mut self, ticket: Ticket) {
        if let Some(Pending { stage, .. }) = self.pending.get_mut(ticket)
            && let Stage::Sending(sequence) = *stage
        {
            *stage = Stage::Sent(sequence);
        }
    }

    /// It had its turn, but cannot be sent now.
    pub(super) fn revoke(&mut self, ticket: Ticket) {
        if self.pending.get(ticket).is_some() {
            self.granted -= 1;
            self.enqueue(ticket);
        }
    }

    /// Something is out whose answer somebody waits for, or will have to.
    pub(super) fn expects_reply(&self) -> bool {
        !self.in_flight.is_empty() || self.in_flight.awaits_framing()
    }

    /// Says whether it is not known what the server speaks, so that it has to answer what is sent first before anything
    /// else is sent.
    pub(super) fn set_framing_unknown(&mut self, framing_unknown: bool) {
        self.in_flight.set_framing_unknown(framing_unknown);
    }

    /// Nothing can be sent before the server has answered what is out.
    pub(super) fn awaits_framing(&self) -> bool {
        self.in_flight.awaits_framing()
    }

    /// The server has told its framing, and has executed nothing of what was sent first. That call waits for another
    /// connection. The first time this costs nothing, and later, as no server should change that often, a try.
    pub(super) fn rejected(&mut self) {
        self.for_each_in_flight(InFlight::clear, |calls, ticket| {
            let Some(pending) = calls.pending.get_mut(ticket) else { return };
            if !std::mem::replace(&mut pending.rejected, true) || pending.take_retry() {
                calls.enqueue(ticket);
            } else {
                calls.end(ticket, Err((Phase::Call, Cause::Replaced)));
            }
        });
    }

    /// Takes the calls that are out, and does something with each of them.
    fn for_each_in_flight(&mut self, take: impl FnOnce(&mut InFlight), work: impl FnMut(&mut Self, Ticket)) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.extend(self.in_flight.tickets());
        take(&mut self.in_flight);
        self.for_each(batch, work);
    }

    /// The connection owes so many replies to nobody that it should be replaced, and nothing is lost by that.
    pub(super) fn has_too_many_abandoned(&self) -> bool {
        self.in_flight.has_too_many_abandoned()
    }

    /// Hands a reply to the call that it answers. An error means that the connection is of no use. Of the calls that are
    /// being sent one may be out in part (`partly_sent`).
    pub(super) fn reply(
        &mut self,
        sequence: i64,
        result: Result<Response, Cause>,
        partly_sent: Option<Ticket>,
    ) -> Result<(), Cause> {
        let target =
            self.in_flight.target_of(sequence, |ticket| may_be_answered(&self.pending, ticket, partly_sent))?;
        self.deliver(target, result, Cause::Unattributable, partly_sent);
        Ok(())
    }

    /// A reply has been read to its end, but cannot be understood, or stored. An error means that the connection is of no
    /// use.
    pub(super) fn unreadable(&mut self, cause: Cause, partly_sent: Option<Ticket>) -> Result<(), Cause> {
        let target = self
            .in_flight
            .target_of_unnumbered(|ticket| may_be_answered(&self.pending, ticket, partly_sent))
            .ok_or(cause)?;
        self.deliver(target, Err(cause), cause, partly_sent);
        Ok(())
    }

    /// Hands a reply to whom it is for. Where that may be several, all fail, for none can know whether its own is still
    /// to come.
    fn deliver(
        &mut self,
        target: ReplyTarget,
        result: Result<Response, Cause>,
        otherwise: Cause,
        partly_sent: Option<Ticket>,
    ) {
        match target {
            ReplyTarget::Call(ticket) => self.end(ticket, result.map_err(|cause| (Phase::Reply, cause))),
            ReplyTarget::Abandoned => {}
            ReplyTarget::Ambiguous => {
                let mut known = std::mem::take(&mut self.batch);
                known.extend(
                    self.in_flight.tickets().filter(|ticket| may_be_answered(&self.pending, *ticket, partly_sent)),
                );
                self.in_flight.abandon_all_but_one(known.len());
                self.for_each(known, |calls, ticket| calls.end(ticket, Err((Phase::Reply, otherwise))));
            }
        }
    }

    /// Gives up on somebody. A call that is out leaves a reply behind that is still to come, unless it was `withdrawn`
    /// before anything of it had been sent.
    pub(super) fn abandon(&mut self, ticket: Ticket, phase: Phase, cause: Cause, withdrawn: bool) {
        let Some(pending) = self.pending.get(ticket) else { return };
        if matches!(pending.stage, Stage::Probing(_) | Stage::Sending(_) | Stage::Sent(_)) && !withdrawn {
            self.in_flight.abandon();
        }
        self.end(ticket, Err((phase, cause)));
    }

    /// The connection is gone. Calls that had not been sent to their end have not been executed and wait for another
    /// one; others only if they may be executed twice, and if the connection has just ended. Calls that have been
    /// tried often enough fail.
    pub(super) fn connection_lost(&mut self, cause: Cause) {
        self.for_each_in_flight(InFlight::clear, |calls, ticket| calls.retry_or_fail(ticket, cause));
    }

    /// The connection took nothing of a call, so that no reply on it is for this one.
    pub(super) fn send_failed(&mut self, ticket: Ticket, cause: Cause) {
        let Some(Pending { stage, .. }) = self.pending.get_mut(ticket) else { return };
        if let Stage::Probing(sequence) | Stage::Sending(sequence) = *stage {
            *stage = Stage::Sending(sequence);
            self.in_flight.remove(sequence);
            self.retry_or_fail(ticket, cause);
        }
    }

    fn retry_or_fail(&mut self, ticket: Ticket, cause: Cause) {
        let Some(pending) = self.pending.get_mut(ticket) else { return };
        let ended = matches!(cause, Cause::Closed | Cause::Cut | Cause::Os(_));
        let again = match pending.stage {
            Stage::Sending(_) => true,
            // A server that gives another answer than those known is not asked again.
            Stage::Probing(_) => ended,
            _ => ended && matches!(pending.operation, Operation::Call { idempotent: true }),
        };
        if again && pending.take_retry() {
            self.enqueue(ticket);
        } else {
            let no_reply = match cause {
                Cause::Closed | Cause::Os(_) if self.in_flight.is_framing_unknown() => Cause::Unanswered,
                Cause::Closed | Cause::Os(_) => Cause::NoReply,
                cause => cause,
            };
            let failure = match pending.stage {
                Stage::Sending(_) => (Phase::Call, cause),
                Stage::Probing(_) => (Phase::Call, no_reply),
                _ => (Phase::Reply, no_reply),
            };
            self.end(ticket, Err(failure));
        }
    }

    /// It waits for its turn once more.
    fn enqueue(&mut self, ticket: Ticket) {
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.stage = Stage::Waiting;
            self.queue.insert(ticket);
        }
    }

    /// There is a connection.
    pub(super) fn connected(&mut self) {
        while let Some(ticket) = self.connecting.first() {
            self.end(ticket, Ok(Response::default()));
        }
    }

    /// There is none for this reason. Whoever cannot wait any longer fails.
    pub(super) fn connect_failed(&mut self, cause: Cause) {
        let mut waiting = std::mem::take(&mut self.batch);
        waiting.extend(self.queue.iter().chain(self.connecting.iter()));
        self.for_each(waiting, |calls, ticket| {
            let failed = calls.pending.get_mut(ticket).is_some_and(|pending| !pending.keeps_waiting_after(cause));
            if failed {
                calls.end(ticket, Err((Phase::Connect, cause)));
            }
        });
    }

    /// The client has been closed: every call fails.
    pub(super) fn close(&mut self) {
        let mut open = std::mem::take(&mut self.batch);
        let needs_it = self.pending.iter().filter(|(_, pending)| pending.needs_connection());
        open.extend(needs_it.map(|(ticket, _)| ticket));
        self.for_each(open, |calls, ticket| calls.end(ticket, Err((Phase::Call, Cause::NotConnected))));
        self.in_flight.clear();
    }

    /// Ends a call, whatever it was waiting for. Nothing happens to one that has ended.
    pub(super) fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(pending) = self.pending.get_mut(ticket) else { return };
        match std::mem::replace(&mut pending.stage, Stage::Waiting) {
            ended @ Stage::Ended(_) => {
                pending.stage = ended;
                return;
            }
            Stage::Waiting => {
                self.queue.remove(ticket);
                self.connecting.remove(ticket);
            }
            Stage::Granted => self.granted -= 1,
            Stage::Probing(sequence) | Stage::Sending(sequence) | Stage::Sent(sequence) => {
                self.in_flight.remove(sequence)
            }
        }
        pending.stage = Stage::Ended(outcome);
        if pending.notify() {
            self.notified.extend([ticket]);
        }
        if let CompletionTarget::Submitted(Submission { deadline, .. }) = &pending.target {
            if let Some(deadline) = *deadline {
                self.deadlines.remove((deadline, ticket));
            }
            self.completions.extend([ticket]);
        }
    }

    /// What came of the wish of a blocked caller, if it has ended; it is forgotten then.
    pub(super) fn take_outcome(&mut self, ticket: Ticket) -> Option<Outcome> {
        let Pending { stage: Stage::Ended(_), target: CompletionTarget::Blocked, .. } = self.pending.get(ticket)?
        else {
            return None;
        };
        let Pending { stage, .. } = self.pending.remove(ticket)?;
        self.shrink();
        match stage {
            Stage::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Gives back the memory of a burst, if nothing is left of it.
    fn shrink(&mut self) {
        if self.pending.shrink() {
            self.in_flight.shrink();
            self.room = 0;
        }
    }

    /// The next caller that sleeps and is to be woken because something happened to its call.
    pub(super) fn take_notified(&mut self) -> Option<Ticket> {
        let ticket = self.notified.pop()?;
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.notified = false;
        }
        Some(ticket)
    }

    /// Something has happened to a caller that it has to look at.
    pub(super) fn is_ready(&self, ticket: Ticket) -> bool {
        self.pending.get(ticket).is_some_and(|pending| matches!(pending.stage, Stage::Granted | Stage::Ended(_)))
    }

    /// A blocked caller goes to sleep.
    pub(super) fn park(&mut self, ticket: Ticket, parker: TryArc<Parker>) {
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.parker = Some(parker);
            self.sleepers.insert(ticket);
        }
    }

    /// Takes a caller that sleeps out of its bed; `None` when it does not, or has been taken out already.
    pub(super) fn unpark(&mut self, ticket: Ticket) -> Option<TryArc<Parker>> {
        self.sleepers.remove(ticket);
        self.pending.get_mut(ticket)?.parker.take()
    }

    /// The caller that came first of those that sleep.
    pub(super) fn first_sleeper(&self) -> Option<Ticket> {
        self.sleepers.first()
    }

    /// When the first submitted call is over.
    pub(super) fn first_deadline(&self) -> Option<(Instant, Ticket)> {
        self.deadlines.first()
    }

    /// Completions are to be run.
    pub(super) fn completions(&self) -> usize {
        self.completions.len()
    }

    /// Takes the next completion that is to be run.
    pub(super) fn take_completion(&mut self) -> Option<(Submission, Outcome)> {
        let ticket = self.completions.pop_front()?;
        let pending = self.pending.remove(ticket)?;
        self.shrink();
        match pending {
            Pending { target: CompletionTarget::Submitted(submission), stage: Stage::Ended(outcome), .. } => {
                Some((submission, outcome))
            }
            _ => None,
        }
    }
}

//! The calls of a client, free of I/O: their order, the replies to them, and their fate when the connection is lost.

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

/// The room for calls at first.
const FIRST_ROOM: usize = 2;

/// The operations (calls, locks, connects) that have not ended, and those whose outcome has not been taken yet.
///
/// A call waits, is granted its turn, is sent, and ends. A call waits again if its connection was lost, or if its
/// server had to reveal its framing first. Its ticket stays the same and keeps its place in the queue.
///
/// All memory that a call may need is allocated before it is added, and that of a caller that sleeps before it does:
/// nothing later takes memory.
pub(super) struct Calls {
    pipelining: bool,
    pending: SlotMap<Pending>,
    /// The number of entries for which there is room, here and in the lists that all operations need.
    room: usize,
    last: Ticket,
    /// Calls and locks that wait for their turn.
    queue: SortedQueue<Ticket>,
    /// The number of operations that wait for nothing but a connection.
    connecting: usize,
    /// The number of calls that have their turn and have not been sent.
    granted: usize,
    /// Calls that have been sent at least in part, and wait for a reply.
    in_flight: InFlight,
    /// The call that is out alone, and in no list until another thread comes.
    lone: Option<LoneCall>,
    /// The thread that holds the lock.
    lock_holder: Option<ThreadId>,
    /// The deadlines of submitted calls.
    deadlines: SortedQueue<(Instant, Ticket)>,
    /// Submitted calls that have ended, and whose completions have not run yet.
    completions: VecDeque<Ticket>,
    /// Calls whose callers sleep and are to be woken.
    notified: Vec<Ticket>,
    /// Calls whose callers sleep.
    sleepers: SortedQueue<Ticket>,
    /// Scratch list of the calls that one function goes through.
    batch: Vec<Ticket>,
}

/// A submitted call that has ended, to be completed.
pub(super) type EndedSubmission = (Ticket, Submission, Outcome);

/// A call that has been sent as a whole, and is in no list: see `alone.rs`.
#[derive(Debug)]
struct LoneCall {
    /// The ticket reserved for it.
    ticket: Ticket,
    /// The number under which it was sent.
    number: i32,
    idempotent: bool,
    /// The thread that makes the call.
    thread: ThreadId,
}

/// True if the server may have seen the call: all of it has been sent, or a part of it (`partly_sent`). A reply to any
/// other call is wrong and must not end it, or its message would stay in the outbox for good.
fn may_be_answered(pending: &SlotMap<Pending>, ticket: Ticket, partly_sent: Option<Ticket>) -> bool {
    partly_sent == Some(ticket)
        || !pending.get(ticket).is_some_and(|pending| matches!(pending.stage, Stage::Sending(_)))
}

fn make_room_in(list: &mut Vec<Ticket>, len: usize) -> Result<(), Cause> {
    list.try_reserve(len.saturating_sub(list.len())).map_err(|_| Cause::NoMemory)
}

impl Calls {
    pub(super) fn new(pipelining: bool) -> Self {
        Self {
            pipelining,
            pending: SlotMap::new(),
            room: 0,
            last: 0,
            queue: SortedQueue::new(),
            connecting: 0,
            granted: 0,
            in_flight: InFlight::new(),
            lone: None,
            lock_holder: None,
            deadlines: SortedQueue::new(),
            completions: VecDeque::new(),
            notified: Vec::new(),
            sleepers: SortedQueue::new(),
            batch: Vec::new(),
        }
    }

    /// Makes room for one more operation.
    pub(super) fn make_room(&mut self) -> Result<(), Cause> {
        if self.pending.len() < self.room { Ok(()) } else { self.make_room_for((2 * self.room).max(FIRST_ROOM)) }
    }

    #[cold]
    fn make_room_for(&mut self, len: usize) -> Result<(), Cause> {
        self.pending.make_room(len)?;
        self.in_flight.make_room(len)?;
        self.queue.make_room(len)?;
        make_room_in(&mut self.batch, len)?;
        self.room = len;
        Ok(())
    }

    /// Makes room for one more submitted call.
    pub(super) fn make_room_to_submit(&mut self) -> Result<(), Cause> {
        self.make_room()?;
        self.deadlines.make_room(self.room)?;
        sorted_queue::make_room(&mut self.completions, self.room)
    }

    /// Adds an operation, for which there has to be room.
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
            Operation::Connect { .. } => self.connecting += 1,
            Operation::Call { .. } | Operation::Lock(_) => self.queue.insert(ticket),
        }
        self.pending.insert(ticket, Pending::new(operation, retries, target));
        ticket
    }

    /// The number for a call, if that call would be alone: nothing is pending, no reply is owed, and no other thread has
    /// the lock.
    pub(super) fn number_alone(&self) -> Option<i32> {
        let alone = self.pending.is_empty() && !self.in_flight.owes_reply() && self.lock_holder.is_none();
        (alone && !self.in_flight.is_framing_unknown()).then(|| self.in_flight.next_number())
    }

    /// Keeps a call that has been sent as a whole under its [number](Self::number_alone), and for which there is room.
    pub(super) fn sent_alone(&mut self, idempotent: bool) -> Ticket {
        let number = self.in_flight.take_number();
        self.last += 1;
        self.lone = Some(LoneCall { ticket: self.last, number, idempotent, thread: ThreadId::current() });
        self.last
    }

    /// True while a call is out alone.
    pub(super) fn has_lone_call(&self) -> bool {
        self.lone.is_some()
    }

    /// Ends the call that is still alone, if a reply with this sequence is for it.
    pub(super) fn end_alone(&mut self, sequence: i64) -> bool {
        self.lone.take_if(|lone| i64::from(lone.number) == sequence).is_some()
    }

    /// Puts the call that is alone into the lists, as one of several from now on.
    #[inline]
    pub(super) fn enlist(&mut self, retries: u32) -> Option<Ticket> {
        self.lone.take().map(|lone| self.enlist_lone(lone, retries))
    }

    #[cold]
    fn enlist_lone(&mut self, lone: LoneCall, retries: u32) -> Ticket {
        let LoneCall { ticket, number, idempotent, thread } = lone;
        let call = Pending::new(Operation::Call { idempotent }, retries, CompletionTarget::Blocked);
        self.pending.insert(ticket, Pending { stage: Stage::Sent(number), thread, ..call });
        self.in_flight.insert_numbered(number, ticket);
        ticket
    }

    pub(super) fn pending(&mut self, ticket: Ticket) -> Option<&mut Pending> {
        self.pending.get_mut(ticket)
    }

    /// True while the calling thread holds the lock.
    pub(super) fn holds_lock(&self) -> bool {
        self.lock_holder.is_some_and(|holder| holder == ThreadId::current())
    }

    /// Releases the lock.
    pub(super) fn unlock(&mut self) {
        self.lock_holder = None;
    }

    /// The next operation, if its turn has come: the first in the queue, or the first of the thread with the lock.
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

    /// True while an operation cannot go on without a connection.
    pub(super) fn needs_connection(&self) -> bool {
        self.awaits_connection() || matches!(self.next(), Some((_, Operation::Call { .. })))
    }

    /// True while an operation waits for nothing but a connection.
    pub(super) fn awaits_connection(&self) -> bool {
        self.connecting > 0
    }

    /// Grants a call its turn to be sent.
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

    /// Runs `work` on each call of a batch, oldest first.
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

    /// Moves a call into flight, and returns the sequence under which it is sent.
    pub(super) fn start_sending(&mut self, ticket: Ticket) -> i32 {
        let sequence = self.in_flight.insert(ticket);
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.stage = Stage::Sending(sequence);
            self.granted -= 1;
        }
        sequence
    }

    /// Marks a call in whose place the probe is sent.
    pub(super) fn start_probing(&mut self, ticket: Ticket) {
        if let Some(Pending { stage, .. }) = self.pending.get_mut(ticket)
            && let Stage::Sending(sequence) = *stage
        {
            *stage = Stage::Probing(sequence);
        }
    }

    /// Marks a call that has been sent as a whole.
    pub(super) fn sent(&mut self, ticket: Ticket) {
        if let Some(Pending { stage, .. }) = self.pending.get_mut(ticket)
            && let Stage::Sending(sequence) = *stage
        {
            *stage = Stage::Sent(sequence);
        }
    }

    /// The body of a submitted call. (A caller that waits keeps its own.)
    pub(super) fn submitted_body(&self, ticket: Ticket) -> Option<&[u8]> {
        match &self.pending.get(ticket)?.target {
            CompletionTarget::Submitted(submission) => Some(&submission.body),
            CompletionTarget::Blocked => None,
        }
    }

    /// Has the caller of a call that is being sent go on sending it.
    pub(super) fn summon(&mut self, ticket: Ticket) {
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.summoned = true;
            if pending.notify() {
                self.notified.extend([ticket]);
            }
        }
    }

    /// True if a caller has been [summoned](Self::summon) since it was last asked.
    pub(super) fn take_summons(&mut self, ticket: Ticket) -> bool {
        self.pending.get_mut(ticket).is_some_and(|pending| std::mem::take(&mut pending.summoned))
    }

    /// Takes back the turn of a call that cannot be sent now.
    pub(super) fn revoke(&mut self, ticket: Ticket) {
        if self.pending.get(ticket).is_some() {
            self.granted -= 1;
            self.enqueue(ticket);
        }
    }

    /// True while a reply is to come that a caller waits for, or that reveals the framing.
    pub(super) fn expects_reply(&self) -> bool {
        !self.in_flight.is_empty() || self.in_flight.awaits_framing()
    }

    /// Records whether the framing is unknown. While it is, the server has to answer the first message before another
    /// one is sent. Returns what was recorded before.
    pub(super) fn set_framing_unknown(&mut self, framing_unknown: bool) -> bool {
        self.in_flight.set_framing_unknown(framing_unknown)
    }

    /// True while nothing can be sent, because the reply to the first message has yet to reveal the framing.
    pub(super) fn awaits_framing(&self) -> bool {
        self.in_flight.awaits_framing()
    }

    /// Requeues the call whose first message the server has rejected, revealing its framing, without executing it. The
    /// first rejection is free. A later one costs a retry, since no server should change its framing that often.
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

    /// Removes all calls from flight, and runs `work` on each.
    fn for_each_in_flight(&mut self, take: impl FnOnce(&mut InFlight), work: impl FnMut(&mut Self, Ticket)) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.extend(self.in_flight.tickets());
        take(&mut self.in_flight);
        self.for_each(batch, work);
    }

    /// True once the connection owes too many abandoned replies, and no call would be lost with it.
    pub(super) fn has_too_many_abandoned(&self) -> bool {
        self.in_flight.has_too_many_abandoned()
    }

    /// Delivers a reply to the call that it answers. Fails if the connection is useless. `partly_sent` is the call that
    /// is out in part, if there is one.
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

    /// Ends the call whose reply has been read as a whole, but cannot be decoded or stored. Fails if the connection is
    /// useless.
    pub(super) fn unreadable(&mut self, cause: Cause, partly_sent: Option<Ticket>) -> Result<(), Cause> {
        let target = self
            .in_flight
            .target_of_unnumbered(|ticket| may_be_answered(&self.pending, ticket, partly_sent))
            .ok_or(cause)?;
        self.deliver(target, Err(cause), cause, partly_sent);
        Ok(())
    }

    /// Ends the call that a reply is for. If it may be for one of several, all fail, as none can know whether its own
    /// reply is still to come.
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

    /// Ends an operation early. Unless its message was `withdrawn` before any of it was sent, its reply is still to
    /// come and counts as abandoned.
    pub(super) fn abandon(&mut self, ticket: Ticket, phase: Phase, cause: Cause, withdrawn: bool) {
        let Some(pending) = self.pending.get(ticket) else { return };
        if matches!(pending.stage, Stage::Probing(_) | Stage::Sending(_) | Stage::Sent(_)) && !withdrawn {
            self.in_flight.abandon();
        }
        self.end(ticket, Err((phase, cause)));
    }

    /// Requeues or ends the calls in flight after the connection was lost. A call that was not sent as a whole has not
    /// been executed, and is requeued. Any other call is requeued only if it may be executed twice and the connection
    /// simply ended. Calls without retries left fail.
    pub(super) fn connection_lost(&mut self, cause: Cause) {
        self.for_each_in_flight(InFlight::clear, |calls, ticket| calls.retry_or_fail(ticket, cause));
    }

    /// Requeues or ends a call of which the connection took nothing: no reply is for it.
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
            // A server that gives an unknown answer to the probe gets no second one.
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

    /// Puts a call back in the queue.
    fn enqueue(&mut self, ticket: Ticket) {
        if let Some(pending) = self.pending.get_mut(ticket) {
            (pending.stage, pending.summoned) = (Stage::Waiting, false);
            self.queue.insert(ticket);
        }
    }

    /// Ends the operations that waited for nothing but a connection.
    pub(super) fn connected(&mut self) {
        if self.awaits_connection() {
            let is_connect = |pending: &Pending| matches!(pending.operation, Operation::Connect { .. });
            self.for_each_waiting(is_connect, |calls, ticket| calls.end(ticket, Ok(Response::default())));
        }
    }

    /// Ends the operations that do not outlast a failed attempt to connect.
    pub(super) fn connect_failed(&mut self, cause: Cause) {
        self.for_each_waiting(
            |_| true,
            |calls, ticket| {
                let failed = calls.pending.get_mut(ticket).is_some_and(|pending| !pending.keeps_waiting_after(cause));
                if failed {
                    calls.end(ticket, Err((Phase::Connect, cause)));
                }
            },
        );
    }

    /// Goes through the operations of a kind that wait for their turn or for a connection.
    fn for_each_waiting(&mut self, kind: impl Fn(&Pending) -> bool, work: impl FnMut(&mut Self, Ticket)) {
        let mut batch = std::mem::take(&mut self.batch);
        let waits = |pending: &Pending| matches!(pending.stage, Stage::Waiting) && kind(pending);
        batch.extend(self.pending.iter().filter(|(_, pending)| waits(pending)).map(|(ticket, _)| ticket));
        self.for_each(batch, work);
    }

    /// Fails every call, as the client has been closed.
    pub(super) fn close(&mut self) {
        let mut open = std::mem::take(&mut self.batch);
        let needs_it = self.pending.iter().filter(|(_, pending)| pending.needs_connection());
        open.extend(needs_it.map(|(ticket, _)| ticket));
        self.for_each(open, |calls, ticket| calls.end(ticket, Err((Phase::Call, Cause::NotConnected))));
        self.in_flight.clear();
    }

    /// Ends an operation in any stage. Does nothing if it has ended already.
    pub(super) fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(pending) = self.pending.get_mut(ticket) else { return };
        match std::mem::replace(&mut pending.stage, Stage::Waiting) {
            ended @ Stage::Ended(_) => {
                pending.stage = ended;
                return;
            }
            Stage::Waiting if matches!(pending.operation, Operation::Connect { .. }) => self.connecting -= 1,
            Stage::Waiting => self.queue.remove(ticket),
            Stage::Granted => self.granted -= 1,
            Stage::Sending(sequence) => {
                pending.may_owe = true;
                self.in_flight.remove(sequence);
            }
            Stage::Probing(sequence) | Stage::Sent(sequence) => self.in_flight.remove(sequence),
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

    /// The same as [`take_outcome`](Self::take_outcome), for a caller that sleeps. `None` for a call that has ended while it
    /// was being sent: its caller may have to leave the rest of it to the connection.
    pub(super) fn take_outcome_of_sleeper(&mut self, ticket: Ticket) -> Option<Outcome> {
        if self.pending.get(ticket)?.may_owe { None } else { self.take_outcome(ticket) }
    }

    /// Removes the operation of a waiting caller, if it has ended, and returns its outcome.
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

    /// Frees the memory of a burst, once no call is left of it.
    fn shrink(&mut self) {
        if self.pending.shrink() {
            self.in_flight.shrink();
            self.room = 0;
        }
    }

    /// Removes the next call whose caller sleeps and is to be woken.
    pub(super) fn take_notified(&mut self) -> Option<Ticket> {
        let ticket = self.notified.pop()?;
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.notified = false;
        }
        Some(ticket)
    }

    /// True once the caller has something to do: send its call, go on sending it, or take the outcome.
    pub(super) fn is_ready(&self, ticket: Ticket) -> bool {
        self.pending
            .get(ticket)
            .is_some_and(|pending| pending.summoned || matches!(pending.stage, Stage::Granted | Stage::Ended(_)))
    }

    /// Registers the parker on which a caller is going to sleep.
    pub(super) fn park(&mut self, ticket: Ticket, parker: TryArc<Parker>) -> Result<(), Cause> {
        self.sleepers.make_room(self.room)?;
        make_room_in(&mut self.notified, self.room)?;
        if let Some(pending) = self.pending.get_mut(ticket) {
            pending.parker = Some(parker);
            self.sleepers.insert(ticket);
        }
        Ok(())
    }

    /// Removes the parker of a sleeping caller; `None` if it does not sleep, or another thread has removed the parker.
    pub(super) fn unpark(&mut self, ticket: Ticket) -> Option<TryArc<Parker>> {
        self.sleepers.remove(ticket);
        self.pending.get_mut(ticket)?.parker.take()
    }

    /// The oldest call whose caller sleeps.
    pub(super) fn first_sleeper(&self) -> Option<Ticket> {
        self.sleepers.first()
    }

    /// The earliest deadline of the submitted calls.
    pub(super) fn first_deadline(&self) -> Option<(Instant, Ticket)> {
        self.deadlines.first()
    }

    /// The number of completions to be run.
    pub(super) fn completions(&self) -> usize {
        self.completions.len()
    }

    /// Removes the next completion to be run.
    pub(super) fn take_completion(&mut self) -> Option<EndedSubmission> {
        let ticket = self.completions.pop_front()?;
        self.take_ended(ticket)
    }

    /// Removes the completion of a call that was the last one to end.
    pub(super) fn take_last_completion(&mut self, ticket: Ticket) -> Option<EndedSubmission> {
        self.completions.back().filter(|last| **last == ticket)?;
        self.completions.pop_back();
        self.take_ended(ticket)
    }

    fn take_ended(&mut self, ticket: Ticket) -> Option<EndedSubmission> {
        let pending = self.pending.remove(ticket)?;
        self.shrink();
        match pending {
            Pending { target: CompletionTarget::Submitted(submission), stage: Stage::Ended(outcome), .. } => {
                Some((ticket, submission, outcome))
            }
            _ => None,
        }
    }
}

//! The calls of a client, free of I/O: whose turn it is, which reply answers which call, and what becomes of each when
//! the connection is lost.

use std::collections::VecDeque;
use std::time::Instant;

use super::entry::{Entry, Outcome, Owner, Stage, Submission, Ticket, Wish};
use super::line::Line;
use super::out::{Out, Whose};
use super::table::Table;
use crate::error::{Cause, Phase};
use crate::message::Response;
use crate::sync::ThreadId;

/// The calls that have not ended, and those whose result nobody has taken yet.
///
/// A call waits for its turn, is given it, is being sent, has been sent and has ended, in this order; one whose
/// connection was lost may have to wait again, and so has one whose server had to be asked first what it speaks. Its
/// ticket stays the same, so that it is first in line then.
pub(super) struct Calls {
    pipelining: bool,
    entries: Table<Entry>,
    last: Ticket,
    /// Calls and locks that wait for their turn.
    line: Line<Ticket>,
    /// Who waits for nothing but a connection.
    connecting: Line<Ticket>,
    /// Calls that have their turn and of which nothing has been sent.
    granted: usize,
    /// Calls that are being sent or have been.
    out: Out,
    /// Who holds the lock.
    holder: Option<ThreadId>,
    /// When submitted calls are over.
    deadlines: Line<(Instant, Ticket)>,
    /// Submitted calls that have ended, whose completions are to be run.
    completions: VecDeque<Ticket>,
    /// Blocked callers to be woken.
    woken: Vec<Ticket>,
}

impl Calls {
    pub(super) fn new(pipelining: bool) -> Self {
        Self {
            pipelining,
            entries: Table::new(),
            last: 0,
            line: Line::new(),
            connecting: Line::new(),
            granted: 0,
            out: Out::new(),
            holder: None,
            deadlines: Line::new(),
            completions: VecDeque::new(),
            woken: Vec::new(),
        }
    }

    /// Puts somebody in line who may be tried again so many times.
    pub(super) fn add(&mut self, wish: Wish, tries: u32, owner: Owner) -> Ticket {
        self.last += 1;
        while !self.entries.is_free(self.last) {
            self.last += 1;
        }
        let ticket = self.last;
        if let Owner::Submitted(Submission { end: Some(end), .. }) = &owner {
            self.deadlines.insert((*end, ticket));
        }
        match wish {
            Wish::Connection { .. } => self.connecting.insert(ticket),
            Wish::Call { .. } | Wish::Lock(_) => self.line.insert(ticket),
        };
        self.entries.put(ticket, Entry::new(wish, tries, owner));
        ticket
    }

    pub(super) fn entry(&mut self, ticket: Ticket) -> Option<&mut Entry> {
        self.entries.get_mut(ticket)
    }

    /// The calling thread holds the lock.
    pub(super) fn holds_lock(&self) -> bool {
        self.holder.is_some_and(|holder| holder == ThreadId::current())
    }

    /// Gives the lock back.
    pub(super) fn unlock(&mut self) {
        self.holder = None;
    }

    /// Who is next, if it is somebody's turn.
    pub(super) fn next(&self) -> Option<(Ticket, Wish)> {
        let mut line = self.line.iter().filter_map(|ticket| Some((ticket, self.entries.get(ticket)?)));
        let (ticket, entry) = match self.holder {
            None => line.next()?,
            Some(holder) => line.find(|(_, entry)| entry.by == holder)?,
        };
        let alone = self.out.is_empty() && self.granted == 0;
        let its_turn = match entry.wish {
            Wish::Call { .. } if self.out.is_undecided() => alone && !self.out.awaits_verdict(),
            Wish::Call { .. } => alone || self.pipelining,
            _ => alone,
        };
        its_turn.then_some((ticket, entry.wish))
    }

    /// Somebody waits for a connection, and cannot go on without.
    pub(super) fn want_connection(&self) -> bool {
        self.is_connecting() || matches!(self.next(), Some((_, Wish::Call { .. })))
    }

    /// Somebody waits for nothing but a connection.
    pub(super) fn is_connecting(&self) -> bool {
        !self.connecting.is_empty()
    }

    /// It is a call's turn to be sent.
    pub(super) fn grant(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entries.get_mut(ticket) {
            self.line.remove(ticket);
            entry.stage = Stage::Granted;
            self.granted += 1;
            self.woken.push(ticket);
        }
    }

    /// Gives the lock to a thread that waits for it.
    pub(super) fn grant_lock(&mut self, ticket: Ticket, holder: ThreadId) {
        self.holder = Some(holder);
        self.end(ticket, Ok(Response::default()));
    }

    /// It is being sent now, under this sequence.
    pub(super) fn begin(&mut self, ticket: Ticket) -> i32 {
        let sequence = self.out.number(ticket);
        if let Some(entry) = self.entries.get_mut(ticket) {
            entry.stage = Stage::Sending(sequence);
            self.granted -= 1;
        }
        sequence
    }

    /// The probe is sent in its place.
    pub(super) fn probe(&mut self, ticket: Ticket) {
        if let Some(Entry { stage, .. }) = self.entries.get_mut(ticket) {
            if let Stage::Sending(sequence) = *stage {
                *stage = Stage::Probing(sequence);
            }
        }
    }

    /// It has been sent to its end.
    pub(super) fn sent(&mut self, ticket: Ticket) {
        if let Some(Entry { stage, .. }) = self.entries.get_mut(ticket) {
            if let Stage::Sending(sequence) = *stage {
                *stage = Stage::Sent(sequence);
            }
        }
    }

    /// It had its turn, but cannot be sent now.
    pub(super) fn step_back(&mut self, ticket: Ticket) {
        if self.entries.get(ticket).is_some() {
            self.granted -= 1;
            self.line_up(ticket);
        }
    }

    /// Something is out whose answer somebody waits for, or will have to.
    pub(super) fn are_out(&self) -> bool {
        !self.out.is_empty() || self.out.awaits_verdict()
    }

    /// Says whether it is not known what the server speaks, so that it has to answer what is sent first before anything
    /// else is sent.
    pub(super) fn set_undecided(&mut self, undecided: bool) {
        self.out.set_undecided(undecided);
    }

    /// Nothing can be sent before the server has answered what is out.
    pub(super) fn await_verdict(&self) -> bool {
        self.out.awaits_verdict()
    }

    /// The server has told its framing, and has executed nothing of what was sent first. That call waits for another
    /// connection. The first time this costs nothing, and later, as no server should change that often, a try.
    pub(super) fn rejected(&mut self) {
        for ticket in self.out.lost() {
            let Some(entry) = self.entries.get_mut(ticket) else { continue };
            if !std::mem::replace(&mut entry.rejected, true) || entry.use_try() {
                self.line_up(ticket);
            } else {
                self.end(ticket, Err((Phase::Call, Cause::Replaced)));
            }
        }
    }

    /// The connection owes so many replies to nobody that it should be replaced, and nothing is lost by that.
    pub(super) fn owe_too_much(&self) -> bool {
        self.out.owes_too_much()
    }

    /// Hands a reply to the call that it answers. An error means that the connection is of no use.
    pub(super) fn reply(&mut self, sequence: i64, result: Result<Response, Cause>) -> Result<(), Cause> {
        let whose = self.out.answered(sequence)?;
        self.hand(whose, result, Cause::Unattributable);
        Ok(())
    }

    /// A reply has been read to its end, but cannot be understood, or stored. An error means that the connection is of no
    /// use.
    pub(super) fn spoilt(&mut self, cause: Cause) -> Result<(), Cause> {
        let whose = self.out.unnamed().ok_or(cause)?;
        self.hand(whose, Err(cause), cause);
        Ok(())
    }

    /// Hands a reply to whom it is for. Where that may be several, all fail, for none can know whether its own is still
    /// to come.
    fn hand(&mut self, whose: Whose, result: Result<Response, Cause>, otherwise: Cause) {
        match whose {
            Whose::Call(ticket) => self.end(ticket, result.map_err(|cause| (Phase::Reply, cause))),
            Whose::Nobodys => {}
            Whose::AnyOnes => {
                for ticket in self.out.give_up() {
                    self.end(ticket, Err((Phase::Reply, otherwise)));
                }
            }
        }
    }

    /// Gives up on somebody. A call that is out leaves a reply behind that is still to come, unless it was `withdrawn`
    /// before anything of it had been sent.
    pub(super) fn abandon(&mut self, ticket: Ticket, phase: Phase, cause: Cause, withdrawn: bool) {
        let Some(entry) = self.entries.get(ticket) else { return };
        if matches!(entry.stage, Stage::Probing(_) | Stage::Sending(_) | Stage::Sent(_)) && !withdrawn {
            self.out.owe();
        }
        self.end(ticket, Err((phase, cause)));
    }

    /// The connection is gone. Calls that had not been sent to their end have not been executed and wait for another
    /// one; others only if they may be executed twice, and if the connection has just ended. Calls that have been
    /// tried often enough fail.
    pub(super) fn lost(&mut self, cause: Cause) {
        for ticket in self.out.lost() {
            self.lost_one(ticket, cause);
        }
    }

    /// The connection took less than the whole of a call, so that no reply on it is for this one.
    pub(super) fn unsent(&mut self, ticket: Ticket, cause: Cause) {
        let Some(Entry { stage, .. }) = self.entries.get_mut(ticket) else { return };
        if let Stage::Probing(sequence) | Stage::Sending(sequence) = *stage {
            *stage = Stage::Sending(sequence);
            self.out.remove(sequence);
            self.lost_one(ticket, cause);
        }
    }

    fn lost_one(&mut self, ticket: Ticket, cause: Cause) {
        let Some(entry) = self.entries.get_mut(ticket) else { return };
        let ended = matches!(cause, Cause::Closed | Cause::Cut | Cause::Os(_));
        let again = match entry.stage {
            Stage::Sending(_) => true,
            // A server that gives another answer than those known is not asked again.
            Stage::Probing(_) => ended,
            _ => ended && matches!(entry.wish, Wish::Call { idempotent: true }),
        };
        if again && entry.use_try() {
            self.line_up(ticket);
        } else {
            let no_reply = match cause {
                Cause::Closed | Cause::Os(_) if self.out.is_undecided() => Cause::Unanswered,
                Cause::Closed | Cause::Os(_) => Cause::NoReply,
                cause => cause,
            };
            let failure = match entry.stage {
                Stage::Sending(_) => (Phase::Call, cause),
                Stage::Probing(_) => (Phase::Call, no_reply),
                _ => (Phase::Reply, no_reply),
            };
            self.end(ticket, Err(failure));
        }
    }

    /// It waits for its turn once more.
    fn line_up(&mut self, ticket: Ticket) {
        if let Some(entry) = self.entries.get_mut(ticket) {
            entry.stage = Stage::Waiting;
            self.line.insert(ticket);
        }
    }

    /// There is a connection.
    pub(super) fn connected(&mut self) {
        while let Some(ticket) = self.connecting.first() {
            self.end(ticket, Ok(Response::default()));
        }
    }

    /// There is none for this reason. Whoever cannot wait any longer fails.
    pub(super) fn unreachable(&mut self, cause: Cause) {
        let mut waiting: Vec<Ticket> = self.line.iter().chain(self.connecting.iter()).collect();
        waiting.sort_unstable();
        for ticket in waiting {
            let failed = self.entries.get_mut(ticket).is_some_and(|entry| !entry.can_wait_out(cause));
            if failed {
                self.end(ticket, Err((Phase::Connect, cause)));
            }
        }
    }

    /// The client has been closed: every call fails.
    pub(super) fn close(&mut self) {
        let calls = self.entries.iter().filter(|(_, entry)| entry.needs_connection());
        let mut calls: Vec<Ticket> = calls.map(|(ticket, _)| ticket).collect();
        calls.sort_unstable();
        calls.iter().for_each(|ticket| self.end(*ticket, Err((Phase::Call, Cause::NotConnected))));
        self.out.lost();
    }

    /// Ends a call, whatever it was waiting for. Nothing happens to one that has ended.
    pub(super) fn end(&mut self, ticket: Ticket, outcome: Outcome) {
        let Some(entry) = self.entries.get_mut(ticket) else { return };
        match std::mem::replace(&mut entry.stage, Stage::Waiting) {
            ended @ Stage::Ended(_) => {
                entry.stage = ended;
                return;
            }
            Stage::Waiting => {
                self.line.remove(ticket);
                self.connecting.remove(ticket);
            }
            Stage::Granted => self.granted -= 1,
            Stage::Probing(sequence) | Stage::Sending(sequence) | Stage::Sent(sequence) => self.out.remove(sequence),
        }
        entry.stage = Stage::Ended(outcome);
        match &entry.owner {
            Owner::Blocked => self.woken.push(ticket),
            Owner::Submitted(Submission { end, .. }) => {
                if let Some(end) = *end {
                    self.deadlines.remove((end, ticket));
                }
                self.completions.push_back(ticket);
            }
        }
    }

    /// What came of the wish of a blocked caller, if it has ended; it is forgotten then.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<Outcome> {
        let Entry { stage: Stage::Ended(_), owner: Owner::Blocked, .. } = self.entries.get(ticket)? else {
            return None;
        };
        match self.entries.remove(ticket)?.stage {
            Stage::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// The next blocked caller to be woken because something happened to its call.
    pub(super) fn next_woken(&mut self) -> Option<Ticket> {
        self.woken.pop()
    }

    /// A blocked caller has looked itself.
    pub(super) fn has_looked(&mut self, ticket: Ticket) {
        self.woken.retain(|woken| *woken != ticket);
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
    pub(super) fn next_completion(&mut self) -> Option<(Submission, Outcome)> {
        let ticket = self.completions.pop_front()?;
        match self.entries.remove(ticket)? {
            Entry { owner: Owner::Submitted(submission), stage: Stage::Ended(outcome), .. } => {
                Some((submission, outcome))
            }
            _ => None,
        }
    }
}

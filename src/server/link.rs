//! One session of a server.

use std::os::fd::AsFd;
use std::time::Instant;

use super::fair::{LastTurn, Waiting};
use super::hub::Hub;
use super::lane::Lane;
use super::remark::{Fault, Remark, Remarks};
use super::turn::Turn;
use super::users::User;
use crate::cause::Cause;
use crate::protocol::framing::chunked::Reassembly;
use crate::protocol::framing::detect::Dialect;
use crate::protocol::message::Call;
use crate::protocol::wire::CallRef;
use crate::protocol::wire::ResponseRef;
use crate::request::Answers;
use crate::session::Session;
use crate::sync::{Mutex, MutexGuard, lock, thread, try_lock};
use crate::sys::{Interest, TryArc, Watch};
use crate::transport::Outbox;

/// A session, and what is going on there. Whoever changes the state settles, before the lock is given up, what is to
/// be waited for next: so a session is in the hands of one thread, and waits in the kernel when it is in none.
#[derive(Debug)]
pub(super) struct Link {
    /// Its number in the roll, and of what is watched.
    token: u64,
    session: Session,
    pub(super) user: TryArc<User>,
    hub: TryArc<Hub>,
    state: Mutex<State>,
    /// It is one of its user's sessions.
    pub(super) claimed: bool,
    last_turn: LastTurn,
}

/// What is going on in a session.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lane: Lane,
    /// What the client speaks, and is answered in.
    pub(super) dialect: Dialect,
    pub(super) message: Reassembly,
    pub(super) outbox: Outbox,
    /// What the session is watched for.
    pub(super) armed: Interest,
    /// The client takes no responses any more.
    pub(super) deaf: bool,
    /// It has left the server.
    pub(super) gone: bool,
    /// When the message of which a part has come began.
    pub(super) began: Option<Instant>,
    /// When something happened last, where that is of interest.
    pub(super) active: Instant,
    /// The alarm that is set.
    pub(super) alarm: Option<Instant>,
    /// Bytes that the session holds of what all share.
    pub(super) partial: usize,
    /// Bytes asked for the message of which a part has come. Not all may count.
    pub(super) asked: usize,
    pub(super) unsent: usize,
}

/// A call to be handled, and to be answered under its tag.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) tag: u64,
    /// The slot of its module.
    pub(super) slot: usize,
    pub(super) call: Call,
}

impl Link {
    pub(super) fn new(token: u64, session: Session, user: TryArc<User>, hub: &TryArc<Hub>, refused: bool) -> Self {
        let state = State {
            lane: Lane::new(refused),
            dialect: hub.dialect,
            message: Reassembly::with_body(hub.limits.message, CallRef::BODY),
            outbox: Outbox::default(),
            armed: Interest::READ,
            deaf: false,
            gone: false,
            began: None,
            active: Instant::now(),
            alarm: None,
            partial: 0,
            asked: 0,
            unsent: 0,
        };
        let (hub, state) = (hub.clone(), Mutex::new(state));
        Self { token, session, user, hub, state, claimed: !refused, last_turn: LastTurn::default() }
    }

    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// Waits for the first call.
    pub(super) fn watch(&self, hub: &Hub) {
        let added = hub.epoll.add(self.session.as_fd(), self.token, Watch::Always(Interest::READ));
        self.change(hub, |turn| {
            if let Err(cause) = added {
                turn.remark(Remark::Fault(Fault::Accept, Some(cause)));
                turn.leave();
            }
        });
    }

    /// Something has happened on the socket: sends what waits, and reads. Returns a call to be handled.
    /// Nothing is done while another thread has the session in its hands: what there is to do is told again.
    pub(super) fn serve(&self, hub: &Hub) -> Option<Job> {
        let Some(state) = try_lock(&self.state) else {
            thread::yield_now();
            return None;
        };
        self.change_locked(hub, state, |turn| {
            if turn.interest() == Interest::NONE {
                turn.ignore();
            }
            if turn.state.lane.is_serving() {
                turn.be_active();
            }
            turn.serve()
        })
    }

    /// Ends the connection now.
    pub(super) fn abandon(&self, hub: &Hub) {
        self.change(hub, |turn| turn.abandon());
    }

    /// Takes no more calls, and ends the session when those that have come are answered.
    pub(super) fn close(&self, hub: &Hub) {
        self.change(hub, |turn| turn.close());
    }

    /// Ends the session now. Calls that have come, and are not answered, are answered for their handlers.
    pub(super) fn cut(&self, hub: &Hub) {
        self.change(hub, |turn| turn.cut());
    }

    /// An alarm of the session has rung.
    pub(super) fn expire(&self, hub: &Hub, now: Instant) {
        self.change(hub, |turn| {
            turn.state.alarm = None;
            turn.expire(now);
        });
    }

    fn change<T>(&self, hub: &Hub, work: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        self.change_locked(hub, lock(&self.state), work)
    }

    #[inline]
    fn change_locked<T>(
        &self,
        hub: &Hub,
        mut state: MutexGuard<'_, State>,
        work: impl FnOnce(&mut Turn<'_>) -> T,
    ) -> T {
        let mut remarks = Remarks::default();
        let mut turn = Turn { link: self, hub, state: &mut state, remarks: &mut remarks };
        let result = work(&mut turn);
        turn.settle();
        drop(state);
        remarks.iter().for_each(|remark| hub.log_about(remark, self.session.peer()));
        result
    }
}

/// A session that has something to be served.
impl Waiting for TryArc<Link> {
    fn of_user(&self) -> &LastTurn {
        &self.user.last_turn
    }

    fn own(&self) -> &LastTurn {
        &self.last_turn
    }
}

impl Answers for Link {
    fn session(&self) -> &Session {
        &self.session
    }

    fn answer(&self, tag: u64, response: &ResponseRef<'_>) -> Result<(), Cause> {
        if self.hub.home.is_elsewhere() {
            return Err(Cause::Forked);
        }
        self.change(&self.hub, |turn| {
            let flight = turn.state.lane.finish(tag).ok_or(Cause::SessionEnded)?;
            turn.be_active();
            turn.reply(flight.slot, response).map_err(|cause| match cause {
                // The server has not noticed yet.
                Cause::Os(libc::EPIPE | libc::ECONNRESET) => Cause::SessionEnded,
                cause => cause,
            })
        })
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// Nothing on the heap belongs to it but the session, of less than 100 bytes.
    #[test]
    fn an_idle_session_is_small() {
        assert!(size_of::<Link>() <= 512, "{} bytes", size_of::<Link>());
    }
}

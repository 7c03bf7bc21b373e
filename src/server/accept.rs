//! Taking in clients.

use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::listening_socket::End;
use super::log_event::{Fault, Limit, LogEvent};
use super::reactor::{BATCH, Reactor, alarm, token};
use super::server_session::ServerSession;
use super::users::User;
use crate::cause::Cause;
use crate::session::{Session, UninitSession};
use crate::sys::{self, Epoll, Interest, TryArc, UninitArc, Watch};

/// Clients taken in at a time, before sessions get their turn: half as many as these, so that who has been taken in and is
/// about to leave does so before others come.
const CLIENTS: usize = BATCH / 2;

/// So many others are looked at to see whether they are still there. Each of them costs little if it is not.
const GONE: usize = 512;

/// Clients after which there are many, so that it is worth looking.
const FEW: usize = 8;

/// Room for a client, made before it is taken in: without memory it waits.
#[derive(Default)]
struct Preallocated {
    handle: Option<UninitSession>,
    session: Option<UninitArc<ServerSession>>,
    user: Option<UninitArc<User>>,
}

impl Preallocated {
    /// Makes what has been used up.
    fn make(&mut self, reactor: &Reactor) -> Result<(), Cause> {
        fn make<T>(room: &mut Option<UninitArc<T>>) -> Result<(), Cause> {
            if room.is_none() {
                *room = Some(UninitArc::new()?);
            }
            Ok(())
        }
        reactor.sessions.reserve()?;
        reactor.users.reserve()?;
        reactor.timers.reserve(reactor.sessions.len() + 1)?;
        make(&mut self.handle)?;
        make(&mut self.session)?;
        make(&mut self.user)
    }
}

/// A thread takes in clients while this exists, and no other one does.
struct Accepting<'a>(&'a Reactor);

impl<'a> Accepting<'a> {
    fn begin(reactor: &'a Reactor) -> Option<Self> {
        reactor.acceptor.begin().then_some(Self(reactor))
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        if self.0.acceptor.finish() && !self.0.owner.is_elsewhere() {
            self.0.watch_listener();
        }
    }
}

impl Reactor {
    /// Takes in the clients that wait.
    pub(super) fn accept(this: &TryArc<Self>) {
        let Some(listening) = this.acceptor.listening() else { return };
        let Some(_accepting) = Accepting::begin(this) else { return };
        let mut preallocated = Preallocated::default();
        let mut taken = 0;
        for count in 0..CLIENTS + GONE {
            if taken == CLIENTS {
                break;
            }
            if this.sessions.is_full(this.limits.sessions) {
                this.acceptor.set_full();
                // One that has ended in the meantime has not seen it.
                if this.sessions.is_full(this.limits.sessions) || !this.acceptor.take_full() {
                    this.report(LogEvent::Limit(Limit::Sessions));
                    return;
                }
            }
            let accepted =
                preallocated.make(this).and_then(|()| sys::accept_at_once(listening.as_fd().as_raw_fd(), true));
            match accepted {
                Ok(socket) => {
                    this.acceptor.has_accepted();
                    if count >= FEW && sys::has_gone(socket.as_raw_fd()) {
                        this.counters.accepted.add(1);
                        sys::reject_connection(socket);
                        continue;
                    }
                    taken += 1;
                    if let Some(room) = preallocated.handle.take() {
                        match Session::of_server(room, socket, this.acceptor.path().clone()) {
                            Ok(handle) => Self::admit(this, handle, &mut preallocated),
                            Err(cause) => this.report(LogEvent::Fault(Fault::Accept, Some(cause))),
                        }
                    }
                    // The program was asked, has forked, and returned in the child.
                    if this.owner.is_elsewhere() {
                        return;
                    }
                }
                Err(cause) if cause.is_would_block() => break,
                // This client is gone, there may be others.
                Err(Cause::Os(libc::ECONNABORTED | libc::EPROTO)) => {}
                Err(cause) => {
                    this.report(LogEvent::Fault(Fault::Accept, Some(cause)));
                    this.timers.set(Instant::now() + this.acceptor.next_pause(), alarm::ACCEPT);
                    return;
                }
            }
        }
        this.watch_listener();
    }

    /// Waits for the first client.
    pub(super) fn watch_listener_first(&self, epoll: &Epoll) -> Result<(), Cause> {
        let listening = self.acceptor.listening();
        listening.map_or(Ok(()), |listening| epoll.add(listening.as_fd(), token::LISTENER, Watch::Once(Interest::READ)))
    }

    /// Waits for the next client.
    pub(super) fn watch_listener(&self) {
        if let Some(listening) = self.acceptor.listening() {
            // It fails only when the server has stopped listening in the meantime.
            let _ = self.epoll.set(listening.as_fd(), token::LISTENER, Watch::Once(Interest::READ));
        }
    }

    /// A session has ended.
    pub(super) fn resume_accepting(&self) {
        if self.acceptor.take_full() {
            self.watch_listener();
        }
    }

    /// Stops listening. The socket file goes with the last thread that is accepting.
    pub(super) fn close_listener(&self) {
        let listening = self.acceptor.take_listening();
        let Some(listening) = listening else { return };
        if self.owner.is_open() {
            // Another process may serve, and watch it in the same set.
            return listening.end(End::Leave);
        }
        // That it is not watched any more is all that is wanted.
        let _ = self.epoll.remove(listening.as_fd());
        if self.owner.is_creator() {
            listening.end(End::ShutDown);
        }
    }

    fn admit(this: &TryArc<Self>, handle: Session, preallocated: &mut Preallocated) {
        this.counters.accepted.add(1);
        let peer = handle.peer();
        let authorised = this.authorised(&handle);
        if this.owner.is_elsewhere() {
            return;
        }
        // There is room for both.
        let Some(user) = this.users.add_client(peer.uid, &mut preallocated.user) else { return };
        let Some(room) = preallocated.session.take() else { return };
        let refusal = match authorised {
            false => Some(LogEvent::Fault(Fault::Refused, None)),
            true if this.users.add_session(&user, this.limits.sessions_of_user()) => None,
            true => Some(LogEvent::Limit(Limit::SessionsPerUid)),
        };
        let refused = refusal.is_some();
        if let Some(event) = refusal {
            this.report_session(event, peer);
        }
        let owner = user.clone();
        let make = |token| room.fill(ServerSession::new(token, handle, owner, this, refused));
        let Some((session, oldest)) = this.sessions.insert(make, refused) else {
            // The server has ended. The client notices, as it has not been answered: what it has sent is left unread.
            return this.users.remove_client(&user, !refused);
        };
        if let Some(oldest) = oldest {
            oldest.abandon(this);
        }
        session.watch(this);
        // The shutdown may not have seen it.
        if this.is_overdue() {
            session.cut(this);
        } else if this.is_draining() {
            session.close(this);
        }
    }

    /// What the program says to a client.
    fn authorised(&self, handle: &Session) -> bool {
        let Some(authorise) = &self.authorise else { return true };
        let _guard = self.workers.enter_handler();
        catch_unwind(AssertUnwindSafe(|| authorise(handle))).unwrap_or(false)
    }
}

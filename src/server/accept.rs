//! Accepting clients.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::listening_socket::DropAction;
use super::log_event::{Fault, Limit, LogEvent};
use super::reactor::{BATCH, Reactor, alarm, token};
use super::server_session::ServerSession;
use crate::cause::Cause;
use crate::session::{Session, UninitSession};
use crate::sys::{self, Interest, TryArc, UninitArc, Watch};

/// Clients accepted at a time, before sessions are served. Half a batch, so that accepted clients that are about to
/// leave do so before more are accepted.
const ACCEPT_BATCH: usize = BATCH / 2;

/// Further clients that are checked for a hang-up in one go. A client that has gone costs little.
const MAX_GONE: usize = 512;

/// Clients after which there are enough for the check to be worth its system call.
const CHECK_AFTER: usize = 8;

/// Memory for one client, allocated before the accept. Without memory the client waits in the queue.
#[derive(Default)]
struct Preallocated {
    handle: Option<UninitSession>,
    session: Option<UninitArc<ServerSession>>,
}

impl Preallocated {
    /// Allocates the parts that have been used.
    fn make(&mut self, reactor: &Reactor) -> Result<(), Cause> {
        fn make<T>(room: &mut Option<UninitArc<T>>) -> Result<(), Cause> {
            if room.is_none() {
                *room = Some(UninitArc::new()?);
            }
            Ok(())
        }
        let sessions = reactor.sessions.reserve()?;
        reactor.users.reserve()?;
        reactor.timers.reserve(sessions + 1)?;
        make(&mut self.handle)?;
        make(&mut self.session)
    }
}

/// The right to accept clients, which one thread has at a time.
struct Accepting<'a>(&'a Reactor);

impl<'a> Accepting<'a> {
    fn begin(reactor: &'a Reactor) -> Option<Self> {
        // Made only then, as its drop gives the right back.
        if reactor.acceptor.begin() {
            return Some(Self(reactor));
        }
        // Clients would be reported again and again while the other thread accepts.
        reactor.ignore_listener();
        reactor.acceptor.begin_or_ask().then(|| Self(reactor))
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        if self.0.acceptor.finish() && !self.0.owner.is_other_process() {
            self.0.watch_listener();
        }
    }
}

impl Reactor {
    /// Accepts the waiting clients. Unless there are `several`, accepts one: to look for another one in vain would take
    /// as long as to accept it.
    pub(super) fn accept(this: &TryArc<Self>, several: bool) {
        let Some(listening) = this.acceptor.watched() else { return };
        let Some(_accepting) = Accepting::begin(this) else { return };
        let mut preallocated = Preallocated::default();
        let mut taken = 0;
        for count in 0..ACCEPT_BATCH + MAX_GONE {
            if taken == ACCEPT_BATCH || (taken == 1 && !several) {
                break;
            }
            if this.sessions.is_full(this.limits.sessions) {
                this.ignore_listener();
                this.acceptor.set_full();
                // A session that ended just before could not see that the server was full.
                if this.sessions.is_full(this.limits.sessions) || !this.acceptor.clear_full() {
                    this.report(LogEvent::Limit(Limit::Sessions));
                    return;
                }
                this.watch_listener();
            }
            let accepted =
                preallocated.make(this).and_then(|()| sys::accept_at_once(listening.as_fd().as_raw_fd(), true));
            match accepted {
                Ok(socket) => {
                    if let Some(failures) = this.acceptor.reset_pause() {
                        this.log_accepting_again(failures);
                    }
                    if count >= CHECK_AFTER && sys::has_gone(socket.as_raw_fd()) {
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
                    // The program's `authorise` may have forked, and returned in the child.
                    if this.owner.is_other_process() {
                        return;
                    }
                }
                Err(cause) if cause.is_would_block() => break,
                // This client has gone, but others may wait.
                Err(Cause::Os(libc::ECONNABORTED | libc::EPROTO)) => {}
                Err(cause) => {
                    this.report_not_accepted(cause);
                    this.ignore_listener();
                    this.timers.set(Instant::now() + this.acceptor.next_pause(), alarm::ACCEPT);
                    return;
                }
            }
        }
    }

    /// Adds the listening socket to the epoll set.
    pub(super) fn add_listener(&self) -> Result<(), Cause> {
        let add = |listening: BorrowedFd<'_>| self.epoll.add(listening, token::LISTENER, Watch::Always(Interest::READ));
        self.acceptor.set_watched(true, add).unwrap_or(Ok(()))
    }

    /// Has clients reported as long as some wait.
    pub(super) fn watch_listener(&self) {
        self.set_listener(true, Watch::Always(Interest::READ));
    }

    /// Has no clients reported, until they are wanted again.
    fn ignore_listener(&self) {
        // Epoll always reports the end of a socket, but a one-shot registration reports it only once.
        self.set_listener(false, Watch::Once(Interest::NONE));
    }

    fn set_listener(&self, watched: bool, watch: Watch) {
        // This cannot fail for a descriptor that was added.
        let set = |listening: BorrowedFd<'_>| self.epoll.set(listening, token::LISTENER, watch);
        let _ = self.acceptor.set_watched(watched, set);
    }

    /// Accepts again after a session has ended, if the server was full.
    pub(super) fn resume_accepting(&self) {
        if self.acceptor.clear_full() {
            self.watch_listener();
        }
    }

    /// Stops listening. The socket file is removed once no thread is accepting any more.
    pub(super) fn close_listener(&self) {
        let Some(listening) = self.acceptor.take_listening() else { return };
        if self.owner.is_unknown() {
            // Another process may serve this socket, and watch it in the same set.
            return listening.set_drop_action(DropAction::CloseOnly);
        }
        // A failure means that the socket is not watched, as wanted.
        let _ = self.epoll.remove(listening.as_fd());
        if self.owner.is_creator() {
            listening.set_drop_action(DropAction::ShutDown);
        }
    }

    fn admit(this: &TryArc<Self>, handle: Session, preallocated: &mut Preallocated) {
        this.counters.accepted.add(1);
        let peer = handle.peer();
        let authorised = this.authorised(&handle);
        if this.owner.is_other_process() {
            return;
        }
        // `Preallocated` has made room for both.
        let Some(user) = this.users.add_client(peer.uid) else { return };
        let Some(room) = preallocated.session.take() else { return };
        let refusal = match authorised {
            false => Some(LogEvent::Fault(Fault::Refused, None)),
            true if this.users.add_session(&user, this.limits.sessions_of_user()) => None,
            true => Some(LogEvent::Limit(Limit::SessionsPerUid)),
        };
        let refused = refusal.is_some();
        if let Some(event) = refusal {
            this.report_peer(event, peer);
        }
        let (owner, program) = (user.clone(), this.program_of(peer));
        let make = |token| room.fill(ServerSession::new(token, handle, owner, this, refusal, program));
        let Some((session, oldest)) = this.sessions.insert(make, refused) else {
            // The server has ended. Closing with unread data gives the client an error, so it knows that its call was
            // not answered.
            return this.users.remove_client(&user, !refused);
        };
        if let Some(oldest) = oldest {
            oldest.abandon(this);
        }
        this.log_begin(&session);
        session.watch(this);
        // The shutdown may have missed this session.
        if this.is_overdue() {
            session.abort(this);
        } else if this.is_draining() {
            session.close(this);
        }
    }

    /// The program's decision about a client. A panic refuses it.
    fn authorised(&self, handle: &Session) -> bool {
        let Some(authorise) = &self.authorise else { return true };
        let in_handler = self.workers.enter_handler(false);
        let authorised = catch_unwind(AssertUnwindSafe(|| authorise(handle))).unwrap_or(false);
        in_handler.note_delay();
        authorised
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Server;

    #[test]
    fn one_thread_accepts_however_many_ask() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
        let is_watched = || server.reactor().acceptor.is_watched();
        let accepting = Accepting::begin(server.reactor());
        assert!(accepting.is_some() && is_watched());
        assert!((0..3).all(|_| Accepting::begin(server.reactor()).is_none()));
        assert!(!is_watched(), "clients would be reported again and again");
        drop(accepting);
        assert!(is_watched());
        assert!(Accepting::begin(server.reactor()).is_some());
    }

    /// Accepting is tried every second or more often, and may succeed in between.
    #[test]
    fn one_trouble_has_a_line_in_ten_seconds() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
        let acceptor = &server.reactor().acceptor;
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!((acceptor.reset_pause(), acceptor.count_failure(now)), (None, Some(1)));
        assert_eq!((acceptor.count_failure(after(1)), acceptor.count_failure(after(9))), (None, None));
        assert_eq!((acceptor.reset_pause(), acceptor.reset_pause()), (Some(2), None));
        assert_eq!((acceptor.count_failure(after(9)), acceptor.count_failure(after(10))), (None, Some(2)));
    }
}

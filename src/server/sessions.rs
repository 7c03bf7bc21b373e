//! The sessions of a server.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::cause::Cause;
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::TryArc;

/// Sessions kept for no other reason than to answer their first call with a failure.
const REFUSED: usize = 64;

/// Every session that has not ended, by token.
#[derive(Debug)]
pub(super) struct Sessions<S>(Mutex<Entries<S>>);

#[derive(Debug)]
struct Entries<S> {
    slots: Vec<Slot<S>>,
    /// The slots that are free. There is room for all.
    free: Vec<u32>,
    refused: VecDeque<u64>,
    closed: bool,
}

/// Where a session is. The lower half of its token says which slot it is in, and the upper half which of the sessions that
/// have been there it is.
#[derive(Debug)]
struct Slot<S> {
    session: Option<TryArc<S>>,
    uses: u32,
}

impl<S> Entries<S> {
    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn slot(&self, token: u64) -> Option<&Slot<S>> {
        self.slots.get(place(token)).filter(|slot| u64::from(slot.uses) == token >> u32::BITS)
    }

    fn get(&self, token: u64) -> Option<&TryArc<S>> {
        self.slot(token)?.session.as_ref()
    }
}

fn place(token: u64) -> usize {
    token as u32 as usize
}

impl<S> Sessions<S> {
    pub(super) fn new() -> Result<Self, Cause> {
        let mut refused = VecDeque::new();
        refused.try_reserve_exact(REFUSED + 1).map_err(|_| Cause::NoMemory)?;
        Ok(Self(Mutex::new(Entries { slots: Vec::new(), free: Vec::new(), refused, closed: false })))
    }

    /// Makes room for one more session.
    pub(super) fn reserve(&self) -> Result<(), Cause> {
        let no_memory = |_| Cause::NoMemory;
        let mut entries = lock(&self.0);
        if entries.free.is_empty() {
            let Entries { slots, free, .. } = &mut *entries;
            slots.try_reserve(1).map_err(no_memory)?;
            free.try_reserve(slots.len() + 1).map_err(no_memory)?;
            free.extend(u32::try_from(slots.len()));
            slots.extend([Slot { session: None, uses: 0 }]);
        }
        Ok(())
    }

    /// Adds a session, for which there is [room](Self::reserve), under the token that it is made with; not when the server has
    /// ended. Of refused ones only so many are kept: returns one that has to go, too.
    pub(super) fn insert(
        &self,
        make: impl FnOnce(u64) -> TryArc<S>,
        refused: bool,
    ) -> Option<(TryArc<S>, Option<TryArc<S>>)> {
        let mut entries = lock(&self.0);
        if entries.closed {
            return None;
        }
        let number = entries.free.pop()?;
        let slot = entries.slots.get_mut(number as usize)?;
        slot.uses = slot.uses.wrapping_add(1);
        let token = u64::from(slot.uses) << u32::BITS | u64::from(number);
        let session = make(token);
        slot.session = Some(session.clone());
        if !refused {
            return Some((session, None));
        }
        entries.refused.extend([token]);
        let oldest = if entries.refused.len() > REFUSED { entries.refused.pop_front() } else { None };
        let oldest = oldest.and_then(|token| entries.get(token).cloned());
        Some((session, oldest))
    }

    /// Takes a session away.
    pub(super) fn remove(&self, token: u64, refused: bool) {
        // Dropped without the lock.
        let _link = {
            let mut entries = lock(&self.0);
            if entries.get(token).is_none() {
                return;
            }
            entries.free.extend([token as u32]);
            if refused {
                entries.refused.retain(|refused| *refused != token);
            }
            entries.slots.get_mut(place(token)).and_then(|slot| slot.session.take())
        };
    }

    pub(super) fn get(&self, token: u64) -> Option<TryArc<S>> {
        lock(&self.0).get(token).cloned()
    }

    /// Finds those sessions that are still there.
    pub(super) fn find(&self, tokens: impl Iterator<Item = u64>, mut found: impl FnMut(TryArc<S>)) {
        let entries = lock(&self.0);
        tokens.filter_map(|token| entries.get(token)).for_each(|session| found(session.clone()));
    }

    /// Does something with every session that is there from beginning to end.
    pub(super) fn for_each(&self, mut work: impl FnMut(TryArc<S>)) {
        let session_at = |at| lock(&self.0).slots.get(at).map(|slot: &Slot<S>| slot.session.clone());
        (0..).map_while(session_at).flatten().for_each(&mut work);
    }

    /// There are as many sessions as may be. Those that are only there to be refused do not count: whoever is refused
    /// again and again would keep others out.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        let entries = lock(&self.0);
        entries.len().saturating_sub(entries.refused.len()) >= limit
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Lets nobody in any more, if nobody is there; true when this has done so.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut entries = lock(&self.0);
        entries.len() == 0 && !std::mem::replace(&mut entries.closed, true)
    }
}

impl<S: AsFd> Sessions<S> {
    /// Does something with the descriptors of the sessions, for a process that has inherited them, as far as they can be
    /// looked at.
    pub(super) fn with_descriptors(&self, mut work: impl FnMut(RawFd)) {
        let Some(entries) = try_lock(&self.0) else { return };
        entries
            .slots
            .iter()
            .filter_map(|slot| slot.session.as_ref())
            .for_each(|session| work(session.as_fd().as_raw_fd()));
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::path::Path;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::Server;
    use crate::server::server_session::ServerSession;
    use crate::server::users::User;
    use crate::session::Session;
    use crate::shared_path::SharedPath;
    use crate::sys::UninitArc;

    fn session(server: &Server, token: u64) -> TryArc<ServerSession> {
        let (ours, _) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let session = Session::new(ours.into(), SharedPath::new(Path::new("drpc.sock")).unwrap()).unwrap();
        let reactor = server.reactor();
        reactor.users.reserve().unwrap();
        let user = reactor.users.add_client(0, &mut Some(UninitArc::<User>::new().unwrap())).unwrap();
        TryArc::new(ServerSession::new(token, session, user, reactor, true)).unwrap()
    }

    fn server() -> (tempfile::TempDir, Server) {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
        (dir, server)
    }

    #[test]
    fn of_refused_sessions_only_the_last_are_kept() {
        let (_dir, server) = server();
        let sessions = Sessions::new().unwrap();
        let enter = || {
            sessions.reserve().unwrap();
            let (session, oldest) = sessions.insert(|token| session(&server, token), true).unwrap();
            (session.token(), oldest.map(|oldest| oldest.token()))
        };
        let tokens: Vec<u64> = (0..REFUSED)
            .map(|_| {
                let (token, oldest) = enter();
                assert_eq!(oldest, None);
                token
            })
            .collect();
        assert_eq!(enter().1, Some(tokens[0]));
        // Two places are free: that of the one that has to go, and that of one that has gone by itself.
        sessions.remove(tokens[0], true);
        sessions.remove(tokens[5], true);
        assert_eq!(enter().1, None);
        assert_eq!(enter().1, Some(tokens[1]));
    }

    #[test]
    fn a_token_is_that_of_one_session() {
        let (_dir, server) = server();
        let sessions = Sessions::new().unwrap();
        let enter = || {
            sessions.reserve().unwrap();
            sessions.insert(|token| session(&server, token), false).unwrap().0.token()
        };
        let (first, second) = (enter(), enter());
        sessions.remove(first, false);
        sessions.remove(first, false);
        assert_eq!((sessions.len(), sessions.get(first).is_none()), (1, true));
        let third = enter();
        assert_eq!(place(third), place(first));
        let mut found = Vec::new();
        sessions.find([first, second, third, u64::MAX].into_iter(), |session| found.push(session.token()));
        assert_eq!(found, [second, third]);
        found.clear();
        sessions.for_each(|session| {
            sessions.remove(session.token(), false);
            found.push(session.token());
        });
        assert_eq!((found.as_slice(), sessions.len()), ([third, second].as_slice(), 0));
    }

    #[test]
    fn nobody_enters_when_it_is_closed() {
        let (_dir, server) = server();
        let sessions = Sessions::new().unwrap();
        assert!(sessions.close_if_empty());
        assert!(!sessions.close_if_empty());
        sessions.reserve().unwrap();
        assert!(sessions.insert(|token| session(&server, token), false).is_none());
    }
}

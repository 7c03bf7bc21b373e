//! The table of a server's sessions.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::cause::Cause;
use crate::sync::{Mutex, lock, try_lock};
use crate::sys::{Event, TryArc};

/// The most sessions kept only to refuse their first call.
const REFUSED: usize = 64;

/// Every session that has not ended, by token.
#[derive(Debug)]
pub(super) struct Sessions<S>(Mutex<Entries<S>>);

#[derive(Debug)]
struct Entries<S> {
    slots: Vec<Slot<S>>,
    /// The free slots, with capacity for all slots.
    free: Vec<u32>,
    refused: VecDeque<u64>,
    closed: bool,
}

/// A place for a session. The lower half of a token is the index of the slot. The upper half is its generation at the
/// time, so that no two sessions share a token.
#[derive(Debug)]
struct Slot<S> {
    session: Option<TryArc<S>>,
    generation: u32,
}

impl<S> Entries<S> {
    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn slot(&self, token: u64) -> Option<&Slot<S>> {
        self.slots.get(index(token)).filter(|slot| u64::from(slot.generation) == token >> u32::BITS)
    }

    fn get(&self, token: u64) -> Option<&TryArc<S>> {
        self.slot(token)?.session.as_ref()
    }
}

fn index(token: u64) -> usize {
    token as u32 as usize
}

impl<S> Sessions<S> {
    pub(super) fn new() -> Result<Self, Cause> {
        let mut refused = VecDeque::new();
        refused.try_reserve_exact(REFUSED + 1).map_err(|_| Cause::NoMemory)?;
        Ok(Self(Mutex::new(Entries { slots: Vec::new(), free: Vec::new(), refused, closed: false })))
    }

    /// Makes room for one more session, and returns how many there are.
    pub(super) fn reserve(&self) -> Result<usize, Cause> {
        let no_memory = |_| Cause::NoMemory;
        let mut entries = lock(&self.0);
        if entries.free.is_empty() {
            let Entries { slots, free, .. } = &mut *entries;
            slots.try_reserve(1).map_err(no_memory)?;
            free.try_reserve(slots.len() + 1).map_err(no_memory)?;
            free.extend(u32::try_from(slots.len()));
            slots.extend([Slot { session: None, generation: 0 }]);
        }
        Ok(entries.len())
    }

    /// Inserts a session, for which there is [room](Self::reserve), under the token that it is made with. `None` once
    /// the server has ended. If too many refused sessions are kept, the oldest is returned too, and has to go.
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
        slot.generation = slot.generation.wrapping_add(1);
        let token = u64::from(slot.generation) << u32::BITS | u64::from(number);
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

    /// Removes a session.
    pub(super) fn remove(&self, token: u64, refused: bool) {
        // Dropped after the lock.
        let _session = {
            let mut entries = lock(&self.0);
            if entries.get(token).is_none() {
                return;
            }
            entries.free.extend([token as u32]);
            if refused {
                entries.refused.retain(|refused| *refused != token);
            }
            entries.slots.get_mut(index(token)).and_then(|slot| slot.session.take())
        };
    }

    pub(super) fn get(&self, token: u64) -> Option<TryArc<S>> {
        lock(&self.0).get(token).cloned()
    }

    /// Finds the sessions of these events that have not ended.
    pub(super) fn find(&self, events: impl Iterator<Item = Event>, mut found: impl FnMut(TryArc<S>, Event)) {
        let entries = lock(&self.0);
        let session = |event: Event| Some((entries.get(event.token)?.clone(), event));
        events.filter_map(session).for_each(|(session, event)| found(session, event));
    }

    /// Visits every session that stays for the whole visit.
    pub(super) fn for_each(&self, mut work: impl FnMut(TryArc<S>)) {
        let session_at = |at| lock(&self.0).slots.get(at).map(|slot: &Slot<S>| slot.session.clone());
        (0..).map_while(session_at).flatten().for_each(&mut work);
    }

    /// True while as many sessions are served as the limit allows. Refused ones do not count, so that a client refused
    /// again and again keeps no other out.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        let entries = lock(&self.0);
        entries.len().saturating_sub(entries.refused.len()) >= limit
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Closes the table if it is empty; true the first time.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut entries = lock(&self.0);
        entries.len() == 0 && !std::mem::replace(&mut entries.closed, true)
    }
}

impl<S: AsFd> Sessions<S> {
    /// Visits the sessions' descriptors, for a process that has inherited them. Skips them if the lock is held.
    pub(super) fn for_each_descriptor(&self, mut work: impl FnMut(RawFd)) {
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
    use crate::server::log_event::{Fault, LogEvent};
    use crate::server::server_session::ServerSession;
    use crate::session::Session;
    use crate::shared_path::SharedPath;
    use crate::sys::Program;

    fn session(server: &Server, token: u64) -> TryArc<ServerSession> {
        let (ours, _) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let session = Session::new(ours.into(), SharedPath::new(Path::new("drpc.sock")).unwrap()).unwrap();
        let reactor = server.reactor();
        reactor.users.reserve().unwrap();
        let user = reactor.users.add_client(0).unwrap();
        let refusal = Some(LogEvent::Fault(Fault::Refused, None));
        TryArc::new(ServerSession::new(token, session, user, reactor, refusal, Program::default())).unwrap()
    }

    fn server() -> (tempfile::TempDir, Server) {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
        (dir, server)
    }

    #[test]
    fn only_the_latest_refused_sessions_are_kept() {
        let (_dir, server) = server();
        let sessions = Sessions::new().unwrap();
        let insert = || {
            sessions.reserve().unwrap();
            let (session, oldest) = sessions.insert(|token| session(&server, token), true).unwrap();
            (session.token(), oldest.map(|oldest| oldest.token()))
        };
        let tokens: Vec<u64> = (0..REFUSED)
            .map(|_| {
                let (token, oldest) = insert();
                assert_eq!(oldest, None);
                token
            })
            .collect();
        assert_eq!(insert().1, Some(tokens[0]));
        // Two slots are free: the one of the oldest session, and the one of another that was removed.
        sessions.remove(tokens[0], true);
        sessions.remove(tokens[5], true);
        assert_eq!(insert().1, None);
        assert_eq!(insert().1, Some(tokens[1]));
    }

    #[test]
    fn a_token_names_one_session() {
        let (_dir, server) = server();
        let sessions = Sessions::new().unwrap();
        let insert = || {
            sessions.reserve().unwrap();
            sessions.insert(|token| session(&server, token), false).unwrap().0.token()
        };
        let (first, second) = (insert(), insert());
        sessions.remove(first, false);
        sessions.remove(first, false);
        assert_eq!((sessions.len(), sessions.get(first).is_none()), (1, true));
        let third = insert();
        assert_eq!(index(third), index(first));
        let mut found = Vec::new();
        let events = [first, second, third, u64::MAX].map(|token| Event { token, ..Event::default() });
        sessions.find(events.into_iter(), |session, _| found.push(session.token()));
        assert_eq!(found, [second, third]);
        found.clear();
        sessions.for_each(|session| {
            sessions.remove(session.token(), false);
            found.push(session.token());
        });
        assert_eq!((found.as_slice(), sessions.len()), ([third, second].as_slice(), 0));
    }

    #[test]
    fn a_closed_table_takes_no_session() {
        let (_dir, server) = server();
        let sessions = Sessions::new().unwrap();
        assert!(sessions.close_if_empty());
        assert!(!sessions.close_if_empty());
        sessions.reserve().unwrap();
        assert!(sessions.insert(|token| session(&server, token), false).is_none());
    }
}

//! The sessions of a server.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::TryLockError;

use super::link::Link;
use crate::request::Answers;
use crate::sync::{Arc, Mutex, lock};

/// Sessions kept for no other reason than to answer their first call with a failure.
const REFUSED: usize = 64;

/// The user whose sessions are not counted.
const ROOT: u32 = 0;

/// Every session that has not ended.
#[derive(Debug, Default)]
pub(super) struct Roll(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    links: HashMap<u64, Arc<Link>, BuildHasherDefault<Scatter>>,
    by_uid: HashMap<u32, usize>,
    refused: VecDeque<u64>,
    closed: bool,
}

/// Hashes the number of a session, which no client has a say in.
#[derive(Debug, Default)]
struct Scatter(u64);

impl Hasher for Scatter {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // By the golden ratio, which moves neighbours apart.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Roll {
    /// Counts a session of a user, if there may be one more.
    pub(super) fn claim(&self, uid: u32, limit: usize) -> bool {
        let mut entries = lock(&self.0);
        let count = entries.by_uid.entry(uid).or_default();
        let granted = uid == ROOT || *count < limit;
        *count += usize::from(granted);
        granted
    }

    /// Adds a session; not when the server has ended. Of refused ones only so many are kept: returns one that has to
    /// go.
    pub(super) fn enter(&self, id: u64, link: &Arc<Link>, refused: bool) -> Result<Option<Arc<Link>>, Ended> {
        let mut entries = lock(&self.0);
        if entries.closed {
            return Err(Ended);
        }
        entries.links.insert(id, Arc::clone(link));
        if !refused {
            return Ok(None);
        }
        entries.refused.push_back(id);
        let oldest = if entries.refused.len() > REFUSED { entries.refused.pop_front() } else { None };
        Ok(oldest.and_then(|id| entries.links.get(&id).cloned()))
    }

    /// Takes a session away, and its user's claim, if it has one.
    pub(super) fn leave(&self, id: u64, claim: Option<u32>) {
        let mut entries = lock(&self.0);
        entries.links.remove(&id);
        match claim {
            None => entries.refused.retain(|refused| *refused != id),
            Some(uid) => {
                let count = entries.by_uid.entry(uid).or_default();
                *count = count.saturating_sub(1);
                if *count == 0 {
                    entries.by_uid.remove(&uid);
                }
            }
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Link>> {
        lock(&self.0).links.get(&id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Link>> {
        lock(&self.0).links.values().cloned().collect()
    }

    /// There are as many sessions as may be. Those that are only there to be refused do not count: whoever is refused
    /// again and again would keep others out.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        let entries = lock(&self.0);
        entries.links.len().saturating_sub(entries.refused.len()) >= limit
    }

    /// The descriptors of the sessions, for a process that has inherited them, as far as they can be looked at.
    pub(super) fn descriptors(&self) -> Vec<RawFd> {
        let entries = match self.0.try_lock() {
            Ok(entries) => entries,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Vec::new(),
        };
        entries.links.values().map(|link| link.session().as_fd().as_raw_fd()).collect()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.0).links.len()
    }

    /// Lets nobody in any more, if nobody is there; true when this has done so.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut entries = lock(&self.0);
        entries.links.is_empty() && !std::mem::replace(&mut entries.closed, true)
    }
}

/// The server has ended.
#[derive(Debug)]
pub(super) struct Ended;

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::path::Path;

    use socket2::{Domain, Socket, Type};

    use super::*;
    use crate::Server;
    use crate::session::Session;

    #[test]
    fn users_have_so_many_sessions() {
        let roll = Roll::default();
        assert_eq!([(); 3].map(|()| roll.claim(5, 2)), [true, true, false]);
        assert_eq!([(); 3].map(|()| roll.claim(ROOT, 2)), [true, true, true]);
        roll.leave(1, Some(5));
        assert_eq!([(); 2].map(|()| roll.claim(5, 2)), [true, false]);
    }

    #[test]
    fn of_refused_sessions_only_the_last_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::builder().bind(dir.path().join("drpc.sock")).unwrap();
        let link = || {
            let (ours, _) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
            let session = Session::new(ours.into(), Arc::from(Path::new("drpc.sock"))).unwrap();
            Arc::new(Link::new(session, server.hub(), true))
        };
        let roll = Roll::default();
        let links: Vec<Arc<Link>> = (0..REFUSED + 3).map(|_| link()).collect();
        let enter = |link: &Arc<Link>| roll.enter(link.id(), link, true).unwrap().map(|oldest| oldest.id());
        for link in &links[..REFUSED] {
            assert_eq!(enter(link), None);
        }
        assert_eq!(enter(&links[REFUSED]), Some(links[0].id()));
        // Two places are free: that of the one that has to go, and that of one that has gone by itself.
        roll.leave(links[0].id(), None);
        roll.leave(links[5].id(), None);
        assert_eq!(enter(&links[REFUSED + 1]), None);
        assert_eq!(enter(&links[REFUSED + 2]), Some(links[1].id()));
    }

    #[test]
    fn nobody_enters_when_it_is_closed() {
        let roll = Roll::default();
        assert!(roll.close_if_empty());
        assert!(!roll.close_if_empty());
    }
}

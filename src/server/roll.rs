//! The sessions of a server.

use std::collections::{HashMap, VecDeque};

use super::link::Link;
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
    links: HashMap<u64, Arc<Link>>,
    by_uid: HashMap<u32, usize>,
    refused: VecDeque<u64>,
    closed: bool,
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

//! The users with clients on a server.

use super::fair::LastTurn;
use super::share::Share;
use crate::cause::Cause;
use crate::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use crate::sync::{Mutex, lock};
use crate::sys::{TryArc, UninitArc};

/// The user whose sessions have no limit.
const ROOT: u32 = 0;

/// A user with at least one client.
#[derive(Debug)]
pub(super) struct User {
    uid: u32,
    /// Clients, refused ones included.
    clients: AtomicUsize,
    /// Sessions that count for the limit.
    sessions: AtomicUsize,
    /// The user's share of the memory for incomplete calls.
    pub(super) partial: Share,
    /// The user's share of the memory for untaken responses.
    pub(super) unsent: Share,
    pub(super) last_turn: LastTurn,
}

impl User {
    fn new(uid: u32) -> Self {
        let (partial, unsent) = (Share::new(uid == ROOT), Share::new(uid == ROOT));
        let (clients, sessions) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { uid, clients, sessions, partial, unsent, last_turn: LastTurn::default() }
    }
}

/// All users, sorted by uid.
#[derive(Debug, Default)]
pub(super) struct Users(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    users: Vec<TryArc<User>>,
    /// Memory for the next user, which stays until there is one.
    spare: Option<UninitArc<User>>,
}

impl Users {
    /// Makes room for one more user.
    pub(super) fn reserve(&self) -> Result<(), Cause> {
        let Table { users, spare } = &mut *lock(&self.0);
        if spare.is_none() {
            *spare = Some(UninitArc::new()?);
        }
        users.try_reserve(1).map_err(|_| Cause::NoMemory)
    }

    /// The user of a new client, for which there is [room](Self::reserve) if it is the user's first.
    #[expect(clippy::disallowed_methods, reason = "there is room")]
    pub(super) fn add_client(&self, uid: u32) -> Option<TryArc<User>> {
        let Table { users, spare } = &mut *lock(&self.0);
        let user = match users.binary_search_by_key(&uid, |user| user.uid) {
            Ok(at) => users.get(at).cloned()?,
            Err(at) => {
                let user = spare.take()?.fill(User::new(uid));
                users.insert(at, user.clone());
                user
            }
        };
        user.clients.fetch_add(1, Relaxed);
        Some(user)
    }

    /// Counts a session of a user; false if the limit is reached.
    pub(super) fn add_session(&self, user: &User, limit: usize) -> bool {
        let _users = lock(&self.0);
        let granted = user.uid == ROOT || user.sessions.load(Relaxed) < limit;
        user.sessions.fetch_add(usize::from(granted), Relaxed);
        granted
    }

    /// Removes a client, and its session if that was counted.
    pub(super) fn remove_client(&self, user: &User, counted: bool) {
        let Table { users, .. } = &mut *lock(&self.0);
        user.sessions.fetch_sub(usize::from(counted), Relaxed);
        if user.clients.fetch_sub(1, Relaxed) == 1
            && let Ok(at) = users.binary_search_by_key(&user.uid, |user| user.uid)
        {
            users.remove(at);
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    fn add_client(users: &Users, uid: u32) -> TryArc<User> {
        users.reserve().unwrap();
        users.add_client(uid).unwrap()
    }

    #[test]
    fn sessions_of_a_user_are_limited() {
        let users = Users::default();
        let (user, root) = (add_client(&users, 5), add_client(&users, ROOT));
        assert_eq!([(); 3].map(|()| users.add_session(&user, 2)), [true, true, false]);
        assert_eq!([(); 3].map(|()| users.add_session(&root, 2)), [true, true, true]);
        let again = add_client(&users, 5);
        assert!(TryArc::ptr_eq(&user, &again));
        users.remove_client(&user, true);
        assert_eq!([(); 2].map(|()| users.add_session(&user, 2)), [true, false]);
    }

    #[test]
    fn a_user_without_clients_is_forgotten() {
        let users = Users::default();
        for uid in [7, 3, 9, 3] {
            add_client(&users, uid);
        }
        let uids = || lock(&users.0).users.iter().map(|user| user.uid).collect::<Vec<_>>();
        assert_eq!(uids(), [3, 7, 9]);
        let user = lock(&users.0).users[0].clone();
        users.remove_client(&user, false);
        assert_eq!(uids(), [3, 7, 9]);
        users.remove_client(&user, false);
        assert_eq!(uids(), [7, 9]);
        assert!(!TryArc::ptr_eq(&user, &add_client(&users, 3)));
    }
}

//! The paths at which clients reach their servers again, by the address of the client's context. The table takes no block
//! of memory, because most paths are forgotten a moment later.
//!
//! A program may free a context by itself, so that its path is found for another context at the same address. A path is
//! therefore checked before use: it has to lead to the same server.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::sync::Mutex;

use crate::sync::lock_briefly;
use crate::sys::SocketPath;

/// The number of paths kept at a time.
const MAX_PATHS: usize = 256;

/// A table of paths at which servers have been found, in no order.
#[derive(Debug)]
pub struct ReconnectPaths(Mutex<Table>);

#[derive(Debug)]
struct Table {
    /// The addresses of the contexts. They lie apart from the paths because a search reads all of them.
    addresses: [usize; MAX_PATHS],
    paths: [SocketPath; MAX_PATHS],
    len: usize,
    /// The entry that was replaced last because the table was full.
    next: usize,
}

/// The paths of the process's contexts whose servers' framing is not known yet.
pub static RECONNECT_PATHS: ReconnectPaths = ReconnectPaths::new();

impl ReconnectPaths {
    const fn new() -> Self {
        let paths = [SocketPath::EMPTY; MAX_PATHS];
        Self(Mutex::new(Table { addresses: [0; MAX_PATHS], paths, len: 0, next: 0 }))
    }

    /// Keeps a path for an address, in place of the one before. In a full table another path is forgotten.
    pub fn put(&self, address: usize, path: SocketPath) {
        let Some(mut table) = lock_briefly(&self.0) else { return };
        let table = &mut *table;
        let at = table.find(address).unwrap_or_else(|| {
            if table.len < MAX_PATHS {
                table.len += 1;
                return table.len - 1;
            }
            table.next = (table.next + 1) % MAX_PATHS;
            table.next
        });
        if let (Some(kept_for), Some(kept)) = (table.addresses.get_mut(at), table.paths.get_mut(at)) {
            (*kept_for, *kept) = (address, path);
        }
    }

    /// A copy of the path of an address.
    pub fn get(&self, address: usize) -> Option<SocketPath> {
        let table = lock_briefly(&self.0)?;
        table.paths.get(table.find(address)?).copied()
    }

    /// Forgets the path of an address.
    pub fn forget(&self, address: usize) {
        let Some(mut table) = lock_briefly(&self.0) else { return };
        let Some(at) = table.find(address) else { return };
        table.len -= 1;
        let last = table.len;
        if at < last {
            table.addresses.swap(at, last);
            table.paths.swap(at, last);
        }
    }
}

impl Table {
    fn find(&self, address: usize) -> Option<usize> {
        self.addresses.get(..self.len)?.iter().position(|kept| *kept == address)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    /// A different path for each number.
    fn path(i: usize) -> Vec<u8> {
        vec![b'/'; 1 + i % 107]
    }

    fn socket_path(i: usize) -> SocketPath {
        SocketPath::new(&path(i)).unwrap()
    }

    fn found(paths: &ReconnectPaths) -> Vec<usize> {
        (0..2 * MAX_PATHS)
            .filter(|i| paths.get(*i).inspect(|found| assert_eq!(*found, socket_path(*i))).is_some())
            .collect()
    }

    #[test]
    fn paths_are_found_by_their_address_only() {
        let paths = ReconnectPaths::new();
        for i in [40, 8, 24, 16, 7] {
            paths.put(i, socket_path(i));
        }
        for gone in [9, 40, 40, 16] {
            paths.forget(gone);
        }
        assert_eq!(found(&paths), [7, 8, 24]);
        paths.put(8, socket_path(9));
        assert_eq!([7, 8].map(|i| paths.get(i)), [Some(socket_path(7)), Some(socket_path(9))]);
        for i in [7, 8, 24] {
            paths.forget(i);
        }
        assert_eq!(paths.0.lock().unwrap().len, 0);
    }

    #[test]
    fn one_path_goes_for_another() {
        let paths = ReconnectPaths::new();
        for i in 0..MAX_PATHS + 3 {
            paths.put(i, socket_path(i));
        }
        let found = found(&paths);
        assert_eq!((found.len(), found.last()), (MAX_PATHS, Some(&(MAX_PATHS + 2))));
    }
}

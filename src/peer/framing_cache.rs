//! A cache of the framings of servers, shared by the clients of the process, so that a known server is
//! not probed again.
//!
//! A server is identified by more than its path, because another one may take its place and be of another release. The
//! inode number is not enough either: the file system may give it to the next file.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::CStr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::protocol::framing::{Framing, FramingChoice};
use crate::sync::lock_briefly;
use crate::sys::{self, FileStamp, SocketPath};

/// The number of servers remembered. The oldest entry makes room for a new one.
const MAX_SERVERS: usize = 64;

/// The identity of a server: path, socket file and process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerId {
    path: SocketPath,
    instance: Instance,
}

/// The identity of a server among those at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    file: FileStamp,
    pid: i32,
}

impl ServerId {
    /// The process `pid` as the server at `path`; `None` if there is no file at the path.
    pub fn of(path: SocketPath, pid: i32) -> Option<Self> {
        Some(Self { path, instance: Instance { file: sys::file_stamp(path.as_c_str())?, pid } })
    }

    /// The server at a path that has been told apart before.
    pub fn at(path: SocketPath, instance: Instance) -> Self {
        Self { path, instance }
    }

    /// What tells this server from another one at the same path.
    pub fn instance(&self) -> Instance {
        self.instance
    }
}

/// Servers with their framings, the newest first. They stay as long as the process, so that they take no block of memory.
type Servers = [Option<(ServerId, Framing)>; MAX_SERVERS];

static SERVERS: Mutex<Servers> = Mutex::new([None; MAX_SERVERS]);

/// The framings seen of any server at any time: see [`are_all_chunked`].
static SEEN: AtomicU8 = AtomicU8::new(0);
const CHUNKED_SEEN: u8 = 1;
const DATAGRAM_SEEN: u8 = 2;

/// True if all servers so far read chunks, and there was one. The next server is likely to read chunks, too.
pub fn are_all_chunked() -> bool {
    SEEN.load(Ordering::Relaxed) == CHUNKED_SEEN
}

/// The servers; `None` if the lock cannot be had.
fn servers() -> Option<MutexGuard<'static, Servers>> {
    lock_briefly(&SERVERS)
}

fn remove_where(servers: &mut Servers, gone: impl Fn(&ServerId) -> bool) {
    for known in servers {
        known.take_if(|(server, _)| gone(server));
    }
}

/// The framing of a server, if it has been learned.
pub fn recall(server: &ServerId) -> Option<Framing> {
    servers()?.iter().flatten().find(|(known, _)| known == server).map(|(_, framing)| *framing)
}

/// Remembers the framing of a server.
pub fn learn(server: ServerId, framing: Framing) {
    let found = if framing == Framing::Chunked { CHUNKED_SEEN } else { DATAGRAM_SEEN };
    SEEN.fetch_or(found, Ordering::Relaxed);
    let Some(mut servers) = servers() else { return };
    remove_where(&mut servers, |known| *known == server);
    let free = servers.iter().position(Option::is_none).unwrap_or(MAX_SERVERS - 1);
    if let Some(moved) = servers.get_mut(..=free) {
        moved.rotate_right(1);
    }
    if let Some(first) = servers.first_mut() {
        *first = Some((server, framing));
    }
}

/// Forgets the servers of the process that a socket is, or was, connected to.
pub fn forget(fd: RawFd) {
    if let (Some(peer), Some(mut servers)) = (sys::peer(fd), servers()) {
        remove_where(&mut servers, |known| known.instance.pid == peer.pid);
    }
}

/// The environment variable by which a user chooses a framing.
const VARIABLE: &CStr = c"DRPC_FRAMING";

/// The user's choice, read at first use.
static CHOICE: AtomicU8 = AtomicU8::new(NOT_READ);
const NOT_READ: u8 = 0;
const NONE: u8 = 1;
const AUTO: u8 = 2;
const DATAGRAM: u8 = 3;
const CHUNKED: u8 = 4;
const INVALID: u8 = 5;

/// What an invalid value of `DRPC_FRAMING` is.
pub const UNKNOWN_FRAMING: &str = "none of datagram, chunked, auto";

/// The framing that the environment variable `DRPC_FRAMING` asks for, else `default`. `None` means that it is to be found
/// out. An invalid value goes to `on_invalid`. The variable is read once a process.
pub fn from_environment(default: Option<Framing>, on_invalid: impl FnOnce(&CStr)) -> Option<Framing> {
    let choice = match CHOICE.load(Ordering::Relaxed) {
        NOT_READ => read_choice(),
        choice => choice,
    };
    match choice {
        AUTO => None,
        DATAGRAM => Some(Framing::Datagram),
        CHUNKED => Some(Framing::Chunked),
        INVALID => {
            sys::secure_variable(VARIABLE, on_invalid);
            default
        }
        _ => default,
    }
}

/// Where the framing that [`from_environment`] gives was chosen.
pub fn choice() -> FramingChoice {
    match CHOICE.load(Ordering::Relaxed) {
        DATAGRAM | CHUNKED => FramingChoice::Environment,
        _ => FramingChoice::Default,
    }
}

#[cold]
fn read_choice() -> u8 {
    let named = |value: &CStr| match value.to_bytes() {
        b"datagram" => DATAGRAM,
        b"chunked" => CHUNKED,
        b"auto" => AUTO,
        _ => INVALID,
    };
    let choice = sys::secure_variable(VARIABLE, named).unwrap_or(NONE);
    CHOICE.store(choice, Ordering::Relaxed);
    choice
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    fn server(path: &Path) -> Socket {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
        socket.listen(16).unwrap();
        socket
    }

    fn id(path: &Path) -> (ServerId, Socket) {
        let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        client.connect(&SockAddr::unix(path).unwrap()).unwrap();
        let path = SocketPath::new(path.as_os_str().as_bytes()).unwrap();
        (ServerId::of(path, sys::peer(client.as_raw_fd()).unwrap().pid).unwrap(), client)
    }

    /// One test, because there is one cache, and `forget` goes by the process.
    #[test]
    fn a_server_is_remembered_until_it_changes_or_fails() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sock");
        let first = server(&path);
        let (known, client) = id(&path);
        assert_eq!(recall(&known), None);
        assert!(!are_all_chunked());
        learn(known, Framing::Chunked);
        assert!(are_all_chunked());
        learn(known, Framing::Datagram);
        assert!(!are_all_chunked());
        assert_eq!(recall(&id(&path).0), Some(Framing::Datagram));
        learn(known, Framing::Chunked);
        assert_eq!(recall(&known), Some(Framing::Chunked));
        // Another path, another file, another process.
        let other = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &other).unwrap();
        assert_eq!(recall(&id(&other).0), None);
        let of_pid = |pid| ServerId { instance: Instance { pid, ..known.instance }, ..known };
        assert_eq!(recall(&of_pid(known.instance.pid + 1)), None);
        fs::remove_file(&path).unwrap();
        drop(first);
        let _second = server(&path);
        assert_eq!(recall(&id(&path).0), None);
        // As many as there is room for, and then the oldest goes.
        for i in 1..MAX_SERVERS as i32 {
            learn(of_pid(-i), Framing::Datagram);
        }
        assert_eq!(recall(&known), Some(Framing::Chunked));
        learn(of_pid(i32::MIN), Framing::Datagram);
        assert_eq!(recall(&known), None);
        assert_eq!(servers().unwrap().iter().flatten().count(), MAX_SERVERS);
        learn(known, Framing::Chunked);
        forget(client.as_raw_fd());
        assert_eq!(recall(&known), None);
        assert_eq!(servers().unwrap().iter().flatten().count(), MAX_SERVERS - 1);
    }
}

//! What the kernel knows of an endpoint, without a connection to it.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::address::is_abstract;
use crate::output::escape;
use crate::path_walk;
use crate::processes::{Holders, Process};
use crate::unix_sockets::{self, State, UnixSocket};

/// An endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The file at the path, links followed; `None` for an abstract name, and where there is none.
    pub file: Option<Metadata>,
    /// The directory that keeps this user from seeing the file.
    pub hidden_by: Option<PathBuf>,
    /// The sockets that listen here. Others than one are rare.
    pub listeners: Vec<UnixSocket>,
    /// The server's ends of its connections.
    pub connections: Vec<UnixSocket>,
    /// Sockets that listen by the same path, whose file has been removed or replaced.
    pub displaced: Vec<UnixSocket>,
    /// Connections that wait to be accepted, and the limit, where the kernel tells.
    pub queue: Option<Queue>,
    /// Who has the sockets open.
    pub holders: Holders,
}

/// The queue of connections that wait to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How many wait.
    pub used: u32,
    /// The limit, which the kernel exceeds by one; `None` where it is not told.
    pub limit: Option<u32>,
}

impl Endpoint {
    /// Looks at an endpoint. A path that begins with a zero byte is an abstract name.
    pub fn look(path: &Path) -> io::Result<Self> {
        let is_abstract = is_abstract(path);
        let file = if is_abstract { None } else { Some(fs::metadata(path)) };
        let hidden_by = match &file {
            Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Some(path_walk::end(path)),
            _ => None,
        };
        let file = file.and_then(Result::ok);
        let all = unix_sockets::all()?;
        let names = names_of(path, is_abstract);
        let mut this = Self {
            file,
            hidden_by,
            listeners: Vec::new(),
            connections: Vec::new(),
            displaced: Vec::new(),
            queue: None,
            holders: Holders::default(),
        };
        let mut waiting = 0;
        for socket in all {
            let is_named = names.contains(&socket.name);
            let is_here = match (socket.file, &this.file) {
                _ if is_abstract => is_named,
                (Some(bound), Some(file)) => is_bound_to(bound, file, is_named),
                (None, Some(_)) => is_named,
                (_, None) => false,
            };
            match (is_here, socket.state) {
                (true, State::Listening) => this.listeners.push(socket),
                (true, State::Connected) => this.connections.push(socket),
                (true, State::Waiting) => waiting += 1,
                (false, State::Listening) if is_named => this.displaced.push(socket),
                _ => {}
            }
        }
        this.queue = match this.listeners.first() {
            Some(UnixSocket { queue: Some((used, limit)), .. }) => Some(Queue { used: *used, limit: Some(*limit) }),
            Some(_) => Some(Queue { used: waiting, limit: None }),
            None => None,
        };
        let ends = this.connections.iter().filter_map(|socket| socket.peer);
        let own = this.listeners.iter().chain(&this.displaced).map(|socket| socket.inode);
        this.holders = Holders::find(&own.chain(ends).collect::<Vec<_>>());
        Ok(this)
    }

    /// The processes that have the listening socket open.
    pub fn servers(&self) -> Vec<&Process> {
        self.listeners.iter().flat_map(|socket| self.holders.of(socket.inode)).collect()
    }

    /// The processes that listen, in words.
    pub fn describe_servers(&self) -> String {
        let servers: Vec<_> = self.listeners.iter().map(|socket| self.describe_holders(socket)).collect();
        servers.join("; ")
    }

    /// The processes that have a socket open, in words.
    pub fn describe_holders(&self, socket: &UnixSocket) -> String {
        match self.holders.of(socket.inode) {
            [] if self.holders.is_partial => "a process that only root is shown".to_owned(),
            [] => "a process of another namespace".to_owned(),
            processes => processes.iter().map(Process::describe).collect::<Vec<_>>().join("; "),
        }
    }

    /// The processes at the other ends, as far as /proc shows them, and the number of connections of each.
    pub fn clients(&self) -> Vec<(&Process, usize)> {
        let mut clients: Vec<(&Process, usize)> = Vec::new();
        for process in self.connections.iter().filter_map(|socket| self.holders.of(socket.peer?).first()) {
            match clients.iter_mut().find(|(known, _)| known.pid == process.pid) {
                Some((_, count)) => *count += 1,
                None => clients.push((process, 1)),
            }
        }
        clients.sort_by_key(|(process, count)| (usize::MAX - count, process.pid));
        clients
    }

    /// The number of connections with bytes that the server has not read.
    pub fn unread(&self) -> Option<usize> {
        let queues = self.connections.iter().map(|socket| socket.queue);
        queues.map(|queue| queue.map(|(unread, _)| usize::from(unread > 0))).sum()
    }
}

/// The names by which a socket may have been bound that is at a path.
fn names_of(path: &Path, is_abstract: bool) -> Vec<Vec<u8>> {
    let mut names = vec![path.as_os_str().as_bytes().to_vec()];
    if !is_abstract {
        let others: [io::Result<PathBuf>; 2] = [std::path::absolute(path), fs::canonicalize(path)];
        names.extend(others.into_iter().flatten().map(|path| path.as_os_str().as_bytes().to_vec()));
    }
    names
}

/// True if a socket's file is this one. The kernel tells half of the inode's number; and the device is another one to programs
/// on some file systems, so that there the name decides.
fn is_bound_to((inode, device): (u32, u32), file: &Metadata, is_named: bool) -> bool {
    // Twelve bits and twenty, as the kernel has them.
    let of_kernel = (device >> 20, device & 0xf_ffff);
    let of_file = (rustix::fs::major(file.dev()), rustix::fs::minor(file.dev()));
    inode == file.ino() as u32 && (of_kernel == of_file || is_named)
}

/// What a file is.
pub fn type_name(file: &Metadata) -> &'static str {
    let kind = file.file_type();
    match () {
        () if kind.is_socket() => "socket",
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "regular file",
        () if kind.is_fifo() => "pipe",
        () if kind.is_symlink() => "link",
        () => "device",
    }
}

/// The mode without the kind, as `ls` and `chmod` have it in digits.
pub fn mode(file: &Metadata) -> String {
    format!("{:04o}", file.mode() & 0o7777)
}

/// The mode, the owner and the group, in words.
pub fn describe_mode(file: &Metadata) -> String {
    let named = |id: u32, name: Option<String>| name.map_or(id.to_string(), |name| escape(&name));
    let owner = named(file.uid(), owner(file));
    format!("mode {}, owner {owner}, group {}", mode(file), named(file.gid(), group(file)))
}

/// The users whom a socket's mode lets connect, beside root.
pub fn who_may_connect(file: &Metadata) -> &'static str {
    match file.mode() & 0o222 {
        mode if mode & 0o002 != 0 => "every user",
        mode if mode & 0o020 != 0 => "its owner and its group",
        _ => "its owner only",
    }
}

/// The name of a file's owner, from /etc/passwd.
pub fn owner(file: &Metadata) -> Option<String> {
    name_in("/etc/passwd", file.uid())
}

/// The name of a file's group, from /etc/group.
pub fn group(file: &Metadata) -> Option<String> {
    name_in("/etc/group", file.gid())
}

fn name_in(table: &str, id: u32) -> Option<String> {
    let table = String::from_utf8_lossy(&fs::read(table).ok()?).into_owned();
    let named = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    };
    table.lines().find_map(named)
}

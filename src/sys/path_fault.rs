//! A look at a path after a failure, which finds what is in the way.
//!
//! The look goes through the path by component, as the kernel does, and opens nothing but for its place (O_PATH). So no
//! device, no pipe and no file is read, and none waits. It takes no memory, a descriptor or two, and six system calls a
//! component at most.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path};

use super::address::peer;
use super::errno::KeepErrno;
use super::file::{open_directory, open_in, status_of, system_of};
use super::program::{Program, program_of};
use super::socket::{connect, open_at_once};
use super::thread::CancelDisabled;
use super::trusted_path::{FUSE_SUPER_MAGIC, read_link};
use crate::cause::Cause;

/// The links that are followed, as many as the kernel follows.
const LINKS: u32 = 40;

/// The room for the part of a path that is still to be gone through. A socket's path is shorter; that of a link need
/// not be, and is not followed then.
const ROOM: usize = 1024;

/// What was tried at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Connecting to the socket.
    Connect,
    /// Making the socket.
    Listen,
}

/// What is in the way at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Nothing that a look can find.
    Unknown,
    /// A component does not exist.
    Missing {
        /// The component.
        at: Component,
        /// True if the component is the last one.
        is_last: bool,
    },
    /// A component that has another one below it is no directory.
    NoDirectory(Component),
    /// The link at which the kernel gives up, as there have been too many.
    Loop(Component),
    /// The mode of a component refuses this user something.
    Refusal {
        /// The component.
        at: Component,
        /// Its mode and owner.
        status: Status,
        /// The right that this user lacks.
        right: Right,
    },
    /// A directory is at the path.
    Directory,
    /// A regular file is at the path.
    RegularFile,
    /// A symbolic link is at the path, where a socket cannot be made.
    Link,
    /// A file of another kind is at the path.
    OtherFile,
    /// A socket is at the path.
    Socket {
        /// Its mode and owner.
        status: Status,
        /// Seconds from 1970 to the time when it was made: the last change of its contents, of which it has none.
        made: i64,
        /// The process that listens.
        listener: Listener,
    },
    /// Another process holds the lock.
    Holder(Program),
}

/// A right to a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Going through a directory.
    Pass,
    /// Making a file in a directory.
    MakeFile,
    /// Connecting to a socket.
    Connect,
}

/// The process that listens on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// It has not been found out whether one does.
    Unknown,
    /// None.
    None,
    /// A process, whose number is 0 where the kernel does not tell.
    Process(i32, Program),
}

/// The mode and the owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The mode without the kind.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The effective user of this process.
    pub caller: u32,
}

impl Status {
    fn of(stat: &libc::stat) -> Self {
        // SAFETY: the function takes nothing.
        let caller = unsafe { libc::geteuid() };
        Self { mode: (stat.st_mode & 0o7777) as u16, uid: stat.st_uid, gid: stat.st_gid, caller }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mode {:04o}, uid {}, gid {}", self.mode, self.uid, self.gid)
    }
}

/// A component of a path: a part of the path itself, or one to which links lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The one at the end of so many bytes of the path; with none of them the working directory.
    Given(u16),
    /// One behind a link.
    Linked(Tail),
}

impl Component {
    /// The path to the component, where `path` is the one that was looked at.
    pub fn shown<'a>(&'a self, path: &'a Path) -> path::Display<'a> {
        let bytes = match self {
            Self::Given(0) => b"the working directory",
            Self::Given(len) => path.as_os_str().as_bytes().get(..usize::from(*len)).unwrap_or_default(),
            Self::Linked(tail) => tail.as_bytes(),
        };
        Path::new(OsStr::from_bytes(bytes)).display()
    }
}

/// A path, or the end of one that is longer than the room here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    bytes: [u8; Self::ROOM],
    len: u8,
}

impl Tail {
    const ROOM: usize = 38;
    const CUT: &'static [u8] = b"...";

    fn new(path: &[u8]) -> Self {
        let mut this = Self { bytes: [0; Self::ROOM], len: 0 };
        this.add(path);
        this
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or_default()
    }

    /// Adds the next part, and drops the beginning of what is too long then.
    fn add(&mut self, part: &[u8]) {
        for byte in part {
            if usize::from(self.len) == Self::ROOM {
                self.bytes.rotate_left(1);
                self.len -= 1;
                self.bytes.iter_mut().zip(Self::CUT).for_each(|(to, from)| *to = *from);
            }
            if let Some(to) = self.bytes.get_mut(usize::from(self.len)) {
                *to = *byte;
                self.len += 1;
            }
        }
    }

    /// The path to an entry.
    fn entry(mut self, name: &[u8]) -> Self {
        if self.len > 0 && !self.as_bytes().ends_with(b"/") {
            self.add(b"/");
        }
        self.add(name);
        self
    }
}

/// The part of a path that is still to be gone through, at the end of the room.
struct Rest {
    room: [u8; ROOM],
    start: usize,
}

impl Rest {
    fn new(path: &[u8]) -> Option<Self> {
        let mut this = Self { room: [0; ROOM], start: ROOM };
        this.put_before(path.len(), |room| room.copy_from_slice(path))?;
        Some(this)
    }

    /// Puts something of a known length before what is there.
    fn put_before(&mut self, len: usize, write: impl FnOnce(&mut [u8])) -> Option<()> {
        let start = self.start.checked_sub(len)?;
        write(self.room.get_mut(start..self.start)?);
        self.start = start;
        Some(())
    }

    fn as_bytes(&self) -> &[u8] {
        self.room.get(self.start..).unwrap_or_default()
    }

    fn skip_slashes(&mut self) {
        self.start += self.as_bytes().iter().take_while(|byte| **byte == b'/').count();
    }

    /// The bytes that have been taken of a path.
    fn taken_of(&self, path: &[u8]) -> u16 {
        u16::try_from(path.len().saturating_sub(self.as_bytes().len())).unwrap_or(0)
    }

    /// Takes the next name as a C string, with no slash behind it.
    fn take_name(&mut self) -> Option<[u8; libc::NAME_MAX as usize + 1]> {
        let mut name = [0; libc::NAME_MAX as usize + 1];
        let len = self.as_bytes().iter().take_while(|byte| **byte != b'/').count();
        if len >= name.len() {
            return None;
        }
        name.get_mut(..len)?.copy_from_slice(self.as_bytes().get(..len)?);
        self.start += len;
        Some(name)
    }

    /// Puts the target of a link before the rest. True if that begins at the root.
    fn put_target(&mut self, link: &OwnedFd) -> Option<bool> {
        self.put_before(1, |slash| slash.fill(b'/'))?;
        // The target is read to the beginning of the room, which is free as far as `start`.
        let free = self.room.get_mut(..self.start)?;
        let len = read_link(link, free)?;
        // A target that fills the room may have been cut.
        if len == 0 || len == free.len() {
            return None;
        }
        self.room.copy_within(..len, self.start - len);
        self.start -= len;
        Some(self.as_bytes().starts_with(b"/"))
    }
}

/// Looks what is in the way of an attempt that has failed with `errno`. Where the caller `may_wait` no longer, a file system
/// that may hang is not looked at.
pub fn find_obstacle(path: &[u8], attempt: Attempt, errno: i32, may_wait: bool) -> Obstacle {
    if path.is_empty() {
        return Obstacle::Unknown;
    }
    let (_keep, _uncancelled) = (KeepErrno::new(), CancelDisabled::new());
    match walk(path, attempt, errno, may_wait).unwrap_or(Obstacle::Unknown) {
        Obstacle::Socket { status, made, .. } if attempt == Attempt::Listen => {
            Obstacle::Socket { status, made, listener: knock(path) }
        }
        found => found,
    }
}

fn walk(path: &[u8], attempt: Attempt, errno: i32, may_wait: bool) -> Option<Obstacle> {
    let start = |path: &[u8]| open_directory(if path.starts_with(b"/") { c"/" } else { c"." }).ok();
    let (mut here, mut rest, mut links) = (start(path)?, Rest::new(path)?, 0);
    // The path to `here` once a link has been followed.
    let mut linked: Option<Tail> = None;
    let mut given = u16::from(path.starts_with(b"/"));
    loop {
        rest.skip_slashes();
        if !may_wait && may_hang(&here) {
            return None;
        }
        let name = rest.take_name()?;
        let name = CStr::from_bytes_until_nul(&name).ok()?;
        let at = match linked {
            Some(linked) => Component::Linked(linked.entry(name.to_bytes())),
            None => Component::Given(rest.taken_of(path)),
        };
        let is_last = rest.as_bytes().iter().all(|byte| *byte == b'/');
        let directory = linked.map_or(Component::Given(given), Component::Linked);
        let refusal = |right| {
            let status = Status::of(&status_of(&here).ok()?);
            Some(Obstacle::Refusal { at: directory, status, right })
        };
        let next = match open_in(&here, name, libc::O_PATH, 0) {
            Ok(next) => next,
            Err(Cause::Os(libc::EACCES)) => return refusal(Right::Pass),
            Err(Cause::Os(libc::ENOENT)) if attempt == Attempt::Listen && is_last && errno == libc::EACCES => {
                return if may(&here, c".", libc::W_OK | libc::X_OK) { None } else { refusal(Right::MakeFile) };
            }
            Err(Cause::Os(libc::ENOENT)) => return Some(Obstacle::Missing { at, is_last }),
            Err(_) => return None,
        };
        let stat = status_of(&next).ok()?;
        match stat.st_mode & libc::S_IFMT {
            libc::S_IFLNK if is_last && attempt == Attempt::Listen => return Some(Obstacle::Link),
            libc::S_IFLNK => {
                links += 1;
                if links > LINKS {
                    return Some(Obstacle::Loop(at));
                }
                let before = linked.unwrap_or_else(|| Tail::new(path.get(..given.into()).unwrap_or_default()));
                linked = Some(match rest.put_target(&next)? {
                    true => {
                        here = start(b"/")?;
                        Tail::new(b"/")
                    }
                    false => before,
                });
            }
            libc::S_IFDIR if is_last => return Some(Obstacle::Directory),
            libc::S_IFDIR => {
                here = next;
                match at {
                    Component::Given(len) => given = len,
                    Component::Linked(tail) => linked = Some(tail),
                }
            }
            _ if !is_last => return Some(Obstacle::NoDirectory(at)),
            libc::S_IFSOCK => {
                let status = Status::of(&stat);
                return match errno {
                    libc::EACCES if may(&here, name, libc::W_OK) => None,
                    libc::EACCES => Some(Obstacle::Refusal { at, status, right: Right::Connect }),
                    _ => Some(Obstacle::Socket { status, made: stat.st_mtime, listener: Listener::Unknown }),
                };
            }
            libc::S_IFREG => return Some(Obstacle::RegularFile),
            _ => return Some(Obstacle::OtherFile),
        }
    }
}

/// True for a file system whose answers come from another process or machine, and may not come.
fn may_hang(directory: &OwnedFd) -> bool {
    system_of(directory).is_ok_and(|system| [FUSE_SUPER_MAGIC, libc::NFS_SUPER_MAGIC].contains(&system))
}

/// True if this process has a right to an entry of a directory.
fn may(directory: &OwnedFd, name: &CStr, right: i32) -> bool {
    // SAFETY: the name is a C string.
    unsafe { libc::faccessat(directory.as_raw_fd(), name.as_ptr(), right, libc::AT_EACCESS) == 0 }
}

/// Finds out who listens on a socket, by a connection that is closed at once. The attempt does not wait.
fn knock(path: &[u8]) -> Listener {
    let Ok(socket) = open_at_once(true, None) else { return Listener::Unknown };
    match connect(&socket, path) {
        Ok(()) => {
            let pid = peer(socket.as_raw_fd()).map_or(0, |peer| peer.pid);
            Listener::Process(pid, program_of(pid))
        }
        Err(Cause::Os(libc::EAGAIN)) => Listener::Process(0, Program::default()),
        Err(Cause::Os(libc::ECONNREFUSED)) => Listener::None,
        Err(_) => Listener::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;

    fn found(path: &Path, attempt: Attempt, errno: i32) -> Obstacle {
        find_obstacle(path.as_os_str().as_bytes(), attempt, errno, true)
    }

    fn connecting(path: &Path, errno: i32) -> Obstacle {
        found(path, Attempt::Connect, errno)
    }

    fn given(path: &Path) -> Component {
        Component::Given(path.as_os_str().len() as u16)
    }

    fn linked(path: &Path) -> Component {
        Component::Linked(Tail::new(path.as_os_str().as_bytes()))
    }

    fn bound(path: &Path, kind: Type) -> Socket {
        let socket = Socket::new(Domain::UNIX, kind, None).unwrap();
        socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
        socket
    }

    fn in_dir(names: &[&str]) -> (tempfile::TempDir, Vec<PathBuf>) {
        let dir = tempfile::tempdir().unwrap();
        let paths = names.iter().map(|name| dir.path().join(name)).collect();
        (dir, paths)
    }

    #[test]
    fn what_is_at_the_path_is_told_apart() {
        let (dir, paths) = in_dir(&["file", "link", "sock"]);
        let [file, link, sock] = &paths[..] else { panic!() };
        fs::write(file, "").unwrap();
        symlink("file", link).unwrap();
        for (path, expected) in
            [(file, Obstacle::RegularFile), (link, Obstacle::RegularFile), (&dir.path().into(), Obstacle::Directory)]
        {
            assert_eq!(connecting(path, libc::ECONNREFUSED), expected);
        }
        assert_eq!(found(link, Attempt::Listen, libc::EADDRINUSE), Obstacle::Link);
        assert_eq!(connecting(Path::new("/dev/null"), libc::ECONNREFUSED), Obstacle::OtherFile);

        let socket = bound(sock, Type::SEQPACKET);
        let Obstacle::Socket { status, made, listener: Listener::Unknown } = connecting(sock, libc::ECONNREFUSED)
        else {
            panic!()
        };
        let metadata = fs::metadata(sock).unwrap();
        assert_eq!(u32::from(status.mode), metadata.mode() & 0o7777);
        assert_eq!((status.uid, made), (metadata.uid(), metadata.mtime()));
        let listener = || match found(sock, Attempt::Listen, libc::EADDRINUSE) {
            Obstacle::Socket { listener, .. } => listener,
            other => panic!("{other:?}"),
        };
        assert_eq!(listener(), Listener::None);
        socket.listen(0).unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(listener(), Listener::Process(pid, program_of(pid)));
        // That connection fills the queue.
        assert_eq!(listener(), Listener::Process(0, Program::default()));
        fs::remove_file(sock).unwrap();
        let _stream = bound(sock, Type::STREAM);
        assert_eq!(listener(), Listener::Unknown);
    }

    #[test]
    fn the_component_that_is_missing_is_named() {
        let (dir, paths) = in_dir(&["none", "gone/below/sock", "gone", "link", "target", "file", "file/sock"]);
        let [none, deep, gone, link, target, file, below] = &paths[..] else { panic!() };
        let missing = |at, is_last| Obstacle::Missing { at, is_last };
        assert_eq!(connecting(none, libc::ENOENT), missing(given(none), true));
        assert_eq!(connecting(deep, libc::ENOENT), missing(given(gone), false));
        assert_eq!(given(gone).shown(deep).to_string(), gone.display().to_string());
        for to in [Path::new("target"), target] {
            symlink(to, link).unwrap();
            assert_eq!(connecting(link, libc::ENOENT), missing(linked(target), true));
            fs::remove_file(link).unwrap();
        }
        fs::write(file, "").unwrap();
        assert_eq!(connecting(below, libc::ENOTDIR), Obstacle::NoDirectory(given(file)));
        symlink(dir.path().join("file/"), link).unwrap();
        assert_eq!(connecting(&link.join("sock"), libc::ENOTDIR), Obstacle::NoDirectory(linked(file)));
        let relative = Path::new("none/x");
        assert_eq!(connecting(relative, libc::ENOENT), missing(given(Path::new("none")), false));
        assert_eq!(given(Path::new("")).shown(relative).to_string(), "the working directory");
    }

    #[test]
    fn a_circle_of_links_has_an_end() {
        let (_dir, paths) = in_dir(&["ring", "tail"]);
        let [ring, tail] = &paths[..] else { panic!() };
        symlink("tail", ring).unwrap();
        symlink(ring, tail).unwrap();
        assert!(matches!(connecting(ring, libc::ELOOP), Obstacle::Loop(at) if at == linked(ring)));
        // A link whose target grows with each turn ends with the room.
        fs::remove_file(tail).unwrap();
        symlink("x/".repeat(500), tail).unwrap();
        assert_eq!(connecting(&tail.join("y".repeat(100)), libc::ELOOP), Obstacle::Unknown);
    }

    /// Root may do everything, so that the thread becomes another user's, as the kernel allows for one thread.
    fn as_user(work: impl FnOnce() + Send) {
        const NOBODY: libc::c_long = 65_534;
        let _alone = super::super::alone_in_process();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // SAFETY: the functions take numbers only, or nothing; the system call is for this thread alone.
                let changed =
                    unsafe { libc::geteuid() != 0 || libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) == 0 };
                assert!(changed);
                work();
            });
        });
        // SAFETY: the option takes a number. A change of the user has taken the flag away.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1) };
    }

    #[test]
    fn what_refuses_is_named_with_its_mode() {
        let (dir, paths) = in_dir(&["closed", "closed/sock"]);
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let [closed, sock] = &paths[..] else { panic!() };
        as_user(|| {
            // SAFETY: the function takes nothing.
            let caller = unsafe { libc::geteuid() };
            fs::create_dir(closed).unwrap();
            let _socket = bound(sock, Type::SEQPACKET);
            let refusal = |attempt| match found(sock, attempt, libc::EACCES) {
                Obstacle::Refusal { at, status, right } => (at, status.mode, status.uid, status.caller, right),
                other => panic!("{other:?}"),
            };
            let set_mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(connecting(sock, libc::EACCES), Obstacle::Unknown);
            set_mode(sock, 0);
            assert_eq!(refusal(Attempt::Connect), (given(sock), 0, caller, caller, Right::Connect));
            fs::remove_file(sock).unwrap();
            assert_eq!(found(sock, Attempt::Listen, libc::EACCES), Obstacle::Unknown);
            set_mode(closed, 0o500);
            assert_eq!(refusal(Attempt::Listen), (given(closed), 0o500, caller, caller, Right::MakeFile));
            set_mode(closed, 0o600);
            assert_eq!(refusal(Attempt::Connect), (given(closed), 0o600, caller, caller, Right::Pass));
            set_mode(closed, 0o700);
        });
    }

    #[test]
    fn the_end_of_a_long_path_is_kept() {
        let mut at = Tail::new(b"/a");
        for _ in 0..60 {
            at = at.entry(b"bc");
        }
        let shown = String::from_utf8_lossy(at.as_bytes()).into_owned();
        assert!(shown.starts_with("...") && shown.ends_with("/bc/bc") && shown.len() == Tail::ROOM, "{shown}");
        assert_eq!(Tail::new(b"/").entry(b"x").as_bytes(), b"/x");
    }
}

//! An entry of a directory: a name, with the directory held open, wherever the path leads later.
//!
//! Another user may be able to redirect the path of a socket, or to put another file in its place. So no path is used
//! to change a mode or an owner, or to remove a file.

use std::cell::RefCell;
use std::ffi::{CStr, c_int, c_long};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::address::is_trusted;
use super::bound_file::bound_file;
use super::connect_probe;
use super::errno::{KeepErrno, check};
use super::file::{FileId, open_directory, open_in, status_of};
use super::file_owner::Owner;
use super::proc;
use super::sock_diag::{SockDiag, is_shortage};
use super::trusted_path;
use crate::cause::Cause;

/// The place of a socket's file: a name in a directory that is held open, and the means to prove which file is the socket's.
#[derive(Debug)]
pub struct DirEntry<'a> {
    directory: OwnedFd,
    /// The path to the directory.
    parent: &'a [u8],
    name: &'a CStr,
    /// To be asked which file is a socket's.
    sock_diag: RefCell<Option<SockDiag>>,
    /// The owner chosen for the socket.
    owner: Owner,
}

/// The file of a socket, in a directory that is held open. The removal takes no descriptor, and no memory, where the
/// file is known.
#[derive(Debug)]
pub struct SocketFile {
    directory: OwnedFd,
    /// The identity of the file; `None` where it is unknown which file is the socket's.
    id: Option<FileId>,
}

impl SocketFile {
    /// Removes the file of a socket that is to be closed, if the file still has the last name of a path in the
    /// directory.
    pub fn remove(&self, path: &CStr, socket: &OwnedFd) -> Result<(), Cause> {
        let name = split_last(path).1;
        match self.id {
            Some(id) => remove_from(&self.directory, name, id),
            None => remove_if_connected(&self.directory, name, socket),
        }
    }
}

impl AsFd for SocketFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

/// The part of a path before its last name, and that name.
fn split_last(path: &CStr) -> (&[u8], &CStr) {
    let slash = path.to_bytes().iter().rposition(|byte| *byte == b'/');
    let (parent, name) = path.to_bytes_with_nul().split_at(slash.map_or(0, |slash| slash + 1));
    (parent, CStr::from_bytes_with_nul(name).unwrap_or_default())
}

fn status_at(directory: &OwnedFd, name: &CStr) -> Result<Option<libc::stat>, Cause> {
    let _keep = KeepErrno::new();
    // SAFETY: stat is plain data, which the function fills in.
    let mut stat = unsafe { std::mem::zeroed::<libc::stat>() };
    // SAFETY: the name is a C string and `stat` is valid for writing.
    let found = unsafe { libc::fstatat(directory.as_raw_fd(), name.as_ptr(), &mut stat, libc::AT_SYMLINK_NOFOLLOW) };
    match check(found) {
        Ok(_) => Ok(Some(stat)),
        Err(Cause::Os(libc::ENOENT)) => Ok(None),
        Err(cause) => Err(cause),
    }
}

fn remove_from(directory: &OwnedFd, name: &CStr, file: FileId) -> Result<(), Cause> {
    let _keep = KeepErrno::new();
    if status_at(directory, name)?.is_some_and(|stat| FileId::of(&stat) == file) {
        // SAFETY: the name is a C string.
        check(unsafe { libc::unlinkat(directory.as_raw_fd(), name.as_ptr(), 0) })?;
    }
    Ok(())
}

/// Removes the file at a name if a connection to it arrives at the socket.
fn remove_if_connected(directory: &OwnedFd, name: &CStr, socket: &OwnedFd) -> Result<(), Cause> {
    let _keep = KeepErrno::new();
    let found = EntryFile::open(directory, name)?;
    let path = found.path().ok_or(Cause::Os(libc::EOPNOTSUPP))?;
    if connect_probe::connects_to(path.as_c_str(), socket)? { remove_from(directory, name, found.id()) } else { Ok(()) }
}

/// Sets the mode of a file in a directory. A symbolic link is followed.
fn set_mode_in(directory: &OwnedFd, name: &CStr, mode: libc::mode_t) -> Result<(), Cause> {
    // SAFETY: the name is a C string.
    check(unsafe { libc::fchmodat(directory.as_raw_fd(), name.as_ptr(), mode, 0) }).map(drop)
}

/// A file of a directory, held open (O_PATH) whatever its name leads to later.
#[derive(Debug)]
pub struct EntryFile {
    file: OwnedFd,
    stat: libc::stat,
}

/// The path of an open descriptor in /proc.
#[derive(Debug)]
pub struct DescriptorPath([u8; 32]);

impl<'a> DirEntry<'a> {
    /// The entry that a path leads to now.
    pub fn of(path: &'a CStr) -> Result<Self, Cause> {
        let (parent, name) = split_last(path);
        let mut room = [0; libc::PATH_MAX as usize];
        let shown = if parent.is_empty() { b"." } else { parent };
        let (to, _nul) = room.split_at_mut(libc::PATH_MAX as usize - 1);
        to.get_mut(..shown.len()).ok_or(Cause::Os(libc::ENAMETOOLONG))?.copy_from_slice(shown);
        let directory = open_directory(CStr::from_bytes_until_nul(&room).unwrap_or_default())?;
        Ok(Self { directory, parent, name, sock_diag: RefCell::new(None), owner: Owner::default() })
    }

    /// The same for a socket that is to be bound there: once it is, no descriptor is needed to remove its file.
    pub(super) fn of_socket(path: &'a CStr, owner: Owner) -> Result<Self, Cause> {
        Ok(Self { sock_diag: RefCell::new(Some(SockDiag::open()?)), owner, ..Self::of(path)? })
    }

    /// The identity of the file at the entry, if there is one. A symbolic link is not followed.
    pub fn file(&self) -> Result<Option<FileId>, Cause> {
        Ok(status_at(&self.directory, self.name)?.as_ref().map(FileId::of))
    }

    /// Opens the file at the entry, or creates it. A symbolic link is not followed.
    pub(super) fn open(&self, flags: c_int, mode: libc::mode_t) -> Result<OwnedFd, Cause> {
        open_in(&self.directory, self.name, flags, mode)
    }

    /// Opens the file at the entry as it is (O_PATH).
    pub fn open_path(&self) -> Result<EntryFile, Cause> {
        EntryFile::open(&self.directory, self.name)
    }

    /// Opens the file with another name in the same directory as it is (O_PATH).
    pub fn find_beside(&self, name: &CStr) -> Result<EntryFile, Cause> {
        EntryFile::open(&self.directory, name)
    }

    /// The name.
    pub fn name(&self) -> &CStr {
        self.name
    }

    /// True if only root and this user can lead the path elsewhere than to this directory, or replace a file in it.
    pub fn is_trusted(&self, file: &EntryFile) -> bool {
        self.is_path_trusted(&file.stat) == Ok(true)
    }

    /// Removes a file that is still there. Only who may remove files from the directory can put another one in its place
    /// meanwhile.
    pub fn remove(&self, file: FileId) -> Result<(), Cause> {
        remove_from(&self.directory, self.name, file)
    }

    /// The [file of a socket](Self::file_of), to be removed later.
    pub(super) fn into_socket_file(self, id: Option<FileId>) -> SocketFile {
        SocketFile { directory: self.directory, id }
    }

    /// Gives the file of a socket that has been bound here its mode and its owner, where they differ. The umask takes
    /// away from the mode, and an owner may not be able to make the file.
    pub(super) fn set_mode_and_owner(&self, socket: &OwnedFd, mode: libc::mode_t, owner: Owner) -> Result<(), Cause> {
        let found = self.open_path()?;
        if !found.id().is_socket {
            return Err(Cause::NotASocket);
        }
        let differs = |chosen: Option<u32>, is: u32| chosen.is_some_and(|chosen| chosen != is);
        let wrong_mode = found.stat.st_mode & 0o7777 != mode;
        let wrong_owner = differs(owner.uid, found.stat.st_uid) || differs(owner.gid, found.stat.st_gid);
        if (wrong_mode || wrong_owner) && !self.is_file_of(socket, &found.stat)? {
            return Err(Cause::NotOurs);
        }
        if wrong_mode {
            self.set_mode(&found, mode)?;
        }
        if wrong_owner {
            found.set_owner(owner)?;
        }
        Ok(())
    }

    /// Removes the file of a socket that has been bound here, and is to be closed.
    pub(super) fn remove_file_of(&self, socket: &OwnedFd) {
        let _keep = KeepErrno::new();
        // A file that cannot be removed stays, as that of a dead socket.
        let _ = match self.file_of(socket) {
            Ok(Some(file)) => self.remove(file),
            _ => remove_if_connected(&self.directory, self.name, socket),
        };
    }

    /// The identity of the file at the entry, if proved to be that of a socket bound here.
    pub(super) fn file_of(&self, socket: &OwnedFd) -> Result<Option<FileId>, Cause> {
        let Some(stat) = status_at(&self.directory, self.name)? else { return Ok(None) };
        Ok(self.is_file_of(socket, &stat)?.then(|| FileId::of(&stat)))
    }

    /// True if the file at the entry is proved to be that of a socket bound here.
    ///
    /// Where others can redirect the path, it may have led the socket to one directory, and this entry to another. So
    /// where the kernel does not tell the file, the path has to be trusted.
    fn is_file_of(&self, socket: &OwnedFd, file: &libc::stat) -> Result<bool, Cause> {
        if let Some(bound) = self.bound_file(socket)? {
            return Ok(bound == FileId::of(file));
        }
        let kernel = self.sock_diag.take().map_or_else(SockDiag::open, Ok)?;
        let answer = kernel.is_bound_to(socket, FileId::of(file));
        self.sock_diag.replace(Some(kernel));
        match answer? {
            Some(answer) => Ok(answer),
            None => self.is_path_trusted(file),
        }
    }

    /// The file of a socket, if the kernel opens it. Where descriptors run out, it gets the one that is held to ask with.
    fn bound_file(&self, socket: &OwnedFd) -> Result<Option<FileId>, Cause> {
        match bound_file(socket) {
            Err(Cause::Os(libc::EMFILE | libc::ENFILE)) if self.sock_diag.take().is_some() => bound_file(socket),
            file => file,
        }
    }

    /// Only root and this user can lead the path to another file than the one here.
    fn is_path_trusted(&self, file: &libc::stat) -> Result<bool, Cause> {
        let (here, there) = match trusted_path::resolve(self.parent) {
            Ok(there) => (status_of(&self.directory)?, status_of(&there)?),
            Err(cause) if is_shortage(cause) => return Err(cause),
            Err(_) => return Ok(false),
        };
        // In a sticky directory the chosen owner can put another file in the place of the socket.
        let by_another = self.owner.uid.is_some_and(|uid| !is_trusted(uid)) && !trusted_path::is_closed(&here);
        Ok(FileId::of(&here) == FileId::of(&there) && !by_another && trusted_path::protects(&here, file))
    }

    fn set_mode(&self, found: &EntryFile, mode: libc::mode_t) -> Result<(), Cause> {
        let _keep = KeepErrno::new();
        match found.set_mode(mode) {
            // A name is enough where it cannot come to mean another file.
            Err(Cause::Os(libc::EOPNOTSUPP)) if self.is_path_trusted(&found.stat)? => {
                set_mode_in(&self.directory, self.name, mode)
            }
            done => done,
        }
    }
}

impl EntryFile {
    fn open(directory: &OwnedFd, name: &CStr) -> Result<Self, Cause> {
        let file = open_in(directory, name, libc::O_PATH, 0)?;
        let stat = status_of(&file)?;
        Ok(Self { file, stat })
    }

    /// The identity of the file.
    pub fn id(&self) -> FileId {
        FileId::of(&self.stat)
    }

    /// A path to it, whatever is at its spot now; `None` where /proc is missing or another file system.
    pub fn path(&self) -> Option<DescriptorPath> {
        proc::descriptors().ok().flatten().map(|_| DescriptorPath::of(&self.file))
    }

    /// Sets the mode. `EOPNOTSUPP` where both /proc and the system call are missing.
    fn set_mode(&self, mode: libc::mode_t) -> Result<(), Cause> {
        const FCHMODAT2: c_long = 452;
        let Err(cause) = self.set_mode_by_proc(mode) else { return Ok(()) };
        // The system call comes second: a sandbox may end a process for a call that it does not know.
        let (flags, none) = (c_long::from(libc::AT_EMPTY_PATH), c"".as_ptr());
        // SAFETY: the path is an empty C string, which means the descriptor itself.
        match unsafe { libc::syscall(FCHMODAT2, c_long::from(self.file.as_raw_fd()), none, c_long::from(mode), flags) }
        {
            0 => Ok(()),
            _ => Err(cause),
        }
    }

    /// Sets the mode by way of /proc, if that is the kernel's: another file system may be mounted there.
    fn set_mode_by_proc(&self, mode: libc::mode_t) -> Result<(), Cause> {
        const MISSING: Cause = Cause::Os(libc::EOPNOTSUPP);
        let descriptors = proc::descriptors()?.ok_or(MISSING)?;
        set_mode_in(&descriptors, DescriptorPath::of(&self.file).fd_name(), mode)?;
        if status_of(&self.file)?.st_mode & 0o7777 == mode { Ok(()) } else { Err(MISSING) }
    }

    fn set_owner(&self, owner: Owner) -> Result<(), Cause> {
        let (uid, gid) = (owner.uid.unwrap_or(u32::MAX), owner.gid.unwrap_or(u32::MAX));
        // SAFETY: the path is an empty C string, which means the descriptor itself.
        let done = check(unsafe { libc::fchownat(self.file.as_raw_fd(), c"".as_ptr(), uid, gid, libc::AT_EMPTY_PATH) });
        done.map(drop).map_err(|cause| Cause::Owner {
            errno: cause.errno(),
            uid: owner.uid.filter(|uid| *uid != self.stat.st_uid),
            gid: owner.gid.filter(|gid| *gid != self.stat.st_gid),
        })
    }
}

impl DescriptorPath {
    fn of(file: &OwnedFd) -> Self {
        let mut name = [0; 32];
        // There is room for every number, and for a zero byte at the end.
        let _ = write!(&mut name[..31], "/proc/thread-self/fd/{}", file.as_raw_fd());
        Self(name)
    }

    fn fd_name(&self) -> &CStr {
        split_last(self.as_c_str()).1
    }

    /// The path as a C string.
    pub fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::{self, Permissions};
    use std::os::fd::FromRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
    use std::path::{Path, PathBuf};

    use socket2::{Domain, SockAddr, Socket, Type};
    use tempfile::TempDir;

    use super::*;

    fn c_path(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    fn bound(path: &Path) -> OwnedFd {
        let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        socket.into()
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    /// A directory that others can change, with a file that is none of theirs.
    fn open_to_all() -> (TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let [path, victim] = ["drpc.sock", "victim"].map(|name| dir.path().join(name));
        fs::write(&victim, "secret").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o600)).unwrap();
        (dir, path, victim)
    }

    #[test]
    fn a_file_is_known_by_what_it_is_and_not_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["socket", "other"].map(|name| dir.path().join(name));
        let (name, other_name) = (c_path(&path), c_path(&other));
        let [entry, beside] = [&name, &other_name].map(|name| DirEntry::of(name).unwrap());
        assert_eq!(entry.file(), Ok(None));
        let _socket = bound(&path);
        let id = entry.file().unwrap().unwrap();
        assert!(id.is_socket);
        fs::rename(&path, &other).unwrap();
        assert_eq!(beside.file(), Ok(Some(id)));
        fs::write(&path, "").unwrap();
        assert_ne!(entry.file().unwrap(), Some(id));
        entry.remove(id).unwrap();
        assert!(path.exists());
        entry.remove(entry.file().unwrap().unwrap()).unwrap();
        symlink(&other, &path).unwrap();
        assert!(!entry.file().unwrap().unwrap().is_socket);
    }

    #[test]
    fn a_relative_path_lies_in_the_working_directory() {
        let here = DirEntry::of(c"Cargo.toml").unwrap().file().unwrap();
        assert_eq!(here, DirEntry::of(c"./Cargo.toml").unwrap().file().unwrap());
        assert!(here.is_some_and(|file| !file.is_socket));
        assert_eq!(DirEntry::of(c"none/x").map(drop), Err(Cause::Os(libc::ENOENT)));
        let long = CString::new([b"/".repeat(4095), b"x".to_vec()].concat()).unwrap();
        assert_eq!(DirEntry::of(&long).unwrap().file(), Ok(None));
        let long = CString::new(b"/".repeat(4096)).unwrap();
        assert_eq!(DirEntry::of(&long).map(drop), Err(Cause::Os(libc::ENAMETOOLONG)));
    }

    #[test]
    fn what_has_been_put_in_its_place_is_left_alone() {
        let swaps: [fn(&Path, &Path); 3] = [
            |path, victim| symlink(victim, path).unwrap(),
            |path, victim| fs::hard_link(victim, path).unwrap(),
            |path, victim| fs::rename(victim.with_file_name("live"), path).unwrap(),
        ];
        for (swap, expected) in swaps.into_iter().zip([Cause::NotASocket, Cause::NotASocket, Cause::NotOurs]) {
            let (dir, path, victim) = open_to_all();
            let _live = bound(&dir.path().join("live"));
            let name = c_path(&path);
            let entry = DirEntry::of(&name).unwrap();
            let socket = bound(&path);
            fs::remove_file(&path).unwrap();
            swap(&path, &victim);
            let there = entry.file();
            for owner in [Owner::default(), Owner { uid: Some(12_345), gid: Some(54_321) }] {
                assert_eq!(entry.set_mode_and_owner(&socket, 0o666, owner), Err(expected));
            }
            entry.remove_file_of(&socket);
            assert_eq!(entry.file(), there);
            assert_eq!(mode(&victim), 0o600);
            if expected == Cause::NotOurs {
                assert_eq!(mode(&path), 0o600);
            }
        }
    }

    #[test]
    fn a_directory_that_is_swapped_is_the_same_still() {
        let (dir, ..) = open_to_all();
        let [home, moved] = ["home", "moved"].map(|name| dir.path().join(name));
        fs::create_dir(&home).unwrap();
        let name = c_path(&home.join("drpc.sock"));
        let entry = DirEntry::of(&name).unwrap();
        let socket = bound(&home.join("drpc.sock"));
        fs::rename(&home, &moved).unwrap();
        fs::create_dir(&home).unwrap();
        let _other = bound(&home.join("drpc.sock"));
        entry.set_mode_and_owner(&socket, 0o666, Owner::default()).unwrap();
        let id = entry.file().unwrap().unwrap();
        assert_eq!([mode(&moved.join("drpc.sock")), mode(&home.join("drpc.sock"))], [0o666, 0o600]);
        // An entry that is made now is in the other directory, and removes nothing there.
        DirEntry::of(&name).unwrap().remove(id).unwrap();
        DirEntry::of(&name).unwrap().remove_file_of(&socket);
        assert!(home.join("drpc.sock").exists());
        entry.remove_file_of(&socket);
        assert!(!moved.join("drpc.sock").exists());
    }

    /// A file that was there before is not the socket's, no matter which users can change the directory.
    #[test]
    fn a_socket_that_was_bound_elsewhere_is_not_taken_for_this_one() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["drpc.sock", "other"].map(|name| dir.path().join(name));
        let _live = bound(&path);
        let name = c_path(&path);
        let entry = DirEntry::of(&name).unwrap();
        let socket = bound(&other);
        assert_eq!(entry.set_mode_and_owner(&socket, 0o666, Owner::default()), Err(Cause::NotOurs));
        entry.remove_file_of(&socket);
        assert!(fs::symlink_metadata(&path).unwrap().file_type().is_socket());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn the_kernel_tells_which_file_a_socket_is_bound_to() {
        let (_dir, path, victim) = open_to_all();
        let (name, victim) = (c_path(&path), c_path(&victim));
        let [entry, beside] = [&name, &victim].map(|name| DirEntry::of(name).unwrap());
        let socket = bound(&path);
        assert_eq!(entry.file_of(&socket), entry.file());
        assert_eq!(beside.file_of(&socket), Ok(None));
        // A pair has no file.
        let (pair, _) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        assert_eq!(entry.file_of(&pair.into()), Ok(None));
    }

    /// The kernel tells no file of a socket pair, which stands in for any socket where the kernel does not tell.
    #[test]
    fn where_the_kernel_does_not_tell_the_path_has_to_be_trusted() {
        let (dir, ..) = open_to_all();
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        let socket = || Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap().0.into();
        let name = c_path(&home.join("drpc.sock"));
        let _file = bound(&home.join("drpc.sock"));
        let entry = || DirEntry::of(&name).unwrap();
        // Others can move the directory.
        assert_eq!(entry().set_mode_and_owner(&socket(), 0o666, Owner::default()), Err(Cause::NotOurs));
        assert_eq!(entry().file_of(&socket()), Ok(None));
        entry().remove_file_of(&socket());
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let held = entry().into_socket_file(entry().file_of(&socket()).unwrap());
        assert_eq!(held.id, entry().file().unwrap());
        assert_eq!(entry().set_mode_and_owner(&socket(), 0o666, Owner::default()), Ok(()));
        assert_eq!(mode(&home.join("drpc.sock")), 0o666);
        // The path leads to another directory now.
        let before = entry();
        fs::rename(&home, dir.path().join("moved")).unwrap();
        fs::create_dir(&home).unwrap();
        assert_eq!(before.set_mode_and_owner(&socket(), 0o600, Owner::default()), Err(Cause::NotOurs));
        held.remove(&name, &socket()).unwrap();
        assert_eq!(before.file(), Ok(None));
    }

    /// The chosen owner can move the socket away, and a file of root's to its place.
    #[test]
    fn in_a_sticky_directory_a_chosen_owner_is_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
        let path = dir.path().join("drpc.sock");
        let (name, _file) = (c_path(&path), bound(&path));
        let (pair, _) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let pair = OwnedFd::from(pair);
        let own = fs::metadata(&path).unwrap().uid();
        for (uid, proved) in [(None, true), (Some(own), true), (Some(12_345), false)] {
            let entry = DirEntry::of_socket(&name, Owner { uid, gid: None }).unwrap();
            assert_eq!(entry.file_of(&pair).unwrap().is_some(), proved, "{uid:?}");
        }
    }

    /// The number of a descriptor is another file's in the other threads.
    #[test]
    fn the_mode_is_set_by_way_of_the_descriptors_of_the_thread() {
        let (_dir, path, victim) = open_to_all();
        let (_socket, theirs) = (bound(&path), fs::File::open(&victim).unwrap());
        let (name, number) = (c_path(&path), theirs.as_raw_fd());
        let set = || {
            let mut found = DirEntry::of(&name).unwrap().open_path().unwrap();
            // SAFETY: the functions take numbers only; in the table of this thread nothing else closes the descriptor.
            found.file = unsafe {
                assert_eq!(libc::unshare(libc::CLONE_FILES), 0);
                assert_eq!(libc::dup3(found.file.as_raw_fd(), number, libc::O_CLOEXEC), number);
                OwnedFd::from_raw_fd(number)
            };
            found.set_mode(0o640)
        };
        assert_eq!(std::thread::scope(|scope| scope.spawn(set).join().unwrap()), Ok(()));
        assert_eq!([mode(&path), mode(&victim)], [0o640, 0o600]);
    }

    /// The file has the right mode already, so that nothing has to be proved. It is another socket's.
    #[test]
    fn the_socket_of_another_is_not_removed_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let [path, other] = ["drpc.sock", "other"].map(|name| dir.path().join(name));
        let name = c_path(&path);
        let entry = DirEntry::of(&name).unwrap();
        let (socket, _live) = (bound(&other), bound(&path));
        assert_eq!(entry.set_mode_and_owner(&socket, 0o666, Owner::default()), Err(Cause::NotOurs));
        assert_eq!(entry.set_mode_and_owner(&socket, 0o600, Owner::default()), Ok(()));
        let id = entry.file_of(&socket).unwrap();
        entry.into_socket_file(id).remove(&name, &socket).unwrap();
        assert!(path.exists());
    }
}

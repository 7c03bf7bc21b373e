//! The lock file of a socket.

use std::ffi::CStr;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::dir_entry::DirEntry;
use super::errno::{KeepErrno, check};
use super::file::{FileId, status_of};
use super::file_owner::{self, Owner};
use crate::cause::Cause;

/// A lock on a file, held until dropped. `Cause::Locked` while another process, or another server of this one, holds
/// the lock. The file contains the number of the process that holds it.
#[derive(Debug)]
pub struct FileLock(OwnedFd);

impl FileLock {
    /// How often to start again when the file is replaced meanwhile.
    const ATTEMPTS: usize = 100;

    /// Length of the line with the process number. A longer file was not written by this library.
    const PID_LINE_LEN: usize = 16;

    /// Locks the file, and creates it if there is none: readable by its owner alone.
    ///
    /// A file of another user that the process may not open, as root may have left one, is removed if `is_dead` says that no
    /// server needs it. `is_dead` gets the directory of the file. After a removal two processes could each have locked a file
    /// of that name, so the locked file must still be the one with the name.
    pub fn take(path: &CStr, owner: Owner, is_dead: impl Fn(&DirEntry<'_>) -> bool) -> Result<Self, Cause> {
        let entry = DirEntry::of(path)?;
        for _ in 0..Self::ATTEMPTS {
            let there = entry.file()?;
            let opened = match there {
                Some(_) => entry.open(libc::O_RDWR | libc::O_NONBLOCK, 0),
                None => Self::create(&entry, owner),
            };
            let lock = match opened {
                Err(Cause::Os(libc::ENOENT)) if there.is_some() => continue,
                Err(Cause::Os(libc::EEXIST)) => continue,
                Err(cause @ Cause::Os(libc::EACCES)) => match there {
                    Some(file) if is_dead(&entry) && entry.file()? == there => {
                        entry.remove(file).map_err(|_| cause)?;
                        continue;
                    }
                    _ => return Err(cause),
                },
                opened => Self(opened?),
            };
            lock.lock()?;
            if entry.file()? == Some(FileId::of(&status_of(&lock.0)?)) {
                lock.write_pid();
                return Ok(lock);
            }
        }
        Err(Cause::Locked { pid: 0 })
    }

    fn create(entry: &DirEntry<'_>, owner: Owner) -> Result<OwnedFd, Cause> {
        let mode: libc::mode_t = 0o600;
        let file = file_owner::create_as(owner, || entry.open(libc::O_RDWR | libc::O_CREAT | libc::O_EXCL, mode))?;
        // The mode is the same whatever the umask.
        // SAFETY: the function takes numbers only.
        check(unsafe { libc::fchmod(file.as_raw_fd(), mode) })?;
        Ok(file)
    }

    fn lock(&self) -> Result<(), Cause> {
        loop {
            // SAFETY: the function takes numbers only.
            match check(unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
                Ok(_) => return Ok(()),
                Err(Cause::Os(libc::EINTR)) => {}
                Err(Cause::Os(libc::EWOULDBLOCK)) => return Err(Cause::Locked { pid: self.read_pid() }),
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Gives the lock back. Closing the descriptor would not unlock the file while a child of a fork has the
    /// descriptor, too.
    pub fn release(&self) {
        let _keep = KeepErrno::new();
        // SAFETY: the function takes numbers only.
        unsafe { libc::flock(self.0.as_raw_fd(), libc::LOCK_UN) };
    }

    /// Writes the number of this process, if the file is a lock file and nothing else. The lock holds without it.
    fn write_pid(&self) {
        let fits = |stat: libc::stat| {
            let plain = stat.st_mode & libc::S_IFMT == libc::S_IFREG && stat.st_nlink == 1;
            plain && usize::try_from(stat.st_size).is_ok_and(|size| size <= Self::PID_LINE_LEN)
        };
        if !status_of(&self.0).is_ok_and(fits) {
            return;
        }
        let _keep = KeepErrno::new();
        let mut line = [b'\n'; Self::PID_LINE_LEN];
        let _ = write!(&mut line[..Self::PID_LINE_LEN - 1], "{:<1$}", std::process::id(), Self::PID_LINE_LEN - 1);
        // SAFETY: the pointer and the length describe `line`.
        unsafe { libc::pwrite(self.0.as_raw_fd(), line.as_ptr().cast(), line.len(), 0) };
    }

    /// The process number in the file; 0 if there is none.
    fn read_pid(&self) -> i32 {
        let _keep = KeepErrno::new();
        let mut line = [0; Self::PID_LINE_LEN];
        // SAFETY: the pointer and the length describe `line`.
        let read = unsafe { libc::pread(self.0.as_raw_fd(), line.as_mut_ptr().cast(), line.len(), 0) };
        let read = usize::try_from(read).ok().and_then(|read| line.get(..read)).unwrap_or_default();
        std::str::from_utf8(read).ok().and_then(|read| read.trim().parse().ok()).unwrap_or(0)
    }
}

impl AsFd for FileLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::Path;

    use super::*;

    fn c_path(path: &Path) -> CString {
        CString::new(path.as_os_str().as_bytes()).unwrap()
    }

    fn take(path: &CStr) -> Result<FileLock, Cause> {
        FileLock::take(path, Owner::default(), |_| panic!("the lock file can be opened"))
    }

    #[test]
    fn a_lock_is_held_once_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let lock = take(&c_path(&path)).unwrap();
        let pid = std::process::id();
        assert_eq!(take(&c_path(&path)).map(drop), Err(Cause::Locked { pid: pid as i32 }));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{pid:<15}\n"));
        drop(lock);
        drop(take(&c_path(&path)).unwrap());
        // A file of another kind is not written to.
        for text in ["not a lock file", ""] {
            let other = dir.path().join("other");
            std::fs::write(&other, text.repeat(2)).unwrap();
            let _ = std::fs::remove_file(&path);
            std::fs::hard_link(&other, &path).unwrap();
            let _lock = take(&c_path(&path)).unwrap();
            assert_eq!(take(&c_path(&path)).map(drop), Err(Cause::Locked { pid: 0 }));
            assert_eq!(std::fs::read_to_string(&other).unwrap(), text.repeat(2));
        }
    }

    /// Root's own file cannot be opened, and its directory is swapped then.
    #[test]
    fn a_server_is_looked_for_beside_the_file_that_is_removed() {
        let _alone = crate::sys::alone_in_process();
        let dir = tempfile::tempdir().unwrap();
        let [home, moved] = ["home", "moved"].map(|name| dir.path().join(name));
        let take_as_another = || {
            // SAFETY: the call takes numbers only; it is for this thread alone, which ends.
            assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, -1, 12_345, -1) }, 0);
            FileLock::take(&c_path(&home.join("lock")), Owner::default(), |entry| {
                fs::rename(&home, &moved).unwrap();
                fs::create_dir(&home).unwrap();
                assert!(entry.find_beside(c"beside").is_ok());
                false
            })
            .map(drop)
        };
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return;
        }
        fs::create_dir(&home).unwrap();
        for directory in [dir.path(), &home] {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
        }
        for name in ["lock", "beside"] {
            fs::write(home.join(name), "").unwrap();
            fs::set_permissions(home.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let taken = std::thread::scope(|scope| scope.spawn(take_as_another).join().unwrap());
        assert_eq!(taken, Err(Cause::Os(libc::EACCES)));
        assert!(moved.exists());
    }

    /// As a service manager may clean up a directory.
    #[test]
    fn a_lock_file_is_there_once_it_is_locked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let gone = take(&c_path(&path)).unwrap();
        std::fs::remove_file(&path).unwrap();
        let lock = take(&c_path(&path)).unwrap();
        drop(gone);
        assert!(matches!(take(&c_path(&path)), Err(Cause::Locked { .. })));
        drop(lock);
        let missing = c_path(&dir.path().join("none/lock"));
        assert_eq!(take(&missing).map(drop), Err(Cause::Os(libc::ENOENT)));
    }
}

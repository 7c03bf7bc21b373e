//! Creating a file that has its owner from its first moment.

use std::ffi::c_int;
use std::marker::PhantomData;

use super::errno::KeepErrno;
use crate::cause::Cause;

/// The owner and the group of a new file, where they are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
}

/// Creates a file as its owner or, where the owner may not create files, as the process.
pub(super) fn create_as<T>(owner: Owner, create: impl Fn() -> Result<T, Cause>) -> Result<T, Cause> {
    if owner != Owner::default() {
        let guard = FsIdsGuard::new(owner);
        let created = create();
        drop(guard);
        if !matches!(created, Err(Cause::Os(libc::EACCES | libc::EPERM))) {
            return created;
        }
    }
    create()
}

/// A guard under which the calling thread, and no other, creates files for an owner, as far as the process may do that.
struct FsIdsGuard {
    uid: Option<u32>,
    gid: Option<u32>,
    /// Attributes of the process that the kernel resets on such a change, as if the process were to become another
    /// user's.
    dumpable: c_int,
    death_signal: c_int,
    /// The ids belong to the thread, so that the guard is not sent to another.
    not_send: PhantomData<*const ()>,
}

impl FsIdsGuard {
    fn new(owner: Owner) -> Self {
        let _keep = KeepErrno::new();
        let mut death_signal: c_int = 0;
        // SAFETY: the options take no further argument, or a pointer to a number.
        let dumpable = unsafe {
            libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut death_signal);
            libc::prctl(libc::PR_GET_DUMPABLE)
        };
        // The group comes first, as a user without rights may not change it.
        // SAFETY: the functions take numbers only.
        let gid = owner.gid.map(|gid| unsafe { libc::setfsgid(gid) } as u32);
        // SAFETY: as above.
        let uid = owner.uid.map(|uid| unsafe { libc::setfsuid(uid) } as u32);
        Self { uid, gid, dumpable, death_signal, not_send: PhantomData }
    }
}

impl Drop for FsIdsGuard {
    fn drop(&mut self) {
        let _keep = KeepErrno::new();
        // SAFETY: the functions take numbers only: those that were set before.
        unsafe {
            if let Some(uid) = self.uid {
                libc::setfsuid(uid);
            }
            if let Some(gid) = self.gid {
                libc::setfsgid(gid);
            }
            if libc::prctl(libc::PR_GET_DUMPABLE) != self.dumpable {
                libc::prctl(libc::PR_SET_DUMPABLE, self.dumpable);
            }
            if self.death_signal != 0 {
                libc::prctl(libc::PR_SET_PDEATHSIG, self.death_signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn dumpable() -> c_int {
        // SAFETY: the option takes no further argument.
        unsafe { libc::prctl(libc::PR_GET_DUMPABLE) }
    }

    /// Root can create files for others. Another user can only try.
    #[test]
    fn a_file_is_made_for_its_owner_and_nothing_is_left_of_that() {
        let _alone = crate::sys::alone_in_process();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let (root, before) = (fs::metadata("/proc/self").unwrap().uid() == 0, dumpable());
        let owner = Owner { uid: Some(12_345), gid: Some(12_346) };
        let write = || fs::File::create_new(&path).map_err(|error| Cause::Os(error.raw_os_error().unwrap()));
        // The owner may not create files in this directory.
        drop(create_as(owner, write).unwrap());
        fs::remove_file(&path).unwrap();
        if root {
            std::os::unix::fs::chown(dir.path(), owner.uid, None).unwrap();
            let made = create_as(owner, write).unwrap().metadata().unwrap();
            assert_eq!((made.uid(), made.gid()), (12_345, 12_346));
            fs::remove_file(&path).unwrap();
        }
        let made = write().unwrap().metadata().unwrap();
        assert_eq!(made.uid() == 0, root);
        assert_eq!(dumpable(), before);
    }
}

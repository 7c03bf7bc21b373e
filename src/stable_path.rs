//! The path of a socket file, which stays right when the process changes its working directory.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::bounded_text::BoundedText;
use crate::cause::{Cause, PathFault};
use crate::shared_path::SharedPath;
use crate::sys::{self, FileId, PATH_MAX, SocketPath, try_copy_with_room};

/// The path of a socket file. A relative path is meant in the working directory of the moment at which this was made.
#[derive(Clone, Debug)]
pub struct StablePath {
    given: SharedPath,
    base: Option<BaseDirectory>,
}

/// The directory that a relative path is meant in.
#[derive(Clone, Debug)]
struct BaseDirectory {
    directory: FileId,
    /// The path itself, made absolute.
    absolute: SharedPath,
}

/// A path for a socket address. It is valid while this exists.
#[derive(Debug)]
pub enum AddressPath<'a> {
    /// The path itself.
    Direct(&'a [u8]),
    /// A path by way of the descriptor of the directory, which is kept open.
    ViaDirectory(SocketPath, OwnedFd),
}

impl StablePath {
    /// The path that `given` means in the working directory of now.
    pub fn new(given: &Path) -> Result<Self, Cause> {
        Ok(Self { given: SharedPath::new(given)?, base: BaseDirectory::of(given)? })
    }

    /// The path as the program gave it.
    pub fn given(&self) -> &SharedPath {
        &self.given
    }

    /// A path, of any length, that leads to the file now. The given one is used while the working directory is the same,
    /// because a directory above it may be closed to the process.
    pub fn path(&self) -> &Path {
        match &self.base {
            Some(base) if sys::file_behind(c".") != Some(base.directory) => &base.absolute,
            _ => &self.given,
        }
    }

    /// Runs `work` with the [path](Self::path) as a C string, which takes no memory.
    pub fn with_c_path<T>(&self, work: impl FnOnce(&CStr) -> Result<T, Cause>) -> Result<T, Cause> {
        let (mut room, path) = ([0; libc::PATH_MAX as usize], self.path().as_os_str().as_bytes());
        let copy = room.get_mut(..path.len()).ok_or(Cause::Os(libc::ENAMETOOLONG))?;
        copy.copy_from_slice(path);
        let path = room.get(..=path.len()).and_then(|path| CStr::from_bytes_with_nul(path).ok());
        work(path.ok_or(Cause::BadPath(PathFault::Nul))?)
    }

    /// A path for a socket address. An absolute path that has become too long goes by way of a descriptor.
    pub fn address_path(&self) -> Result<AddressPath<'_>, Cause> {
        let path = self.path().as_os_str().as_bytes();
        // A path that was too long as the program gave it is reported with that length.
        if path.len() <= PATH_MAX || self.given.as_os_str().len() > PATH_MAX || self.path() == &*self.given {
            return Ok(AddressPath::Direct(path));
        }
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let (directory, name) = path.split_at(at);
        let directory = sys::open_directory(&c_string(directory)?)?;
        let link = BoundedText::new(format_args!("/proc/thread-self/fd/{}", directory.as_raw_fd()));
        let too_long = Cause::BadPath(PathFault::TooLong { len: link.as_bytes().len() + 1 + name.len() });
        Ok(AddressPath::ViaDirectory(SocketPath::joined(link.as_bytes(), name).ok_or(too_long)?, directory))
    }

    /// True if links lead from here to the socket that has been bound to `bound`, and only root and this user can change
    /// either path. If the file is gone, directory and name are compared.
    pub fn leads_to(&self, bound: &Path) -> bool {
        let path = self.path();
        let directory = |path: &Path| path.parent().and_then(|parent| sys::trusted_file(parent).ok());
        match (sys::trusted_file(path), sys::trusted_file(bound)) {
            (Ok(here), Ok(there)) => here == there,
            (Err(GONE), Err(GONE)) if path.file_name() == bound.file_name() => {
                directory(path).is_some_and(|here| directory(bound) == Some(here))
            }
            _ => false,
        }
    }

    /// The absolute path if it fits an address, else the given one.
    pub fn absolute_if_fits(&self) -> Option<SocketPath> {
        let absolute = self.base.as_ref().map(|base| &*base.absolute);
        let fitting = |path: &Path| SocketPath::new(path.as_os_str().as_bytes());
        absolute.and_then(fitting).or_else(|| fitting(&self.given))
    }
}

impl BaseDirectory {
    fn of(given: &Path) -> Result<Option<Self>, Cause> {
        if given.as_os_str().is_empty() || given.is_absolute() {
            return Ok(None);
        }
        let mut room = sys::DirectoryRoom::default();
        let (Some(directory), Some(base)) = (sys::file_behind(c"."), room.working_directory()) else { return Ok(None) };
        let separator: &[u8] = if base.ends_with(b"/") { b"" } else { b"/" };
        let rest = [separator, given.as_os_str().as_bytes()];
        let mut absolute = try_copy_with_room(base, rest.iter().map(|part| part.len()).sum())?;
        rest.iter().for_each(|part| absolute.extend_from_slice(part));
        Ok(Some(Self { directory, absolute: SharedPath::new(Path::new(OsStr::from_bytes(&absolute)))? }))
    }
}

impl AddressPath<'_> {
    /// The path as bytes.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Direct(path) => path,
            Self::ViaDirectory(path, _) => path.as_c_str().to_bytes(),
        }
    }
}

const GONE: Cause = Cause::Os(libc::ENOENT);

/// A path as a C string.
pub fn c_string(path: &[u8]) -> Result<CString, Cause> {
    c_string_with(path, b"")
}

/// A path with a suffix, as a C string.
pub(crate) fn c_string_with(path: &[u8], suffix: &[u8]) -> Result<CString, Cause> {
    // The zero byte fills the block, so that the string takes no other one.
    let mut bytes = try_copy_with_room(path, suffix.len() + 1)?;
    bytes.extend_from_slice(suffix);
    bytes.extend_from_slice(&[0]);
    CString::from_vec_with_nul(bytes).map_err(|_| Cause::BadPath(PathFault::Nul))
}

impl TryFrom<&CStr> for StablePath {
    type Error = Cause;

    fn try_from(given: &CStr) -> Result<Self, Cause> {
        Self::new(Path::new(OsStr::from_bytes(given.to_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_path_is_known_by_its_file_or_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let [real, link, other] = ["real", "link", "other"].map(|name| dir.path().join(name));
        for directory in [&real, &other] {
            std::fs::create_dir(directory).unwrap();
        }
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let path = StablePath::new(&link.join("x")).unwrap();
        let same = || [&real, &link, &other].map(|directory| path.leads_to(&directory.join("x")));
        assert_eq!(same(), [true, true, false]);
        assert!(!path.leads_to(&real.join("y")));
        std::fs::write(real.join("x"), "").unwrap();
        assert_eq!(same(), [true, true, false]);
        // The same file under another name, and a file where there was none.
        std::fs::hard_link(real.join("x"), other.join("y")).unwrap();
        std::fs::write(other.join("x"), "").unwrap();
        assert!(path.leads_to(&other.join("y")));
        assert!(!path.leads_to(&other.join("x")));
        // A user that can change one of the paths may have led it to any file.
        for directory in [&other, &real] {
            fs::set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
            assert!(!path.leads_to(&other.join("y")));
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        assert!(path.leads_to(&other.join("y")));
        assert!(!StablePath::new(Path::new("none/x")).unwrap().leads_to(Path::new("nowhere/x")));
    }

    #[test]
    fn what_is_remembered_is_absolute_where_it_fits() {
        let base = std::env::current_dir().unwrap();
        let absolute = |path: &[u8]| SocketPath::absolute_if_fits(path).map(|path| path.as_c_str().to_bytes().to_vec());
        assert_eq!(absolute(b"/run/x"), Some(b"/run/x".to_vec()));
        assert_eq!(absolute(b"x"), Some(base.join("x").as_os_str().as_bytes().to_vec()));
        assert_eq!(absolute(&[b'x'; PATH_MAX]), Some(vec![b'x'; PATH_MAX]));
        assert_eq!(absolute(&[b'x'; PATH_MAX + 1]), None);
        for given in [&b"/run/x"[..], b"x", &[b'x'; PATH_MAX]] {
            let path = StablePath::new(Path::new(OsStr::from_bytes(given))).unwrap();
            assert_eq!(path.absolute_if_fits(), SocketPath::absolute_if_fits(given));
            // While the process stays in the directory, the program's own path is used.
            assert_eq!(path.address_path().unwrap().path(), given);
            assert_eq!(path.path(), &**path.given());
        }
    }
}

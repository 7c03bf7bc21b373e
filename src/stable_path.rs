//! Where a socket file is, whatever directory the process works in later.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::bounded_text::BoundedText;
use crate::cause::{Cause, PathFault};
use crate::shared_path::SharedPath;
use crate::sys::{self, FileId, PATH_MAX, SocketPath, try_copy_with_room};

/// The path of a socket file. A relative path is meant in the directory in which the process worked when the path was
/// made.
#[derive(Clone, Debug)]
pub struct StablePath {
    given: SharedPath,
    base: Option<BaseDirectory>,
}

/// What a relative path is relative to.
#[derive(Clone, Debug)]
struct BaseDirectory {
    directory: FileId,
    absolute: SharedPath,
}

/// A path that fits an address, for as long as this exists.
#[derive(Debug)]
pub enum AddressPath<'a> {
    /// It is that of the path.
    Direct(&'a [u8]),
    /// It goes by way of the descriptor of the directory.
    ViaDirectory(SocketPath, OwnedFd),
}

impl StablePath {
    /// The path that a path leads to now.
    pub fn new(given: &Path) -> Result<Self, Cause> {
        Ok(Self { given: SharedPath::new(given)?, base: BaseDirectory::of(given)? })
    }

    /// The path as the program gave it.
    pub fn given(&self) -> &SharedPath {
        &self.given
    }

    /// A path of any length. It is the one given, also because a directory above it may be closed to the process, unless
    /// that is relative to another directory by now.
    pub fn path(&self) -> &Path {
        match &self.base {
            Some(base) if sys::file_behind(c".") != Some(base.directory) => &base.absolute,
            _ => &self.given,
        }
    }

    /// The same, for the functions that take a string, also where memory has run out.
    pub fn with_c_path<T>(&self, work: impl FnOnce(&CStr) -> Result<T, Cause>) -> Result<T, Cause> {
        let (mut room, path) = ([0; libc::PATH_MAX as usize], self.path().as_os_str().as_bytes());
        let copy = room.get_mut(..path.len()).ok_or(Cause::Os(libc::ENAMETOOLONG))?;
        copy.copy_from_slice(path);
        let path = room.get(..=path.len()).and_then(|path| CStr::from_bytes_with_nul(path).ok());
        work(path.ok_or(Cause::BadPath(PathFault::Nul))?)
    }

    /// A path for an address. One that would be too long goes by way of a descriptor.
    pub fn address_path(&self) -> Result<AddressPath<'_>, Cause> {
        let path = self.path().as_os_str().as_bytes();
        // One that was too long from the first is told as it is.
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

    /// It is the path of the socket that has been bound to a path, whatever links lead there; where there is no file any
    /// more, by the directory and the name.
    pub fn leads_to(&self, bound: &Path) -> bool {
        let path = self.path();
        let directory = |path: &Path| match path.parent() {
            Some(parent) if parent != Path::new("") => file_behind(parent),
            _ => sys::file_behind(c"."),
        };
        match (file_behind(path), file_behind(bound)) {
            _ if path == bound => true,
            (Some(here), Some(there)) => here == there,
            (None, None) if path.file_name() == bound.file_name() => {
                directory(path).is_some_and(|here| directory(bound) == Some(here))
            }
            _ => false,
        }
    }

    /// What to remember of it: the absolute path, unless that is too long for an address.
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
        Ok(Some(Self { directory, absolute: SharedPath::from_bytes(absolute)? }))
    }
}

impl AddressPath<'_> {
    /// The path.
    pub fn path(&self) -> &[u8] {
        match self {
            Self::Direct(path) => path,
            Self::ViaDirectory(path, _) => path.as_c_str().to_bytes(),
        }
    }
}

fn file_behind(path: &Path) -> Option<FileId> {
    sys::file_behind(&c_string(path.as_os_str().as_bytes()).ok()?)
}

/// A path for the functions that take a string.
pub fn c_string(path: &[u8]) -> Result<CString, Cause> {
    c_string_with(path, b"")
}

/// The same with something behind it.
pub(crate) fn c_string_with(path: &[u8], suffix: &[u8]) -> Result<CString, Cause> {
    // With its zero byte it fills the block, so that there is nothing to be made anew.
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
            // Where the process still is, the program's own path does.
            assert_eq!(path.address_path().unwrap().path(), given);
            assert_eq!(path.path(), &**path.given());
        }
    }
}

//! A path that is shared, not copied.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cause::Cause;
use crate::sys::{PATH_MAX, TryArc, try_copy};

/// A path whose clones share its bytes. A clone takes no memory, so that errors can name the path where memory has run out.
#[derive(Clone, Default)]
pub struct SharedPath(Option<TryArc<Bytes>>);

/// The bytes of a path.
enum Bytes {
    /// Those of a path that fits a socket address lie in the shared block itself.
    Short([u8; PATH_MAX], usize),
    Long(Vec<u8>),
}

impl Bytes {
    fn new(path: &[u8]) -> Result<Self, Cause> {
        let mut short = [0; PATH_MAX];
        let Some(room) = short.get_mut(..path.len()) else { return try_copy(path).map(Self::Long) };
        room.copy_from_slice(path);
        Ok(Self::Short(short, path.len()))
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Short(bytes, len) => bytes.get(..*len).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }
}

impl SharedPath {
    /// A copy of a path.
    pub fn new(path: &Path) -> Result<Self, Cause> {
        TryArc::new(Bytes::new(path.as_os_str().as_bytes())?).map(|path| Self(Some(path)))
    }
}

impl Deref for SharedPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_deref().map_or(&[], Bytes::get)))
    }
}

impl PartialEq for SharedPath {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SharedPath {}

impl fmt::Debug for SharedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_was_given_whatever_its_length() {
        for len in [0, 1, PATH_MAX, PATH_MAX + 1, 4096] {
            let given = "x".repeat(len);
            let path = SharedPath::new(Path::new(&given)).unwrap();
            assert_eq!((&*path, &path.clone()), (Path::new(&given), &path));
        }
        assert_eq!(&*SharedPath::default(), Path::new(""));
    }
}

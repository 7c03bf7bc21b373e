//! A path that is shared, not copied.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::ffi::OsStr;
use std::fmt;
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cause::Cause;
use crate::sys::{TryArc, try_copy};

/// A path whose clones share its bytes. A clone takes no memory, so that errors can name the path where memory has run out.
#[derive(Clone, Default)]
pub struct SharedPath(Option<TryArc<Vec<u8>>>);

impl SharedPath {
    /// A copy of a path.
    pub fn new(path: &Path) -> Result<Self, Cause> {
        Self::from_bytes(try_copy(path.as_os_str().as_bytes())?)
    }

    pub(crate) fn from_bytes(path: Vec<u8>) -> Result<Self, Cause> {
        TryArc::new(path).map(|path| Self(Some(path)))
    }
}

impl Deref for SharedPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.0.as_deref().map_or(&[], Vec::as_slice)))
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

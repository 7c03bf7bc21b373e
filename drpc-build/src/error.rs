//! The error of a build.

use std::{error, fmt, io};

/// The error of a build, in words. Its debug form is the same text, as that is what Cargo shows of a build script that
/// returns an error.
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Error {}

/// The debug form says where in a file the error is.
impl From<protox::Error> for Error {
    fn from(error: protox::Error) -> Self {
        Self::new(format!("{error:?}"))
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

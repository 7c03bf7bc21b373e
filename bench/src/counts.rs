//! What noise does not touch: counted by programs of its own, looked up here.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Count {
    pub(crate) contender: String,
    pub(crate) side: String,
    pub(crate) size: Option<u64>,
    pub(crate) what: String,
    pub(crate) value: f64,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Counts {
    #[serde(default)]
    pub(crate) notes: Vec<String>,
    #[serde(default)]
    pub(crate) counts: Vec<Count>,
}

impl Counts {
    /// None at all if there is no such file.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(text) => Ok(serde_json::from_slice(&text)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// The largest of those that are asked for.
    pub(crate) fn worst(&self, contender: &str, what: &str, is_meant: impl Fn(&Count) -> bool) -> Option<f64> {
        let found = self.counts.iter().filter(|count| count.contender == contender && count.what == what);
        found.filter(|count| is_meant(count)).map(|count| count.value).reduce(f64::max)
    }
}

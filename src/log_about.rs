//! The fields that say what a line of a server is about.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::log_field::Value;
use crate::session::{Credentials, Session};
use crate::sys::Program;

/// What a line is about: the server's path, and the peer and the session if it has one.
pub(crate) struct About<'a> {
    path: &'a Path,
    peer: Option<Credentials>,
    session: Option<(u64, Program)>,
}

impl<'a> About<'a> {
    /// The server itself.
    pub(crate) fn server(path: &'a Path) -> Self {
        Self { path, peer: None, session: None }
    }

    /// A client that has no session.
    pub(crate) fn peer(path: &'a Path, peer: Credentials) -> Self {
        Self { path, peer: Some(peer), session: None }
    }

    /// A session, and the program of its client if that is known.
    pub(crate) fn session(session: &'a Session, program: Program) -> Self {
        Self { path: session.path(), peer: Some(session.peer()), session: Some((session.id(), program)) }
    }
}

impl fmt::Display for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((id, _)) = self.session {
            write!(f, " session={id}")?;
        }
        if let Some(peer) = self.peer {
            write!(f, " pid={} uid={}", peer.pid, peer.uid)?;
        }
        if let Some((_, program)) = self.session.filter(|(_, program)| !program.is_empty()) {
            write!(f, " program={}", Value(program.as_bytes()))?;
        }
        write!(f, " path={}", Value(self.path.as_os_str().as_bytes()))
    }
}

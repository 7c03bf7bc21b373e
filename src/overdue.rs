//! What there is to say of a call that was not answered in time.
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

use std::fmt;
use std::time::Duration;

use crate::modules::names::CallName;
use crate::sys::{self, Credentials, Program};

/// A call that was not answered in time: its name, its time, and the server that did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// The module and the method; `None` for the question which framing the server reads.
    call: Option<CallName>,
    /// False for a call of which nothing was sent, or a part.
    sent: bool,
    /// The time that the call had, in milliseconds; `None` where only its end was known.
    limit_ms: Option<u32>,
    /// The process of the server; 0 if it is unknown.
    pid: i32,
    program: Program,
}

impl Overdue {
    /// Looks at the server's process, if the server is known.
    #[cold]
    pub fn new(
        call: impl Into<Option<CallName>>,
        sent: bool,
        limit: Option<Duration>,
        server: Option<Credentials>,
    ) -> Self {
        let pid = server.map_or(0, |server| server.pid);
        let limit_ms = limit.map(|limit| u32::try_from(limit.as_millis()).unwrap_or(u32::MAX));
        Self { call: call.into(), sent, limit_ms, pid, program: sys::program_of(pid) }
    }

    /// The process of the server, if it is known.
    pub fn pid(&self) -> Option<i32> {
        (self.pid > 0).then_some(self.pid)
    }
}

/// As in `mgmt.get_attach_info was not answered within 300 ms by pid 4711 (daos_agent)`.
impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, sent, limit_ms, pid, program } = self;
        match call {
            Some(call) => write!(f, "{call}")?,
            None => f.write_str("the question for the framing")?,
        }
        write!(f, " was not {}", if *sent { "answered" } else { "sent" })?;
        match limit_ms {
            Some(ms) => write!(f, " within {ms} ms")?,
            None => f.write_str(" in time")?,
        }
        if *pid != 0 {
            write!(f, " {} pid {pid}", if *sent { "by" } else { "to" })?;
        }
        if program.is_empty() { Ok(()) } else { write!(f, " ({program})") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::names::Names;

    #[test]
    fn an_overdue_call_is_named_with_its_time_and_its_server() {
        let call = Names::V2_8.call(2, 206);
        let text = |sent, limit, server| Overdue::new(call, sent, limit, server).to_string();
        let limit = Some(Duration::from_millis(300));
        assert_eq!(text(true, limit, None), "mgmt.get_attach_info was not answered within 300 ms");
        assert_eq!(text(false, None, None), "mgmt.get_attach_info was not sent in time");
        let gone = Credentials { pid: i32::MAX, uid: 0, gid: 0 };
        let named = format!("mgmt.get_attach_info was not answered within 300 ms by pid {}", i32::MAX);
        assert_eq!(text(true, limit, Some(gone)), named);
        let own = Credentials { pid: std::process::id().cast_signed(), ..gone };
        let program = std::fs::read_to_string("/proc/self/comm").unwrap();
        let expected = format!("mgmt.get_attach_info was not sent in time to pid {} ({})", own.pid, program.trim_end());
        assert_eq!(text(false, None, Some(own)), expected);
    }
}

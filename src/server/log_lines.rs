//! The lines about sessions and their calls.

use std::fmt;
use std::time::Instant;

use super::log_event::{Fault, LogEvent};
use super::reactor::Reactor;
use super::server_session::ServerSession;
use super::session_log::{End, Line, Lines};
use crate::cause::Cause;
use crate::error::Phase;
use crate::explanation::hint;
use crate::log::Level;
use crate::log_about::About;
use crate::protocol::framing::Framing;
use crate::session::Credentials;
use crate::sys::{self, Program};

impl Reactor {
    /// Counts a failure to accept, and logs it if the last such line is some time ago.
    #[cold]
    pub(super) fn report_not_accepted(&self, cause: Cause) {
        self.counters.event(LogEvent::Fault(Fault::Accept, Some(cause)));
        let Some(failures) = self.acceptor.count_failure(Instant::now()) else { return };
        let about = About::server(self.acceptor.path());
        let what = "no client can be accepted for now";
        if cause != Cause::Os(libc::EMFILE) {
            return self.log.line(Level::Error, format_args!("{what}: {cause} failures={failures}{about}"));
        }
        let (cure, limit) = (hint(Phase::Accept, cause).unwrap_or_default(), sys::descriptor_limit());
        self.log.line(
            Level::Error,
            format_args!(
                "{what}: {cause}: {cure} or of the service (LimitNOFILE) limit={limit} failures={failures}{about}"
            ),
        );
    }

    /// Logs that clients are accepted again, after so many failures of which no line has told.
    #[cold]
    pub(super) fn log_accepting_again(&self, failures: u64) {
        let about = About::server(self.acceptor.path());
        self.log.line(Level::Info, format_args!("clients are accepted again failures={failures}{about}"));
    }

    /// The program that a new client runs, if lines will name it.
    pub(super) fn program_of(&self, peer: Credentials) -> Program {
        if self.log.is_on(Level::Debug) { sys::program_of(peer.pid) } else { Program::default() }
    }

    /// Says that a session begins.
    pub(super) fn log_begin(&self, session: &ServerSession) {
        if self.log.is_on(Level::Debug) {
            self.log.line(
                Level::Debug,
                format_args!("a session begins{}", About::session(session.handle(), session.program)),
            );
        }
    }

    /// Writes what has been noted of a session. No lock may be held, as the program's sink runs here.
    #[cold]
    pub(super) fn log_lines(&self, lines: &Lines, session: &ServerSession) {
        let about = About::session(session.handle(), session.program);
        let uid = session.handle().peer().uid;
        for line in lines.iter() {
            let level = line.level();
            match line {
                Line::Event(event) => self.reason(event, uid).log(&self.log, &about),
                Line::Framing(framing) => {
                    let framing = framing.setting();
                    self.log.line(level, format_args!("the client's framing is found out framing={framing}{about}"));
                }
                Line::Call(call) => self.log.line(level, format_args!("{}{about}", call.text(self.names))),
                Line::Ended { end, framing, calls, bytes_in, bytes_out } => {
                    let framing = framing.map_or("unknown", Framing::setting);
                    let reason;
                    let end: &dyn fmt::Display = match end {
                        End::Event(event) => {
                            reason = self.reason(event, uid);
                            &reason
                        }
                        End::Plain(ref text) => text,
                    };
                    self.log.line(
                        level,
                        format_args!(
                            "a session ends: {end} framing={framing} calls={calls} bytes_in={bytes_in} \
                             bytes_out={bytes_out}{about}"
                        ),
                    );
                }
            }
        }
        self.log.leave_out(lines.left_out);
    }
}

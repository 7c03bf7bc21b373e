//! Why a server refuses a call or a client, or ends a session, in words: what was met, its value, and what sets it. The line
//! of the log and the text that the client gets are both made from this. Free of I/O.

use std::fmt;

use super::limits::ServerLimits;
use super::log_event::{Fault, Limit, LogEvent};
use crate::cause::Cause;
use crate::error::Phase;
use crate::explanation::{Api, hint};
use crate::log::{Level, Log};
use crate::modules::names::Names;
use crate::protocol::detail::Detail;

/// The rules of a server, and what they are called in its API.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    pub(super) limits: &'a ServerLimits,
    /// True if the process has descriptors for fewer sessions than the program has asked for.
    pub(super) few_descriptors: bool,
    pub(super) api: Api,
}

impl Rules<'_> {
    fn option(self, in_c: &'static str, in_rust: &'static str) -> &'static str {
        if self.api == Api::CServer { in_c } else { in_rust }
    }
}

/// An event and the rules that it comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reason<'a> {
    pub(super) event: LogEvent,
    /// The user whom the event is about, if it is about one.
    pub(super) uid: u32,
    pub(super) rules: Rules<'a>,
}

impl Reason<'_> {
    /// The text for the client.
    pub(super) fn detail(&self) -> Detail {
        Detail::new(format_args!("{self}"))
    }

    /// Writes a line, at whose end stands what it is `about`. No lock may be held, as the program's sink runs here.
    pub(super) fn log(&self, log: &Log, about: &impl fmt::Display) {
        let level = match self.event {
            LogEvent::Fault(Fault::Accept | Fault::Panic, _) => Level::Error,
            _ => Level::Warn,
        };
        log.provoked(level, format_args!("{self}{about}"));
    }

    fn write_limit(&self, f: &mut fmt::Formatter<'_>, limit: Limit) -> fmt::Result {
        let Self { uid, rules, .. } = self;
        let limits = rules.limits;
        let option = |in_c, in_rust| rules.option(in_c, in_rust);
        match limit {
            Limit::Sessions => {
                let name = match rules.few_descriptors {
                    true => "RLIMIT_NOFILE",
                    false => option("DRPC_SERVER_MAX_SESSIONS", "ServerLimits::sessions"),
                };
                write!(
                    f,
                    "no further client is accepted until one of {} sessions ends, the limit of {name}",
                    limits.sessions
                )
            }
            Limit::SessionsPerUid => {
                let most = limits.sessions_of_user();
                write!(f, "refused: uid {uid} has {most} sessions, the limit of ")?;
                if most == limits.sessions_per_uid {
                    f.write_str(option("DRPC_SERVER_MAX_SESSIONS_PER_UID", "ServerLimits::sessions_per_uid"))
                } else {
                    let all = option("DRPC_SERVER_MAX_SESSIONS", "ServerLimits::sessions");
                    write!(f, "one user while {all} is {}", limits.sessions)
                }
            }
            Limit::Message => f.write_str("closed: a call is too large"),
            Limit::PartialMemory => write!(
                f,
                "closed: uid {uid} has too much of the memory for incomplete calls, of which {} is {} and {} {}",
                option("DRPC_SERVER_MAX_PARTIAL", "ServerLimits::partial_memory"),
                limits.partial_memory,
                option("DRPC_SERVER_MAX_PARTIAL_PER_UID", "partial_memory_per_uid"),
                limits.partial_of_user(),
            ),
            Limit::Unsent => write!(
                f,
                "uid {uid} has too much of the memory for responses that are not taken, of which {} is {} and {} {}",
                option("DRPC_SERVER_MAX_UNSENT", "ServerLimits::unsent"),
                limits.unsent,
                option("DRPC_SERVER_MAX_UNSENT_PER_UID", "unsent_per_uid"),
                limits.unsent_of_user(),
            ),
            Limit::CallsPerSession => write!(
                f,
                "closed: {} calls at once, the limit of {}",
                limits.calls_per_session,
                option("DRPC_SERVER_MAX_CALLS", "ServerLimits::calls_per_session"),
            ),
            Limit::MessageTime => write!(
                f,
                "closed: the rest of a call did not come within {} ms, the limit of {}",
                limits.message_time.as_millis(),
                option("DRPC_SERVER_MESSAGE_TIME", "ServerLimits::message_time"),
            ),
            Limit::ReplyTime => write!(
                f,
                "closed: a response was not taken within {} ms, the limit of {}",
                limits.reply_time.as_millis(),
                option("DRPC_SERVER_REPLY_TIME", "ServerLimits::reply_time"),
            ),
            Limit::IdleTime => write!(
                f,
                "closed: nothing was called for {} ms, the limit of {}",
                limits.idle_time.unwrap_or_default().as_millis(),
                option("DRPC_SERVER_IDLE_TIME", "ServerLimits::idle_time"),
            ),
        }
    }

    fn write_fault(&self, f: &mut fmt::Formatter<'_>, fault: Fault, cause: Option<Cause>) -> fmt::Result {
        let Self { uid, rules, .. } = self;
        match (fault, cause) {
            (Fault::Refused, _) => {
                let function = rules.option("drpc_server_authorise", "ServerBuilder::authorise");
                write!(f, "refused: the function of {function} does not let uid {uid} in")
            }
            (Fault::Unsendable, Some(Cause::TooBig { size, limit })) => {
                write!(f, "a response of {size} bytes cannot be sent: {} is {limit}", self.size_limit(limit))
            }
            (_, Some(cause)) => {
                write!(f, "{}: {cause}", fault.text())?;
                hint(Phase::Respond, cause).map_or(Ok(()), |hint| write!(f, ": {hint}"))
            }
            (_, None) => f.write_str(fault.text()),
        }
    }

    /// What sets this limit on the size of a response. Only a datagram can have a limit below that of messages.
    fn size_limit(&self, limit: usize) -> &'static str {
        match limit < self.rules.limits.message {
            true => self.rules.option("DRPC_SERVER_MAX_DATAGRAM", "ServerLimits::datagram"),
            false => self.rules.option("DRPC_SERVER_MAX_MESSAGE", "ServerLimits::message"),
        }
    }
}

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, uid, rules } = self;
        match *event {
            LogEvent::Limit(limit) => self.write_limit(f, limit),
            LogEvent::LargeCall(size) => {
                let limit = rules.limits.message;
                write!(f, "closed: a call of {size} bytes is too large: {} is {limit}", self.size_limit(limit))
            }
            LogEvent::Forbidden(module) => {
                write!(f, "uid {uid} may not call the module ")?;
                // The names of modules are the same in every release.
                match Names::V2_8.module(module) {
                    Some(name) => f.write_str(name)?,
                    None => write!(f, "{module}")?,
                }
                let function = rules.option("drpc_server_allow", "ServerBuilder::allow");
                write!(f, ", which {function} leaves to other users")
            }
            LogEvent::Fault(fault, cause) => self.write_fault(f, fault, cause),
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: [Limit; Limit::COUNT] = [
        Limit::Sessions,
        Limit::SessionsPerUid,
        Limit::Message,
        Limit::PartialMemory,
        Limit::MessageTime,
        Limit::ReplyTime,
        Limit::CallsPerSession,
        Limit::Unsent,
        Limit::IdleTime,
    ];

    fn text(event: LogEvent, limits: &ServerLimits, api: Api) -> String {
        Reason { event, uid: u32::MAX, rules: Rules { limits, few_descriptors: false, api } }.to_string()
    }

    #[test]
    fn each_text_fits_and_names_its_option_and_its_value() {
        let most = usize::MAX;
        let limits = ServerLimits {
            sessions: most,
            sessions_per_uid: most,
            message: most,
            partial_memory: most,
            message_time: Duration::from_millis(u64::MAX),
            reply_time: Duration::from_millis(u64::MAX),
            calls_per_session: most,
            unsent: most,
            idle_time: Some(Duration::from_millis(u64::MAX)),
            ..ServerLimits::default()
        };
        let large = Cause::TooBig { size: u64::MAX, limit: most };
        let others = [
            LogEvent::LargeCall(u64::MAX),
            LogEvent::Forbidden(i32::MIN),
            LogEvent::Fault(Fault::Refused, None),
            LogEvent::Fault(Fault::Unsendable, Some(large)),
            LogEvent::Fault(Fault::Unsendable, Some(Cause::Os(libc::EMSGSIZE))),
            LogEvent::Fault(Fault::NoMemory, None),
        ];
        for event in LIMITS.map(LogEvent::Limit).into_iter().chain(others) {
            for (api, prefix) in [(Api::CServer, "drpc_server_"), (Api::Server, "server")] {
                let text = text(event, &limits, api);
                assert!(text.len() <= 200, "{} bytes: {text}", text.len());
                let named = text.to_lowercase().replace("::", "_").contains(prefix) || text.contains("_per_uid");
                let has_none = matches!(event, LogEvent::Limit(Limit::Message) | LogEvent::Fault(Fault::NoMemory, _))
                    || text.contains("wmem_default");
                assert!(named || has_none, "{text}");
            }
        }
    }

    #[test]
    fn what_was_met_is_told_with_its_value() {
        let limits = ServerLimits { sessions_per_uid: 2, message: 1000, datagram: 500, ..ServerLimits::default() };
        let text = |event| text(event, &limits, Api::CServer);
        assert_eq!(
            text(LogEvent::Limit(Limit::SessionsPerUid)),
            "refused: uid 4294967295 has 2 sessions, the limit of DRPC_SERVER_MAX_SESSIONS_PER_UID"
        );
        assert_eq!(
            text(LogEvent::LargeCall(1013)),
            "closed: a call of 1013 bytes is too large: DRPC_SERVER_MAX_MESSAGE is 1000"
        );
        let unsendable = |limit| text(LogEvent::Fault(Fault::Unsendable, Some(Cause::TooBig { size: 2000, limit })));
        assert_eq!(unsendable(1000), "a response of 2000 bytes cannot be sent: DRPC_SERVER_MAX_MESSAGE is 1000");
        assert_eq!(unsendable(500), "a response of 2000 bytes cannot be sent: DRPC_SERVER_MAX_DATAGRAM is 500");
        assert_eq!(
            text(LogEvent::Forbidden(2)),
            "uid 4294967295 may not call the module mgmt, which drpc_server_allow leaves to other users"
        );
        let few = ServerLimits { sessions: 8, ..ServerLimits::default() };
        let rules = Rules { limits: &few, few_descriptors: true, api: Api::CServer };
        let reason = |limit| Reason { event: LogEvent::Limit(limit), uid: 5, rules }.to_string();
        assert!(reason(Limit::Sessions).ends_with("one of 8 sessions ends, the limit of RLIMIT_NOFILE"));
        assert!(
            reason(Limit::SessionsPerUid)
                .ends_with("7 sessions, the limit of one user while DRPC_SERVER_MAX_SESSIONS is 8")
        );
    }
}

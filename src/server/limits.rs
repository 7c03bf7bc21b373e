//! Limits on what clients can ask of a server.

use std::time::Duration;

use crate::protocol::framing::Limits;

/// Limits on what clients can ask of a [`Server`](crate::Server). A time of [`Duration::MAX`] is no limit.
///
/// ```
/// use drpc::ServerLimits;
///
/// let limits = ServerLimits { sessions: 100, ..ServerLimits::default() };
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("agent.sock");
/// let server = drpc::Server::builder().limits(limits).bind(path)?;
/// # Ok::<(), drpc::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Sessions in total; further clients are not accepted until one ends. 4096, but at least 128 less than the process may
    /// have descriptors (`RLIMIT_NOFILE`) when the server begins to listen, if that leaves one.
    pub sessions: usize,
    /// Sessions of one user other than root, and at most seven eighths of all. The first call of a further session is
    /// answered with a failure. 256.
    pub sessions_per_uid: usize,
    /// Bytes of a call, and of a response. 128 MiB.
    pub message: usize,
    /// Bytes of a response that is sent as a datagram: the most that the clients can receive. 16 KiB, as clients of
    /// DAOS 0.8 need it; those of 1.2 to 2.6 can receive 128 KiB.
    pub datagram: usize,
    /// Bytes of incomplete calls, over all sessions. Each counts with 64 times the part that has come, up to the size
    /// that the call announces. An eighth is reserved for root. Another user can hold at most four times the memory
    /// that is left. A single incomplete call is accepted whatever its size. 256 MiB.
    pub partial_memory: usize,
    /// Bytes of incomplete calls of one user other than root. Half of `partial_memory` unless set.
    pub partial_memory_per_uid: Option<usize>,
    /// The time from the first part of a call to its last. It starts anew if more has come by its end, and no thread has
    /// read it. 30 s.
    pub message_time: Duration,
    /// The time from the end of a call's handling until its response has been taken. It starts anew if the server itself
    /// is late to send a response that the client takes. 30 s.
    pub reply_time: Duration,
    /// Calls of one session to concurrent modules that are being handled. 64.
    pub calls_per_session: usize,
    /// Bytes of responses that clients have not taken, over all sessions. 256 MiB.
    ///
    /// While little is left, calls of users who hold more than a little fail before they are handled. While twice the
    /// limit is held, so do the calls of all users but root. The response to a call that has been handled is kept,
    /// whatever other users hold.
    pub unsent: usize,
    /// Bytes of such responses of one user other than root. Half of `unsent` unless set. Beyond it calls fail, and the
    /// response to a call that has been handled is replaced by a failure.
    pub unsent_per_uid: Option<usize>,
    /// The time that a session may go without a call; unlimited unless set.
    pub idle_time: Option<Duration>,
}

/// Descriptors that sessions leave to the program, and to the 64 clients that are only there to be refused.
const OTHER_DESCRIPTORS: usize = 128;

impl ServerLimits {
    /// These limits with no more sessions than a process with so many descriptors can have.
    pub(super) fn within(self, descriptors: usize) -> Self {
        let sessions = self.sessions.min(descriptors.saturating_sub(OTHER_DESCRIPTORS).max(1));
        Self { sessions, ..self }
    }

    /// Sessions of one user other than root. Some of all are left to other users.
    pub(super) fn sessions_of_user(&self) -> usize {
        let others = if self.sessions > 1 { (self.sessions / 8).max(1) } else { 0 };
        self.sessions_per_uid.min(self.sessions - others)
    }

    /// Bytes of incomplete calls of one user other than root.
    pub(super) fn partial_of_user(&self) -> usize {
        self.partial_memory_per_uid.unwrap_or(self.partial_memory / 2)
    }

    /// Bytes of responses that one user other than root has not taken.
    pub(super) fn unsent_of_user(&self) -> usize {
        self.unsent_per_uid.unwrap_or(self.unsent / 2)
    }

    /// The limits on the sizes of calls and responses.
    pub(super) fn sizes(&self) -> Limits {
        Limits { message: self.message, datagram: self.datagram }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        let sizes = Limits::default();
        Self {
            sessions: 4096,
            sessions_per_uid: 256,
            message: sizes.message,
            datagram: sizes.datagram,
            partial_memory: 256 << 20,
            partial_memory_per_uid: None,
            message_time: Duration::from_secs(30),
            reply_time: Duration::from_secs(30),
            calls_per_session: 64,
            unsent: 256 << 20,
            unsent_per_uid: None,
            idle_time: None,
        }
    }
}

#[cfg(test)]
#[cfg(not(shuttle))]
mod tests {
    use super::*;

    #[test]
    fn sessions_leave_descriptors_to_others() {
        let limits = |sessions, descriptors| {
            ServerLimits { sessions, sessions_per_uid: 4096, ..ServerLimits::default() }.within(descriptors)
        };
        let of = |limits: ServerLimits| (limits.sessions, limits.sessions_of_user());
        assert_eq!(of(limits(4096, usize::MAX)), (4096, 3584));
        assert_eq!(of(limits(4096, 1024)), (896, 784));
        assert_eq!(of(limits(100, 1024)), (100, 88));
        assert_eq!([1, 128, 129, 130].map(|descriptors| limits(4096, descriptors).sessions), [1, 1, 1, 2]);
    }
}

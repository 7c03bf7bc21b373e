//! What a server grants its clients.

use std::time::Duration;

use crate::protocol::framing::Limits;

/// How much clients can ask of a [`Server`](crate::Server). A time of [`Duration::MAX`] is no limit.
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
    /// Sessions in total; further clients are not accepted until one ends. 4096.
    pub sessions: usize,
    /// Sessions of one user other than root, and no more than seven eighths of all; the first call of a further one is answered
    /// with a failure. 256.
    pub sessions_per_uid: usize,
    /// Bytes of a call, and of a response. 128 MiB.
    pub message: usize,
    /// Bytes of a response that is sent as a datagram: what the clients can receive. 16 KiB, as clients of DAOS 0.8 need
    /// it; those of 1.2 to 2.6 can receive 128 KiB.
    pub datagram: usize,
    /// Bytes of calls of which only a part has come, over all sessions; 64 times of that part, up to what the call announces.
    /// An eighth is root's alone, and a user can have no more than four times what is left. One call goes in, however large,
    /// while there is no other. 256 MiB.
    pub partial_memory: usize,
    /// Those of one user other than root. Half of the above unless set.
    pub partial_memory_per_uid: Option<usize>,
    /// From the beginning of a call to its end. 30 s.
    pub message_time: Duration,
    /// From the end of a call's handling until its response has been taken. 30 s.
    pub reply_time: Duration,
    /// Calls of one session to concurrent modules that are being handled. 64.
    pub calls_per_session: usize,
    /// Bytes of responses that have not been taken, over all sessions. While not much is left, calls of users who hold more
    /// than a little fail before they are handled; while twice as much is held, those of all but root. A response to one that
    /// has been handled is kept, whatever others hold. 256 MiB.
    pub unsent: usize,
    /// Those of one user other than root: beyond it calls fail, and a response to one that has been handled is replaced by
    /// a failure. Half of the above unless set.
    pub unsent_per_uid: Option<usize>,
    /// How long a session may go without a call; for ever unless set.
    pub idle_time: Option<Duration>,
}

impl ServerLimits {
    /// Sessions of one user other than root, who leaves some to others.
    pub(super) fn sessions_of_user(&self) -> usize {
        let others = if self.sessions > 1 { (self.sessions / 8).max(1) } else { 0 };
        self.sessions_per_uid.min(self.sessions - others)
    }

    /// Of calls and responses.
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

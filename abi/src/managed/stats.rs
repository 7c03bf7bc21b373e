//! `drpc/server.h`: what a server has done so far.

/// Counters of a server since it was made.
#[repr(C)]
pub struct drpc_server_stats {
    /// Size of the struct: to be set to sizeof(struct drpc_server_stats) before drpc_server_get_stats is called.
    pub size: usize,
    /// Sessions that there are.
    pub sessions: u64,
    /// Sessions that there have been.
    pub accepted: u64,
    /// Calls received.
    pub calls: u64,
    /// Calls answered, by the number of the status; the last place is for numbers that have no name.
    pub answered: [u64; 9],
    /// Calls refused because of who called.
    pub refused: u64,
    /// Bytes received, without the headers of records.
    pub bytes_received: u64,
    /// Bytes sent, without the headers of records.
    pub bytes_sent: u64,
    /// Messages that were no calls.
    pub malformed: u64,
    /// Sessions that ended with an error of the connection.
    pub broken: u64,
    /// Handlers that did not answer their call.
    pub unanswered: u64,
    /// Requests that had to wait because all threads were busy.
    pub waited: u64,
    /// How often accepting was put off because descriptors or memory had run out.
    pub accept_backoffs: u64,
    /// How often DRPC_SERVER_MAX_SESSIONS was reached.
    pub limit_sessions: u64,
    /// How often DRPC_SERVER_MAX_SESSIONS_PER_UID was reached.
    pub limit_sessions_per_uid: u64,
    /// How often DRPC_SERVER_MAX_MESSAGE was reached.
    pub limit_message: u64,
    /// How often DRPC_SERVER_MAX_PARTIAL was reached.
    pub limit_partial: u64,
    /// How often DRPC_SERVER_MESSAGE_TIME was reached.
    pub limit_message_time: u64,
    /// How often DRPC_SERVER_REPLY_TIME was reached.
    pub limit_reply_time: u64,
    /// How often DRPC_SERVER_MAX_CALLS was reached.
    pub limit_calls: u64,
    /// How often DRPC_SERVER_MAX_UNSENT was reached.
    pub limit_unsent: u64,
    /// How often DRPC_SERVER_IDLE_TIME was reached.
    pub limit_idle_time: u64,
    /// Handlers that have been run.
    pub handlers: u64,
    /// Time spent in handlers, in nanoseconds.
    pub handler_ns: u64,
    /// The longest time spent in one, in nanoseconds.
    pub handler_ns_max: u64,
}

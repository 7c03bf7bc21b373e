//! `drpc/server.h`: what a server has done so far.

use ::drpc::{ModuleStats, Stats, Status};

/// Numbers of statuses, and one more for those that have no name.
pub(crate) const STATUSES: usize = 9;

/// Counters of a server since it was made.
#[repr(C)]
pub struct drpc_server_stats {
    /// Size of the struct: to be set to sizeof(struct drpc_server_stats) before drpc_server_get_stats is called.
    pub size: usize,
    /// Sessions that there are.
    pub sessions: u64,
    /// Sessions that there have been.
    pub accepted: u64,
    /// Sessions refused by the function given to drpc_server_authorise.
    pub refused: u64,
    /// Calls answered, by the number of the status; the last place is for numbers that have no name.
    pub answered: [u64; 9],
    /// Bytes of calls received.
    pub bytes_in: u64,
    /// Bytes of responses sent, or to be sent.
    pub bytes_out: u64,
    /// How often no client could be accepted, so that it was tried again later.
    pub accept_errors: u64,
    /// Messages that were no calls.
    pub unparsable: u64,
    /// Sessions whose records made no sense.
    pub out_of_step: u64,
    /// Sessions that ended in the middle of a call.
    pub cut: u64,
    /// Responses that could not be sent.
    pub unsendable: u64,
    /// Calls of users that may not call the module.
    pub forbidden: u64,
    /// Calls for which there was no memory.
    pub no_memory: u64,
    /// Requests that had to wait because all threads were busy.
    pub saturated: u64,
    /// How often DRPC_SERVER_MAX_SESSIONS was met.
    pub limit_sessions: u64,
    /// How often DRPC_SERVER_MAX_SESSIONS_PER_UID was met.
    pub limit_sessions_per_uid: u64,
    /// How often DRPC_SERVER_MAX_MESSAGE was met.
    pub limit_message: u64,
    /// How often DRPC_SERVER_MAX_PARTIAL was met.
    pub limit_partial: u64,
    /// How often DRPC_SERVER_MESSAGE_TIME was met.
    pub limit_message_time: u64,
    /// How often DRPC_SERVER_REPLY_TIME was met.
    pub limit_reply_time: u64,
    /// How often DRPC_SERVER_MAX_CALLS was met.
    pub limit_calls: u64,
    /// How often DRPC_SERVER_MAX_UNSENT was met.
    pub limit_unsent: u64,
    /// How often DRPC_SERVER_IDLE_TIME was met.
    pub limit_idle_time: u64,
    /// Handlers that have returned, which may be after their clients have the response.
    pub handled: u64,
    /// Time spent in handlers, in nanoseconds.
    pub handling_ns: u64,
    /// The longest time spent in one, in nanoseconds.
    pub longest_ns: u64,
}

/// The calls of a module by status.
pub(crate) fn by_status(module: &ModuleStats) -> [u64; STATUSES] {
    let mut counts = [0; STATUSES];
    for (status, count) in (0..).zip(&mut counts) {
        *count = Status::try_from(status).map_or(module.with_unknown_status(), |status| module.with(status));
    }
    counts
}

/// The counters as C has them.
pub(crate) fn fill(stats: &Stats) -> drpc_server_stats {
    let Stats { errors, limits, .. } = stats;
    let mut answered = [0; STATUSES];
    for module in &stats.calls {
        answered.iter_mut().zip(by_status(module)).for_each(|(sum, count)| *sum += count);
    }
    let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    drpc_server_stats {
        size: size_of::<drpc_server_stats>(),
        sessions: stats.sessions,
        accepted: stats.accepted,
        refused: stats.refused,
        answered,
        bytes_in: stats.bytes_in,
        bytes_out: stats.bytes_out,
        accept_errors: errors.accept,
        unparsable: errors.unparsable,
        out_of_step: errors.out_of_step,
        cut: errors.cut,
        unsendable: errors.unsendable,
        forbidden: errors.forbidden,
        no_memory: errors.no_memory,
        saturated: stats.saturated,
        limit_sessions: limits.sessions,
        limit_sessions_per_uid: limits.sessions_per_uid,
        limit_message: limits.message,
        limit_partial: limits.partial_memory,
        limit_message_time: limits.message_time,
        limit_reply_time: limits.reply_time,
        limit_calls: limits.calls_per_session,
        limit_unsent: limits.unsent,
        limit_idle_time: limits.idle_time,
        handled: stats.handled,
        handling_ns: ns(stats.handling),
        longest_ns: ns(stats.longest),
    }
}

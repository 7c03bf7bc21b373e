//! The counters of a server, for `drpc/server.h`.

use std::mem::offset_of;
use std::ops::RangeInclusive;

use ::drpc::{ModuleStats, Stats, Status};

/// The number of statuses, plus one place for unnamed ones.
pub(crate) const STATUSES: usize = 9;

/// The counters of a server since it was made.
#[repr(C)]
pub struct drpc_server_stats {
    /// The size of the struct. Set it to sizeof(struct drpc_server_stats) before drpc_server_get_stats is called.
    pub size: usize,
    /// Sessions that exist now.
    pub sessions: u64,
    /// Sessions accepted.
    pub accepted: u64,
    /// Sessions refused by the function given to drpc_server_authorise.
    pub refused: u64,
    /// Calls answered, by the number of the status. The last place counts unnamed numbers.
    pub answered: [u64; 9],
    /// Bytes of calls received.
    pub bytes_in: u64,
    /// Bytes of responses sent or queued.
    pub bytes_out: u64,
    /// Failures to accept a client, each followed by a later attempt.
    pub accept_errors: u64,
    /// Messages that could not be decoded as calls.
    pub unparsable: u64,
    /// Sessions whose records did not fit together.
    pub out_of_step: u64,
    /// Sessions that ended in the middle of a call.
    pub cut: u64,
    /// Responses that could not be sent.
    pub unsendable: u64,
    /// Calls of users without permission for the module.
    pub forbidden: u64,
    /// Calls refused for lack of memory.
    pub no_memory: u64,
    /// Calls that waited because all threads were busy, one of them for 50 microseconds or more.
    pub saturated: u64,
    /// Times that DRPC_SERVER_MAX_SESSIONS was reached.
    pub limit_sessions: u64,
    /// Times that DRPC_SERVER_MAX_SESSIONS_PER_UID was reached.
    pub limit_sessions_per_uid: u64,
    /// Times that DRPC_SERVER_MAX_MESSAGE was reached.
    pub limit_message: u64,
    /// Times that DRPC_SERVER_MAX_PARTIAL was reached.
    pub limit_partial: u64,
    /// Times that DRPC_SERVER_MESSAGE_TIME was reached.
    pub limit_message_time: u64,
    /// Times that DRPC_SERVER_REPLY_TIME was reached.
    pub limit_reply_time: u64,
    /// Times that DRPC_SERVER_MAX_CALLS was reached.
    pub limit_calls: u64,
    /// Times that DRPC_SERVER_MAX_UNSENT was reached.
    pub limit_unsent: u64,
    /// Times that DRPC_SERVER_IDLE_TIME was reached.
    pub limit_idle_time: u64,
    /// Handler runs that have ended, possibly after their clients got the response.
    pub handled: u64,
    /// Time spent in handlers, in nanoseconds.
    pub handling_ns: u64,
    /// The longest run of a handler, in nanoseconds.
    pub longest_ns: u64,
    /// Times that a thread polled for a call before it slept: see DRPC_SERVER_SPIN.
    pub spins: u64,
    /// Times that it found one.
    pub spin_hits: u64,
    /// Time that threads polled, in nanoseconds.
    pub spinning_ns: u64,
}

/// The calls of a module, counted by status.
pub(crate) fn by_status(module: &ModuleStats) -> [u64; STATUSES] {
    let mut counts = [0; STATUSES];
    for (status, count) in (0..).zip(&mut counts) {
        *count = Status::try_from(status).map_or(module.with_unknown_status(), |status| module.with(status));
    }
    counts
}

/// The sizes that the struct has or had.
pub(crate) const SIZES: RangeInclusive<usize> = offset_of!(drpc_server_stats, spins)..=size_of::<drpc_server_stats>();

/// The counters in the layout of C, for a program to which the struct has a certain size.
pub(crate) fn fill(stats: &Stats, size: usize) -> drpc_server_stats {
    let Stats { errors, limits, .. } = stats;
    let mut answered = [0; STATUSES];
    for module in &stats.calls {
        answered.iter_mut().zip(by_status(module)).for_each(|(sum, count)| *sum += count);
    }
    let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    drpc_server_stats {
        size,
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
        spins: stats.spins,
        spin_hits: stats.spin_hits,
        spinning_ns: ns(stats.spinning),
    }
}

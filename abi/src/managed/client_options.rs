//! `drpc/client.h`: options of the shared client and of its calls.

use std::ffi::c_int;
use std::time::Duration;

use ::drpc::{CallOptions, Cause, ClientBuilder};

use super::cancel::drpc_cancel;
use crate::library;

/// What can be set with drpc_client_set.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum drpc_client_option {
    /// Time for a call, from connecting to the reply, in milliseconds; 0 is for ever. Unless set 0.
    DRPC_CLIENT_TIMEOUT = 1,
    /// 1 sends calls without waiting for the replies to others. Not for engines of DAOS 2.8, which may mix the
    /// records of two large replies. When a server cannot read one of several calls and does not say which, all that are out
    /// fail with -DER_PROTO (-1014), and any of them may have been executed. Unless set 0: one call is out at a time.
    DRPC_CLIENT_PIPELINING = 2,
    /// How often a call may connect anew when the server has gone. Unless set 3.
    DRPC_CLIENT_RETRIES = 3,
    /// Size of a message in bytes, sent or received. Unless set 128 MiB.
    DRPC_CLIENT_MAX_MESSAGE = 4,
    /// 1 starts a thread that does what drpc_client_dispatch does. Unless set 0: the library has no thread.
    DRPC_CLIENT_THREAD = 5,
    /// Size in bytes of a call that is sent as one datagram: what the server can receive, for longer ones it cuts without
    /// a word. DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Unless set what the releases of this library's
    /// line receive: libdrpc-0.8 16 KiB, libdrpc-2.8 128 KiB.
    DRPC_CLIENT_MAX_DATAGRAM = 6,
    /// How the server expects messages, one of enum drpc_framing. Unless set what the environment variable DRPC_FRAMING
    /// says ("datagram", "chunked" or "auto"), or else DRPC_FRAMING_AUTO in libdrpc-2.8, DRPC_FRAMING_DATAGRAM in
    /// libdrpc-0.8.
    DRPC_CLIENT_FRAMING = 7,
}

/// Options of one call. Set `size` to sizeof(struct drpc_call_options) and what is not used to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct drpc_call_options {
    /// Size of the struct.
    pub size: usize,
    /// Time for the call in milliseconds; 0 stands for that of the client, -1 is for ever.
    pub timeout_ms: c_int,
    /// Not 0: the call may be executed twice, so that it is sent again when the server goes after it was sent.
    pub idempotent: c_int,
    /// Gives the call up, or NULL.
    pub cancel: *const drpc_cancel,
}

pub(crate) fn set(builder: ClientBuilder, option: c_int, value: u64) -> Result<ClientBuilder, Cause> {
    const IMPOSSIBLE: Cause = Cause::Invalid("the option cannot have this value");
    let option = OPTIONS.into_iter().find(|known| *known as c_int == option);
    Ok(match option.ok_or(Cause::Invalid("the option is none of DRPC_CLIENT_..."))? {
        DRPC_CLIENT_PIPELINING | DRPC_CLIENT_THREAD if value > 1 => return Err(IMPOSSIBLE),
        DRPC_CLIENT_TIMEOUT if value == 0 => builder.timeout(Duration::MAX),
        DRPC_CLIENT_TIMEOUT => builder.timeout(Duration::from_millis(value)),
        DRPC_CLIENT_PIPELINING => builder.pipelining(value == 1),
        DRPC_CLIENT_RETRIES => builder.retries(u32::try_from(value).map_err(|_| IMPOSSIBLE)?),
        DRPC_CLIENT_MAX_MESSAGE if value == 0 => return Err(IMPOSSIBLE),
        DRPC_CLIENT_MAX_MESSAGE => builder.message_limit(usize::try_from(value).map_err(|_| IMPOSSIBLE)?),
        DRPC_CLIENT_THREAD => builder.thread(value == 1),
        DRPC_CLIENT_MAX_DATAGRAM if value == 0 => return Err(IMPOSSIBLE),
        DRPC_CLIENT_MAX_DATAGRAM => builder.datagram_limit(usize::try_from(value).map_err(|_| IMPOSSIBLE)?),
        DRPC_CLIENT_FRAMING => builder.framing(library::framing(value).ok_or(IMPOSSIBLE)?),
    })
}

use drpc_client_option::*;

/// Every option.
const OPTIONS: [drpc_client_option; 7] = [
    DRPC_CLIENT_TIMEOUT,
    DRPC_CLIENT_PIPELINING,
    DRPC_CLIENT_RETRIES,
    DRPC_CLIENT_MAX_MESSAGE,
    DRPC_CLIENT_THREAD,
    DRPC_CLIENT_MAX_DATAGRAM,
    DRPC_CLIENT_FRAMING,
];

pub(crate) fn timeout(ms: c_int) -> Duration {
    u64::try_from(ms).map_or(Duration::MAX, Duration::from_millis)
}

/// # Safety
/// `options` is null or points to as many bytes as its first field says.
pub(crate) unsafe fn call_options(options: *const drpc_call_options) -> Result<CallOptions, Cause> {
    let mut wanted = CallOptions::new();
    if options.is_null() {
        return Ok(wanted);
    }
    // SAFETY: the caller's promise.
    if unsafe { (*options).size } < size_of::<drpc_call_options>() {
        return Err(Cause::Invalid("the size of the options is not set"));
    }
    // SAFETY: as large as that, as it says.
    let options = unsafe { *options };
    if options.timeout_ms != 0 {
        wanted = wanted.timeout(timeout(options.timeout_ms));
    }
    if options.idempotent != 0 {
        wanted = wanted.idempotent(true);
    }
    // SAFETY: null or a token, the caller's promise.
    if let Some(cancel) = unsafe { options.cancel.as_ref() } {
        wanted = wanted.cancel(&cancel.0);
    }
    Ok(wanted)
}

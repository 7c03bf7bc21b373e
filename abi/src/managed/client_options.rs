//! The options of the shared client and of its calls, for `drpc/client.h`.

use std::ffi::c_int;
use std::time::Duration;

use ::drpc::framing::FramingChoice;
use ::drpc::{CallOptions, Cause, ClientBuilder, OptionOwner, OptionValues};

use super::cancel::drpc_cancel;
use crate::library;

/// The options of drpc_client_set.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum drpc_client_option {
    /// The time for a call in milliseconds, from connecting to the reply; 0 is for ever. Default: 0.
    DRPC_CLIENT_TIMEOUT = 1,
    /// 1 sends calls without waiting for the replies to others. Default: 0, one call at a time. Not for engines of DAOS
    /// 2.8, which may mix the records of two large replies. A server may fail to read one of several calls without
    /// telling which. Then all unanswered calls fail with -DER_PROTO (-1014), and any of them may have been executed.
    DRPC_CLIENT_PIPELINING = 2,
    /// The number of times that a call may reconnect when the server has gone. Default: 3.
    DRPC_CLIENT_RETRIES = 3,
    /// The size limit of a message in bytes, sent or received. Default: 128 MiB.
    DRPC_CLIENT_MAX_MESSAGE = 4,
    /// 1 starts a thread that does the work of drpc_client_dispatch. Default: 0, no thread.
    DRPC_CLIENT_THREAD = 5,
    /// The size limit in bytes of a call that is sent as one datagram. A server silently cuts a longer one than it can
    /// receive: DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. Default: as this library's line receives,
    /// 16 KiB in libdrpc-0.8, 128 KiB in libdrpc-2.8.
    DRPC_CLIENT_MAX_DATAGRAM = 6,
    /// The framing that the server reads, one of enum drpc_framing. Default: the environment variable DRPC_FRAMING
    /// ("datagram", "chunked" or "auto"), or else DRPC_FRAMING_AUTO in libdrpc-2.8, DRPC_FRAMING_DATAGRAM in
    /// libdrpc-0.8.
    DRPC_CLIENT_FRAMING = 7,
    /// The longest time in microseconds that a thread polls for a reply before it sleeps; 0 is no polling, DRPC_SPIN_AUTO
    /// polls only while that pays (see drpc_set_spin). Default: drpc_set_spin's value, or else the environment variable
    /// DRPC_SPIN_US, or else DRPC_SPIN_AUTO.
    DRPC_CLIENT_SPIN = 8,
}

/// The options of one call. Set `size` to sizeof(struct drpc_call_options) and unused fields to 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct drpc_call_options {
    /// The size of the struct.
    pub size: usize,
    /// The time for the call in milliseconds; 0 stands for that of the client, -1 is for ever.
    pub timeout_ms: c_int,
    /// Not 0: the call may be executed twice. It is sent again if the server goes after it was sent.
    pub idempotent: c_int,
    /// The token that cancels the call, or NULL.
    pub cancel: *const drpc_cancel,
}

pub(crate) fn set(builder: ClientBuilder, option: c_int, value: u64) -> Result<ClientBuilder, Cause> {
    let known = OPTIONS.into_iter().find(|known| *known as c_int == option);
    let option = known.ok_or(Cause::UnknownOption { of: OptionOwner::Client, number: option })?;
    let impossible = Cause::OptionValue { option: option.values(), value };
    Ok(match option {
        DRPC_CLIENT_PIPELINING | DRPC_CLIENT_THREAD if value > 1 => return Err(impossible),
        DRPC_CLIENT_TIMEOUT if value == 0 => builder.timeout(Duration::MAX),
        DRPC_CLIENT_TIMEOUT => builder.timeout(Duration::from_millis(value)),
        DRPC_CLIENT_PIPELINING => builder.pipelining(value == 1),
        DRPC_CLIENT_RETRIES => builder.retries(u32::try_from(value).map_err(|_| impossible)?),
        DRPC_CLIENT_MAX_MESSAGE if value == 0 => return Err(impossible),
        DRPC_CLIENT_MAX_MESSAGE => builder.message_limit(usize::try_from(value).map_err(|_| impossible)?),
        DRPC_CLIENT_THREAD => builder.thread(value == 1),
        DRPC_CLIENT_MAX_DATAGRAM if value == 0 => return Err(impossible),
        DRPC_CLIENT_MAX_DATAGRAM => builder.datagram_limit(usize::try_from(value).map_err(|_| impossible)?),
        DRPC_CLIENT_SPIN => builder.spin(library::spin(value).ok_or(impossible)?),
        DRPC_CLIENT_FRAMING => {
            builder.framing_chosen(library::framing(value).ok_or(impossible)?, FramingChoice::Option)
        }
    })
}

use drpc_client_option::*;

impl drpc_client_option {
    /// The name, and the values that it can have.
    fn values(self) -> &'static OptionValues {
        match self {
            DRPC_CLIENT_TIMEOUT => &OptionValues { name: "DRPC_CLIENT_TIMEOUT", values: "any number" },
            DRPC_CLIENT_PIPELINING => &OptionValues { name: "DRPC_CLIENT_PIPELINING", values: "0 or 1" },
            DRPC_CLIENT_RETRIES => &OptionValues { name: "DRPC_CLIENT_RETRIES", values: "at most 4294967295" },
            DRPC_CLIENT_MAX_MESSAGE => &OptionValues { name: "DRPC_CLIENT_MAX_MESSAGE", values: "1 and more" },
            DRPC_CLIENT_THREAD => &OptionValues { name: "DRPC_CLIENT_THREAD", values: "0 or 1" },
            DRPC_CLIENT_MAX_DATAGRAM => &OptionValues { name: "DRPC_CLIENT_MAX_DATAGRAM", values: "1 and more" },
            DRPC_CLIENT_FRAMING => &OptionValues { name: "DRPC_CLIENT_FRAMING", values: library::FRAMINGS },
            DRPC_CLIENT_SPIN => &OptionValues { name: "DRPC_CLIENT_SPIN", values: library::SPINS },
        }
    }
}

/// Every option.
const OPTIONS: [drpc_client_option; 8] = [
    DRPC_CLIENT_TIMEOUT,
    DRPC_CLIENT_PIPELINING,
    DRPC_CLIENT_RETRIES,
    DRPC_CLIENT_MAX_MESSAGE,
    DRPC_CLIENT_THREAD,
    DRPC_CLIENT_MAX_DATAGRAM,
    DRPC_CLIENT_FRAMING,
    DRPC_CLIENT_SPIN,
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
    // SAFETY: the struct is as large as its first field says.
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

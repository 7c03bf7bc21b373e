//! Settings of the whole process, made by the program or by its user in the environment.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use ::drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing, Limits};
use ::drpc::log_field::Value;
use ::drpc::peer::framing_cache::{self, UNKNOWN_FRAMING};

use crate::abi::Abi;
use crate::log::{self, Level};

/// The value that stands for "no mode chosen".
pub(crate) const DEFAULT_MODE: libc::mode_t = libc::mode_t::MAX;

static SOCKET_MODE: AtomicU32 = AtomicU32::new(DEFAULT_MODE);
/// True once a listener or session has been given a timeout.
pub(crate) static TIMEOUTS: AtomicBool = AtomicBool::new(false);
/// The timeout of drpc_connect in milliseconds; 0 is none.
static CONNECT_TIMEOUT: AtomicU32 = AtomicU32::new(0);
static MAX_MESSAGE: AtomicUsize = AtomicUsize::new(DEFAULT_MESSAGE_LIMIT);
/// The largest datagram in bytes; 0: as the line's peers can receive.
static MAX_DATAGRAM: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn set_socket_mode(mode: libc::mode_t) {
    SOCKET_MODE.store(mode, Ordering::Relaxed);
}

/// The mode of socket files that the program has chosen.
pub(crate) fn socket_mode() -> Option<libc::mode_t> {
    Some(SOCKET_MODE.load(Ordering::Relaxed)).filter(|mode| *mode != DEFAULT_MODE)
}

pub(crate) fn set_connect_timeout(ms: u32) {
    CONNECT_TIMEOUT.store(ms, Ordering::Relaxed);
}

/// The limit that the program has set for connecting.
pub(crate) fn connect_timeout() -> Option<Duration> {
    let ms = CONNECT_TIMEOUT.load(Ordering::Relaxed);
    (ms > 0).then(|| Duration::from_millis(ms.into()))
}

pub(crate) fn set_max_message(bytes: usize) {
    MAX_MESSAGE.store(if bytes == 0 { DEFAULT_MESSAGE_LIMIT } else { bytes }, Ordering::Relaxed);
}

pub(crate) fn set_max_datagram(bytes: usize) {
    MAX_DATAGRAM.store(bytes, Ordering::Relaxed);
}

/// The size of the largest message sent and accepted.
pub(crate) fn max_message() -> usize {
    MAX_MESSAGE.load(Ordering::Relaxed)
}

/// The sizes of the largest messages sent and accepted; `datagram` is the size that the line's peers can receive.
pub(crate) fn limits(datagram: usize) -> Limits {
    let chosen = MAX_DATAGRAM.load(Ordering::Relaxed);
    Limits { message: max_message(), datagram: if chosen == 0 { datagram } else { chosen } }
}

/// The framing of clients for which the program has not chosen one: the user's choice, or the framing of the line's
/// clients.
pub(crate) fn default_framing<A: Abi>() -> Option<Framing> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    framing_cache::from_environment(A::CLIENT_FRAMING, |value| {
        if !TOLD.swap(true, Ordering::Relaxed) {
            let value = Value(value.to_bytes());
            log::print(
                Level::Warn,
                format_args!("DRPC_FRAMING has no effect, because it is {UNKNOWN_FRAMING} DRPC_FRAMING={value}"),
            );
        }
    })
}

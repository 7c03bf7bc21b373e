//! What a program, or its user in the environment, sets for the whole process.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use ::drpc::bounded_text::BoundedText;
use ::drpc::framing::{DEFAULT_MESSAGE_LIMIT, Framing, Limits};
use ::drpc::peer::framing_cache;

use crate::abi::Abi;
use crate::log::{self, Level};

/// No mode chosen.
pub(crate) const DEFAULT_MODE: libc::mode_t = libc::mode_t::MAX;

static SOCKET_MODE: AtomicU32 = AtomicU32::new(DEFAULT_MODE);
/// Some listener, or a session, has been given a timeout.
pub(crate) static TIMEOUTS: AtomicBool = AtomicBool::new(false);
/// In milliseconds; 0 is none.
static CONNECT_TIMEOUT: AtomicU32 = AtomicU32::new(0);
static MAX_MESSAGE: AtomicUsize = AtomicUsize::new(DEFAULT_MESSAGE_LIMIT);
/// 0: as the line's peers can receive.
static MAX_DATAGRAM: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn set_socket_mode(mode: libc::mode_t) {
    SOCKET_MODE.store(mode, Ordering::Relaxed);
}

/// The mode of socket files, if the program has chosen one.
pub(crate) fn socket_mode() -> Option<libc::mode_t> {
    Some(SOCKET_MODE.load(Ordering::Relaxed)).filter(|mode| *mode != DEFAULT_MODE)
}

pub(crate) fn set_connect_timeout(ms: u32) {
    CONNECT_TIMEOUT.store(ms, Ordering::Relaxed);
}

/// How long connecting may wait, if the program has set a limit.
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

/// The largest message sent and accepted.
pub(crate) fn max_message() -> usize {
    MAX_MESSAGE.load(Ordering::Relaxed)
}

/// The largest messages sent and accepted, where `datagram` is what the line's peers can receive.
pub(crate) fn limits(datagram: usize) -> Limits {
    let chosen = MAX_DATAGRAM.load(Ordering::Relaxed);
    Limits { message: max_message(), datagram: if chosen == 0 { datagram } else { chosen } }
}

/// The framing that clients are to use of which the program says nothing: what the user has chosen, or what the line's
/// clients speak.
pub(crate) fn default_framing<A: Abi>() -> Option<Framing> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    framing_cache::from_environment(A::CLIENT_FRAMING, |value| {
        if !TOLD.swap(true, Ordering::Relaxed) {
            let (value, what) = (value.to_bytes().escape_ascii(), "not datagram, chunked or auto");
            log::write(Level::Warn, &BoundedText::new(format_args!("DRPC_FRAMING={value}: {what}")));
        }
    })
}

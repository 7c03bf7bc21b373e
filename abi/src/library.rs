//! The functions of `drpc/library.h`, which DAOS's libraries do not have.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::drpc::{Cause, FILE_DESCRIPTOR_SET, Framing, Phase, Spin, Status, der, set_spin, sys};

use crate::abi::Abi;
use crate::boundary::{self, Subject};
use crate::context::Context;
use crate::drpc_pb_c::STATUS_VALUES;
use crate::flags::HANDSHAKE;
use crate::log::{self, drpc_log_fn};
use crate::settings;

/// The framing of messages, which DAOS changed with 2.8.
#[repr(C)]
pub enum drpc_framing {
    /// The peer's framing, which is detected.
    DRPC_FRAMING_AUTO = 0,
    /// One datagram for each message, as in DAOS 0.8 to 2.6.
    DRPC_FRAMING_DATAGRAM = 1,
    /// One or more records with a header, as in DAOS 2.8.
    DRPC_FRAMING_CHUNKED = 2,
}

/// The numbers of enum drpc_framing, in words.
pub(crate) const FRAMINGS: &str = "0, 1 or 2, as in enum drpc_framing";

/// The framing for a number of enum drpc_framing; `Some(None)` stands for detection, `None` for unknown numbers.
pub(crate) fn framing(number: u64) -> Option<Option<Framing>> {
    const AUTO: u64 = drpc_framing::DRPC_FRAMING_AUTO as u64;
    const DATAGRAM: u64 = drpc_framing::DRPC_FRAMING_DATAGRAM as u64;
    const CHUNKED: u64 = drpc_framing::DRPC_FRAMING_CHUNKED as u64;
    match number {
        AUTO => Some(None),
        DATAGRAM => Some(Some(Framing::Datagram)),
        CHUNKED => Some(Some(Framing::Chunked)),
        _ => None,
    }
}

/// Returns the text of this thread's last error, "" before the first: the operation, the socket, the cause and a
/// remedy, as in "connect /run/x.sock: no such file or directory: the server is not running, or uses another path".
///
/// A call that was answered with another status than SUCCESS has a text, too, although the function returns 0: the status
/// by its name, or its number where it has none, and the call, as in "reply /run/x.sock: the server answered UNKNOWN_METHOD
/// to mgmt.get_attach_info: it does not serve this method".
///
/// The text is the library's, and stays until the thread's next call of a function that fails, or is answered so. errno is
/// not changed.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_last_error() -> *const c_char {
    let text = boundary::infallible(None, || sys::with_error_text(|text| text.as_ptr().cast::<c_char>()));
    text.unwrap_or(c"out of memory".as_ptr())
}

/// Returns the name and the meaning of a DER_... number, as in "DER_NOREPLY: no reply from the peer". The number may be
/// negative, as functions return it.
///
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_strerror(rc: c_int) -> *const c_char {
    der::text(rc).as_ptr()
}

/// Returns the name of a status, as in "UNKNOWN_MODULE", or "unknown status", whose number drpc_last_error() has.
///
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_status_name(status: c_int) -> *const c_char {
    let known = STATUS_VALUES.iter().find(|known| known.value == status);
    known.map_or(c"unknown status".as_ptr(), |known| known.name)
}

/// A constant text for C; null where there is none.
pub fn text(text: Option<&'static CStr>) -> *const c_char {
    text.map_or(ptr::null(), CStr::as_ptr)
}

/// Finds the number of a status by its name.
///
/// Returns the number; -DER_INVAL if `name` is NULL; -DER_NONEXIST if no status has that name.
///
/// # Safety
/// `name` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_status_value(name: *const c_char) -> c_int {
    if name.is_null() {
        return -der::DER_INVAL;
    }
    // SAFETY: the caller's promise.
    let name = unsafe { CStr::from_ptr(name) };
    name.to_str().ok().and_then(Status::from_str_name).map_or(-der::DER_NONEXIST, i32::from)
}

/// Returns a description of calls, responses and statuses for tools that work by reflection: an encoded
/// google.protobuf.FileDescriptorSet. Its size in bytes goes to `*len`.
///
/// The bytes are constant. NULL is returned if `len` is NULL.
///
/// # Safety
/// `len` is null or points to a size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_file_descriptor_set(len: *mut usize) -> *const u8 {
    // SAFETY: the caller's promise.
    let Some(len) = (unsafe { len.as_mut() }) else { return ptr::null() };
    *len = FILE_DESCRIPTOR_SET.len();
    FILE_DESCRIPTOR_SET.as_ptr()
}

/// Passes log lines to a function of the program, with `arg` as its last argument; NULL ends that. The function gets lines up
/// to the level of drpc_set_log_level. When this returns, another thread may still be running the previous function.
///
/// Without such a function lines go to standard error if the environment variable DRPC_LOG names a level: "error", "warn",
/// "info", "debug" or "trace", in small or capital letters. A terminal or a file gets the time with each line, and systemd's
/// journal the priority. A line that standard error does not take is counted, and the next one that it takes tells the number.
///
/// A line is a sentence, and then what it is about as key=value. What a peer has chosen, such as the name of its program, is
/// escaped. Of lines that peers can provoke, ten of a second are written, and then how many were left out; those of
/// DRPC_LOG_DEBUG and DRPC_LOG_TRACE are all written.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_log(log: drpc_log_fn, arg: *mut c_void) {
    boundary::infallible((), || log::set_sink(log, arg));
}

/// Sets the last level of enum drpc_log_level whose lines are written, for the function of drpc_set_log and for standard
/// error. 0, the default, is the level that DRPC_LOG names, and without one DRPC_LOG_INFO for a function and no line for standard
/// error.
///
/// Returns 0, or -DER_INVAL if the level is none of these.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_log_level(level: c_int) -> c_int {
    boundary::common(Phase::Configure, || log::set_level(level))
}

/// Sets the mode of the socket files that drpc_listen makes from now on, in the whole process, whatever the umask.
/// (mode_t)-1 restores the mode of the release. Where the umask would change the mode, drpc_listen must be sure that
/// the file is the new one. Either the kernel tells, or other users cannot change the directory. Otherwise drpc_listen
/// fails with the errno EPERM.
///
/// Returns 0, or -DER_INVAL if the mode has bits beyond 0777.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_socket_mode(mode: libc::mode_t) -> c_int {
    boundary::common(Phase::Configure, || match mode {
        settings::DEFAULT_MODE | 0..=0o777 => {
            settings::set_socket_mode(mode);
            Ok(())
        }
        _ => Err(Cause::Invalid("the mode has bits beyond 0777")),
    })
}

/// Limits the time in milliseconds that drpc_connect waits for a busy server, whose queue of new clients is full. The
/// limit holds from now on, in the whole process; 0, the default, is no limit. After that time drpc_connect fails with
/// -DER_TIMEDOUT, in libdrpc-0.8 with NULL and the errno ETIMEDOUT. The time of calls is limited by drpc_set_timeout.
///
/// Returns 0, or -DER_INVAL if `ms` is negative.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_connect_timeout(ms: c_int) -> c_int {
    boundary::common(Phase::Configure, || {
        let ms = u32::try_from(ms).map_err(|_| Cause::Invalid("the timeout is negative"))?;
        settings::set_connect_timeout(ms);
        Ok(())
    })
}

/// Limits the size in bytes of messages sent or accepted from now on, in the whole process; 0 restores the default, 128
/// MiB. A larger call is not sent: -DER_OVERFLOW. In place of a larger response the client gets
/// DRPC__STATUS__FAILED_MARSHAL. A larger message that arrives is not stored: -DER_OVERFLOW. One datagram, the wire
/// format of DAOS 0.8 to 2.6, cannot be received beyond 256 KiB whatever the limit: -DER_TRUNC. See
/// drpc_set_max_datagram, too.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_max_message(bytes: usize) -> c_int {
    settings::set_max_message(bytes);
    0
}

/// Limits the size in bytes of messages sent as one datagram from now on, in the whole process. A peer silently cuts a
/// longer one than it can receive: DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB. 0 restores the default,
/// as this library's line receives: 16 KiB in libdrpc-0.8, 128 KiB in libdrpc-2.8. A larger call is not sent:
/// -DER_OVERFLOW. In place of a larger response the client gets DRPC__STATUS__FAILED_MARSHAL.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_max_datagram(bytes: usize) -> c_int {
    settings::set_max_datagram(bytes);
    0
}

/// The value with which threads poll only while that pays.
pub const DRPC_SPIN_AUTO: u32 = u32::MAX - 1;

/// Sets the longest time in microseconds that each thread of the process polls before it sleeps, when it waits for a
/// message or a client. Polling occupies a CPU and saves the time of waking up, which is most of the time of a small call
/// between two CPUs. After polling in vain a thread sleeps at once for a while: 0.2 ms, doubling to 26 ms, or to 0.2 s where
/// both ends share a CPU.
///
/// 0 is no polling. With DRPC_SPIN_AUTO a thread polls only while messages follow one another within 100 microseconds: a
/// client for 25 microseconds, a server for 20. With a number a thread polls before each sleep: use that in processes with
/// CPUs of their own. The limit is a second. UINT_MAX, the default, is the value of the environment variable DRPC_SPIN_US,
/// a number or "auto". Without one it is DRPC_SPIN_AUTO for a drpc_server and a shared drpc_client, and 0 for all else.
/// DRPC_SERVER_SPIN and DRPC_CLIENT_SPIN take precedence.
///
/// At most as many threads poll at a time as the process has pairs of CPUs, which the affinity mask of its first thread and
/// the quotas of its control groups say. With less than one pair none does with DRPC_SPIN_AUTO, and one does with a number,
/// but for a machine with one CPU. A timeout of a blocking socket (drpc_set_timeout) begins after the polling. A signal
/// during the polling does not end drpc_progress.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_spin(microseconds: c_uint) -> c_int {
    boundary::infallible((), || set_spin(spin(microseconds.into())));
    0
}

/// What a time to spin can be, in words.
pub(crate) const SPINS: &str = "at most 4294967293 microseconds, or DRPC_SPIN_AUTO";

/// A setting in the form of C; `None` where it is none.
pub(crate) fn spin(microseconds: u64) -> Option<Spin> {
    match u32::try_from(microseconds).ok()? {
        u32::MAX => None,
        DRPC_SPIN_AUTO => Some(Spin::Adaptive),
        us => Some(Spin::AtMost(Duration::from_micros(us.into()))),
    }
}

/// Limits the time that sending or receiving on a context may wait.
///
/// # Safety
/// `context` is null or points to a context.
pub unsafe fn set_timeout<A: Abi>(context: *mut A::Context, ms: c_int) -> c_int {
    boundary::code::<A>(Phase::Configure, |site| {
        // SAFETY: the caller's promise.
        let context = unsafe { Context::<A>::new(context) }?;
        let ms = u64::try_from(ms).map_err(|_| Cause::Invalid("the timeout is negative"))?;
        site.subject(Subject::Socket(context.fd()));
        settings::TIMEOUTS.fetch_or(context.handler().is_some(), Ordering::Relaxed);
        sys::set_timeout(context.fd(), Duration::from_millis(ms))
    })
}

/// Chooses the framing of a context, or of the sessions of a listener.
///
/// # Safety
/// `context` is null or points to a context.
pub unsafe fn set_framing<A: Abi>(context: *mut A::Context, framing: c_int) -> c_int {
    boundary::code::<A>(Phase::Configure, |_| {
        // SAFETY: the caller's promise.
        let context = unsafe { Context::<A>::new(context) }?;
        let chosen = u64::try_from(framing).ok().and_then(self::framing);
        let chosen = chosen.ok_or(Cause::Invalid("the framing is none of DRPC_FRAMING_..."))?;
        if context.handler().is_none() && context.flags().has(HANDSHAKE) {
            // The server answers a handshake in its own framing.
            return Err(Cause::Busy);
        }
        context.flags().set_framing(chosen);
        Ok(())
    })
}

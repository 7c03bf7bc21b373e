//! `drpc/library.h`: what these libraries offer beyond the originals'.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::drpc::{Cause, FILE_DESCRIPTOR_SET, Framing, Phase, Status, der, set_spin, sys};

use crate::abi::Abi;
use crate::boundary::{self, Subject};
use crate::context::Context;
use crate::drpc_pb_c::STATUS_VALUES;
use crate::flags::HANDSHAKE;
use crate::log::{self, drpc_log_fn};
use crate::settings;

/// How messages are sent and read: DAOS changed that with 2.8.
#[repr(C)]
pub enum drpc_framing {
    /// As the peer does it, which is found out.
    DRPC_FRAMING_AUTO = 0,
    /// One datagram for each message: DAOS 0.8 to 2.6.
    DRPC_FRAMING_DATAGRAM = 1,
    /// One or more records with a header: DAOS 2.8.
    DRPC_FRAMING_CHUNKED = 2,
}

/// What a number of enum drpc_framing asks for, of which `Some(None)` is to find out; `None` for other numbers.
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

/// What went wrong in this thread last: what was being done, on which socket, why, and what can be done about it, as
/// in "connect /run/x.sock: connection refused: the socket exists but nobody listens". "" if nothing has.
///
/// The text is the library's. It stays as it is until the thread's next call of a function that fails. errno stays
/// as it is.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_last_error() -> *const c_char {
    let text = boundary::infallible(None, || sys::with_error_text(|text| text.as_ptr().cast::<c_char>()));
    text.unwrap_or(c"out of memory".as_ptr())
}

/// The name of a DER_... number and what it means, as in "DER_NOREPLY: no reply from the peer". The number may be
/// negative, as functions return it.
///
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_strerror(rc: c_int) -> *const c_char {
    der::text(rc).as_ptr()
}

/// The name of a status, as in "UNKNOWN_MODULE", or "unknown status".
///
/// The text is constant.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_status_name(status: c_int) -> *const c_char {
    let known = STATUS_VALUES.iter().find(|known| known.value == status);
    known.map_or(c"unknown status".as_ptr(), |known| known.name)
}

/// The number of the status with this name.
///
/// Returns it; -DER_INVAL if `name` is NULL; -DER_NONEXIST if no status has that name.
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

/// Describes calls, responses and statuses in terms of Protocol Buffers, for tools that work by reflection: an encoded
/// google.protobuf.FileDescriptorSet. Its size in bytes goes to `*len`.
///
/// The bytes are constant. NULL if `len` is NULL.
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

/// Sends log lines to a function of the program, with `arg` as its last argument. NULL ends that. Lines about peers
/// are limited to some a second.
///
/// Without this function lines go to standard error if the environment variable DRPC_LOG is "error", "warn", "info"
/// or "debug", and nowhere otherwise. A call to the function before may still be running in another thread when this
/// returns.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_log(log: drpc_log_fn, arg: *mut c_void) {
    boundary::infallible((), || log::set_sink(log, arg));
}

/// Sets the mode of the socket files that drpc_listen makes from now on, in the whole process, whatever the umask.
/// (mode_t)-1 goes back to what the release does. drpc_listen fails with the errno EPERM if the umask changes the mode, other
/// users can change the directory, and the kernel does not tell that the file there is the new one.
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

/// Limits how long drpc_connect may wait for a server that is busy, with more clients to accept than it has room for, from
/// now on, in the whole process, in milliseconds; 0 takes the limit away: the default. What takes longer gives
/// -DER_TIMEDOUT, in libdrpc-0.8 NULL and the errno ETIMEDOUT. Calls wait as long as drpc_set_timeout says.
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

/// Sets the size in bytes of the largest message that is sent or accepted from now on, in the whole process. 0 goes
/// back to the default, 128 MiB. A larger call to be sent gives -DER_OVERFLOW before anything is sent (in place of a
/// larger response its client is sent DRPC__STATUS__FAILED_MARSHAL), a larger one that arrives gives it before it is stored. As one datagram, the wire format of DAOS 0.8 to 2.6, more than 256 KiB cannot be
/// received whatever the limit: -DER_TRUNC. See drpc_set_max_datagram, too.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_max_message(bytes: usize) -> c_int {
    settings::set_max_message(bytes);
    0
}

/// Sets the size in bytes of the largest message that is sent as one datagram from now on, in the whole process: what the
/// peers can receive, for longer ones they cut without a word. DAOS 0.8 to 1.0 receive 16 KiB, 1.2 to 2.6 receive 128 KiB.
/// 0 goes back to the default, what the releases of this library's line receive: libdrpc-0.8 16 KiB, libdrpc-2.8 128 KiB.
/// A larger call to be sent gives -DER_OVERFLOW before anything is sent; in place of a larger response its client is sent
/// DRPC__STATUS__FAILED_MARSHAL.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_max_datagram(bytes: usize) -> c_int {
    settings::set_max_datagram(bytes);
    0
}

/// Has every thread of the process look again and again, for so many microseconds, before it goes to sleep when it waits
/// for a message or for a client. It takes a CPU for that time, and saves the time that waking up takes, which is most of
/// that of a small call: for processes that have CPUs of their own. 0 is not to, UINT_MAX what the environment variable
/// DRPC_SPIN_US says: the default. At most a second; on a machine with one CPU it has no effect. A
/// timeout of a blocking socket (drpc_set_timeout) begins after it, and a signal that comes meanwhile does not end
/// drpc_progress.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_set_spin(microseconds: c_uint) -> c_int {
    boundary::infallible((), || {
        set_spin((microseconds != c_uint::MAX).then(|| Duration::from_micros(microseconds.into())))
    });
    0
}

/// Limits how long sending or receiving on a context may wait.
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

/// Chooses how messages are sent and read on a context, or by the sessions of a listener.
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
            // What the server has been asked is answered in its framing.
            return Err(Cause::Busy);
        }
        context.flags().set_framing(chosen);
        Ok(())
    })
}

//! A DAOS line: the layout at the beginning of each `struct drpc`, and the constants and functions in which lines
//! differ.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};

use ::drpc::der::Release;
use ::drpc::modules::names::Names;
use ::drpc::{Cause, Framing};

use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};

/// The socket of a context, in a block of its own. Callers may free the block apart from the context.
#[repr(C)]
pub struct unixcomm {
    /// Descriptor of the socket.
    pub fd: c_int,
    /// Flags set on the socket. The highest 11 bits belong to the library; they are 0 in a struct made by hand.
    pub flags: c_int,
}

/// A function that serves a call: sets `resp->status` and, if there is a result, `resp->body`. The body's data comes
/// from `malloc` and then belongs to the library. The handler neither keeps nor frees `call`.
pub type drpc_handler_t = Option<unsafe extern "C" fn(call: *mut Drpc__Call, resp: *mut Drpc__Response)>;

/// The beginning of every line's `struct drpc`; the whole struct in the first line.
#[repr(C)]
pub struct Head {
    /// The socket.
    pub comm: *mut unixcomm,
    /// The number of the next call.
    pub sequence: c_int,
    /// The number of references to the struct.
    pub ref_count: u32,
    /// The function that serves calls, for a listener and its sessions.
    pub handler: drpc_handler_t,
}

impl Head {
    /// Takes another reference to a context, which need not have a socket.
    ///
    /// # Safety
    /// `context` is null or points to a context.
    pub(crate) unsafe fn add_ref(context: *mut Self) -> Result<(), Cause> {
        if context.is_null() {
            return Err(Cause::Invalid("the context is NULL"));
        }
        // SAFETY: not null, and the caller's promise.
        let count = unsafe { AtomicU32::from_ptr(&raw mut (*context).ref_count) };
        let added = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_add(1));
        added.map(drop).map_err(|_| Cause::Invalid("the context has too many references"))
    }
}

/// A program's function that lets other threads of execution run while a message is sent or received.
pub type Yielder = Option<unsafe extern "C" fn() -> c_int>;

/// The differences of a DAOS line from the others.
///
/// # Safety
/// `Context` begins with the fields of [`Head`], in that layout.
pub unsafe trait Abi: 'static {
    /// The line's `struct drpc`.
    type Context;

    /// The release whose error numbers the line returns.
    const RELEASE: Release;
    /// The names of the line's modules and methods.
    const NAMES: Names;
    /// The framing of messages to a peer of unknown framing.
    const FRAMING: Framing;
    /// The framing of the line's clients unless chosen otherwise; `None`: the server's framing is detected.
    const CLIENT_FRAMING: Option<Framing>;
    /// The size of the largest datagram that the line's peers can receive.
    const DATAGRAM: usize;
    /// The line's UNIXCOMM_MAXMSGSIZE.
    const RECORD: usize;
    /// The file mode of the line's sockets; `None`: as the umask leaves it.
    const SOCKET_MODE: Option<u32>;
    /// The error number of drpc_progress for a broken listener (positive).
    const LISTENER_BROKEN: i32;
    /// The error number of drpc_progress for a failed accept (positive); `None`: the number of the error itself.
    const ACCEPT_FAILED: Option<i32>;

    /// Makes the context of a new connection or listener.
    fn context(comm: *mut unixcomm, handler: drpc_handler_t, yielder: Yielder) -> Self::Context;

    /// Returns the context's yield function.
    ///
    /// # Safety
    /// `context` points to a live context.
    unsafe fn yielder(context: *mut Self::Context) -> Yielder;
}

//! What a DAOS line consists of: the layout that every `struct drpc` begins with, and what makes lines differ.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, Ordering};

use ::drpc::der::Release;
use ::drpc::{Cause, Framing};

use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};

/// The socket of a context. A block of its own: callers may free it apart from the context.
#[repr(C)]
pub struct unixcomm {
    /// Descriptor of the socket.
    pub fd: c_int,
    /// Flags set on the socket. The highest 11 bits belong to the library: 0 in a struct made by hand.
    pub flags: c_int,
}

/// Serves a call. It sets `resp->status` and, if there is a result, `resp->body`, whose data comes from `malloc` and
/// is the library's then. `call` is not the handler's to keep or free.
pub type drpc_handler_t = Option<unsafe extern "C" fn(call: *mut Drpc__Call, resp: *mut Drpc__Response)>;

/// What every line's `struct drpc` begins with: all of it, in the first.
#[repr(C)]
pub struct Head {
    /// The socket.
    pub comm: *mut unixcomm,
    /// Number of the next call.
    pub sequence: c_int,
    /// References to the struct.
    pub ref_count: u32,
    /// Of a listener and its sessions: what serves calls.
    pub handler: drpc_handler_t,
}

impl Head {
    /// Takes another reference to a context, whose socket does not matter for that.
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

/// Lets other threads of execution run while a message is being sent or received.
pub type Yielder = Option<unsafe extern "C" fn() -> c_int>;

/// What makes one DAOS line differ from another.
///
/// # Safety
/// `Context` begins with the fields of [`Head`], in that layout.
pub unsafe trait Abi: 'static {
    /// The line's `struct drpc`.
    type Context;

    /// Which release's error numbers it gives.
    const RELEASE: Release;
    /// How it sends messages to a peer of which nothing is known.
    const FRAMING: Framing;
    /// How its clients send them, unless told otherwise; none: as the server expects them, which is found out.
    const CLIENT_FRAMING: Option<Framing>;
    /// The largest datagram that its peers can receive.
    const DATAGRAM: usize;
    /// Its UNIXCOMM_MAXMSGSIZE.
    const RECORD: usize;
    /// The file mode it gives its sockets; none: what the umask leaves.
    const SOCKET_MODE: Option<u32>;
    /// What drpc_progress returns when the listener breaks (positive).
    const LISTENER_BROKEN: i32;
    /// What drpc_progress returns when accepting fails, if it does not say why (positive).
    const ACCEPT_FAILED: Option<i32>;

    /// A context of a new connection or listener.
    fn context(comm: *mut unixcomm, handler: drpc_handler_t, yielder: Yielder) -> Self::Context;

    /// The context's yield function.
    ///
    /// # Safety
    /// `context` points to a live context.
    unsafe fn yielder(context: *mut Self::Context) -> Yielder;
}

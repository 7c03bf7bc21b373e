//! The types of `daos/drpc_progress.h`.

use std::mem::offset_of;

use crate::abi::Head as drpc;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};
use crate::list::{self, d_list_t};

/// A listener and the sessions it has accepted, made by drpc_progress_context_create.
#[repr(C)]
pub struct drpc_progress_context {
    /// The listener.
    pub listener_ctx: *mut drpc,
    /// The sessions, by their links in `struct drpc_list`.
    pub session_ctx_list: d_list_t,
}

/// A session in the list of a progress context.
#[repr(C)]
pub struct drpc_list {
    /// The session.
    pub ctx: *mut drpc,
    /// The link in the list.
    pub link: d_list_t,
}

/// A call being served: the argument of a spawned function.
#[repr(C)]
pub struct drpc_call_ctx {
    /// The session of the call; the struct holds a reference to it.
    pub session: *mut drpc,
    /// The call.
    pub call: *mut Drpc__Call,
    /// The response to the call.
    pub resp: *mut Drpc__Response,
}

/// The nodes of a progress context's list in order. The one returned last may be removed and freed.
///
/// # Safety
/// `head` is the head of a list of `struct drpc_list`, and as for [`list::links`].
pub(crate) unsafe fn nodes(head: *mut d_list_t) -> impl Iterator<Item = *mut drpc_list> + Clone {
    // SAFETY: the caller's promise, by which each link is that of a `struct drpc_list`.
    unsafe { list::links(head) }.map(|link| unsafe { link.byte_sub(offset_of!(drpc_list, link)).cast() })
}

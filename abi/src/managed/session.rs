//! `drpc/server.h`: who calls.

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd};

use ::drpc::Session;

use super::call_block::{CallBlock, drpc_session};
use crate::boundary;

/// Who is at the other end of a session, as of when the connection was made.
#[repr(C)]
pub struct drpc_peer {
    /// Its process; 0 if that cannot be seen from here.
    pub pid: libc::pid_t,
    /// Its user.
    pub uid: libc::uid_t,
    /// Its group.
    pub gid: libc::gid_t,
}

/// Looks at a session.
///
/// # Safety
/// `session` is null or one that the library has given out and that is still valid.
unsafe fn with<T>(session: *const drpc_session, missing: T, look: impl FnOnce(&Session) -> T) -> T {
    // SAFETY: the caller's promise.
    let session = match unsafe { session.as_ref() } {
        None => return missing,
        // SAFETY: it is the first field of a block, which is as valid as the session.
        Some(known) if known.session.is_null() => unsafe { CallBlock::session(session.cast()) },
        // SAFETY: whoever made it has seen to it that its session stays.
        Some(known) => unsafe { &*known.session },
    };
    boundary::infallible(missing, || look(session))
}

/// A number that no other session of this process has, or has had. 0 for NULL.
///
/// # Safety
/// `session` is null or one that the library has given out and that is still valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_id(session: *const drpc_session) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { with(session, 0, Session::id) }
}

/// Who is at the other end. For NULL the user and the group are those that nobody has, -1.
///
/// # Safety
/// As for drpc_session_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_peer(session: *const drpc_session) -> drpc_peer {
    let nobody = drpc_peer { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    // SAFETY: the caller's promise.
    unsafe {
        with(session, nobody, |session| {
            let peer = session.peer();
            drpc_peer { pid: peer.pid, uid: peer.uid, gid: peer.gid }
        })
    }
}

/// The descriptor of the connection, to look at: it stays the library's, which alone reads, writes and closes it. -1
/// for NULL.
///
/// # Safety
/// As for drpc_session_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_get_fd(session: *const drpc_session) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with(session, -1, |session| session.as_fd().as_raw_fd()) }
}

/// Ends the session: what has not been sent is lost, and the client sees the end of the connection. NULL is ignored, and so
/// is the session of a server that belongs to another process.
///
/// # Safety
/// As for drpc_session_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_close(session: *const drpc_session) {
    // SAFETY: the caller's promise.
    unsafe { with(session, (), Session::close) }
}

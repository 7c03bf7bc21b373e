//! Sessions of `drpc/server.h`.

use std::ffi::{c_char, c_int};
use std::os::fd::{AsFd, AsRawFd};

use ::drpc::{Cause, Phase, Session, Status};

use super::call_block::{CallBlock, drpc_session};
use crate::{boundary, detail};

/// The peer of a session, as it was when the connection was made.
#[repr(C)]
pub struct drpc_peer {
    /// The peer's process; 0 if it is not visible from this one.
    pub pid: libc::pid_t,
    /// The peer's user.
    pub uid: libc::uid_t,
    /// The peer's group.
    pub gid: libc::gid_t,
}

/// Calls a function with a session; returns `missing` for null.
///
/// # Safety
/// `session` is null or one that the library has given out and that is still valid.
unsafe fn with<T>(session: *const drpc_session, missing: T, look: impl FnOnce(&Session) -> T) -> T {
    // SAFETY: the caller's promise.
    let session = match unsafe { session.as_ref() } {
        None => return missing,
        // SAFETY: the session is the first field of a block, which is as valid as the session.
        Some(known) if known.session.is_null() => unsafe { CallBlock::session(session.cast()) },
        // SAFETY: the maker of the struct keeps the session alive as long as the struct.
        Some(known) => unsafe { &*known.session },
    };
    boundary::infallible(missing, || look(session))
}

/// Returns a number that no other session of this process has or has had; 0 for NULL.
///
/// # Safety
/// `session` is null or one that the library has given out and that is still valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_id(session: *const drpc_session) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { with(session, 0, Session::id) }
}

/// Returns the peer of a session. For NULL user and group are -1, which no user or group has.
///
/// # Safety
/// As for drpc_session_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_peer(session: *const drpc_session) -> drpc_peer {
    let unknown = drpc_peer { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    // SAFETY: the caller's promise.
    unsafe {
        with(session, unknown, |session| {
            let peer = session.peer();
            drpc_peer { pid: peer.pid, uid: peer.uid, gid: peer.gid }
        })
    }
}

/// Returns the descriptor of the connection, for inspection only: the library alone reads, writes and closes it. -1 for
/// NULL.
///
/// # Safety
/// As for drpc_session_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_get_fd(session: *const drpc_session) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with(session, -1, |session| session.as_fd().as_raw_fd()) }
}

/// Ends the session. Unsent bytes are lost, and the client sees the end of the connection. NULL is ignored, as is the
/// session of a server that belongs to another process.
///
/// # Safety
/// As for drpc_session_id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_close(session: *const drpc_session) {
    // SAFETY: the caller's promise.
    unsafe { with(session, (), Session::close) }
}

/// Fails the call of the running handler: sets the status of its response, which is sent when the handler returns, and the
/// text that goes with it. The client gets the first 200 bytes (drpc_response_detail), and a client of DAOS nothing but the
/// status. Say nothing that the client may not know. `text` is copied; with NULL there is none, and nor is there without
/// memory, or with DRPC_SERVER_DETAIL 0. The last call of this function counts.
///
/// Returns 0; -DER_INVAL if the status is DRPC__STATUS__SUCCESS, or if there is no call: the session is NULL or being
/// authorised, or the call has been taken by drpc_session_defer, and is for drpc_request_fail.
///
/// # Safety
/// `session` is null or one that the library has given out and that is still valid; `text` is null or a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_session_fail(session: *mut drpc_session, status: c_int, text: *const c_char) -> c_int {
    boundary::common(Phase::Respond, || {
        if status == Status::Success as c_int {
            return Err(Cause::Invalid("the status of a failure is DRPC__STATUS__SUCCESS"));
        }
        // SAFETY: the caller's promise, by which the handler, and so its response, is still there.
        unsafe {
            let response = CallBlock::response(session);
            let response = response.ok_or(Cause::Invalid("the session has no call, or its call has been deferred"))?;
            (*response).status = status;
            detail::set(response, detail::from_c(text));
        }
        Ok(())
    })
}

//! Sleeping until a number changes (futex(2)).

use std::sync::atomic::AtomicU32;

use super::errno::KeepErrno;

/// Sleeps until another thread [wakes](wake_sleepers) the sleepers, unless the number differs from `is` already. The
/// sleep may also end for no reason.
pub fn sleep_while(number: &AtomicU32, is: u32) {
    let _keep = KeepErrno::new();
    let (operation, none) = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, std::ptr::null::<libc::timespec>());
    // SAFETY: the number outlives the call; null means no time limit.
    unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), operation, is, none) };
}

/// Wakes all threads that sleep on a number, which has been changed before.
pub fn wake_sleepers(number: &AtomicU32) {
    let _keep = KeepErrno::new();
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the number outlives the call.
    unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), operation, i32::MAX) };
}

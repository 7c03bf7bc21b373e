//! Sleeping until a number changes.

use std::sync::atomic::AtomicU32;

use super::errno::KeepErrno;

/// Sleeps until another thread [wakes](wake_sleepers) those who do here, unless the number is another one by now. It may end
/// for no reason.
pub fn sleep_while(number: &AtomicU32, is: u32) {
    let _keep = KeepErrno::new();
    let (operation, none) = (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, std::ptr::null::<libc::timespec>());
    // SAFETY: the number is there until the function returns; there is no time limit.
    unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), operation, is, none) };
}

/// Wakes all who sleep because of the number, which has been changed.
pub fn wake_sleepers(number: &AtomicU32) {
    let _keep = KeepErrno::new();
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the number is there until the function returns.
    unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), operation, i32::MAX) };
}

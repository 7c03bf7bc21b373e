//! Cancellation.

use std::ffi::c_int;

/// `pthread_cancel` has no effect on the thread while this exists. Cancelling unwinds the stack in a way that ends
/// the process when it meets Rust code, so that everything that waits is done under this.
///
/// The state belongs to the thread: it must not be held while the program's yield function may go on with other work
/// there.
#[derive(Debug)]
pub struct UncancelledCall(c_int);

const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

impl UncancelledCall {
    /// Disables cancellation.
    #[inline]
    #[expect(clippy::new_without_default, reason = "it is an action, not a value")]
    pub fn new() -> Self {
        let mut before = 0;
        // SAFETY: the state is one of the two that exist, `before` is valid for writing.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
        Self(before)
    }
}

impl Drop for UncancelledCall {
    #[inline]
    fn drop(&mut self) {
        let mut disabled = 0;
        // SAFETY: the state is what the same function reported, `disabled` is valid for writing.
        unsafe { pthread_setcancelstate(self.0, &mut disabled) };
    }
}

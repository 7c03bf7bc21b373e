//! Opaque objects: blocks that C holds a pointer to and gives back.

use std::ptr;

use ::drpc::Cause;

use crate::memory::{self, Owned};

/// Moves a value to a block of its own.
pub(crate) fn give<T>(value: T) -> Result<*mut T, Cause> {
    Owned::new(value).map(Owned::keep)
}

/// Takes the value back; `None` for a null pointer.
///
/// # Safety
/// `object` is null or came from [`give`], and is not used any more.
pub(crate) unsafe fn take_back<T>(object: *mut T) -> Option<T> {
    if object.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller's promise; the block is given back without dropping what was moved out.
    unsafe {
        let value = ptr::read(object);
        memory::free(object);
        Some(value)
    }
}

//! Memory that passes between C and Rust: blocks from `malloc`, bytes and paths of a C caller.

use std::ffi::{CStr, c_char, c_void};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use ::drpc::{Cause, large_block, sys};

/// The allocator of the libraries: `malloc`.
#[global_allocator]
static MALLOC: sys::Malloc = sys::Malloc;

/// Runs when the process exits, or unloads the library.
#[used]
// SAFETY: the section lists functions without arguments or result.
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = release_idle;

extern "C" fn release_idle() {
    large_block::release_idle();
}

/// Turns bytes into a `malloc` block without copying; null if there are none. The block is the caller's.
pub(crate) fn into_malloc(bytes: Vec<u8>) -> *mut u8 {
    if bytes.is_empty() { ptr::null_mut() } else { ManuallyDrop::new(bytes).as_mut_ptr() }
}

/// Takes over a `malloc` block as bytes, without copying. Dropping them frees the block.
///
/// # Safety
/// `block` is a `malloc` block of at least `len` bytes, which nothing else uses any more. `len` is not 0.
pub(crate) unsafe fn from_malloc(block: *mut u8, len: usize) -> Vec<u8> {
    // SAFETY: the caller's promise. The allocator is malloc, which does not need to be told the size of a block.
    unsafe { Vec::from_raw_parts(block, len, len) }
}

/// Frees a block.
///
/// # Safety
/// `block` is null or a `malloc` block that is not used any more.
pub(crate) unsafe fn free<T>(block: *mut T) {
    // SAFETY: the caller's promise.
    unsafe { libc::free(block.cast::<c_void>()) };
}

/// A `malloc` block that is freed when dropped, unless [`into_raw`](Owned::into_raw) has released it.
pub(crate) struct Owned<T>(NonNull<T>);

impl<T> Owned<T> {
    /// Moves a value into a new `malloc` block.
    pub(crate) fn new(value: T) -> Result<Self, Cause> {
        // SAFETY: malloc has no preconditions. Its alignment serves every C type.
        let block = NonNull::new(unsafe { libc::malloc(size_of::<T>()) }.cast::<T>()).ok_or(Cause::NoMemory)?;
        // SAFETY: the block is new and large enough.
        unsafe { block.write(value) };
        Ok(Self(block))
    }

    /// The address of the block, which stays owned.
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// Releases the block to the caller.
    pub(crate) fn into_raw(self) -> *mut T {
        let block = self.0.as_ptr();
        std::mem::forget(self);
        block
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the block came from `new`, and `self` is its only owner.
        unsafe { free(self.0.as_ptr()) };
    }
}

/// The `len` bytes at `data`; a null pointer stands for no bytes.
///
/// # Safety
/// If `data` is not null, `len` bytes are readable there for as long as the result is used.
pub(crate) unsafe fn bytes<'a>(data: *const u8, len: usize) -> Result<&'a [u8], Cause> {
    match len {
        0 => Ok(&[]),
        _ if data.is_null() => Err(Cause::Invalid("the body has a length but no data")),
        _ if isize::try_from(len).is_err() => Err(Cause::TooBig { size: len as u64, limit: isize::MAX as usize }),
        // SAFETY: not null, and the caller's promise.
        _ => Ok(unsafe { std::slice::from_raw_parts(data, len) }),
    }
}

/// The path of a socket, as a C caller gives it.
///
/// # Safety
/// `path` is null or a C string, which stays as it is while the result is used.
pub(crate) unsafe fn socket_path<'a>(path: *const c_char) -> Result<&'a CStr, Cause> {
    if path.is_null() {
        return Err(Cause::Invalid("the socket path is NULL"));
    }
    // SAFETY: not null, and the caller's promise.
    Ok(unsafe { CStr::from_ptr(path) })
}

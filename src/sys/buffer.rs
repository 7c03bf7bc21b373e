//! One block of memory per thread: the buffer that records are received into, and the text of the last error.
//!
//! It is mapped when a thread first needs it, so that only the pages in use cost memory and no allocation shows up
//! in a caller's heap, and unmapped when the thread ends. A `thread_local` with a destructor would not do:
//! registering it allocates, and aborts the process when it cannot.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

use once_cell::race::OnceNonZeroUsize;

use super::errno::KeepErrno;
use crate::cause::Cause;

/// The largest record that can be received. More than any release sends with the kernel's default limits.
pub const RECORD_ROOM: usize = 256 << 10;

/// Room for the text of the last error, its final zero byte included.
pub const TEXT_ROOM: usize = 512;

/// There is no memory for a buffer, so that nothing has been sent or received. (`Cause::NoMemory` is for a message
/// that has been, and could not be stored.)
const NO_BUFFER: Cause = Cause::Os(libc::ENOMEM);

/// The block. `taken` guards its content against a caller that comes back (from a signal handler, say) while it is in
/// use; only its own thread ever sees a block.
#[repr(C)]
struct Block {
    taken: AtomicBool,
    text: UnsafeCell<[u8; TEXT_ROOM]>,
    record: UnsafeCell<RecordBuffer>,
}

/// What a thread receives records with. Any bytes are a valid value.
#[repr(C)]
#[derive(Debug)]
pub struct RecordBuffer {
    /// How the last large message was laid out, as the next one may be like it.
    pub last: RecordLayout,
    /// Room for a record. Its content is whatever the last one left there.
    pub bytes: [u8; RECORD_ROOM],
}

/// The layout of the first record of a large message: `head` bytes, then `body` bytes of the message's body, to the end.
/// No body: it was none such.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordLayout {
    /// Bytes before the body.
    pub head: usize,
    /// Bytes of the body in the record.
    pub body: usize,
    /// Bytes of the body in the message.
    pub whole_body: usize,
}

impl Block {
    /// Takes the content; false if it is taken. What disturbs a thread in between, a signal handler, has given it back
    /// when the thread goes on, so that the two steps need not be one.
    #[inline]
    fn take(&self) -> bool {
        if self.taken.load(Ordering::Relaxed) {
            return false;
        }
        self.taken.store(true, Ordering::Relaxed);
        // The compiler must not move what is done with the content before that.
        compiler_fence(Ordering::SeqCst);
        true
    }

    #[inline]
    fn give_back(&self) {
        compiler_fence(Ordering::SeqCst);
        self.taken.store(false, Ordering::Relaxed);
    }
}

/// The key under which a thread finds its block, plus one.
static KEY: OnceNonZeroUsize = OnceNonZeroUsize::new();

fn key() -> Option<libc::pthread_key_t> {
    let to_key = |stored: NonZeroUsize| (stored.get() - 1) as libc::pthread_key_t;
    if let Some(stored) = KEY.get() {
        return Some(to_key(stored));
    }
    let mut key = 0;
    // SAFETY: `key` is valid for writing; `unmap` fits what is stored under the key, see `block`.
    if unsafe { libc::pthread_key_create(&mut key, Some(unmap)) } != 0 {
        return None;
    }
    if KEY.set(NonZeroUsize::MIN.saturating_add(key as usize)).is_err() {
        // Another thread was faster.
        // SAFETY: the key was created above, and nobody else knows it.
        unsafe { libc::pthread_key_delete(key) };
    }
    KEY.get().map(to_key)
}

/// Maps a new block; fresh pages are zero, which every field takes for a valid value.
fn map() -> Option<NonNull<Block>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory in use.
    let at = unsafe { libc::mmap(ptr::null_mut(), size_of::<Block>(), protection, flags, -1, 0) };
    if at == libc::MAP_FAILED { None } else { NonNull::new(at.cast()) }
}

unsafe extern "C" fn unmap(block: *mut c_void) {
    // SAFETY: called with what `map` returned, once, when nobody uses it any more.
    unsafe { libc::munmap(block, size_of::<Block>()) };
}

/// The calling thread's block.
#[inline]
fn block() -> Option<NonNull<Block>> {
    let key = key()?;
    // SAFETY: the key exists and is never deleted.
    if let Some(block) = NonNull::new(unsafe { libc::pthread_getspecific(key) }.cast()) {
        return Some(block);
    }
    let block = map()?;
    // SAFETY: as above; the destructor of the key knows how to release a block.
    if unsafe { libc::pthread_setspecific(key, block.as_ptr().cast()) } != 0 {
        // SAFETY: mapped above and not handed out.
        unsafe { unmap(block.as_ptr().cast()) };
        return None;
    }
    Some(block)
}

/// Sees to it that the thread has a record buffer.
#[inline]
pub fn ensure_record_buffer() -> Result<(), Cause> {
    block().map(drop).ok_or(NO_BUFFER)
}

/// Lends the thread's record buffer.
///
/// It must not be held while control is with the caller's code: that code may come back here, and would be served
/// from a mapping of its own, or may go on in another thread.
#[inline(always)]
pub fn with_record_buffer<T>(work: impl FnOnce(&mut RecordBuffer) -> Result<T, Cause>) -> Result<T, Cause> {
    let block = block().ok_or(NO_BUFFER)?;
    // SAFETY: `block` is alive as long as its thread, which is here, and is shared by nobody.
    let lent = if unsafe { block.as_ref() }.take() { Lent { block, mapped: false } } else { Lent::map()? };
    // SAFETY: `taken` was false, so that no other reference into the record exists until it is given back; or the block
    // is mapped for this alone.
    work(unsafe { &mut *lent.block.as_ref().record.get() })
}

/// A block that is lent: the thread's, or one that is mapped for the purpose. It is given back also when its user panics.
struct Lent {
    block: NonNull<Block>,
    mapped: bool,
}

impl Lent {
    #[cold]
    fn map() -> Result<Self, Cause> {
        map().map(|block| Self { block, mapped: true }).ok_or(NO_BUFFER)
    }

    #[cold]
    fn unmap(&self) {
        let _keep = KeepErrno::new();
        // SAFETY: mapped in `map`, and released only here.
        unsafe { unmap(self.block.as_ptr().cast()) };
    }
}

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        if self.mapped {
            self.unmap();
        } else {
            // SAFETY: the thread's block is alive as long as the thread.
            unsafe { self.block.as_ref() }.give_back();
        }
    }
}

/// Lends the text of the thread's last error; `None` when there is no memory for one, or the block is in use.
pub fn with_error_text<T>(work: impl FnOnce(&mut [u8; TEXT_ROOM]) -> T) -> Option<T> {
    let _keep = KeepErrno::new();
    let block = block()?;
    // SAFETY: alive as long as its thread, and shared by nobody, as above.
    let lent = unsafe { block.as_ref() }.take().then(|| Lent { block, mapped: false })?;
    // SAFETY: `taken` was false, so nobody else holds a reference into the text until the block is given back.
    Some(work(unsafe { &mut *lent.block.as_ref().text.get() }))
}

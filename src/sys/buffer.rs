//! One block of memory per thread: the buffer that records are received into, the text of the last error, that of a response,
//! and how the thread has waited.
//!
//! It is mapped when a thread first needs it, so that only the pages in use cost memory and no allocation shows up
//! in a caller's heap, and unmapped when the thread ends. A `thread_local` with a destructor would not do:
//! registering it allocates, and aborts the process when it cannot.

use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence};

use once_cell::race::OnceNonZeroUsize;

use super::errno::KeepErrno;
use super::wait_place::WaitPlace;
use crate::cause::Cause;

/// The largest record that can be received, in bytes. Any release sends less with the kernel's default limits.
pub const RECORD_ROOM: usize = 256 << 10;

/// Room for the text of the last error, its final zero byte included.
pub const TEXT_ROOM: usize = 512;

/// Room for the text of a response, its final zero byte included.
const DETAIL_ROOM: usize = 201;

/// The number of connections whose waits a thread keeps apart. Of two that share a place, the later one begins anew.
const WAIT_PLACES: usize = 16;

/// The cause where a buffer finds no memory, so that nothing has been sent or received. (`Cause::NoMemory` is for a
/// message that has been received, and could not be stored.)
const NO_BUFFER: Cause = Cause::Os(libc::ENOMEM);

/// A thread's block, which no other thread ever sees. `taken` guards its content against a second use by the same
/// thread, from a signal handler, say.
#[repr(C)]
struct Block {
    taken: AtomicBool,
    text: UnsafeCell<[u8; TEXT_ROOM]>,
    detail: UnsafeCell<[u8; DETAIL_ROOM]>,
    waits: [WaitPlace; WAIT_PLACES],
    record: UnsafeCell<RecordBuffer>,
}

/// The buffer that a thread receives records in. Any bytes are a valid value.
#[repr(C)]
#[derive(Debug)]
pub struct RecordBuffer {
    /// The layout of the last large message, as the next one may be like it.
    pub last: RecordLayout,
    /// Room for a record. The content is left over from the last one.
    pub bytes: [u8; RECORD_ROOM],
}

/// The layout of the first record of a large message: `head` bytes, then `body` bytes of the message's body, to the
/// end. `body` is 0 where there was no such message.
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

/// The place of a record's bytes in their page, which is far from the beginning. So the kernel copies records there and from
/// there quickly: see `placement.rs`.
const _: () = {
    let place = std::mem::offset_of!(Block, record) + std::mem::offset_of!(RecordBuffer, bytes);
    assert!(place % 4096 >= 64 && place % 4096 <= 4096 - 64);
};

impl Block {
    /// Takes the content; false while it is taken. The two steps need not be one: a signal handler that comes in
    /// between has given the content back when the thread goes on.
    #[inline]
    fn take(&self) -> bool {
        if self.taken.load(Ordering::Relaxed) {
            return false;
        }
        self.taken.store(true, Ordering::Relaxed);
        // The compiler must not move uses of the content before this.
        compiler_fence(Ordering::SeqCst);
        true
    }

    #[inline]
    fn give_back(&self) {
        compiler_fence(Ordering::SeqCst);
        self.taken.store(false, Ordering::Relaxed);
    }
}

/// The key of the threads' blocks, plus one.
static KEY: OnceNonZeroUsize = OnceNonZeroUsize::new();

#[inline(always)]
fn key() -> Option<libc::pthread_key_t> {
    KEY.get().or_else(make_key).map(|stored| (stored.get() - 1) as libc::pthread_key_t)
}

#[cold]
fn make_key() -> Option<NonZeroUsize> {
    let mut key = 0;
    // SAFETY: `key` is valid for writing; `unmap` fits what is stored under the key, see `block`.
    if unsafe { libc::pthread_key_create(&mut key, Some(unmap)) } != 0 {
        return None;
    }
    if KEY.set(NonZeroUsize::MIN.saturating_add(key as usize)).is_err() {
        // Another thread was faster.
        // SAFETY: the key was created above, and no other code knows it.
        unsafe { libc::pthread_key_delete(key) };
    }
    KEY.get()
}

/// Maps a new block. Fresh pages are zero, which is a valid value of every field.
fn map() -> Option<NonNull<Block>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory in use.
    let at = unsafe { libc::mmap(ptr::null_mut(), size_of::<Block>(), protection, flags, -1, 0) };
    if at == libc::MAP_FAILED { None } else { NonNull::new(at.cast()) }
}

unsafe extern "C" fn unmap(block: *mut c_void) {
    // SAFETY: the pointer comes from `map`, is passed here once, and is not used any more.
    unsafe { libc::munmap(block, size_of::<Block>()) };
}

/// The calling thread's block.
#[inline(always)]
fn block() -> Option<NonNull<Block>> {
    let key = key()?;
    // SAFETY: the key exists and is never deleted.
    NonNull::new(unsafe { libc::pthread_getspecific(key) }.cast()).or_else(|| map_for(key))
}

/// Maps the thread's block.
#[cold]
fn map_for(key: libc::pthread_key_t) -> Option<NonNull<Block>> {
    let block = map()?;
    // SAFETY: the key exists and is never deleted; `unmap`, the destructor of the key, fits the block.
    if unsafe { libc::pthread_setspecific(key, block.as_ptr().cast()) } != 0 {
        // SAFETY: mapped above and not handed out.
        unsafe { unmap(block.as_ptr().cast()) };
        return None;
    }
    Some(block)
}

/// Makes sure that the thread has a record buffer.
#[inline]
pub fn ensure_record_buffer() -> Result<(), Cause> {
    block().map(drop).ok_or(NO_BUFFER)
}

/// Lends the thread's record buffer.
///
/// `work` must not give control to the caller's code. That code may come back here, and would be served from a mapping
/// of its own, or may go on in another thread.
#[inline(always)]
pub fn with_record_buffer<T>(work: impl FnOnce(&mut RecordBuffer) -> Result<T, Cause>) -> Result<T, Cause> {
    let block = block().ok_or(NO_BUFFER)?;
    // SAFETY: `block` lives as long as its thread, which is this one, and no other thread sees it.
    let lent = if unsafe { block.as_ref() }.take() { Lent { block, mapped: false } } else { Lent::map()? };
    // SAFETY: `taken` was false, so that no other reference into the record exists until it is given back; or the block
    // is mapped for this alone.
    work(unsafe { &mut *lent.block.as_ref().record.get() })
}

/// A block on loan: the thread's, or one that is mapped for the purpose. The block is given back also when its user
/// panics.
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

/// Lends the text of the thread's last error; `None` where there is no memory for a block, or the block is taken.
pub fn with_error_text<T>(work: impl FnOnce(&mut [u8; TEXT_ROOM]) -> T) -> Option<T> {
    with_text(|block| &block.text, work)
}

/// Lends the text of the response that the thread has asked about last; `None` as with the last error.
pub fn with_detail_text<T>(work: impl FnOnce(&mut [u8; DETAIL_ROOM]) -> T) -> Option<T> {
    with_text(|block| &block.detail, work)
}

fn with_text<const ROOM: usize, T>(
    text: fn(&Block) -> &UnsafeCell<[u8; ROOM]>,
    work: impl FnOnce(&mut [u8; ROOM]) -> T,
) -> Option<T> {
    let _keep = KeepErrno::new();
    let block = block()?;
    // SAFETY: the block lives as long as its thread, and no other thread sees it, as above.
    let lent = unsafe { block.as_ref() }.take().then(|| Lent { block, mapped: false })?;
    // SAFETY: `taken` was false, so that no other reference into the text exists until the block is given back.
    Some(work(unsafe { &mut *text(lent.block.as_ref()).get() }))
}

/// Lends the place for the thread's waits for a descriptor; `None` where there is no memory for a block.
#[inline]
pub(super) fn with_wait_place<T>(fd: RawFd, work: impl FnOnce(&WaitPlace) -> T) -> Option<T> {
    let block = {
        let _keep = KeepErrno::new();
        block()?
    };
    // SAFETY: the block lives as long as its thread, which is this one. Its places are changed by atomic stores, so that
    // a signal handler may do so meanwhile.
    let places = unsafe { &(*block.as_ptr()).waits };
    places.get(fd.unsigned_abs() as usize % WAIT_PLACES).map(work)
}

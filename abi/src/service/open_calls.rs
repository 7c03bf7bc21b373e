//! The calls of services that have not ended, by a number. A closure gets the number in place of an address, so that one
//! that is called twice finds nothing, and never another call.

use std::ffi::c_void;
use std::sync::Mutex;

use ::drpc::slot_map::SlotMap;
use ::drpc::{Cause, lock_briefly};

/// The address of a call.
#[derive(Clone, Copy)]
struct Address(*mut c_void);

// SAFETY: the address is only handed on, to the one that takes it out.
unsafe impl Send for Address {}

struct OpenCalls {
    last: u64,
    calls: SlotMap<Address>,
}

static OPEN: Mutex<OpenCalls> = Mutex::new(OpenCalls { last: 0, calls: SlotMap::new() });

/// Runs when the process exits, or unloads the library.
#[used]
// SAFETY: the section lists functions without arguments or result.
#[unsafe(link_section = ".fini_array")]
static AT_EXIT: extern "C" fn() = release_idle;

/// Frees the memory of the table if no call is in it.
extern "C" fn release_idle() {
    if let Ok(mut open) = OPEN.try_lock()
        && open.calls.is_empty()
    {
        open.calls = SlotMap::new();
    }
}

/// Adds a call, and returns its number, which is not 0.
pub(crate) fn add(call: *mut c_void) -> Result<u64, Cause> {
    let open = &mut *lock_briefly(&OPEN).ok_or(Cause::Busy)?;
    open.calls.make_room(open.calls.len() + 1)?;
    loop {
        open.last += 1;
        if open.calls.is_free(open.last) {
            open.calls.insert(open.last, Address(call));
            return Ok(open.last);
        }
    }
}

/// The call with a number, which stays.
pub(crate) fn find(number: u64) -> Option<*mut c_void> {
    lock_briefly(&OPEN)?.calls.get(number).map(|address| address.0)
}

/// Takes out the call with a number; `None` if it has been taken out before.
pub(crate) fn take(number: u64) -> Option<*mut c_void> {
    let open = &mut *lock_briefly(&OPEN)?;
    let call = open.calls.remove(number)?.0;
    open.calls.shrink();
    Some(call)
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn a_call_is_taken_once() {
        let call = ptr::without_provenance_mut(16);
        let number = add(call).unwrap();
        assert_ne!(number, 0);
        assert_eq!((find(number), take(number)), (Some(call), Some(call)));
        assert_eq!((find(number), take(number)), (None, None));
        let others = [1, 2, 3].map(|at| add(ptr::without_provenance_mut(at)).unwrap());
        assert_eq!(take(number), None, "whichever call has its place now");
        assert_eq!(others.map(|other| take(other).map(|call| call.addr())), [Some(1), Some(2), Some(3)]);
    }
}

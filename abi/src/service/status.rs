//! The outcome of a thread's last call through a service.

use std::cell::Cell;
use std::ffi::c_int;

thread_local! {
    static STATUS: Cell<c_int> = const { Cell::new(0) };
}

pub(crate) fn set(status: c_int) {
    STATUS.with(|last| last.set(status));
}

/// Returns how the thread's last call through a service for a client has ended; in a closure, how its call has: 0 if there
/// is a response, a negative number of DAOS's if the call failed, else the status that the server answered, one of enum
/// Drpc__Status. drpc_last_error() says more.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_service_status() -> c_int {
    STATUS.with(Cell::get)
}

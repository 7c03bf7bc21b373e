//! The registry of handlers by module, `daos/drpc_handler.h`.

use std::ffi::c_int;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use ::drpc::{Cause, Phase, Status, der};

use crate::abi::drpc_handler_t;
use crate::boundary;
use crate::drpc_pb_c::{Drpc__Call, Drpc__Response};

/// The number of modules that can be registered: NUM_DRPC_MODULES, the same in every release.
const MODULES: usize = 5;

/// The handlers by module; null where there is none.
static HANDLERS: [AtomicPtr<()>; MODULES] = [const { AtomicPtr::new(ptr::null_mut()) }; MODULES];

static INITIALISED: AtomicBool = AtomicBool::new(false);

/// A module's number and its handler. Arrays of them end with an entry whose handler is NULL.
#[repr(C)]
pub struct dss_drpc_handler {
    /// Number of the module.
    pub module_id: c_int,
    /// The function that serves the module's calls.
    pub handler: drpc_handler_t,
}

fn slot(module: c_int) -> Result<&'static AtomicPtr<()>, Cause> {
    let slot = usize::try_from(module).ok().and_then(|module| HANDLERS.get(module));
    slot.ok_or(Cause::Invalid("the module is none of DRPC_MODULE_..."))
}

fn to_handler(stored: *mut ()) -> drpc_handler_t {
    // SAFETY: only null and handlers are stored, and a null pointer is None.
    unsafe { mem::transmute::<*mut (), drpc_handler_t>(stored) }
}

fn from_handler(handler: drpc_handler_t) -> *mut () {
    handler.map_or(ptr::null_mut(), |handler| handler as *mut ())
}

fn clear() {
    for slot in &HANDLERS {
        slot.store(ptr::null_mut(), Ordering::Release);
    }
}

/// Runs work on the registry, which must have been initialised.
fn with_registry(work: impl FnOnce() -> Result<(), Cause>) -> c_int {
    boundary::common(Phase::Register, || match INITIALISED.load(Ordering::Acquire) {
        true => work(),
        false => Err(Cause::Uninitialised),
    })
}

fn register(module: c_int, handler: drpc_handler_t) -> Result<(), Cause> {
    let slot = slot(module)?;
    if handler.is_none() {
        return Err(Cause::Invalid("the handler is NULL"));
    }
    let old = ptr::null_mut();
    let registered = slot.compare_exchange(old, from_handler(handler), Ordering::AcqRel, Ordering::Acquire);
    registered.map(drop).map_err(|_| Cause::Exists)
}

fn unregister(module: c_int) -> Result<(), Cause> {
    slot(module)?.store(ptr::null_mut(), Ordering::Release);
    Ok(())
}

/// # Safety
/// `handlers` is null or an array that ends with an entry without a handler.
unsafe fn each(handlers: *const dss_drpc_handler, mut work: impl FnMut(&dss_drpc_handler)) {
    let mut next = handlers;
    // SAFETY: the caller's promise.
    while let Some(entry) = unsafe { next.as_ref() }.filter(|entry| entry.handler.is_some()) {
        work(entry);
        // SAFETY: this entry was not the last one.
        next = unsafe { next.add(1) };
    }
}

/// Initialises the registry, or empties it. Call it before any other function of this header.
///
/// Returns 0. Like all functions of this header it may be called by any thread.
///
/// (DAOS: src/iosrv/drpc_handler.c in 0.8, src/engine/drpc_handler.c since 1.2.)
#[unsafe(no_mangle)]
pub extern "C" fn drpc_hdlr_init() -> c_int {
    boundary::infallible(-der::DER_MISC, || {
        clear();
        INITIALISED.store(true, Ordering::Release);
        0
    })
}

/// Empties the registry. Registering fails until drpc_hdlr_init is called again.
///
/// Returns 0.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_hdlr_fini() -> c_int {
    boundary::infallible(-der::DER_MISC, || {
        INITIALISED.store(false, Ordering::Release);
        clear();
        0
    })
}

/// Registers the handler of a module.
///
/// Returns 0; -DER_UNINIT before drpc_hdlr_init; -DER_INVAL if the module is none of DRPC_MODULE_... or the handler
/// is NULL; -DER_EXIST if the module has a handler, which it keeps.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_hdlr_register(module_id: c_int, handler: drpc_handler_t) -> c_int {
    with_registry(|| register(module_id, handler))
}

/// Registers the handlers of an array that ends with an entry whose handler is NULL. NULL is an empty array. The
/// array stays the caller's.
///
/// Every entry is tried. Returns 0, or the error of the last entry that failed: see drpc_hdlr_register.
///
/// # Safety
/// `handlers` is null or an array that ends with an entry without a handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_hdlr_register_all(handlers: *mut dss_drpc_handler) -> c_int {
    with_registry(|| {
        let mut last = Ok(());
        // SAFETY: the caller's promise.
        unsafe { each(handlers, |entry| last = register(entry.module_id, entry.handler).and(last)) };
        last
    })
}

/// Returns the handler of a module; NULL if it has none.
#[unsafe(no_mangle)]
pub extern "C" fn drpc_hdlr_get_handler(module_id: c_int) -> drpc_handler_t {
    boundary::bare::infallible(None, || slot(module_id).ok().and_then(|slot| to_handler(slot.load(Ordering::Acquire))))
}

/// Removes a module's handler from the registry, if it has one.
///
/// Returns 0; -DER_UNINIT before drpc_hdlr_init; -DER_INVAL if the module is none of DRPC_MODULE_...
#[unsafe(no_mangle)]
pub extern "C" fn drpc_hdlr_unregister(module_id: c_int) -> c_int {
    with_registry(|| unregister(module_id))
}

/// Removes the modules of an array from the registry; the array is as for drpc_hdlr_register_all.
///
/// Returns 0, also if an entry is wrong; -DER_UNINIT before drpc_hdlr_init.
///
/// # Safety
/// `handlers` is null or an array that ends with an entry without a handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_hdlr_unregister_all(handlers: *mut dss_drpc_handler) -> c_int {
    with_registry(|| {
        let unregister_entry = |entry: &dss_drpc_handler| {
            // DAOS skips wrong entries.
            let _ = unregister(entry.module_id);
        };
        // SAFETY: the caller's promise.
        unsafe { each(handlers, unregister_entry) };
        Ok(())
    })
}

/// Serves a call with the handler of its module; may itself be given to drpc_listen as the handler. A call for a module
/// without a handler gets DRPC__STATUS__UNKNOWN_MODULE.
///
/// # Safety
/// `request` and `resp` are null, which does nothing, or point to a call and a response.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_hdlr_process_msg(request: *mut Drpc__Call, resp: *mut Drpc__Response) {
    if request.is_null() || resp.is_null() {
        return;
    }
    // SAFETY: not null, and the caller's promise.
    match drpc_hdlr_get_handler(unsafe { (*request).module }) {
        // SAFETY: the program registered the function for this purpose.
        Some(handler) => unsafe { handler(request, resp) },
        // SAFETY: not null, and the caller's promise.
        None => unsafe { (*resp).status = Status::UnknownModule as c_int },
    }
}

//! The shared client of `drpc/client.h`.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use ::drpc::der::Release;
use ::drpc::peer::framing_cache;
use ::drpc::stable_path::StablePath;
use ::drpc::sys::try_copy;
use ::drpc::{Caller, Cause, Client, ClientBuilder, Detail, MadeCall, Phase, Response, Status, lock_briefly};

use super::client_options::{call_options, drpc_call_options, set, timeout};
use super::message::with_body;
use super::object::{self, Endpoint};
use crate::abi::Abi;
use crate::boundary::{self, Failure, Subject};
use crate::drpc_pb_c::Drpc__Response;
use crate::memory;
use crate::{detail, log, settings};

/// A shared client, for any number of threads.
pub struct drpc_client {
    stable_path: StablePath,
    release: Release,
    builder: Mutex<ClientBuilder>,
    /// The client, once it has been used.
    client: OnceLock<Client>,
}

/// The program's function for the result of a call. Either `rc` is 0 and `resp` is the response, which the function
/// owns; or `rc` is the error and `resp` is NULL. drpc_last_error() says more, as after drpc_client_call. The function may
/// submit calls, and must not wait for any.
pub type drpc_client_done_t = Option<unsafe extern "C" fn(rc: c_int, resp: *mut Drpc__Response, arg: *mut c_void)>;

/// Makes a client for the server at `path`, for `drpc_client_create` of each line.
///
/// # Safety
/// `path` is null or a C string, `client` is null or valid for writing.
pub unsafe fn create<A: Abi>(path: *const c_char, client: *mut *mut drpc_client) -> c_int {
    let framing = settings::default_framing::<A>();
    let builder =
        Client::builder().framing_chosen(framing, framing_cache::choice()).datagram_limit(A::DATAGRAM).names(A::NAMES);
    let make = |path: &CStr| {
        Ok(drpc_client {
            stable_path: StablePath::try_from(path)?,
            release: A::RELEASE,
            builder: Mutex::new(builder.log(log::of_core()?)),
            client: OnceLock::new(),
        })
    };
    // SAFETY: the caller's promise.
    unsafe { object::create::<A, _>(path, client, make) }
}

impl Endpoint for drpc_client {
    const MISSING: Cause = Cause::Invalid("the client is NULL");

    fn path(&self) -> &Path {
        self.stable_path.given()
    }

    fn release(&self) -> Release {
        self.release
    }
}

/// Runs the body of a function that uses the connection.
///
/// # Safety
/// As for [`object::run`].
unsafe fn with_client(
    client: *const drpc_client,
    phase: Phase,
    body: impl FnOnce(&Client) -> Result<(), ::drpc::Error>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { object::run(client, phase, |client| body(client.client()?).map(|()| 0).map_err(Failure::from)) }
}

impl drpc_client {
    /// Returns the client, which from now on cannot be configured.
    pub(crate) fn client(&self) -> Result<&Client, Cause> {
        // The lock is not taken here, because another thread may have held it when the process forked.
        self.client.get().map_or_else(|| self.build(), Ok)
    }

    #[cold]
    fn build(&self) -> Result<&Client, Cause> {
        let builder = lock_briefly(&self.builder).ok_or(Cause::Busy)?;
        let client = builder.build_at(self.stable_path.clone())?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Sets an option, one of enum drpc_client_option, before the client is used.
///
/// Returns 0; -DER_INVAL if the client is NULL, the option unknown or the value impossible; -DER_BUSY once the client
/// has been used.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_set(client: *mut drpc_client, option: c_int, value: u64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        object::run(client, Phase::Configure, |client| {
            let mut builder = lock_briefly(&client.builder).ok_or(Cause::Busy)?;
            if client.client.get().is_some() {
                return Err(Cause::Busy.into());
            }
            *builder = set(builder.clone(), option, value)?;
            Ok(0)
        })
    }
}

/// Connects, unless the client is connected. Later calls reconnect by themselves when the connection has been lost.
/// They do not connect before the first drpc_client_connect, nor after drpc_client_close.
///
/// Returns 0; -DER_INVAL if the client is NULL; -DER_BADPATH if the path cannot be one; -DER_NO_HDL in the child of a
/// fork; -DER_NOMEM; else the number of the socket's error.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_connect(client: *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_client(client, Phase::Connect, Client::open) }
}

/// Connects to a server that may still be starting: tries again until it works, for at most `timeout_ms` milliseconds;
/// -1 is for ever. Missing permission on the socket file counts as starting, because mode and owner may be set last.
///
/// Returns 0; -DER_TIMEDOUT; else as drpc_client_connect.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_wait_ready(client: *mut drpc_client, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_client(client, Phase::Connect, |client| client.wait_ready(timeout(timeout_ms))) }
}

/// Returns true if the client is connected, as far as it knows; false for NULL.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_is_connected(client: *const drpc_client) -> bool {
    // SAFETY: the caller's promise.
    let client = unsafe { client.as_ref() }.and_then(|client| client.client.get());
    boundary::infallible(false, || client.is_some_and(Client::is_connected))
}

/// Closes the connection. Unfinished calls end with -DER_UNREACH. The client can be connected again.
///
/// Returns 0, also if the client is not connected; -DER_INVAL if the client is NULL.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_close(client: *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_client(client, Phase::Close, Client::close) }
}

/// Frees a client, and closes its connection. Unfinished submitted calls end with -DER_UNREACH before this returns.
/// Their result functions may still use the client, whose new calls get -DER_UNREACH. In the child of a fork only the
/// child's copy is freed, and the parent's connection goes on. NULL is ignored.
///
/// # Safety
/// `client` is null or a client that no thread uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_destroy(client: *mut drpc_client) {
    boundary::infallible((), || {
        // SAFETY: the caller's promise.
        if let Some(client) = unsafe { client.as_ref() }.and_then(|client| client.client.get()) {
            // The block still exists, because a result function may submit.
            client.end();
        }
        // SAFETY: the caller's promise.
        drop(unsafe { object::from_raw(client) });
    });
}

/// Locks the client for several calls that belong together: calls of other threads wait until the same thread calls
/// drpc_client_unlock. A thread that ends without unlocking leaves the client locked for good.
///
/// Returns 0; -DER_TIMEDOUT after the client's timeout; -DER_BUSY if this thread has locked the client; -DER_INVAL if
/// the client is NULL.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_lock(client: *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_client(client, Phase::Call, Caller::lock) }
}

/// Unlocks the client, so that other threads can call again.
///
/// Returns 0, also if this thread has not locked the client; -DER_INVAL if the client is NULL.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_unlock(client: *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_client(client, Phase::Call, Caller::unlock) }
}

/// Calls a method and waits for the response, stored in `*resp`. The response is the caller's, to be freed with
/// drpc_response_free. `body` stays the caller's. `options` may be NULL. Any number of threads may call at once.
///
/// Returns 0 when there is a response, whose status tells the result of the method. After an error `*resp` is NULL:
/// * -DER_INVAL: an argument is wrong.
/// * -DER_TIMEDOUT, -DER_CANCELED.
/// * -DER_UNREACH: the client has not been connected.
/// * -DER_NOREPLY: the server has gone after the call was sent. The call may have been executed.
/// * -DER_OVERFLOW: a message is too large.
/// * -DER_PROTO: the server could not decode one of several calls that were out.
/// * -DER_NOMEM, or the number of the socket's error.
///
/// # Safety
/// `client` is null or a client, `body` points to `len` bytes, `options` is null or points to options, `resp` is null
/// or valid for writing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_call(
    client: *mut drpc_client,
    module: i32,
    method: i32,
    body: *const c_void,
    len: usize,
    options: *const drpc_call_options,
    resp: *mut *mut Drpc__Response,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        if !resp.is_null() {
            *resp = std::ptr::null_mut();
        }
        object::run(client, Phase::Call, |client| {
            if resp.is_null() {
                return Err(Cause::Invalid("the place for the response is NULL").into());
            }
            let (body, options) = (memory::bytes(body.cast(), len)?, call_options(options)?);
            let response = client.client()?.call_with(&options, module, method, body)?;
            if response.status != SUCCESS {
                keep_answer(&client.client()?.made_call(module, method, len), &response);
            }
            *resp = to_c(response)?;
            Ok(0)
        })
    }
}

/// Sends a call, or queues it behind others, and returns at once. `body` can be reused then. `done` is called once with
/// the result, by drpc_client_dispatch or by the client's own thread (DRPC_CLIENT_THREAD).
///
/// Returns 0; a later error goes to `done`. Otherwise `done` is not called: -DER_INVAL for a wrong argument;
/// -DER_OVERFLOW if the message is too large; -DER_CANCELED if the token has been triggered before; -DER_UNREACH if the
/// client has not been connected; -DER_NOMEM.
///
/// # Safety
/// As for drpc_client_call; `arg` is what `done` expects.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_submit(
    client: *mut drpc_client,
    module: i32,
    method: i32,
    body: *const c_void,
    len: usize,
    options: *const drpc_call_options,
    done: drpc_client_done_t,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        object::run(client, Phase::Call, |client| {
            let function = done.ok_or(Cause::Invalid("the function for the result is NULL"))?;
            let (body, options) = (memory::bytes(body.cast(), len)?, call_options(options)?);
            let connected = client.client()?;
            let call = connected.made_call(module, method, len);
            let done = Done { function, arg, release: client.release, call };
            let submitted = connected.submit(&options, module, method, try_copy(body)?, move |result| done.run(result));
            submitted.map(|()| 0).map_err(Failure::from)
        })
    }
}

/// Advances submitted calls: sends, receives, checks deadlines, calls the result functions. With nothing to do the
/// function waits for at most `timeout_ms` milliseconds; -1 is for ever.
///
/// Returns 0; -DER_INVAL if the client is NULL; -DER_NOMEM if there is something to receive, but no memory for it yet.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_dispatch(client: *mut drpc_client, timeout_ms: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_client(client, Phase::Call, |client| {
            client.dispatch(u64::try_from(timeout_ms).ok().map(Duration::from_millis)).map(drop)
        })
    }
}

/// Returns the descriptor to wait for in an event loop. Once it is readable, call drpc_client_dispatch(client, 0). The
/// descriptor is the library's, and stays the same as long as the client exists, also without a connection.
///
/// Errors: -DER_INVAL if the client is NULL; else the number of the system's error.
///
/// # Safety
/// `client` is null or a client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_get_fd(client: *mut drpc_client) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { object::run(client, Phase::Configure, |client| Ok(client.client()?.event_fd()?.as_raw_fd())) }
}

#[inline(always)]
fn to_c(response: Response) -> Result<*mut Drpc__Response, Cause> {
    let Response { sequence, status, body, detail } = response;
    let response = with_body(Drpc__Response { sequence, status, ..Drpc__Response::empty() }, body)?;
    if let Some(detail) = detail {
        give_detail(response, detail);
    }
    Ok(response)
}

/// Gives a response that has just been made a text.
#[cold]
#[inline(never)]
fn give_detail(response: *mut Drpc__Response, detail: Box<Detail>) {
    // SAFETY: `to_c` has made the response, from malloc.
    unsafe { detail::set(response, Some(*detail)) };
}

/// Keeps the text of an answer other than SUCCESS for drpc_last_error.
#[cold]
#[inline(never)]
fn keep_answer(call: &MadeCall, response: &Response) {
    boundary::keep_answer(Subject::Path(call.socket()), call.answer(response));
}

/// The status of a call that has succeeded.
const SUCCESS: c_int = Status::Success as c_int;

/// The destination of a submitted call's result.
struct Done {
    function: unsafe extern "C" fn(rc: c_int, resp: *mut Drpc__Response, arg: *mut c_void),
    arg: *mut c_void,
    release: Release,
    call: MadeCall,
}

// SAFETY: `arg` is only passed back to the program, which has promised that the dispatching thread may run the
// function.
unsafe impl Send for Done {}

impl Done {
    fn run(self, result: Result<Response, ::drpc::Error>) {
        // The result function may ask drpc_last_error().
        match &result {
            Ok(response) if response.status == SUCCESS => {}
            Ok(response) => {
                keep_answer(&self.call, response);
            }
            Err(error) => boundary::keep_error(error),
        }
        let result = result.map_err(|error| error.cause()).and_then(to_c);
        let (rc, response) = match result {
            Ok(response) => (0, response),
            Err(cause) => (cause.code(self.release), std::ptr::null_mut()),
        };
        // SAFETY: the program gave the function for this purpose, with this argument; the response is its own.
        unsafe { (self.function)(rc, response, self.arg) };
    }
}

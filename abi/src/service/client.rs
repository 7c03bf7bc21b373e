//! A service that calls through a shared client.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use ::drpc::der::Release;
use ::drpc::{CallOptions, Cause, MadeCall, Phase, Response};

use super::codec::{Codec, drpc_protobuf_c};
use super::description::{Description, is_of};
use super::message::{Reply, call};
use super::numbers::MethodNumbers;
use super::packing::pack;
use super::status;
use crate::boundary::{self, Failure, Subject};
use crate::managed::client::drpc_client;
use crate::managed::client_options::{call_options, drpc_call_options};
use crate::managed::object::{self, Endpoint};
use crate::protobuf_c::{
    ProtobufCClosure, ProtobufCMessage, ProtobufCMessageDescriptor, ProtobufCService, ProtobufCServiceDescriptor,
};

/// A service that calls through a client.
#[repr(C)]
struct ClientService {
    /// The first field: what C has a pointer to.
    base: ProtobufCService,
    client: *const drpc_client,
    module: i32,
    numbers: MethodNumbers,
    description: Description,
    codec: Codec,
    options: CallOptions,
    /// True if closures run where the client is dispatched.
    dispatched: bool,
}

/// drpc_client_service, and with `dispatched` drpc_client_service_dispatched, with the functions of libprotobuf-c.
///
/// # Safety
/// `client` is null or a client, which stays as long as calls are made. `descriptor` is null or as protoc-c makes it.
/// `methods` is null or has a number for each method. `functions` is null or points to as many bytes as its first field
/// says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_client_service_with(
    client: *mut drpc_client,
    module: i32,
    descriptor: *const ProtobufCServiceDescriptor,
    methods: *const i32,
    dispatched: bool,
    functions: *const drpc_protobuf_c,
) -> *mut ProtobufCService {
    let mut made = ptr::null_mut();
    // SAFETY: the caller's promise.
    unsafe {
        object::run(client, Phase::Configure, |_| {
            let description = Description::new(descriptor)?;
            made = object::into_raw(ClientService {
                base: ProtobufCService { descriptor, invoke: Some(invoke), destroy: Some(destroy) },
                client,
                module,
                numbers: MethodNumbers::new(module, description.count(), methods)?,
                description,
                codec: Codec::new(functions)?,
                options: CallOptions::new(),
                dispatched,
            })?;
            Ok(0)
        });
    }
    made.cast()
}

/// True for a service that was made here.
///
/// # Safety
/// `service` is null or a service.
unsafe fn is_ours(service: *const ProtobufCService) -> bool {
    // SAFETY: the caller's promise.
    let destroy = unsafe { service.as_ref() }.and_then(|base| base.destroy);
    destroy.is_some_and(|known| known as usize == destroy_address())
}

fn destroy_address() -> usize {
    destroy as unsafe extern "C" fn(*mut ProtobufCService) as usize
}

/// Sets the options of all calls of a service for a client: the time, whether they may be executed twice, the token that
/// cancels them. NULL sets those of a new service. Not while another thread calls.
///
/// Returns 0; -DER_INVAL if the service is none of a client, or the size of the options is not set.
///
/// # Safety
/// `service` is null or a service, `options` is null or points to options.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_service_set_options(
    service: *mut ProtobufCService,
    options: *const drpc_call_options,
) -> c_int {
    // SAFETY: the caller's promise; the base is the first field.
    boundary::common(Phase::Configure, || unsafe {
        if !is_ours(service) {
            return Err(Cause::Invalid("the service is NULL, or not made for a client"));
        }
        (*service.cast::<ClientService>()).options = call_options(options)?;
        Ok(())
    })
}

/// Frees a service. Calls that are out go on, as they need nothing of it.
///
/// # Safety
/// `service` was made here, and is not used any more.
unsafe extern "C" fn destroy(service: *mut ProtobufCService) {
    // SAFETY: the caller's promise.
    boundary::infallible((), || drop(unsafe { object::from_raw(service.cast::<ClientService>()) }));
}

/// What a call needs of its service, which its closure may destroy.
struct Plan {
    client: *const drpc_client,
    module: i32,
    method: i32,
    codec: Codec,
    options: CallOptions,
    output: *const ProtobufCMessageDescriptor,
    dispatched: bool,
}

impl ClientService {
    /// # Safety
    /// `input` is null or points to a message.
    unsafe fn plan(&self, index: usize, input: *const ProtobufCMessage) -> Result<Plan, Cause> {
        const NO_METHOD: Cause = Cause::Invalid("the service has no such method");
        let method = self.description.method(index).ok_or(NO_METHOD)?;
        // SAFETY: the caller's promise.
        if !unsafe { is_of(input, method.input) } {
            return Err(Cause::Invalid("the request is NULL, not initialised, or of another type than the method's"));
        }
        Ok(Plan {
            client: self.client,
            module: self.module,
            method: self.numbers.number(index).ok_or(NO_METHOD)?,
            codec: self.codec,
            options: self.options.clone(),
            output: method.output,
            dispatched: self.dispatched,
        })
    }
}

/// Makes a call.
///
/// # Safety
/// `service` was made here, and its client exists. `input` is null or points to a message.
unsafe extern "C" fn invoke(
    service: *mut ProtobufCService,
    method_index: c_uint,
    input: *const ProtobufCMessage,
    closure: ProtobufCClosure,
    closure_data: *mut c_void,
) {
    let end = End { closure, closure_data };
    boundary::infallible((), || {
        // SAFETY: the caller's promise; the base is the first field.
        unsafe {
            match (*service.cast::<ClientService>()).plan(method_index as usize, input) {
                Ok(plan) if plan.dispatched => submit(plan, input, end),
                Ok(Plan { client, module, method, codec, options, output, .. }) => {
                    let mut message = ptr::null_mut();
                    let done = call(client, (module, method), &codec, input, output, &options, &mut message);
                    end.with(done, &codec, message);
                }
                Err(cause) => {
                    let client = (*service.cast::<ClientService>()).client;
                    end.failed(object::run(client, Phase::Call, |_| Err(cause.into())));
                }
            }
        }
    });
}

/// Submits a call. One that cannot be submitted ends at once.
///
/// # Safety
/// The client exists, and `input` is a message of the method's type.
unsafe fn submit(plan: Plan, input: *const ProtobufCMessage, end: End) {
    let Plan { client, module, method, codec, options, output, .. } = plan;
    // SAFETY: the caller's promise.
    let submitted = unsafe {
        object::run(client, Phase::Call, |client| {
            let (release, client, body) = (client.release(), client.client()?, pack(&codec, input)?);
            let made = client.made_call(module, method, body.len());
            let reply = Reply { codec, output, memory_limit: super::unpacking::memory_limit(client.message_limit()) };
            let pending = Pending { end, reply, made, release };
            client.submit(&options, module, method, body, move |result| pending.run(result)).map_err(Failure::from)?;
            Ok(0)
        })
    };
    if submitted != 0 {
        end.failed(submitted);
    }
}

/// The end of a call: the closure of the program.
#[derive(Clone, Copy)]
struct End {
    closure: ProtobufCClosure,
    closure_data: *mut c_void,
}

impl End {
    /// Runs the closure with a response, which is freed then.
    ///
    /// # Safety
    /// `message` is null or has been unpacked by the codec.
    unsafe fn with(self, status: c_int, codec: &Codec, message: *mut ProtobufCMessage) {
        status::set(status);
        // SAFETY: the program gave the closure for this purpose, with this argument.
        unsafe {
            if let Some(closure) = self.closure {
                closure(message, self.closure_data);
            }
            if !message.is_null() {
                (codec.free_unpacked)(message, ptr::null_mut());
            }
        }
        status::set(status);
    }

    /// Runs the closure of a call without a response.
    fn failed(self, status: c_int) {
        status::set(status);
        if let Some(closure) = self.closure {
            // SAFETY: the program gave the closure for this purpose, with this argument.
            unsafe { closure(ptr::null(), self.closure_data) };
        }
        status::set(status);
    }
}

/// A submitted call.
struct Pending {
    end: End,
    reply: Reply,
    made: MadeCall,
    release: Release,
}

// SAFETY: the argument of the closure is only passed back to the program, which has promised that the dispatching thread
// may run it; the type of the response is constant.
unsafe impl Send for Pending {}

impl Pending {
    fn run(self, result: Result<Response, ::drpc::Error>) {
        let Self { end, reply, made, release } = self;
        let mut message = ptr::null_mut();
        let status = match result {
            // SAFETY: the type of the response is that of a method.
            Ok(response) => unsafe { reply.read(response, &made, &mut message) }.unwrap_or_else(|cause| {
                boundary::report(Phase::Reply, Subject::Path(made.socket()), cause);
                cause.code(release)
            }),
            Err(error) => {
                boundary::keep_error(&error);
                error.cause().code(release)
            }
        };
        // SAFETY: the message has just been unpacked, if there is one.
        unsafe { end.with(status, &reply.codec, message) };
    }
}

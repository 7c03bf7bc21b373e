//! A service of the program, as a module of the Rust server.

use std::borrow::Cow;
use std::ffi::{c_uint, c_void};

use ::drpc::der::Release;
use ::drpc::{Cause, Detail, Module, Phase, Request, Status, large_block};

use super::call::{self, ServiceCall};
use super::codec::Codec;
use super::description::Description;
use super::numbers::MethodNumbers;
use super::unpacking::unpack;
use crate::boundary::{self, Subject};
use crate::log::{self, Level};
use crate::managed::call_block::SpareBlock;
use crate::protobuf_c::{Invoke, ProtobufCMessage, ProtobufCMessageDescriptor, ProtobufCService};

/// A service of the program that serves a module.
pub(crate) struct ServiceModule {
    pub(crate) module: i32,
    pub(crate) numbers: MethodNumbers,
    pub(crate) service: Service,
}

/// A service of the program.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    pub(crate) pointer: *mut ProtobufCService,
    pub(crate) invoke: Invoke,
    pub(crate) description: Description,
    pub(crate) codec: Codec,
    pub(crate) concurrent: bool,
    pub(crate) release: Release,
}

// SAFETY: the pointer is only passed back to the program, which has promised that any thread may run the methods; what it
// describes is constant.
unsafe impl Send for Service {}
// SAFETY: as above.
unsafe impl Sync for Service {}

impl Service {
    /// True if the function of a method is missing. That can be seen where it is found by libprotobuf-c.
    ///
    /// # Safety
    /// The service exists. Where libprotobuf-c invokes, its functions follow the base.
    pub(crate) unsafe fn lacks_function(&self) -> bool {
        if self.invoke as usize != self.codec.invoke as usize {
            return false;
        }
        // SAFETY: the caller's promise, by which there is a function, or null, for each method.
        let function = |index| unsafe { *self.pointer.add(1).cast::<*const c_void>().add(index) };
        (0..self.description.count()).any(|index| function(index).is_null())
    }
}

impl ServiceModule {
    /// A copy.
    pub(crate) fn try_clone(&self) -> Result<Self, Cause> {
        Ok(Self { module: self.module, numbers: self.numbers.try_clone()?, service: self.service })
    }
}

/// A service as a module of the server, with a spare block.
pub(crate) struct ServedService {
    pub(crate) served: ServiceModule,
    /// The most memory that an unpacked message may take.
    pub(crate) memory_limit: usize,
    pub(crate) spare: SpareBlock<ServiceCall>,
}

impl Module for ServedService {
    fn id(&self) -> i32 {
        self.served.module
    }

    fn concurrent(&self) -> bool {
        self.served.service.concurrent
    }

    fn serve(&self, mut request: Request) {
        let ServiceModule { numbers, service, .. } = &self.served;
        let number = request.call().method;
        let found = numbers.index(number).and_then(|index| Some((index, service.description.method(index)?)));
        let Some((index, method)) = found else {
            return refuse(request, Status::UnknownMethod, None);
        };
        // SAFETY: the types of a method are descriptors.
        let input = match unsafe { self.unpack(&mut request, method.input) } {
            Ok(input) => input,
            Err(cause) => return fail_to_unpack(request, cause),
        };
        // SAFETY: the input has just been unpacked.
        let begun =
            unsafe { ServiceCall::begin(&self.spare, request, service.codec, input, method.output, service.release) };
        match begun {
            // SAFETY: the call has begun, and the input is of the method's type.
            Ok(begun) => unsafe { self.run(begun, index, input) },
            Err(cause) => boundary::report(Phase::Serve, Subject::Nothing, cause),
        }
    }
}

impl ServedService {
    /// Unpacks the body of a request, and frees it.
    ///
    /// # Safety
    /// `input` is a descriptor.
    unsafe fn unpack(
        &self,
        request: &mut Request,
        input: *const ProtobufCMessageDescriptor,
    ) -> Result<*mut ProtobufCMessage, Cause> {
        let body = request.take_body();
        let ask = &mut |more| request.acquire(more);
        // SAFETY: the caller's promise.
        let unpacked = unsafe { unpack(&self.served.service.codec, input, &body, self.memory_limit, ask) };
        large_block::retire(body);
        unpacked
    }

    /// Runs a method.
    ///
    /// # Safety
    /// The call has just begun, and `input` is its input.
    unsafe fn run(&self, (call, number): (*mut ServiceCall, u64), index: usize, input: *const ProtobufCMessage) {
        let Service { pointer, invoke, .. } = self.served.service;
        let closure_data = std::ptr::without_provenance_mut::<c_void>(number as usize);
        // SAFETY: the program gave the service for this purpose. The input stays until the function has returned and the
        // closure has been called.
        unsafe {
            invoke(pointer, index as c_uint, input, Some(call::closure), closure_data);
            if ServiceCall::leave(call) {
                self.spare.put(call);
            }
        }
    }
}

/// Answers a call that is not run. An answer fails only after the session has ended, which the server reports.
#[cold]
fn refuse(mut request: Request, status: Status, detail: Option<&Detail>) {
    let _ = request.answer(status.into(), Cow::Borrowed(&[]), detail);
}

#[cold]
fn fail_to_unpack(request: Request, cause: Cause) {
    let ::drpc::Call { module, method, .. } = *request.call();
    let peer = request.session().peer();
    log::print_limited(Level::Error, format_args!("call {module}.{method} of {peer} fails: {cause}"));
    // With less in memory the same body may be unpacked.
    let lasts = cause != Cause::NoMemory;
    let status = if lasts { Status::FailedUnmarshalPayload } else { Status::Failure };
    refuse(request, status, Some(&Detail::new(format_args!("{cause}"))));
}

//! Adding a service to a managed server.

use std::ffi::{c_int, c_uint};

use ::drpc::{Cause, Phase};

use super::codec::{Codec, drpc_protobuf_c};
use super::description::Description;
use super::numbers::MethodNumbers;
use super::served::{Service, ServiceModule};
use crate::managed::object::Endpoint;
use crate::managed::server::{drpc_server, is_concurrent, with_server};
use crate::protobuf_c::ProtobufCService;

/// drpc_server_add_service, with the functions of libprotobuf-c.
///
/// # Safety
/// `server` is null or a server. `service` is null or a service as protoc-c makes it, which stays as long as the server and
/// its calls. `methods` is null or has a number for each method. `functions` is null or points to as many bytes as its
/// first field says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn drpc_server_add_service_with(
    server: *mut drpc_server,
    module: i32,
    service: *mut ProtobufCService,
    methods: *const i32,
    flags: c_uint,
    functions: *const drpc_protobuf_c,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        with_server(server, Phase::Register, |server| {
            let base = service.as_ref().ok_or(Cause::Invalid("the service is NULL"))?;
            let description = Description::new(base.descriptor)?;
            let service = Service {
                pointer: service,
                invoke: base.invoke.ok_or(Cause::Invalid("the service has no function invoke"))?,
                description,
                codec: Codec::new(functions)?,
                concurrent: is_concurrent(flags)?,
                release: server.release(),
            };
            if service.lacks_function() {
                return Err(Cause::Invalid("a method of the service has no function: it is NULL").into());
            }
            let numbers = MethodNumbers::new(module, description.count(), methods)?;
            let added = ServiceModule { module, numbers, service };
            Ok(server.configure(|settings| settings.add_service(added))?)
        })
    }
}

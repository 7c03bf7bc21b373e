//! The descriptor of a service, which is looked at once: when the service is added to a server, or made for a client.

use ::drpc::Cause;

use crate::protobuf_c::{
    MESSAGE_DESCRIPTOR_MAGIC, ProtobufCMessage, ProtobufCMessageDescriptor, ProtobufCMethodDescriptor,
    ProtobufCServiceDescriptor, SERVICE_DESCRIPTOR_MAGIC,
};

/// A service's methods.
#[derive(Clone, Copy)]
pub(crate) struct Description {
    methods: *const ProtobufCMethodDescriptor,
    count: usize,
}

impl Description {
    /// Looks at a descriptor that the program gives.
    ///
    /// # Safety
    /// `descriptor` is null or points to a constant, as protoc-c makes it.
    pub(crate) unsafe fn new(descriptor: *const ProtobufCServiceDescriptor) -> Result<Self, Cause> {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { descriptor.as_ref() }.filter(|known| known.magic == SERVICE_DESCRIPTOR_MAGIC);
        let descriptor = descriptor.ok_or(Cause::Invalid("the descriptor is NULL, or not of a service"))?;
        let (methods, count) = (descriptor.methods, descriptor.n_methods as usize);
        if count == 0 || methods.is_null() {
            return Err(Cause::Invalid("the service has no methods"));
        }
        let description = Self { methods, count };
        let are_messages = (0..count).all(|index| {
            description.method(index).is_some_and(|method| {
                // SAFETY: the types of a method are null or descriptors, as the caller has promised.
                [method.input, method.output].into_iter().all(|of| unsafe { is_type(of) })
            })
        });
        match are_messages {
            true => Ok(description),
            false => Err(Cause::Invalid("a method of the service has no message type")),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The method at an index.
    pub(crate) fn method(&self, index: usize) -> Option<&'static ProtobufCMethodDescriptor> {
        // SAFETY: `new` was promised that so many methods are there, and are constant.
        (index < self.count).then(|| unsafe { &*self.methods.add(index) })
    }
}

/// True for the descriptor of a message type.
///
/// # Safety
/// `descriptor` is null or points to a descriptor.
pub(crate) unsafe fn is_type(descriptor: *const ProtobufCMessageDescriptor) -> bool {
    // SAFETY: the caller's promise.
    unsafe { descriptor.as_ref() }.is_some_and(|known| known.magic == MESSAGE_DESCRIPTOR_MAGIC)
}

/// True for a message of a type.
///
/// # Safety
/// `message` is null or points to a message.
pub(crate) unsafe fn is_of(message: *const ProtobufCMessage, descriptor: *const ProtobufCMessageDescriptor) -> bool {
    // SAFETY: the caller's promise.
    unsafe { message.as_ref() }.is_some_and(|message| message.descriptor == descriptor)
}

/// True for an initialised message.
///
/// # Safety
/// As for [`is_of`]; its descriptor is null or points to a descriptor.
pub(crate) unsafe fn is_message(message: *const ProtobufCMessage) -> bool {
    // SAFETY: the caller's promise.
    unsafe { message.as_ref().is_some_and(|message| is_type(message.descriptor)) }
}

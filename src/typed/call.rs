//! A call whose request and response are messages.

use prost::Message;

use crate::answer::Answer;
use crate::client::{CallOptions, Client};
use crate::error::Phase;
use crate::modules::names::Names;
use crate::protocol::message::Status;

use super::call_error::{CallError, CallFault};
use super::method::Method;
use super::packing::pack;

/// Calls a method, and waits for its response, within the time that the options allow.
pub fn call<Q: Message, R: Message + Default>(
    client: &Client,
    options: &CallOptions,
    method: &Method,
    request: &Q,
) -> Result<R, CallError> {
    respond(client, options, method, request).map_err(|fault| CallError::new(method, fault))
}

fn respond<Q: Message, R: Message + Default>(
    client: &Client,
    options: &CallOptions,
    method: &Method,
    request: &Q,
) -> Result<R, CallFault> {
    let (module, number) = (method.module(), method.number());
    let body = pack(request).map_err(|cause| CallFault::NoResponse(client.error(Phase::Call, cause)))?;
    let response = client.call_with(options, module, number, &body).map_err(CallFault::NoResponse)?;
    if response.status != Status::Success as i32 {
        return Err(CallFault::Status(Answer::new(Names::V2_8.call(module, number), response.status)));
    }
    R::decode(&response.body[..]).map_err(CallFault::Undecodable)
}

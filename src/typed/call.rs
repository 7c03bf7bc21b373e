//! A call whose request and response are messages.

use prost::Message;

use crate::client::{CallOptions, Client};
use crate::error::{Error, Phase};
use crate::modules::names::CallName;
use crate::protocol::message::{Response, Status};

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
    let response =
        body(client, request).and_then(|body| client.call_with(options, method.module(), method.number(), &body));
    result(method, response)
}

/// Calls a method as [`Client::call_async`] does.
pub async fn call_async<Q: Message, R: Message + Default>(
    client: &Client,
    options: &CallOptions,
    method: &Method,
    request: &Q,
) -> Result<R, CallError> {
    let response = match body(client, request) {
        Ok(body) => client.call_async_with(options, method.module(), method.number(), body).await,
        Err(error) => Err(error),
    };
    result(method, response)
}

/// The body of a call.
fn body(client: &Client, request: &impl Message) -> Result<Vec<u8>, Error> {
    pack(request).map_err(|cause| client.error(Phase::Call, cause))
}

/// The result of a call.
fn result<R: Message + Default>(method: &Method, response: Result<Response, Error>) -> Result<R, CallError> {
    let response = response.map_err(|error| CallError::new(method, CallFault::NoResponse(error)))?;
    if response.status != Status::Success as i32 {
        let answer = response.answer_to(CallName::given(method.name()));
        return Err(CallError::new(method, CallFault::Status(Box::new(answer))));
    }
    R::decode(&response.body[..]).map_err(|error| CallError::new(method, CallFault::Undecodable(error)))
}

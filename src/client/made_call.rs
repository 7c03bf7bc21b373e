//! A call, for the text of its answer.

use std::path::Path;

use super::client::Client;
use crate::answer::Answer;
use crate::modules::names::CallName;
use crate::protocol::framing::detect::unread_call;
use crate::protocol::framing::{Framing, FramingChoice};
use crate::protocol::message::Response;
use crate::shared_path::SharedPath;

/// A call of a client, for the text of its answer. It takes no memory, and outlives the client.
#[derive(Clone, Debug)]
pub struct MadeCall {
    socket: SharedPath,
    call: CallName,
    size: usize,
    /// Where datagrams were chosen, if they were.
    datagrams: Option<FramingChoice>,
}

impl Client {
    /// A call with a body of `size` bytes, for the text of its answer.
    #[doc(hidden)]
    pub fn made_call(&self, module: i32, method: i32, size: usize) -> MadeCall {
        let settings = &self.0.shared.settings;
        MadeCall {
            socket: settings.path.given().clone(),
            call: settings.names.call(module, method),
            size,
            datagrams: (settings.framing == Some(Framing::Datagram)).then_some(settings.framing_choice),
        }
    }
}

impl MadeCall {
    /// The path of the server's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The answer in words.
    pub fn answer(&self, response: &Response) -> Answer {
        let Response { sequence, status, .. } = *response;
        let cause = self.datagrams.and_then(|choice| unread_call(sequence, status, self.size, choice));
        response.answer_to(self.call).because(cause)
    }
}

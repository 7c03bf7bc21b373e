//! One client, served.

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

use drpc::{Call, Cause, Connection, Framing, Response, Status};
use serde_json::Value;

use super::exec;
use super::fault::{self, Deed};
use super::journal::Journal;
use super::rules::{Content, Rule, Rules, body_of};
use crate::answer::Form;
use crate::body::Source;
use crate::exit::Failure;
use crate::input;
use crate::json;
use crate::messages;
use crate::methods::MethodId;
use crate::output;

/// What all clients are served by.
#[derive(Debug)]
pub struct Service {
    /// What each call gets.
    pub rules: Rules,
    /// What is told of each call.
    pub journal: Journal,
    /// The form of bodies for commands.
    pub form: Form,
    /// The number of calls after which a connection is closed.
    pub close_after: Option<u64>,
}

impl Service {
    /// Serves a client until it goes, or a rule ends the connection.
    pub fn serve(&self, mut connection: Connection) -> Result<(), Failure> {
        let mut calls = 0;
        loop {
            let call = match connection.receive() {
                Ok(Some(call)) => call,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // So is a probe in a framing that is not read.
                    if error.cause() == Cause::Malformed {
                        connection.reply(&Response::to_unparsable())?;
                    }
                    return Err(error.into());
                }
            };
            calls += 1;
            let goes_on = self.answer(&mut connection, &call)?;
            if !goes_on || self.close_after == Some(calls) {
                connection.session().close();
                return Ok(());
            }
        }
    }

    /// Answers a call; false if the connection is to end.
    fn answer(&self, connection: &mut Connection, call: &Call) -> Result<bool, Failure> {
        let framing = connection.framing().unwrap_or(Framing::Chunked);
        let peer = connection.session().peer();
        let rule = self.rules.next(MethodId { module: call.module, method: call.method });
        let fault = rule.manner.fault;
        self.journal.call(&self.rules, framing, call, peer, fault);
        if let Some(delay) = rule.manner.delay {
            thread::sleep(delay);
        }
        let mut response = self.response(connection, framing, call, &rule);
        response.detail = rule.manner.detail.map(Box::new);
        match fault {
            Some(fault) => {
                let Deed { records, closes } = fault.deed(framing, &response);
                send(connection, records).map(|()| !closes)
            }
            None if response.detail().is_some() => send(connection, fault::well(framing, &response)).map(|()| true),
            None => connection.reply(&response).map(|()| true).map_err(Failure::from),
        }
    }

    fn response(&self, connection: &Connection, framing: Framing, call: &Call, rule: &Rule) -> Response {
        if let Some(status) = rule.manner.status.filter(|status| *status != 0) {
            return Response { sequence: call.sequence, status, ..Response::default() };
        }
        let release = self.rules.release(framing);
        let result = match &rule.content {
            None => Ok(Vec::new()),
            Some(Content::Body(bodies)) => Ok(body_of(bodies, release).to_vec()),
            Some(Content::Command(command)) => self.execute(command, connection, framing, call),
        };
        match result {
            Ok(body) => Response::success(call, body),
            Err((status, reason)) => {
                let method = MethodId { module: call.module, method: call.method };
                output::complain(&format!("{} is answered {status}: {reason}", method.name()));
                Response::of_status(call, status)
            }
        }
    }

    fn execute(
        &self,
        command: &std::ffi::OsStr,
        connection: &Connection,
        framing: Framing,
        call: &Call,
    ) -> Result<Vec<u8>, (Status, String)> {
        let method = MethodId { module: call.module, method: call.method };
        let known = self.rules.messages(method, framing).filter(|_| self.form == Form::Json);
        let input = match (&known, self.form) {
            (None, Form::Hex) => input::to_hex(&call.body).into_bytes(),
            (None, _) => call.body.clone(),
            (Some(known), _) => {
                let decoded = match &known.request {
                    Some(message) => messages::decode(message, &call.body).map(|decoded| decoded.json),
                    None => Some(Value::Object(Default::default())),
                };
                let odd = || (Status::FailedUnmarshalPayload, "the body is not understood".to_owned());
                format!("{}\n", json::in_one_line(&decoded.ok_or_else(odd)?)).into_bytes()
            }
        };
        let peer = connection.session().peer();
        let written = exec::run(command, call, peer, &input).map_err(|reason| (Status::Failure, reason))?;
        let not_encoded = |failure: Failure| (Status::FailedMarshal, failure.text);
        match (&known, self.form) {
            (None, Form::Hex) => {
                input::hex(&written).ok_or_else(|| (Status::FailedMarshal, "its output is no hex".to_owned()))
            }
            (None, _) => Ok(written),
            (Some(known), _) => {
                if written.trim_ascii().is_empty() {
                    return Ok(Vec::new());
                }
                let source = input::json(&written).map(Source::Json).map_err(not_encoded)?;
                source.encode_as(known.response.as_ref()).map_err(not_encoded)
            }
        }
    }
}

fn send(connection: &Connection, records: Vec<Vec<u8>>) -> Result<(), Failure> {
    // Each write to such a socket is a record.
    let mut socket = UnixStream::from(connection.as_fd().try_clone_to_owned()?);
    for record in records {
        // The client may have gone.
        let _ = socket.write(&record);
    }
    Ok(())
}

//! What the server tells of its calls.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use drpc::{Call, Credentials, Framing};
use serde_json::{Value, json};

use super::fault::Fault;
use super::rules::Rules;
use crate::address::shown;
use crate::answer::Form;
use crate::input::to_hex;
use crate::json;
use crate::messages;
use crate::methods::MethodId;
use crate::output::{Output, Style, escape};
use crate::peer;
use crate::release::framing_name;
use crate::secrets::{self, Side};

/// The most characters of a body in a line for people.
const BODY_SHOWN: usize = 1000;

/// Tells of each call, on stdout.
#[derive(Debug)]
pub struct Journal {
    output: Output,
    form: Form,
    show_secrets: bool,
    calls: AtomicU64,
}

impl Journal {
    /// A journal in which bodies have this form.
    pub fn new(output: Output, form: Form, show_secrets: bool) -> Self {
        Self { output, form, show_secrets, calls: AtomicU64::new(0) }
    }

    /// Says that clients can connect.
    pub fn listening(&self, path: &Path) {
        let path = shown(path);
        self.write(&json!({ "event": "listening", "address": path }), || format!("listening at {}", escape(&path)));
    }

    /// Tells of a call, before it is answered.
    pub fn call(&self, rules: &Rules, framing: Framing, call: &Call, peer: Credentials, fault: Option<Fault>) {
        if self.output.quiet {
            return;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let method = MethodId { module: call.module, method: call.method };
        let body = self.body(rules, framing, method, &call.body);
        let Credentials { pid, uid, gid } = peer;
        let event = json!({
            "event": "call", "call": number,
            "module": call.module, "method": call.method, "name": method.name(), "sequence": call.sequence,
            "framing": framing_name(framing),
            "peer": { "pid": pid, "uid": uid, "gid": gid, "program": peer::program(pid) },
            "size": call.body.len(), "body": body, "fault": fault.map(Fault::name),
        });
        self.write(&event, || {
            let name = self.output.paint(Style::Bold, &escape(&method.name()));
            let text = match &body {
                Value::Null => format!("{} bytes", call.body.len()),
                Value::String(hex) => shortened(hex),
                message => shortened(&json::in_one_line(message)),
            };
            let fault = fault.map(|fault| self.output.paint(Style::Bad, &format!(" ({})", fault.name())));
            let from = escape(&peer::describe(pid, uid));
            format!("{number} {name} from {from}: {text}{}", fault.unwrap_or_default())
        });
    }

    /// The body by its message, or its bytes as digits; null where these may be secret.
    fn body(&self, rules: &Rules, framing: Framing, method: MethodId, body: &[u8]) -> Value {
        let all: Vec<_> = method.rows().collect();
        let known = rules.messages(method, framing).filter(|_| self.form == Form::Json);
        let message = known.as_ref().and_then(|known| known.request.as_ref());
        match message.and_then(|message| messages::decode(message, body)) {
            Some(mut decoded) => {
                if !self.show_secrets {
                    secrets::mask(&mut decoded.json, &all, Side::Request);
                }
                decoded.json
            }
            None if known.is_some_and(|known| known.request.is_none()) && body.is_empty() => json!({}),
            None if secrets::may_hold(&all, Side::Request) && !self.show_secrets => Value::Null,
            None => Value::from(to_hex(body)),
        }
    }

    fn write(&self, event: &Value, line: impl FnOnce() -> String) {
        let written = if self.output.json { self.output.json(event) } else { self.output.line(&line()) };
        // A reader that has gone does not end the server.
        drop(written);
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(BODY_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

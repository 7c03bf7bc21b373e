//! The question that the clients of an agent ask first, as a step of a diagnosis.

use std::path::Path;
use std::time::Duration;

use drpc::{CallOptions, Client, Framing, Response, Status};
use serde_json::{Value, json};

use crate::answer::{self, Answer, Form};
use crate::body::Source;
use crate::commands::der_name;
use crate::deadline;
use crate::diagnosis::{Check, Question, Stop, cure_of, stop_of};
use crate::exit::{Exit, Failure};
use crate::methods::MethodId;
use crate::output::counted;
use crate::release::Release;
use crate::secrets::Side;

const GET_ATTACH_INFO: MethodId = MethodId { module: 2, method: 206 };

/// Asks an agent what its clients ask first. The result is for the user.
pub(crate) fn ask(path: &Path, framing: Framing, question: &Question) -> Result<String, Stop> {
    let bad = |detail: String, cure: &str, exit| Stop(Check::bad("attach_info", detail, cure), exit);
    let internal = |failure: Failure| bad(failure.text, "tell the authors of drpc", failure.exit);
    let mut releases = Release::of_framing(framing).to_vec();
    releases.retain(|release| question.release.is_none_or(|asked| asked == *release));
    // Agents of datagrams may want a name, and that is the usual one.
    let usual = if framing == Framing::Datagram { "daos_server" } else { "" };
    let source = Source::Json(json!({ "sys": question.system.as_deref().unwrap_or(usual) }));
    let body = source.encode(GET_ATTACH_INFO, &releases).map_err(internal)?;

    let (asked, timeout) = (path.to_owned(), question.timeout);
    let call = move || {
        let client = Client::builder().timeout(timeout).retries(0).framing(Some(framing)).connect(&asked)?;
        let options = CallOptions::new().timeout(timeout);
        client.call_with(&options, GET_ATTACH_INFO.module, GET_ATTACH_INFO.method, &body)
    };
    let response = match deadline::within(timeout + Duration::from_secs(1), call) {
        Some(Ok(response)) => response,
        Some(Err(error)) => {
            let Stop(check, exit) = stop_of(&error);
            return Err(Stop(Check { name: "attach_info", ..check }, exit));
        }
        None => return Err(bad("does not answer".to_owned(), &cure_of(None), Exit::NoAnswer)),
    };
    if response.status() != Status::Success {
        return Err(bad(
            refusal(&response),
            "the agent's log says why; is this an agent, and its fabric up?",
            Exit::Status,
        ));
    }
    let answer = answer::of_method(GET_ATTACH_INFO, &releases, Side::Response, Form::Json, &response.body);
    if let Some(reason) = answer.not_understood() {
        return Err(bad(format!("the answer is not understood: {reason}"), "is this an agent?", Exit::NotUnderstood));
    }
    if let Some(der) = answer.der().filter(|der| *der < 0) {
        let name = der_name(der).unwrap_or("unknown");
        return Err(bad(format!("the agent answered {der} ({name})"), cure_of_der(name), Exit::Der));
    }
    servers_of(&answer, question)
}

fn refusal(response: &Response) -> String {
    let name = drpc::modules::names::Names::V2_8.call(GET_ATTACH_INFO.module, GET_ATTACH_INFO.method);
    response.answer_to(name).to_string()
}

fn cure_of_der(name: &str) -> &'static str {
    match name {
        "DER_INVAL" => "say the name of the DAOS system by --sys",
        "DER_UNREACH" => "no management server is reached: are they up, and does daos_agent.yml name them?",
        "DER_BAD_CERT" => "look at the certificates of the agent and of the servers",
        "DER_CONTROL_INCOMPAT" => "run the agent of the release that the servers are of",
        _ => "the agent's log says more",
    }
}

/// The ranks and the release that an agent names.
fn servers_of(answer: &Answer, question: &Question) -> Result<String, Stop> {
    let body = answer.body();
    let ranks = ["rank_uris", "psrs"].iter().find_map(|field| body.get(*field)?.as_array()).map_or(0, Vec::len);
    let number = |field: &str| body.get("build_info")?.get(field).and_then(Value::as_u64);
    let version = number("major").zip(number("minor")).zip(number("patch"));
    let mut text = match ranks {
        0 => "the agent answers, but names no rank: has an engine joined?".to_owned(),
        _ => format!("the agent names {}", counted(ranks, "rank")),
    };
    if let Some(((major, minor), patch)) = version {
        let servers = format!("servers of DAOS {major}.{minor}.{patch}");
        text = format!("{text}, {servers}");
        if let Some(release) = question.release.filter(|release| release.name() != format!("{major}.{minor}")) {
            let text = format!("version mismatch: the agent has {servers}, and not of {release}");
            let cure = format!("run servers of DAOS {release}, or the agent and its clients of the servers' release");
            return Err(Stop(Check::bad("release", text, cure), Exit::NotUnderstood));
        }
    }
    Ok(text)
}

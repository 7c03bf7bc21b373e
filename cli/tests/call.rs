//! `drpc call`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use drpc::{Failure, Framing};
use serde_json::{Value, json};

use crate::support::{
    FRAMINGS, Folder, drpc, drpc_reading, finish, for_everyone, is_root, listening, nobody, serve, silent,
    until_it_says,
};

/// Answers of servers of DAOS 2.6 and 2.8: one field, two, and an error number.
fn management(method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
    match method {
        // sys "daos_server" gets rank_uris [{rank 1, uri "u", num_ctxs 2}] and client_net_hint {env_vars ["a=b"]}; another one an error number.
        206 if body.is_empty() || body == b"\x0a\x0bdaos_server" => {
            Ok(b"\x12\x07\x08\x01\x12\x01u\x20\x02\x22\x05\x42\x03a=b".to_vec())
        }
        206 => Ok(b"\x08\x95\xf8\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
        207 => Ok(b"\x1a\x01\x03".to_vec()),
        208 => Ok(vec![7]),
        225 => Ok(Vec::new()),
        241 => Ok(Vec::new()),
        _ => Err(Failure::unknown_method()),
    }
}

fn without_time(mut said: Value) -> Value {
    assert!(said.as_object_mut().unwrap().remove("elapsed_us").unwrap().is_u64());
    said
}

#[test]
fn json_goes_in_and_out_in_each_framing() {
    for framing in FRAMINGS {
        let folder = Folder::new();
        let path = folder.at("sock");
        let _server = serve(&path, framing, 2, management);
        let name = folder.write("call.json", r#"{"sys": "daos_server"}"#);
        let call = |body: &[&str]| {
            let all = [&["call", &path, "GetAttachInfo", "--json"], body].concat();
            without_time(drpc(all).json(0))
        };
        let said = call(&[]);
        assert_eq!(
            said["body"]["rank_uris"],
            json!([{ "rank": 1, "uri": "u", "provider_idx": 0, "num_ctxs": 2 }]),
            "{said}"
        );
        assert_eq!((&said["status"], &said["status_name"]), (&json!(0), &json!("SUCCESS")));
        assert_eq!((&said["der"], &said["der_name"]), (&json!(0), &json!("DER_SUCCESS")));
        assert_eq!(call(&[&format!("@{name}")]), said);
        assert_eq!(call(&[r#"{"sys": "daos_server"}"#]), said);
        let run = drpc_reading(["call", &path, "2/206", "-"], b"{}");
        assert_eq!(serde_json::from_str::<Value>(run.good()).unwrap(), said["body"]);
        assert_eq!(drpc(["call", "-q", &path, "2/206"]).good(), "");
    }
}

#[test]
fn an_error_number_is_exit_code_6() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, management);
    let run = drpc(["call", &path, "mgmt.get_attach_info", r#"{"sys": "x"}"#]);
    assert!(run.failure(6).contains("mgmt.get_attach_info failed: -1003 (DER_INVAL: invalid argument)"), "{run:?}");
    let said = drpc(["call", &path, "mgmt.get_attach_info", r#"{"sys": "x"}"#, "--json"]).json(6);
    assert_eq!((&said["der"], &said["der_name"]), (&json!(-1003), &json!("DER_INVAL")));
}

#[test]
fn another_status_is_exit_code_5() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, management);
    let run = drpc(["call", &path, "mgmt.smd_list_devs"]);
    assert!(run.failure(5).contains("the server answered UNKNOWN_METHOD to mgmt.smd_list_devs"), "{run:?}");
    let said = without_time(drpc(["call", &path, "sec.validate_creds", "--json"]).json(5));
    let expected = json!({ "status": 3, "status_name": "UNKNOWN_MODULE", "body": null, "der": null, "der_name": null });
    assert_eq!(said, expected);
}

#[test]
fn an_answer_of_another_message_is_exit_code_7() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, |_, _| Ok(vec![7]));
    let run = drpc(["call", &path, "mgmt.smd_list_devs"]);
    assert!(run.failure(7).contains("its 1 bytes are no ctl.SmdDevResp"), "{run:?}");
}

#[test]
fn no_answer_is_exit_code_4_and_no_server_3() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let server = silent(&path);
    // The framing is asked for first, unless the release is known.
    let question = "the question for the framing was not answered";
    let run = until_it_says(question, |time| drpc(["call", &path, "2/206", "--timeout", time]));
    assert!(run.failure(4).contains(question), "{run:?}");
    let late = "mgmt.get_attach_info was not answered within";
    let run = until_it_says(late, |time| drpc(["call", &path, "2/206", "--timeout", time, "--release", "2.8"]));
    assert!(run.failure(4).contains(late), "{run:?}");
    drop(server);
    assert!(drpc(["call", &path, "2/206"]).failure(3).contains("no server listens"));
}

#[test]
fn wrong_json_is_exit_code_2() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, management);
    let complaint = |body: &str| drpc(["call", &path, "mgmt.get_attach_info", body]).failure(2).to_owned();
    assert!(complaint(r#"{"syss": "x"}"#).contains("did you mean sys?"), "{}", complaint(r#"{"syss": "x"}"#));
    assert!(complaint("{").contains("no JSON"));
    assert!(complaint("sys=x").contains("JSON is as in '{\"sys\": "));
    assert!(drpc(["call", &path, "2/206", "--sys", "x"]).failure(2).contains("unexpected argument '--sys'"));
    assert!(complaint("[]").contains("an object"));
    assert!(complaint(r#"{"sys": 1}"#).contains("no mgmt.GetAttachInfoReq"));
    assert!(complaint("@/nonexistent").contains("/nonexistent: "));
}

#[test]
fn what_does_harm_is_asked_for() {
    let folder = Folder::new();
    let path = folder.at("sock");
    // Said before any server is connected to.
    let run = drpc(["call", &path, "mgmt.pool_destroy", "{}"]);
    assert!(run.failure(2).contains("mgmt.pool_destroy is dangerous: --yes"), "{run:?}");
    let run = drpc(["call", &path, "2/299", "--hex", "00"]);
    assert!(run.failure(2).contains("mgmt.299 is in no release that is known here"), "{run:?}");
    let run = drpc(["call", &path, "mgmt.pool_create"]);
    assert!(run.failure(2).contains("changes state, so its JSON has to be given"), "{run:?}");

    let _server = serve(&path, Framing::Chunked, 2, management);
    let run = drpc(["call", &path, "mgmt.pool_create", "{}"]);
    assert!(run.good().contains("svc_reps") && run.stderr.contains("mgmt.pool_create changes state"), "{run:?}");
    let run = drpc(["call", &path, "mgmt.pool_destroy", "{}", "--yes"]);
    assert!(run.failure(7).contains("mgmt.pool_destroy is dangerous"), "{run:?}");
    // One action of this method changes nothing.
    assert_eq!(drpc(["call", &path, "mgmt.led_manage"]).good().lines().count(), 3);
    let run = drpc(["call", &path, "mgmt.led_manage", r#"{"led_action": "SET"}"#]);
    assert!(run.good().contains("status") && run.stderr.contains("changes state"), "{run:?}");
}

#[test]
fn a_server_of_datagrams_may_be_of_either_release() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Datagram, 2, management);
    // Unknown to 0.8.
    let run = drpc(["call", &path, "mgmt.ping_rank"]);
    assert!(run.failure(2).contains("say --release 0.8 or --release 2.6"), "{run:?}");
    assert_eq!(drpc(["call", &path, "mgmt.ping_rank", "--release", "2.6"]).good(), "{\n  \"status\": 0\n}\n");
    // Of another message in each.
    let run = drpc(["call", &path, "mgmt.pool_create", r#"{"uuid": "u"}"#]);
    assert!(run.failure(2).contains("mgmt.pool_create has another message in each release: say --release"), "{run:?}");
    let run = drpc(["call", &path, "mgmt.pool_create", r#"{"uuid": "u"}"#, "--release", "2.6"]);
    assert!(run.good().contains("svc_reps"), "{run:?}");
}

#[test]
fn bytes_go_in_and_out() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 7, |_, body| Ok(body.to_vec()));
    assert_eq!(drpc(["call", &path, "7/701", "--hex", "0a 01:3f"]).good(), "0a013f\n");
    assert_eq!(drpc(["call", &path, "7/701", "--raw", "what"]).good(), "what");
    assert_eq!(drpc_reading(["call", &path, "7/701", "--raw", "-"], b"\x00\x01").good(), "\x00\x01");
    let said = drpc(["call", &path, "7/701", "--hex", "0a", "--json"]).json(0);
    assert_eq!((&said["body"], &said["der"]), (&json!("0a"), &json!(null)));
    assert!(drpc(["call", &path, "7/701", "--hex", "0"]).failure(2).contains("not hexadecimal"));
    assert!(drpc(["call", &path, "7/701", "{}"]).failure(2).contains("no messages of 7.701 are known"));
}

#[test]
fn messages_of_other_people_come_from_their_files() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 7, |_, body| Ok([b"\x0a\x03\x1b[H", body].concat()));
    folder.write("base.proto", "syntax = \"proto3\"; package b; message Text { string text = 1; }");
    let file = folder
        .write("own.proto", "syntax = \"proto3\"; import \"base.proto\"; message Answer { repeated string all = 1; }");
    let call = |more: &[&str]| {
        let all = ["call", &path, "7/701", "--proto", &file, "--request", "b.Text", "--response", "Answer"];
        drpc([&all[..], more].concat())
    };
    // What the peer says is escaped.
    let run = call(&[r#"{"text": "?"}"#]);
    assert_eq!(run.good(), "{\n  \"all\": [\n    \"\\u001b[H\",\n    \"?\"\n  ]\n}\n");
    assert_eq!(call(&["-I", &folder.at(""), "{}", "--json"]).json(0)["body"], json!({ "all": ["\u{1b}[H"] }));
    assert!(call(&["-I", "/nonexistent"]).failure(2).contains("own.proto"));
    let short = ["call", &path, "7/701", "--proto", &file, "--request", "Text", "--response", "Answer"];
    drpc([&short[..], &["{}"]].concat()).good();
    let run = drpc([&short[..], &[r#"{"txt": "?"}"#]].concat());
    assert!(run.failure(2).contains("did you mean text? its fields are text"), "{run:?}");
    let run = drpc(["call", &path, "7/701", "--proto", &file, "--request", "No", "--response", "Answer"]);
    assert!(run.failure(2).contains("has no message No: it has b.Text, Answer"), "{run:?}");
    let broken = folder.write("broken.proto", "message {");
    let run = drpc(["call", &path, "7/701", "--proto", &broken, "--request", "No", "--response", "No"]);
    assert!(run.failure(2).contains("broken.proto"), "{run:?}");
}

#[test]
fn secrets_are_masked() {
    let folder = Folder::new();
    let path = folder.at("sock");
    // status 0, cred { token { flavor 1, data "tok" }, verifier { data "ver" }, origin "host" }
    fn credential(_: i32, _: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(b"\x12\x18\x0a\x07\x08\x01\x12\x03tok\x12\x05\x12\x03ver\x1a\x06myhost".to_vec())
    }
    for framing in FRAMINGS {
        let server = serve(&path, framing, 1, credential);
        for release in [None, Some("2.6"), Some("2.8")] {
            let option: Vec<_> = release.into_iter().flat_map(|release| ["--release", release]).collect();
            let call = |more: &[&str]| drpc([&["call", &path, "sec_agent.request_creds"], &option[..], more].concat());
            let run = call(&["--json"]).json(0);
            let cred = &run["body"]["cred"];
            assert_eq!(cred["token"], json!({ "flavor": "AUTH_SYS", "data": "(masked)" }), "{run}");
            assert_eq!((&cred["verifier"]["data"], &cred["origin"]), (&json!("(masked)"), &json!("myhost")));
            assert!(call(&["--show-secrets"]).good().contains("\"dG9r\""));
            assert!(call(&["--hex"]).failure(2).contains("add --show-secrets"));
            assert!(call(&["--hex", "--show-secrets"]).good().starts_with("1218"));
        }
        server.shutdown(std::time::Duration::from_secs(10)).unwrap();
    }
    let _server = serve(&path, Framing::Chunked, 2, management);
    // A client environment may have a key.
    let said = drpc(["call", &path, "mgmt.get_attach_info", "--json"]).json(0);
    assert!(!said.to_string().contains("a=b"), "{said}");
}

/// A release that cannot be the server's explains an answer that is not as it should be.
#[test]
fn a_version_mismatch_is_said() {
    for (framing, wrong) in [(Framing::Chunked, "0.8"), (Framing::Datagram, "2.8")] {
        let folder = Folder::new();
        let path = folder.at("sock");
        let _server = serve(&path, framing, 2, |method, _| match method {
            206 => Ok(b"\x12\x02\x08\x01\xfa\x7f\x01x".to_vec()),
            _ => Err(Failure::unknown_method()),
        });
        for method in ["mgmt.get_attach_info", "mgmt.smd_list_devs"] {
            let run = drpc(["call", &path, method, "--release", wrong]);
            let name = if wrong == "0.8" { "chunked" } else { "datagram" };
            let said = format!("version mismatch: the server reads {name}, and DAOS {wrong} has the other framing");
            assert!(run.stderr.contains(&said), "{run:?}");
            let right = if wrong == "0.8" { "2.8" } else { "2.6" };
            let run = drpc(["call", &path, method, "--release", right]);
            assert!(!run.stderr.contains("mismatch"), "{run:?}");
        }
    }
}

#[test]
fn a_directory_is_not_called_but_its_socket_is_named() {
    let folder = Folder::new();
    let _server = serve(folder.at("daos_agent.sock"), Framing::Chunked, 2, management);
    let run = drpc(["call", &folder.at(""), "2/206"]);
    assert!(
        run.failure(3).contains(&format!("the path is a directory: use {}", folder.at("daos_agent.sock"))),
        "{run:?}"
    );
    fs::create_dir(folder.at("empty")).unwrap();
    let run = drpc(["ping", &folder.at("empty")]);
    assert!(run.failure(3).contains("the path is a directory: use the path of the server's socket"), "{run:?}");
}

/// The rights are those of who calls.
#[test]
fn another_user_may_call_what_the_mode_lets() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let program = for_everyone(&folder);
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Datagram, 2, management);
    let call = || finish(nobody(&program, ["call", &path, "2/206", "--json"]), b"");
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert_eq!(call().json(0)["der"], 0);
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(call().failure(3).contains("does not let uid 65534 connect to it"), "{:?}", call());
    // An agent that is hidden is not one that is missing.
    fs::create_dir(folder.at("in")).unwrap();
    fs::set_permissions(folder.at("in"), Permissions::from_mode(0o700)).unwrap();
    let mut call = nobody(&program, ["call", "agent", "2/206"]);
    call.env("DAOS_AGENT_DRPC_DIR", folder.at("in"));
    let run = finish(call, b"");
    assert!(run.failure(3).contains("does not let uid 65534 go through it"), "{run:?}");
}

#[test]
fn a_full_queue_is_exit_code_3() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = listening(&path, 0);
    let connected = "the question for the framing was not answered";
    until_it_says(connected, |time| drpc(["ping", "--timeout", time, &path]));
    let full = "has a full queue";
    for more in [&[][..], &["--release", "2.8"]] {
        until_it_says(full, |time| drpc([&["call", &path, "2/206", "--timeout", time], more].concat())).failure(3);
    }
    until_it_says(full, |time| drpc(["ping", "--timeout", time, &path])).failure(3);
}

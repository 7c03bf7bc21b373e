//! `drpc serve`, as `drpc call` sees it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Folder, Run, command, drpc, finish, patiently, silent, until_it_says};

/// A server that runs.
pub(crate) struct Served {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The path of its socket.
    pub(crate) path: String,
}

impl Served {
    /// Starts a server, and waits until it listens.
    pub(crate) fn start(folder: &Folder, options: &[&str]) -> Self {
        let path = folder.at("served");
        let mut command = command([&["serve", &path], options].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains("listening"), "{line}: {}", read(&mut child));
        Self { child, stdout, path }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn call(&self, arguments: &[&str]) -> Run {
        drpc([&["call", &self.path], arguments].concat())
    }

    /// Ends the server by this signal, and returns its lines after the first and its complaints.
    fn end(mut self, signal: &str) -> (String, String) {
        self.signal(signal);
        let mut lines = String::new();
        self.stdout.read_to_string(&mut lines).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(fs::symlink_metadata(&self.path).is_err(), "the socket is still there");
        (lines, read(&mut self.child))
    }

    fn signal(&self, signal: &str) {
        Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.signal("TERM");
            self.child.wait().unwrap();
        }
    }
}

fn read(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn replies_are_given_in_turn_and_each_call_is_told_of() {
    let folder = Folder::new();
    let file = folder.write("reply.json", r#"{"status": -1005}"#);
    let reply = format!("PingRank=@{file}");
    let served = Served::start(&folder, &["--reply", "mgmt.ping_rank={}", "--reply", &reply, "--json"]);
    assert_eq!(served.call(&["mgmt.ping_rank", "--json"]).json(0)["der"], 0);
    for _ in 0..2 {
        assert_eq!(served.call(&["mgmt.ping_rank", r#"{"rank": 3}"#, "--json"]).json(6)["der"], -1005);
    }
    // What has no rule is unknown.
    served.call(&["mgmt.smd_list_devs"]).failure(5).contains("UNKNOWN_METHOD");
    served.call(&["sec_agent.request_creds"]).failure(5).contains("UNKNOWN_MODULE");
    let (lines, complaints) = served.end("TERM");
    assert_eq!(complaints, "");
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 5, "{lines}");
    let event = &events[1];
    let peer = &event["peer"];
    assert_eq!((&peer["program"], peer["pid"].as_u64().is_some()), (&json!("drpc"), true));
    let expected = json!({
        "event": "call", "call": 2, "module": 2, "method": 225, "name": "mgmt.ping_rank",
        "sequence": event["sequence"], "framing": "chunked", "peer": peer, "size": 2,
        "body": { "rank": 3 }, "fault": null,
    });
    assert_eq!(*event, expected);
}

#[test]
fn each_signal_ends_the_server_and_takes_its_socket_away() {
    let folder = Folder::new();
    for signal in ["INT", "TERM", "HUP"] {
        let served = Served::start(&folder, &["--reply", "mgmt.ping_rank={}"]);
        served.call(&["mgmt.ping_rank"]).good();
        let (lines, _) = served.end(signal);
        assert!(lines.starts_with("1 mgmt.ping_rank from pid ") && lines.contains("(drpc), uid "), "{lines}");
        assert!(lines.ends_with(": {\"rank\":0}\n"), "{lines}");
    }
    // A file that is another one by then stays.
    let served = Served::start(&folder, &[]);
    fs::remove_file(&served.path).unwrap();
    let path = folder.write("served", "");
    drop(served);
    assert!(fs::metadata(path).is_ok());
}

#[test]
fn a_quiet_server_says_nothing_of_calls() {
    let folder = Folder::new();
    let path = folder.at("served");
    let mut command = command(["serve", &path, "-q", "--reply", "mgmt.ping_rank={}"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drpc::Client::builder().build(&path).wait_ready(std::time::Duration::from_secs(60)).unwrap();
    drpc(["call", &path, "mgmt.ping_rank"]).good();
    Command::new("kill").arg(child.id().to_string()).status().unwrap();
    let mut lines = String::new();
    child.stdout.take().unwrap().read_to_string(&mut lines).unwrap();
    assert_eq!((child.wait().unwrap().code(), &lines[..], &read(&mut child)[..]), (Some(0), "", ""));
}

#[test]
fn clients_of_each_release_get_its_framing_and_messages() {
    let folder = Folder::new();
    // 0.8 has the servers of a pool in another message.
    for (release, framing, reply) in [
        ("0.8", "datagram", r#"mgmt.get_attach_info={"psrs": [{"rank": 1, "uri": "u"}]}"#),
        ("2.6", "datagram", r#"mgmt.get_attach_info={"rank_uris": [{"rank": 1, "uri": "u"}]}"#),
        ("2.8", "chunked", r#"mgmt.get_attach_info={"rank_uris": [{"rank": 1, "uri": "u"}]}"#),
    ] {
        let served = Served::start(&folder, &["--release", release, "--reply", reply]);
        assert_eq!(drpc(["ping", &served.path, "--json"]).json(0)["framing"], framing);
        let run = served.call(&["GetAttachInfo", "--release", release]);
        assert!(run.good().contains("\"rank\": 1"), "{run:?}");
    }
    for framing in ["chunked", "datagram"] {
        let served = Served::start(&folder, &["--framing", framing]);
        assert_eq!(drpc(["ping", &served.path, "--json"]).json(0)["framing"], framing);
    }
    let served = Served::start(&folder, &["--reply", "mgmt.get_attach_info={}"]);
    let mut call = command(["call", &served.path, "2/206", "--release", "2.6"]);
    call.env("DRPC_FRAMING", "datagram");
    assert!(finish(call, b"").good().contains("rank_uris"));
}

#[test]
fn commands_answer_calls() {
    let folder = Folder::new();
    let served = Served::start(
        &folder,
        &[
            "--exec",
            r#"mgmt.get_attach_info=sed 's/"all_ranks".*/"status":-1003}/'"#,
            "--exec",
            r#"mgmt.smd_list_devs=test "$DRPC_METHOD $DRPC_NUMBER" = "mgmt.smd_list_devs 2/211""#,
            "--exec",
            "mgmt.ping_rank=exit 3",
            "--exec",
            "mgmt.smd_list_pools=echo no",
            "--exec",
            "7/701=cat",
        ],
    );
    let run = served.call(&["mgmt.get_attach_info", r#"{"sys": "x"}"#, "--json"]).json(6);
    assert_eq!((&run["body"]["sys"], &run["der"]), (&json!("x"), &json!(-1003)));
    assert!(served.call(&["mgmt.ping_rank"]).failure(5).contains("FAILURE"));
    assert!(served.call(&["mgmt.smd_list_pools"]).failure(5).contains("FAILED_MARSHAL"));
    // A command that writes nothing answers with an empty body.
    assert_eq!(served.call(&["mgmt.smd_list_devs", "--json"]).json(0)["body"]["devices"], json!([]));
    assert_eq!(served.call(&["7/701", "--hex", "0aff"]).good(), "0aff\n");
    let large = "7".repeat(300_000);
    assert_eq!(served.call(&["7/701", "--raw", &format!("@{}", folder.write("large", &large))]).good(), large);
    let (_, complaints) = served.end("TERM");
    assert!(complaints.contains("mgmt.ping_rank is answered FAILURE: exit status: 3"), "{complaints}");
    let served = Served::start(&folder, &["--raw", "--exec", "2/212=printf '\\010\\001'", "--reply", "7/701=what"]);
    assert_eq!(served.call(&["2/212", "--hex"]).good(), "0801\n");
    assert_eq!(served.call(&["7/701", "--raw"]).good(), "what");
    drop(served);
    let served = Served::start(&folder, &["--hex", "--exec", "7/701=cat", "--reply", "7/702=0a 01"]);
    assert_eq!(served.call(&["7/701", "--hex", "0bff"]).good(), "0bff\n");
    assert_eq!(served.call(&["7/702", "--hex"]).good(), "0a01\n");
}

#[test]
fn a_fixture_has_rules_in_turn() {
    let folder = Folder::new();
    let fixture = folder.write(
        "fixture.json",
        r#"{"mgmt.ping_rank": [{"status": "FAILURE"}, {"status": 77}, {"fault": "close"}, {"reply": {}, "delay": "1ms"}],
            "7/701": {"hex": "0a01"}, "7/702": {"exec": "cat"}}"#,
    );
    let served = Served::start(&folder, &["--fixture", &fixture, "--status", "FAILED_UNMARSHAL_PAYLOAD"]);
    assert!(served.call(&["mgmt.ping_rank"]).failure(5).contains("answered FAILURE"));
    assert!(served.call(&["mgmt.ping_rank"]).failure(5).contains("answered 77"));
    assert!(served.call(&["mgmt.ping_rank"]).failure(4).contains("closed the connection"));
    // What the fixture leaves open, the option says.
    assert!(served.call(&["mgmt.ping_rank"]).failure(5).contains("FAILED_UNMARSHAL_PAYLOAD"));
    assert!(served.call(&["9/1", "--hex"]).failure(5).contains("FAILED_UNMARSHAL_PAYLOAD"));
    drop(served);
    let served = Served::start(&folder, &["--fixture", &fixture, "--delay", "1ms"]);
    assert_eq!(served.call(&["7/701", "--hex"]).good(), "0a01\n");
    assert_eq!(served.call(&["7/702", "--hex", "07"]).good(), "07\n");
}

/// The exit code of a call, and a part of what it complains of, for each framing.
#[test]
fn faults_are_seen_by_a_client() {
    let folder = Folder::new();
    let no_message = "not a dRPC message";
    for (fault, chunked, datagram) in [
        ("half-message", (4, "was not answered within"), (7, no_message)),
        ("half-close", (4, "in the middle of a message"), (7, no_message)),
        ("wrong-sequence", (7, "answers no call"), (7, "answers no call")),
        ("twice", (0, ""), (0, "")),
        ("garbage", (7, "chunk announces"), (7, no_message)),
        ("bad-length", (7, no_message), (7, no_message)),
        ("bad-header", (7, "chunk announces"), (7, no_message)),
        ("huge", (7, "message of 1099511627776 bytes"), (7, no_message)),
        ("other-framing", (7, "speaks datagrams"), (7, "speaks chunks")),
        ("empty-record", (4, "closed the connection"), (7, "answers no call")),
        ("close", (4, "closed the connection"), (4, "closed the connection")),
        ("never", (4, "was not answered within"), (4, "was not answered within")),
        ("close-at-once", (4, "closed the connection"), (4, "closed the connection")),
        ("no-read", (4, "was not answered within"), (4, "was not answered within")),
    ] {
        for (framing, release, (code, complaint)) in [("chunked", "2.8", chunked), ("datagram", "2.6", datagram)] {
            let options = ["--framing", framing, "--fault", fault, "--reply", r#"2/206={"data_version": "7"}"#];
            let served = Served::start(&folder, &options);
            let call = |timeout: &str| {
                let mut call = command(["call", &served.path, "2/206", "--release", release, "--timeout", timeout]);
                call.env("DRPC_FRAMING", framing);
                finish(call, b"")
            };
            let run = if complaint.contains("within") { patiently(code, call) } else { call("10s") };
            assert_eq!(run.code, code, "{fault} in {framing}: {run:?}");
            assert!(run.stderr.contains(complaint), "{fault} in {framing}: {run:?}");
            let (lines, _) = served.end("TERM");
            let is_told = lines.contains(&format!("({fault})"));
            let is_read = !["close-at-once", "no-read"].contains(&fault);
            assert_eq!(is_told, is_read, "{fault} in {framing}: {lines}");
        }
    }
    // All of them are in the help.
    let help = drpc(["serve", "--help"]);
    assert!(help.good().contains("- wrong-sequence: "), "{help:?}");
}

/// One client waits, and the next finds the queue full.
#[test]
fn a_server_that_does_not_accept_has_a_full_queue() {
    let folder = Folder::new();
    let served = Served::start(&folder, &["--fault", "no-accept"]);
    drpc(["ping", "--timeout", "20ms", &served.path]);
    until_it_says("has a full queue", |time| drpc(["ping", "--timeout", time, &served.path])).failure(3);
    let said = drpc(["status", "--json", &served.path]).json(0);
    assert_eq!(said["queue"], json!({ "used": 1, "limit": 0 }));
}

#[test]
fn a_connection_is_closed_after_some_calls() {
    let folder = Folder::new();
    let served = Served::start(&folder, &["--close-after", "2", "--reply", "7/701=", "--raw"]);
    let client = drpc::Client::builder().retries(0).connect(&served.path).unwrap();
    let call = || client.call(7, 701, b"").map(|response| response.status).map_err(|error| error.to_string());
    assert_eq!((call(), call()), (Ok(0), Ok(0)));
    assert!(call().unwrap_err().contains("closed the connection"));
}

#[test]
fn secrets_of_calls_are_masked() {
    let folder = Folder::new();
    let body = r#"{"cred": {"token": {"data": "c2VjcmV0"}, "verifier": {"data": "c2VjcmV0"}, "origin": "here"}}"#;
    for options in [&["--reply", "sec.validate_creds={}"][..], &["--show-secrets"]] {
        let served = Served::start(&folder, options);
        served.call(&["sec.validate_creds", body]);
        let (lines, _) = served.end("TERM");
        assert!(lines.contains("here"), "{lines}");
        let is_shown = options == ["--show-secrets"];
        assert_eq!(lines.contains("c2VjcmV0"), is_shown, "{lines}");
        assert_eq!(lines.contains("(masked)"), !is_shown, "{lines}");
    }
    // Nor are bytes shown that may be secret.
    let served = Served::start(&folder, &["--hex"]);
    served.call(&["sec.validate_creds", "--hex", "--show-secrets", "ffff"]);
    let (lines, _) = served.end("TERM");
    assert!(lines.ends_with(": 2 bytes\n"), "{lines}");
}

#[test]
fn wrong_rules_are_said_before_anything_listens() {
    let folder = Folder::new();
    let path = folder.at("served");
    let complaint = |options: &[&str]| drpc([&["serve", &path], options].concat()).failure(2).to_owned();
    for (options, expected) in [
        (["--reply", "mgmt.ping_rank"], "there is no = in"),
        (["--reply", "mgmt.pong_rank={}"], "the nearest names are"),
        (["--reply", r#"mgmt.ping_rank={"a": 1}"#], "--reply mgmt.ping_rank: "),
        (["--reply", "7/701={}"], "use --hex, --raw or --proto"),
        (["--reply", "mgmt.ping_rank=@/nonexistent"], "/nonexistent"),
        (["--status", "FINE"], "FAILED_MARSHAL"),
        (["--status", "-1005"], "a DAOS error number is in the body"),
        (["--fault", "fire"], "half-message"),
        (["--fixture", "/nonexistent"], "/nonexistent"),
        (["--close-after", "0"], "0"),
    ] {
        let said = complaint(&options);
        assert!(said.contains(expected), "{options:?}: {said}");
    }
    for (fixture, expected) in [
        ("[]", "an object"),
        (r#"{"mgmt.ping_rank": 1}"#, "a rule is an object"),
        (r#"{"mgmt.ping_rank": {"repy": {}}}"#, "a rule has no repy"),
        (r#"{"mgmt.ping_rank": {"reply": {}, "exec": "true"}}"#, "a rule has one"),
        (r#"{"mgmt.ping_rank": {"fault": "no-read"}}"#, "use --fault"),
        (r#"{"mgmt.ping_rank": {"delay": "soon"}}"#, "delay: "),
        (r#"{"7/701": {"hex": "0"}}"#, "pairs of digits"),
    ] {
        let said = complaint(&["--fixture", &folder.write("fixture", fixture)]);
        assert!(said.contains(expected), "{fixture}: {said}");
    }
    let both = folder.write("fixture", r#"{"mgmt.ping_rank": {}}"#);
    assert!(complaint(&["--fixture", &both, "--reply", "2/225={}"]).contains("in several places"));
    assert!(drpc(["serve", "agent"]).failure(2).contains("say ./agent"));
    assert!(drpc(["serve", "@name"]).failure(2).contains("not at an abstract name"));
    let _server = silent(&path);
    let run = drpc(["serve", &path]);
    assert!(run.failure(2).contains("address already in use: another server (pid "), "{run:?}");
}

/// A failure goes with the server's words, which are escaped, in each framing and by each fault.
#[test]
fn a_detail_says_why() {
    let folder = Folder::new();
    for framing in ["chunked", "datagram"] {
        let served =
            Served::start(&folder, &["--framing", framing, "--status", "FAILURE", "--detail", "no pool \x1b7"]);
        let run = served.call(&["mgmt.get_attach_info"]);
        assert!(run.failure(5).contains("answered FAILURE to mgmt.get_attach_info: it says \"no pool ?7\""), "{run:?}");
        drop(served);
        let fixture = folder.write(
            "fixture.json",
            r#"{"mgmt.get_attach_info": [{"status": 77, "detail": "one"}, {"reply": {}, "detail": "two"}]}"#,
        );
        let served = Served::start(&folder, &["--framing", framing, "--fixture", &fixture, "--detail", "other"]);
        assert!(served.call(&["mgmt.get_attach_info"]).failure(5).contains("it says \"one\""));
        assert_eq!(served.call(&["mgmt.get_attach_info"]).stderr, "");
        assert!(served.call(&["7/701", "--hex"]).failure(5).contains("it says \"other\""));
    }
}

#[test]
fn messages_of_other_people_come_from_their_files() {
    let folder = Folder::new();
    let text = "syntax = \"proto3\"; package own; message Ask { string text = 1; } message Answer { int32 n = 1; }";
    let file = folder.write("own.proto", text);
    let own = ["--proto", &file, "--request", "Ask", "--response", "Answer"];
    let options = ["--reply", r#"7/701={"n": 3}"#, "--exec", r#"7/702=sed 's/.*/{"n": 4}/'"#];
    let served = Served::start(&folder, &[&own[..], &options].concat());
    let call = |method| served.call(&[&[method, r#"{"text": "?"}"#, "--json"], &own[..]].concat()).json(0);
    assert_eq!((&call("7/701")["body"]["n"], &call("7/702")["body"]["n"]), (&json!(3), &json!(4)));
    let (lines, _) = served.end("TERM");
    assert_eq!(lines.matches(r#": {"text":"?"}"#).count(), 2, "{lines}");
    let path = folder.at("other");
    let wrong = [&["serve", &path, "--reply", r#"7/701={"m": 3}"#], &own[..]].concat();
    assert!(drpc(wrong).failure(2).contains("its fields are n"));
}

//! `drpc ping`.

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU32, Ordering};

use drpc::Framing;
use serde_json::json;

use crate::support::{FRAMINGS, Folder, drpc, interrupted, serve, silent, until_it_says};

#[test]
fn a_server_of_each_framing_is_known_and_executes_nothing() {
    static EXECUTED: AtomicU32 = AtomicU32::new(0);
    for framing in FRAMINGS {
        let folder = Folder::new();
        let path = folder.at("sock");
        let _server = serve(&path, framing, 2, |_, _| {
            EXECUTED.fetch_add(1, Ordering::Relaxed);
            Ok(Vec::new())
        });
        let name = if framing == Framing::Chunked { "chunked" } else { "datagram" };
        let mut said = drpc(["ping", "--json", "-c", "3", "-i", "1ms", &path]).json(0);
        let times = said.as_object_mut().unwrap().remove("round_trips_us").unwrap();
        assert_eq!(times.as_array().unwrap().len(), 3);
        let program = said["peer"]["program"].as_str().unwrap().to_owned();
        assert!(program.starts_with("drpc"), "{program}");
        said["peer"].as_object_mut().unwrap().remove("program");
        let peer = json!({ "pid": std::process::id(), "uid": said["peer"]["uid"], "gid": said["peer"]["gid"] });
        assert_eq!(said, json!({ "address": path, "framing": name, "peer": peer }));
        let lines = drpc(["ping", "-c2", "-i1ms", &path]);
        assert_eq!(lines.good().lines().count(), 3, "{lines:?}");
        assert!(lines.stdout.starts_with(&format!("{path}: {name}, pid {} (drpc", std::process::id())), "{lines:?}");
        assert_eq!(drpc(["ping", "-q", &path]).good(), "");
    }
    assert_eq!(EXECUTED.load(Ordering::Relaxed), 0);
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = silent(&path);
    let question = "the question for the framing was not answered within ";
    let run = until_it_says(question, |time| drpc(["ping", "--timeout", time, &path]));
    let said = run.failure(4);
    assert!(said.contains(question) && said.contains(&format!(" ms by pid {}", std::process::id())), "{run:?}");
}

#[test]
fn a_server_that_cannot_be_reached_says_why() {
    let folder = Folder::new();
    let stream = folder.at("stream");
    let _server = UnixListener::bind(&stream).unwrap();
    assert!(drpc(["ping", &stream]).failure(3).contains("SOCK_SEQPACKET"));
    assert!(drpc(["ping", &folder.at("none")]).failure(3).contains("no such file or directory"));
    let file = folder.write("file", "");
    assert!(drpc(["ping", &file]).failure(3).contains("the path is a regular file"));
    let stale = folder.at("stale");
    drop(silent(&stale));
    assert!(drpc(["ping", &stale]).failure(3).contains("no server listens on the socket"));
}

#[test]
fn an_abstract_name_is_an_address() {
    let name = format!("drpc-cli-{}", std::process::id());
    let run = drpc(["ping", &format!("@{name}")]);
    assert!(run.failure(3).contains(&format!("connect @{name}: ")), "{run:?}");
    let run = drpc(["ping", &format!("unix:@{name}")]);
    assert!(run.failure(3).contains("connection refused"), "{run:?}");
}

/// Ctrl-C ends a series, which is summed up all the same.
#[test]
fn a_series_that_is_ended_is_summed_up() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 7, |_, _| Ok(Vec::new()));
    let run = interrupted(&["ping", "-c", "100", "-i", "1h", &path], |stdout| {
        stdout.read_line(&mut String::new()).unwrap();
    });
    assert!(run.good().starts_with("1 answers: ") && run.stderr.is_empty(), "{run:?}");
}

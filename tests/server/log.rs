//! What the log says of sessions and calls.

use std::time::Duration;

use drpc::{Framing, Level, Server, ServerLimits, Status};

use crate::await_that;
use crate::limits::{Lines, sentence};
use crate::modules::{ECHO, Echo, LATER, Later, PATIENCE};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::socket_path::socket_path;

/// The value of a field of a line.
#[track_caller]
fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let key = format!(" {key}=");
    let start = line.find(&key).unwrap_or_else(|| panic!("no{key} in {line}")) + key.len();
    line[start..].split(' ').next().unwrap()
}

/// The lines about sessions, once so many have ended.
fn lines_of(lines: &Lines, sessions: usize) -> Vec<String> {
    let ended = || lines.all().iter().filter(|line| line.starts_with("a session ends")).count();
    await_that("the end of the sessions is logged", || ended() == sessions);
    lines.all().into_iter().filter(|line| line.contains(" session=")).collect()
}

#[test]
fn a_session_is_told_from_its_beginning_to_its_end() {
    for (framing, name) in FRAMINGS.into_iter().zip(["datagram", "chunked"]) {
        assert_eq!(name == "chunked", framing == Framing::Chunked);
        let (_dir, path) = socket_path();
        let lines = Lines::default();
        let server = Server::builder().module(Echo).log(lines.trace()).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, framing);
        assert_eq!(client.call(ECHO, 1, 7, b"hello").status(), Status::Success);
        assert_eq!(client.call(2, 206, 8, b"").status(), Status::UnknownModule);
        drop(client);
        let lines = lines_of(&lines, 1);
        let sentences: Vec<_> = lines.iter().map(|line| sentence(line)).collect();
        let expected = [
            "a session begins",
            "the client's framing is found out",
            "a call was answered",
            "a call was answered without success",
            "a session ends: the client closed it",
        ];
        assert_eq!(sentences, expected);
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        for line in &lines {
            assert_eq!(field(line, "pid"), std::process::id().to_string());
            assert_eq!(field(line, "session"), field(&lines[0], "session"));
            assert_eq!(field(line, "program"), own.trim_end());
            assert!(line.ends_with(&format!(" path={}", path.display())), "{line}");
        }
        assert_eq!(field(&lines[1], "framing"), name);
        let of_call = |line| ["call", "call_bytes", "response_bytes", "sequence", "status"].map(|key| field(line, key));
        assert_eq!(of_call(&lines[2])[..3], ["7.1", "5", "5"]);
        assert_eq!(of_call(&lines[2])[3..], ["7", "SUCCESS"]);
        assert_eq!(of_call(&lines[3])[..2], ["mgmt.get_attach_info", "0"]);
        assert_eq!(of_call(&lines[3])[3..], ["8", "UNKNOWN_MODULE"]);
        let us: u64 = field(&lines[2], "us").parse().unwrap();
        assert!(us < 60_000_000);
        assert_eq!((field(&lines[4], "framing"), field(&lines[4], "calls")), (name, "2"));
        let stats = server.stats();
        assert_eq!(field(&lines[4], "bytes_in"), stats.bytes_in.to_string());
        assert_eq!(field(&lines[4], "bytes_out"), stats.bytes_out.to_string());
    }
}

#[test]
fn a_level_has_no_line_of_a_later_one() {
    for (level, count) in [(Level::Info, 0), (Level::Debug, 4), (Level::Trace, 5)] {
        let (_dir, path) = socket_path();
        let lines = Lines::default();
        let server = Server::builder().module(Echo).log(lines.log().up_to(level)).bind(&path).unwrap();
        server.start().unwrap();
        let client = Raw::connect(&path, Framing::Chunked);
        client.call(ECHO, 1, 1, b"");
        client.call(2, 206, 2, b"");
        drop(client);
        await_that("the session has ended", || server.stats().sessions == 0);
        server.shutdown(Duration::ZERO).unwrap();
        drop(server);
        let found = lines.all();
        assert_eq!(found.iter().filter(|line| line.contains(" session=")).count(), count, "{found:?}");
    }
}

#[test]
fn why_a_session_ends_is_told() {
    let ends = |lines: &Lines, count| -> Vec<String> {
        let lines = lines_of(lines, count);
        lines.iter().filter_map(|line| sentence(line).strip_prefix("a session ends: ").map(str::to_owned)).collect()
    };
    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let limits = ServerLimits { idle_time: Some(Duration::from_millis(50)), ..ServerLimits::default() };
    let server = Server::builder().module(Echo).limits(limits).log(lines.trace()).bind(&path).unwrap();
    server.start().unwrap();
    Raw::connect(&path, Framing::Chunked).assert_end();
    assert_eq!(ends(&lines, 1), ["closed: nothing was called for 50 ms, the limit of ServerLimits::idle_time"]);

    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let (later, requests) = Later::new(false);
    let server = Server::builder().module(Echo).module(later).log(lines.trace()).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.call(ECHO, 1, 1, b"");
    client.send_record(b"\0\0\0\0\0\0\0\0\0");
    let senseless = "closed, a record makes no sense: record of 9 bytes, too short for a chunk header".to_owned();
    assert!(ends(&lines, 1)[0].starts_with(&senseless));
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(LATER, 1, 3, b""));
    let request = requests.recv_timeout(PATIENCE).unwrap();
    assert!(server.shutdown(Duration::ZERO).is_err());
    assert_eq!(ends(&lines, 2)[1], "the server ends");
    drop(request);
    let failed = lines.all().into_iter().find(|line| line.contains(" sequence=3 ")).unwrap();
    assert_eq!((sentence(&failed), field(&failed, "status")), ("a call was answered without success", "FAILURE"));
}

/// As many calls as a server can be given: each has its line, and no line is left out.
#[test]
fn each_call_has_a_line_at_trace() {
    const CALLS: usize = 2000;
    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let server = Server::builder().module(Echo).log(lines.trace()).bind(&path).unwrap();
    server.start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = drpc::Client::connect(&path).unwrap();
                (0..CALLS / 4).for_each(|_| drop(client.call(ECHO, 1, b"x").unwrap()));
            });
        }
    });
    let lines = lines_of(&lines, 4);
    assert_eq!(lines.iter().filter(|line| line.contains(" status=SUCCESS ")).count(), CALLS);
    assert!(!lines.iter().any(|line| line.contains("left_out")));
}

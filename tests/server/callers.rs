//! Access: which users may call which modules.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

use drpc::{Failure, Framing, Module, Server, ServerLimits, Session, Status};

use crate::await_that;
use crate::limits::{Lines, assert_met};
use crate::modules::{ECHO, Echo, LATER, Later};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::socket_path::socket_path;

/// A user who is not root.
pub(crate) const OTHER_USER: u32 = 12_345;

/// A module that answers with the caller's credentials.
struct Mirror;

impl Module for Mirror {
    fn id(&self) -> i32 {
        5
    }

    fn handle(&self, session: &Session, _method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
        let peer = session.peer();
        Ok(format!("{} {} {} {}", peer.pid, peer.uid, peer.gid, session.path().display()).into_bytes())
    }
}

pub(crate) fn own_ids() -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    let own = fs::metadata("/proc/self").unwrap();
    (own.uid(), own.gid())
}

#[test]
fn a_handler_is_told_who_calls() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Mirror).bind(&path).unwrap();
    server.start().unwrap();
    let (uid, gid) = own_ids();
    let expected = format!("{} {uid} {gid} {}", std::process::id(), path.display());
    assert_eq!(Raw::connect(&path, Framing::Chunked).call(5, 1, 1, b"").body, expected.as_bytes());
}

#[test]
fn a_client_can_be_refused() {
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let lines = Lines::default();
        let builder = Server::builder().module(Echo).log(lines.log());
        let server = builder.authorise(|session| session.peer().uid == OTHER_USER).bind(&path).unwrap();
        // A call to an unknown module is refused alike, and so is a client that sends nothing.
        let [known, unknown, silent] = [(); 3].map(|()| Raw::connect(&path, framing));
        // Sent before the server sees the sessions, as it gives them one second for the call.
        known.send(&call(ECHO, 1, 7, b""));
        unknown.send(&call(77, 1, 8, b""));
        server.start().unwrap();
        known.assert_reply(7, Status::Failure);
        known.assert_end();
        unknown.assert_reply(8, Status::Failure);
        unknown.assert_end();
        silent.assert_end();
        let text = format!("refused: the function of ServerBuilder::authorise does not let uid {} in", own_ids().0);
        lines.await_ending(&text, 3);
        assert_eq!((server.stats().refused, server.stats().handled), (3, 0));
    }
}

#[test]
fn a_client_is_refused_if_the_decision_panics() {
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).authorise(|_| panic!("no judgement")).bind(&path).unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(ECHO, 1, 1, b""));
    server.start().unwrap();
    client.assert_reply(1, Status::Failure);
    client.assert_end();
}

/// Refused clients do not count for the limit.
#[test]
fn refused_clients_take_no_places() {
    let (_dir, path) = socket_path();
    let welcome = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&welcome);
    let limits = ServerLimits { sessions: 2, ..ServerLimits::default() };
    let builder = Server::builder().module(Echo).limits(limits).authorise(move |_| asked.load(Ordering::SeqCst));
    let server = builder.bind(&path).unwrap();
    server.start().unwrap();
    let silent = [(); 3].map(|()| Raw::connect(&path, Framing::Chunked));
    await_that("they are refused", || server.stats().refused == 3);
    welcome.store(true, Ordering::SeqCst);
    let client = Raw::connect(&path, Framing::Chunked);
    assert_eq!(client.call(ECHO, 1, 1, b"").status(), Status::Success);
    assert_eq!(server.stats().limits.sessions, 0);
    drop(silent);
}

#[test]
fn a_module_may_be_for_some_users() {
    let (_dir, path) = socket_path();
    let lines = Lines::default();
    let (later, taken) = Later::new(false);
    let builder = Server::builder().module(Echo).module(later).log(lines.log());
    let server =
        builder.allow(ECHO, [OTHER_USER]).allow(ECHO, [own_ids().0]).allow(LATER, [OTHER_USER]).bind(&path).unwrap();
    server.start().unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    assert_eq!(client.call(ECHO, 1, 1, b"").status(), Status::Success);
    assert_eq!(client.call(LATER, 1, 2, b"").status(), Status::Failure);
    assert_eq!(client.call(ECHO, 1, 3, b"").status(), Status::Success);
    assert!(taken.try_recv().is_err());
    lines.await_ending("may not call the module 9, which ServerBuilder::allow leaves to other users", 1);
    assert_eq!(server.stats().errors.forbidden, 1);
}

/// A session that a handler has closed: the client sees the end, and its later calls are not handled.
#[test]
fn a_handler_can_close_the_session() {
    struct Closer;
    impl Module for Closer {
        fn id(&self) -> i32 {
            1
        }
        fn handle(&self, session: &Session, _method: i32, _body: &[u8]) -> Result<Vec<u8>, Failure> {
            session.close();
            Ok(Vec::new())
        }
    }
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Closer).module(Echo).bind(&path).unwrap();
    let client = Raw::connect(&path, Framing::Chunked);
    client.send(&call(1, 1, 1, b""));
    client.send(&call(ECHO, 1, 2, b""));
    server.start().unwrap();
    client.assert_end();
    await_that("the session has ended", || server.stats().sessions == 0 && server.stats().handled > 0);
    assert_eq!(server.stats().handled, 1);
}

/// Root has no limit, so another user has to call, and root alone can become one.
#[test]
fn sessions_of_a_user_are_limited() {
    const SOCKET: &str = "DRPC_TEST_SOCKET";
    const REFUSED: &str = "refused: ";
    if let Some(path) = env::var_os(SOCKET) {
        return println!("\n{REFUSED}{}", call_as_other_user(&PathBuf::from(path)));
    }
    let (dir, path) = socket_path();
    let lines = Lines::default();
    let limits = ServerLimits { sessions_per_uid: 2, ..ServerLimits::default() };
    let builder = Server::builder().module(Echo).limits(limits).framing(Framing::Datagram).log(lines.log());
    let server = builder.mode(0o666).bind(&path).unwrap();
    server.start().unwrap();
    let refused = if own_ids().0 == 0 {
        let clients = [(); 4].map(|()| Raw::connect(&path, Framing::Datagram));
        clients.iter().for_each(|client| assert_eq!(client.call(ECHO, 1, 1, b"").status(), Status::Success));
        // A copy of the test program where every user can run it.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let program = dir.path().join("client");
        fs::copy(env::current_exe().unwrap(), &program).unwrap();
        let mut command = Command::new(program);
        command.args(["--exact", "--nocapture", "callers::sessions_of_a_user_are_limited"]).env(SOCKET, &path);
        let output = command.current_dir("/").uid(OTHER_USER).gid(OTHER_USER).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        let refused = said.lines().find_map(|line| line.strip_prefix(REFUSED)?.parse().ok()).unwrap();
        let text = "refused: uid 12345 has 2 sessions, the limit of ServerLimits::sessions_per_uid";
        lines.await_ending(text, refused);
        refused
    } else {
        call_as_other_user(&path)
    };
    assert_met(&server, |limits| limits.sessions_per_uid = refused as u64);
}

/// Counts how many of the connections are refused, until one is told so. A client that has not called for a second is
/// told nothing, and a busy machine may need longer for that.
fn be_refused(connect: impl Fn() -> Raw) -> usize {
    let is_told = |_: &usize| {
        let began = Instant::now();
        let client = connect();
        let response = if client.try_send(&call(ECHO, 1, 1, b"")) { client.try_reply() } else { None };
        match &response {
            Some(response) => {
                assert_eq!(response.status(), Status::Failure);
                let uid = own_ids().0;
                let text = format!("refused: uid {uid} has 2 sessions, the limit of ServerLimits::sessions_per_uid");
                assert_eq!(response.detail(), Some(&*text));
                client.assert_end();
            }
            None => assert!(began.elapsed() >= Duration::from_secs(1), "closed without an answer"),
        }
        response.is_some()
    };
    (1..100).find(is_told).unwrap()
}

/// The number of sessions refused.
fn call_as_other_user(path: &std::path::Path) -> usize {
    let connect = || Raw::connect(path, Framing::Datagram);
    let status = |client: &Raw| client.call(ECHO, 1, 1, b"").status();
    let mut clients = [connect(), connect()];
    clients.iter().for_each(|client| assert_eq!(status(client), Status::Success));
    let refused = be_refused(connect) + be_refused(connect);
    assert_eq!(status(&clients[0]), Status::Success);
    // The session's place is free once the server has noticed the end. The client sees that by half-closing first.
    clients[1].socket().shutdown(std::net::Shutdown::Write).unwrap();
    clients[1].assert_end();
    clients[1] = connect();
    assert_eq!(status(&clients[1]), Status::Success);
    // The same holds for a client whose probe has been answered, whatever else the server has to do.
    for _ in 0..100 {
        clients[1].send_record(b"\x07\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x07\x07\x07\x07\x07\x07\x07");
        clients[1].assert_reply(-1, Status::FailedUnmarshalCall);
        let next = connect();
        assert_eq!(status(&next), Status::Success);
        clients[1] = next;
    }
    refused
}

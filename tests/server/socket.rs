//! The listening socket and its file.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{fs, iter};

use drpc::{Cause, Existing, Framing, Phase, Server, Status};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::await_that;
use crate::modules::{ECHO, Echo, PATIENCE};
use crate::raw_client::{Raw, call};
use crate::support::socket_path::socket_path;
use crate::support::subprocess::{is_alone, run_alone};

fn listening(path: &Path) -> Socket {
    let socket = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    socket.bind(&SockAddr::unix(path).unwrap()).unwrap();
    socket.listen(8).unwrap();
    socket
}

fn bind(existing: Existing, path: &Path) -> Result<Server, Cause> {
    let server = Server::builder().module(Echo).existing(existing).bind(path);
    server.map_err(|error| {
        assert_eq!((error.phase(), error.socket()), (Phase::Listen, path));
        error.cause()
    })
}

fn assert_serves(server: &Server) {
    server.start().unwrap();
    let client = Raw::connect(server.path(), Framing::Chunked);
    assert_eq!(client.call(ECHO, 1, 1, b"here").body, b"here");
}

fn lock_of(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.lock", path.display()))
}

/// Anything at the path stays.
#[test]
fn an_existing_path_is_an_error() {
    let (_dir, path) = socket_path();
    drop(listening(&path));
    assert_eq!(bind(Existing::Fail, &path).unwrap_err(), Cause::Os(libc::EADDRINUSE));
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    assert_eq!(bind(Existing::Fail, &path).unwrap_err(), Cause::Os(libc::EADDRINUSE));
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    assert!(!lock_of(&path).exists());
}

#[test]
fn a_dead_socket_is_replaced() {
    let (_dir, path) = socket_path();
    drop(listening(&path));
    let server = bind(Existing::ReplaceStale, &path).unwrap();
    assert_serves(&server);
    assert_eq!(server.shutdown(PATIENCE), Ok(()));
    assert!(!path.exists());
    assert!(lock_of(&path).exists());
    // The path may also be free.
    assert_serves(&bind(Existing::ReplaceStale, &path).unwrap());
}

/// A server without the lock, one of another kind, or one with a full queue is alive, too.
#[test]
fn a_live_socket_is_left_alone() {
    let (_dir, path) = socket_path();
    let live = listening(&path);
    assert_eq!(bind(Existing::ReplaceStale, &path).unwrap_err(), Cause::Os(libc::EADDRINUSE));
    live.set_nonblocking(true).unwrap();
    drop(live.accept().unwrap());
    let clients: Vec<_> = iter::repeat_with(|| {
        let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        client.set_nonblocking(true).unwrap();
        client.connect(&SockAddr::unix(&path).unwrap()).map(|()| client)
    })
    .take_while(Result::is_ok)
    .collect();
    assert!(clients.len() < 100);
    assert_eq!(bind(Existing::ReplaceStale, &path).unwrap_err(), Cause::Os(libc::EADDRINUSE));
    assert!(path.exists());

    let (_dir, path) = socket_path();
    let _stream = UnixListener::bind(&path).unwrap();
    assert_eq!(bind(Existing::ReplaceStale, &path).unwrap_err(), Cause::Os(libc::EADDRINUSE));
    assert!(path.exists());
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let (dir, path) = socket_path();
    fs::write(&path, "precious").unwrap();
    assert_eq!(bind(Existing::ReplaceStale, &path).unwrap_err(), Cause::NotASocket);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    // A link to a dead socket is left alone, too.
    let link = dir.path().join("link.sock");
    let dead = dir.path().join("dead.sock");
    drop(listening(&dead));
    std::os::unix::fs::symlink(&dead, &link).unwrap();
    assert_eq!(bind(Existing::ReplaceStale, &link).unwrap_err(), Cause::NotASocket);
    assert!(dead.exists());
}

/// A server between bind and listen looks dead. The lock tells otherwise, until the server has stopped listening.
#[test]
fn two_servers_are_kept_apart_by_a_lock() {
    let (_dir, path) = socket_path();
    let first = bind(Existing::ReplaceStale, &path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(bind(Existing::ReplaceStale, &path).unwrap_err(), Cause::Locked { pid: std::process::id() as i32 });
    assert_eq!(first.shutdown(PATIENCE), Ok(()));
    assert_serves(&bind(Existing::ReplaceStale, &path).unwrap());
}

/// A file put in the place of the server's own belongs to another program.
#[test]
fn only_the_servers_own_file_is_removed() {
    let (_dir, path) = socket_path();
    let server = bind(Existing::Fail, &path).unwrap();
    fs::remove_file(&path).unwrap();
    let _other = listening(&path);
    assert_eq!(server.shutdown(PATIENCE), Ok(()));
    assert!(path.exists());
}

/// The file is removed if the server is dropped without having served, and if making the server fails late.
#[test]
fn no_file_is_left_behind() {
    let (_dir, path) = socket_path();
    drop(bind(Existing::Fail, &path).unwrap());
    assert!(!path.exists());
    let error = Server::builder().module(Echo).module(Echo).bind(&path).unwrap_err();
    assert_eq!((error.phase(), error.cause()), (Phase::Register, Cause::Exists));
    assert!(!path.exists());
}

#[test]
fn the_mode_is_set() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let (_dir, path) = socket_path();
    let server = bind(Existing::Fail, &path).unwrap();
    assert_eq!(mode(&path), 0o600);
    drop(server);
    let _server = Server::builder().mode(0o666).bind(&path).unwrap();
    assert_eq!(mode(&path), 0o666);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
}

/// Root can give a file away; others can try.
#[test]
fn the_owner_is_set() {
    let (_dir, path) = socket_path();
    let own = fs::metadata("/proc/self").unwrap();
    let bound = Server::builder().owner(12_345).group(12_346).bind(&path);
    if own.uid() == 0 {
        let server = bound.unwrap();
        let file = fs::metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), (12_345, 12_346));
        drop(server);
        let _server = Server::builder().group(12_346).bind(&path).unwrap();
        let file = fs::metadata(&path).unwrap();
        assert_eq!((file.uid(), file.gid()), (0, 12_346));
    } else {
        let cause = Cause::Owner { errno: libc::EPERM, uid: Some(12_345), gid: Some(12_346) };
        assert_eq!(bound.unwrap_err().cause(), cause);
        assert!(!path.exists());
        let _server = Server::builder().owner(own.uid()).group(own.gid()).bind(&path).unwrap();
    }
}

/// The first inherited descriptor is 3, and the process number has to be ours.
const HANDED_OVER: &str = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS";

#[test]
fn an_inherited_socket_is_served() {
    if is_alone() {
        let error = Server::builder().inherited(Some(Path::new("/nonexistent"))).unwrap_err();
        assert_eq!(error.cause(), Cause::NotHanded { instead: Some(1) });
        let text = error.to_string();
        assert!(text.contains("/nonexistent: no such socket") && text.contains("(descriptor 3)"), "{text}");
        let server = Server::builder().module(Echo).inherited(None).unwrap();
        let flags = fs::read_to_string("/proc/self/fdinfo/3").unwrap();
        let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let closed_at_exec = i32::from_str_radix(flags.trim(), 8).unwrap() & libc::O_CLOEXEC != 0;
        assert!(closed_at_exec, "it is not closed at exec");
        assert_eq!(Server::builder().inherited(Some(server.path())).unwrap_err().cause(), Cause::Busy);
        assert_serves(&server);
        assert_eq!(server.shutdown(PATIENCE), Ok(()));
        assert!(server.path().exists());
        return;
    }
    let (_dir, path) = socket_path();
    let stdin = Stdio::from(OwnedFd::from(listening(&path)));
    run_alone("socket::an_inherited_socket_is_served", HANDED_OVER, stdin);
    assert!(path.exists());
}

/// Only a listening socket of the right kind, meant for this process, is taken over.
#[test]
fn what_is_not_for_us_is_not_inherited() {
    if is_alone() {
        let error = Server::builder().inherited(None).unwrap_err();
        assert!(matches!(error.cause(), Cause::NotHanded { instead: None } | Cause::Invalid(_)), "{error}");
        // The descriptor is still open.
        assert!(fs::metadata("/proc/self/fd/3").is_ok());
        return;
    }
    let test = "socket::what_is_not_for_us_is_not_inherited";
    let (dir, path) = socket_path();
    let socket = listening(&path);
    let ours = || Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
    let other = HANDED_OVER.replace("LISTEN_PID=$$", "LISTEN_PID=1");
    run_alone(test, &other, ours());
    run_alone(test, &HANDED_OVER.replace("LISTEN_FDS=1", "LISTEN_FDS=0"), ours());
    run_alone(test, "exec 3<&0 0</dev/null", ours());
    let stream = UnixListener::bind(dir.path().join("stream.sock")).unwrap();
    run_alone(test, HANDED_OVER, Stdio::from(OwnedFd::from(stream)));
    let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    client.connect(&SockAddr::unix(&path).unwrap()).unwrap();
    run_alone(test, HANDED_OVER, Stdio::from(OwnedFd::from(client)));
    run_alone(test, HANDED_OVER, Stdio::null());
}

/// While there are no free descriptors, clients wait.
#[test]
fn accepting_recovers_when_descriptors_are_free_again() {
    if !is_alone() {
        let test = "socket::accepting_recovers_when_descriptors_are_free_again";
        return run_alone(test, "ulimit -n 200", Stdio::null());
    }
    let (_dir, path) = socket_path();
    let server = bind(Existing::Fail, &path).unwrap();
    server.start().unwrap();
    let connect = || {
        let client = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
        client.connect(&SockAddr::unix(&path)?).map(|()| client)
    };
    // Sessions leave 128 descriptors to the program, which uses more.
    let _used: Vec<fs::File> = (0..160).map(|_| fs::File::open("/dev/null").unwrap()).collect();
    // Each client takes one descriptor here and one when it is accepted. For the last one none is left.
    let spare = fs::File::open("/dev/null").unwrap();
    let mut clients: Vec<Raw> = Vec::new();
    while let Ok(client) = connect() {
        clients.push(Raw::new(client, Framing::Chunked));
        await_that("the client is accepted or cannot be", || {
            let stats = server.stats();
            stats.accepted == clients.len() as u64 || stats.errors.accept > 0
        });
    }
    drop(spare);
    clients.extend(connect().map(|client| Raw::new(client, Framing::Chunked)));
    await_that("descriptors have run out", || server.stats().errors.accept > 0);
    clients.iter().for_each(|client| client.send(&call(ECHO, 1, 1, b"")));
    clients.drain(..clients.len() / 2);
    clients.iter().for_each(|client| client.assert_reply(1, Status::Success));
    clients.clear();
    await_that("all have gone", || server.stats().sessions == 0);
    assert_eq!(Raw::connect(&path, Framing::Chunked).call(ECHO, 1, 2, b"new").body, b"new");
}

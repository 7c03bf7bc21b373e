//! `drpc status`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use drpc::{Client, Framing};
use drpc_cli::unix_sockets::{self, State, UnixSocket};
use rustix::net::{self, SendFlags, accept};
use serde_json::json;

use crate::support::{
    Folder, command, drpc, finish, for_everyone, is_root, listening, nobody, serve, silent, until_it_says,
};

#[test]
fn a_server_is_shown_with_its_clients() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, |_, _| Ok(Vec::new()));
    let clients: Vec<_> = (0..2).map(|_| Client::connect(&path).unwrap()).collect();
    for client in &clients {
        client.call(2, 206, b"").unwrap();
    }
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let said = drpc(["status", "--json", &path]).json(0);
    let (file, own) = (fs::metadata(&path).unwrap(), std::process::id());
    assert_eq!((&said["file"]["type"], &said["file"]["mode"]), (&json!("socket"), &json!("0640")));
    assert_eq!((&said["file"]["uid"], &said["file"]["gid"]), (&json!(file.uid()), &json!(file.gid())));
    assert_eq!((&said["address"], &said["listening"]), (&json!(path), &json!(true)));
    assert_eq!((&said["socket_type"], &said["servers"][0]["pid"]), (&json!("seqpacket"), &json!(own)));
    assert_eq!((&said["queue"]["used"], &said["connections"], &said["unread"]), (&json!(0), &json!(2), &json!(0)));
    assert!(said["queue"]["limit"].as_u64().unwrap() > 0, "{said}");
    assert_eq!((&said["clients"][0]["pid"], &said["clients"][0]["connections"]), (&json!(own), &json!(2)));
    let run = drpc(["status", &path]);
    let text = run.good();
    assert!(text.starts_with(&format!("{path}\n  file         socket, mode 0640, owner ")), "{text}");
    assert!(text.contains(&format!("\n  server       pid {own} (")), "{text}");
    assert!(text.contains(&format!("\n  connections  2: 2 of pid {own} (")), "{text}");
    assert_eq!(drpc(["status", "-q", &path]).good(), "");
}

#[test]
fn what_waits_for_a_server_is_counted() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let listener = listening(&path, 5);
    // Each attempt leaves a connection.
    let connected = "the question for the framing was not answered";
    until_it_says(connected, |time| drpc(["ping", "--timeout", time, &path])).failure(4);
    let said = drpc(["status", "--json", &path]).json(0);
    assert!((1..=3).contains(&said["queue"]["used"].as_i64().unwrap()) && said["queue"]["limit"] == 5, "{said}");
    drop(accept(&listener).unwrap());
    let client = net::socket(net::AddressFamily::UNIX, net::SocketType::SEQPACKET, None).unwrap();
    net::connect(&client, &net::SocketAddrUnix::new(path.as_str()).unwrap()).unwrap();
    let _accepted = accept(&listener).unwrap();
    net::send(&client, b"unread", SendFlags::empty()).unwrap();
    let said = drpc(["status", "--json", &path]).json(0);
    assert_eq!((&said["queue"]["used"], &said["connections"], &said["unread"]), (&json!(0), &json!(1), &json!(1)));
    assert!(
        drpc(["status", &path])
            .good()
            .ends_with("\n  unread       1 connection with bytes that the server has not read\n")
    );
}

#[test]
fn a_path_without_a_server_is_shown_for_what_it_is() {
    let folder = Folder::new();
    let stale = folder.at("stale");
    drop(silent(&stale));
    let said = drpc(["status", "--json", &stale]).json(3);
    assert_eq!((&said["file"]["type"], &said["listening"]), (&json!("socket"), &json!(false)));
    assert!(drpc(["status", &stale]).stdout.ends_with("\n  server       none listens in this network namespace\n"));
    let none = drpc(["status", "--json", &folder.at("none")]).json(3);
    assert_eq!((&none["file"], &none["listening"]), (&json!(null), &json!(false)));
    let run = drpc(["status", &folder.at("none")]);
    assert!(run.failure_out(3).contains("\n  file         none: no such file or directory\n"), "{run:?}");
    let file = folder.write("file", "");
    assert_eq!(drpc(["status", "--json", &file]).json(3)["file"]["type"], "regular file");
    let stream = folder.at("stream");
    let _stream = UnixListener::bind(&stream).unwrap();
    assert_eq!(drpc(["status", "--json", &stream]).json(0)["socket_type"], "stream");
}

#[test]
fn a_server_whose_file_was_replaced_is_named() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _first = silent(&path);
    fs::rename(&path, folder.at("other")).unwrap();
    drop(silent(&path));
    let said = drpc(["status", "--json", &path]).json(3);
    assert_eq!(said["displaced"][0]["pid"], json!(std::process::id()));
    assert_eq!(drpc(["status", "--json", &folder.at("other")]).json(0)["displaced"], json!([]));
    let run = drpc(["doctor", &path]);
    assert!(run.failure_out(3).contains("listens on a socket that was here before"), "{run:?}");
}

#[test]
fn all_sockets_of_daos_are_shown() {
    let folder = Folder::new();
    let _agent = silent(folder.at("daos_agent.sock"));
    drop(silent(folder.at("agent.sock")));
    let mut status = command(["status", "--json"]);
    status.env("DAOS_AGENT_DRPC_DIR", folder.at(""));
    let run = finish(status, b"");
    assert_eq!(run.code, 3, "{run:?}");
    let listening = run.stdout.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(
        listening.map(|socket| socket["listening"].clone()).collect::<Vec<_>>()[..2],
        [json!(true), json!(false)]
    );
}

#[test]
fn another_user_is_told_what_is_not_shown() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = silent(&path);
    let run = finish(nobody(&for_everyone(&folder), ["status", &path]), b"");
    assert!(run.good().contains("  server       a process that only root is shown\n"), "{run:?}");
}

/// The table in /proc is for kernels without sock_diag. It knows the same sockets, but not their files and queues.
#[test]
fn both_tables_of_the_kernel_agree() {
    let folder = Folder::new();
    let path = folder.at("a name with spaces");
    let server = listening(&path, 5);
    let client = net::socket(net::AddressFamily::UNIX, net::SocketType::SEQPACKET, None).unwrap();
    net::connect(&client, &net::SocketAddrUnix::new(path.as_str()).unwrap()).unwrap();
    let own = |sockets: Vec<UnixSocket>| {
        let mut own: Vec<_> = sockets.into_iter().filter(|socket| socket.name == path.as_bytes()).collect();
        own.sort_by_key(|socket| socket.inode);
        own
    };
    let is_waiting = |socket: &&UnixSocket| socket.state == State::Waiting;
    assert_eq!(own(unix_sockets::by_table().unwrap()).iter().filter(is_waiting).count(), 1);
    let _accepted = accept(&server).unwrap();
    let by_diag = own(unix_sockets::by_sock_diag().unwrap());
    assert_eq!(by_diag.len(), 2);
    let bare = |socket: &UnixSocket| UnixSocket { file: None, peer: None, queue: None, ..socket.clone() };
    assert_eq!(own(unix_sockets::by_table().unwrap()), by_diag.iter().map(bare).collect::<Vec<_>>());
}

#[test]
fn an_abstract_name_has_no_file() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("drpc-status-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _server = UnixListener::bind_addr(&address).unwrap();
    let said = drpc(["status", "--json", &format!("@{name}")]).json(0);
    assert_eq!((&said["file"], &said["servers"][0]["pid"]), (&json!(null), &json!(std::process::id())));
}

/// A user who may not see a file is not told that no server listens.
#[test]
fn what_is_hidden_from_a_user_is_not_known() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let program = for_everyone(&folder);
    let path = folder.at("in/sock");
    fs::create_dir(folder.at("in")).unwrap();
    let _server = silent(&path);
    fs::set_permissions(folder.at("in"), Permissions::from_mode(0o700)).unwrap();
    let run = |more: &[&str]| finish(nobody(&program, [&["status", &path], more].concat()), b"");
    assert_eq!(run(&["--json"]).json(3)["listening"], json!(null));
    let hidden = format!("not seen: {} does not let this user go through it\n", folder.at("in"));
    let said = run(&[]);
    assert!(said.failure_out(3).contains(&hidden) && said.stdout.contains("server       not known"), "{said:?}");
}

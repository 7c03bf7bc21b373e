//! `drpc doctor`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use drpc::Framing;
use drpc_cli::deadline;
use serde_json::{Value, json};

use crate::serve::Served;
use crate::support::{
    FRAMINGS, Folder, Run, command, drpc, finish, for_everyone, is_root, listening, nobody, serve, silent,
    until_it_says,
};

/// The check that has failed, which has to be the last one, of a run that ended with this exit code.
fn failing(arguments: &[&str], code: i32) -> Value {
    let mut all = vec!["doctor", "--json"];
    all.extend(arguments);
    last(&drpc(all).json(code))
}

fn last(said: &Value) -> Value {
    assert_eq!(said["ok"], json!(false), "{said}");
    let checks = said["checks"].as_array().unwrap();
    let (last, before) = checks.split_last().unwrap();
    assert!(before.iter().all(|check| check["ok"] == json!(true) && check["cure"] == json!(null)), "{said}");
    assert!(last["ok"] == json!(false) && last["cure"].is_string(), "{said}");
    last.clone()
}

/// A check as it should be: its name, and what its detail and its cure contain.
fn assert_check(check: &Value, name: &str, detail: &str, cure: &str) {
    let has = |field: &str, part: &str| check[field].as_str().unwrap().contains(part);
    assert!(check["name"] == name && has("detail", detail) && has("cure", cure), "{check}");
}

fn names(said: &Value) -> Vec<&str> {
    said["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect()
}

/// What an agent of 0.8, and one of 2.8, answer.
const PSRS: &[u8] = b"\x12\x09\x08\x01\x12\x05ofi:1";
const RANK_URIS: &[u8] = b"\x12\x0b\x08\x01\x12\x07ofi+tcp\x1a\x01\x01";

#[test]
fn a_server_of_each_framing_is_well() {
    for framing in FRAMINGS {
        let folder = Folder::new();
        let path = folder.at("sock");
        let _server = serve(&path, framing, 7, |_, _| Ok(Vec::new()));
        let said = drpc(["doctor", "--json", &path]).json(0);
        assert_eq!(said["ok"], json!(true));
        let names = names(&said);
        assert_eq!(names[0], "directory");
        let end = ["file", "permission", "listening", "queue", "answer"];
        assert!(names.ends_with(&end), "{names:?}");
        let (name, release, other) = match framing {
            Framing::Chunked => ("chunked", "2.8", "2.6"),
            _ => ("datagram", "0.8", "2.8"),
        };
        assert!(said["checks"][names.len() - 1]["detail"].as_str().unwrap().starts_with(name), "{said}");
        let text = drpc(["doctor", &path]);
        assert!(text.good().starts_with(&format!("{path}\n  ✓ directory   /: mode ")), "{text:?}");
        drpc(["doctor", "--release", release, &path]).good();
        let check = failing(&["--release", other, &path], 7);
        assert_check(&check, "release", &format!("version mismatch: the server reads {name}"), other);
    }
}

#[test]
fn an_agent_is_asked_what_its_clients_ask() {
    for framing in FRAMINGS {
        let folder = Folder::new();
        let path = folder.at("daos_agent.sock");
        let _server = serve(&path, framing, 2, |_, body| match body {
            b"" | b"\x0a\x0bdaos_server" => Ok(RANK_URIS.to_vec()),
            b"\x0a\x03old" => Ok(PSRS.to_vec()),
            b"\x0a\x06unborn" => Ok([RANK_URIS, b"\x52\x04\x08\x02\x10\x06"].concat()),
            b"\x0a\x05empty" => Ok(Vec::new()),
            b"\x0a\x04junk" => Ok(b"\x07\x07".to_vec()),
            _ => Ok(b"\x08\x95\xf8\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
        });
        let said = drpc(["doctor", "--json", &path]).json(0);
        let last = said["checks"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["name"], &last["detail"]), (&json!("attach_info"), &json!("the agent names 1 rank")));
        assert!(drpc(["doctor", "--sys", "empty", &path]).good().contains("names no rank"));
        let check = failing(&["--sys", "other", &path], 6);
        assert_check(&check, "attach_info", "-1003 (DER_INVAL)", "--sys");
        let check = failing(&["--sys", "junk", &path], 7);
        assert_check(&check, "attach_info", "the answer is not understood", "is this an agent?");
    }
    // Not an agent, although its socket is called so.
    let folder = Folder::new();
    let path = folder.at("agent.sock");
    let _server = serve(&path, Framing::Chunked, 7, |_, _| Ok(Vec::new()));
    let check = failing(&[&path], 5);
    assert_check(&check, "attach_info", "UNKNOWN_MODULE", "is this an agent");
}

#[test]
fn the_agents_directory_is_that_of_its_clients() {
    let folder = Folder::new();
    let run = |arguments: &[&str]| {
        let mut doctor = command(["doctor", "--json"]);
        doctor.args(arguments).env("DAOS_AGENT_DRPC_DIR", folder.at(""));
        finish(doctor, b"")
    };
    let said = run(&[]).json(3);
    assert_eq!(said["checks"][0]["name"], "environment");
    let bad = said["checks"].as_array().unwrap().iter().find(|check| check["ok"] == json!(false)).unwrap();
    assert_check(bad, "file", "no such file", "the server is not running");
    assert_check(&last(&run(&["agent"]).json(3)), "file", "no such file", "the server is not running");
    let _server = serve(folder.at("agent.sock"), Framing::Datagram, 2, |_, _| Ok(PSRS.to_vec()));
    let said = run(&[]).json(0);
    assert!(said.to_string().contains("the agent names 1 rank"), "{said}");
    let mut doctor = command(["doctor", "--json", &folder.at("agent.sock")]);
    doctor.env("DRPC_FRAMING", "chunked");
    let check = last(&finish(doctor, b"").json(7));
    assert_check(&check, "release", "version mismatch: DRPC_FRAMING is chunked", "unset DRPC_FRAMING");
}

#[test]
fn what_is_at_the_path_is_told() {
    let folder = Folder::new();
    let stale = folder.at("stale");
    drop(silent(&stale));
    assert_check(
        &failing(&[&stale], 3),
        "listening",
        "stale: connection refused: no server listens",
        "start the server",
    );
    fs::create_dir(folder.at("directory")).unwrap();
    assert_check(&failing(&[&folder.at("directory")], 3), "file", "the path is a directory", "use the path");
    let file = folder.write("file", "");
    assert_check(&failing(&[&file], 3), "file", "the path is a regular file", "use the path");
    assert_check(&failing(&[&folder.at("none")], 3), "file", "no such file or directory", "the server is not running");
    let deep = failing(&[&folder.at("none/sock")], 3);
    assert_check(&deep, "directory", "there is no directory", "the server is not running");
    assert_check(&failing(&[&folder.at("file/sock")], 3), "directory", "is no directory", "use the path");
    for directory in ["/", "."] {
        assert_check(&failing(&[directory], 3), "file", "the path is a directory", "use the path");
    }
    assert_check(&failing(&[&"x".repeat(200)], 3), "file", "the longest possible is 107", "a shorter path");
    symlink("nowhere", folder.at("link")).unwrap();
    assert_check(&failing(&[&folder.at("link")], 3), "file", "dangling link: ", "");
    symlink("circle", folder.at("circle")).unwrap();
    assert_check(&failing(&[&folder.at("circle")], 3), "file", "circle", "use the path");
    symlink("stale", folder.at("to-stale")).unwrap();
    assert_check(&failing(&[&folder.at("to-stale")], 3), "listening", "stale: ", "start the server");
    let stream = folder.at("stream");
    let _stream = UnixListener::bind(&stream).unwrap();
    assert_check(&failing(&[&stream], 3), "type", "SOCK_SEQPACKET", "use the path");
}

#[test]
fn a_relative_path_and_an_abstract_name_are_examined() {
    let folder = Folder::new();
    let _server = serve(folder.at("sock"), Framing::Chunked, 7, |_, _| Ok(Vec::new()));
    for (path, first) in [("sock", "."), ("./sock", "."), ("x/../sock", ".")] {
        let _ = fs::create_dir(folder.at("x"));
        let mut doctor = command(["doctor", "--json", path]);
        doctor.current_dir(folder.at(""));
        let said = finish(doctor, b"").json(0);
        let detail = said["checks"][0]["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("{first}: mode ")), "{said}");
        let directories = names(&said).into_iter().filter(|name| *name == "directory").count();
        assert_eq!(directories, if path.starts_with('x') { 3 } else { 1 }, "{said}");
    }
    let name = format!("@drpc-doctor-{}", std::process::id());
    assert_check(&failing(&[&name], 3), "listening", "no server listens: ", "start the server");
}

#[test]
fn a_server_that_hangs_is_named() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = silent(&path);
    let check = does_not_answer(|time| drpc(["doctor", "--json", "--timeout", time, &path]));
    let pid = std::process::id();
    assert_check(&check, "answer", &format!(" ms by pid {pid}"), &format!("gdb -p {pid}"));
}

#[test]
fn a_full_queue_is_told_with_who_does_not_empty_it() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = listening(&path, 0);
    let connected = "the question for the framing was not answered";
    until_it_says(connected, |time| drpc(["ping", "--timeout", time, &path]));
    let full = format!("has a full queue; the server is pid {}", std::process::id());
    let check = last(&until_it_says(&full, |time| drpc(["doctor", "--json", "--timeout", time, &path])).json(3));
    assert_check(&check, "queue", &full, "");
}

/// The check of a server that does not answer in time, however busy the machine is.
fn does_not_answer(run: impl Fn(&str) -> Run) -> Value {
    let text = "does not answer: the question for the framing was not answered within ";
    let check = last(&until_it_says(text, run).json(4));
    assert!(check["detail"].as_str().unwrap().starts_with(text), "{check}");
    check
}

#[test]
fn a_stopped_process_is_told_to_go_on() {
    let folder = Folder::new();
    let server = Served::start(&folder, &[]);
    let path = server.path.clone();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let pid = server.id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    while !fs::read_to_string(format!("/proc/{pid}/status")).unwrap().contains("T (stopped)") {
        std::thread::yield_now();
    }
    let check = does_not_answer(|time| drpc(["doctor", "--json", "--timeout", time, &path]));
    assert_check(&check, "answer", &format!(" ms by pid {pid}"), &format!("kill -CONT {pid}"));
    assert!(check["detail"].as_str().unwrap().ends_with(", which is stopped"), "{check}");
    let said = format!("pid {pid} is stopped: `kill -CONT {pid}` lets it go on");
    until_it_says(&said, |time| drpc(["ping", "--timeout", time, &path])).failure(4);
    until_it_says(&said, |time| drpc(["call", "--release", "2.8", "--timeout", time, &path, "2/206"])).failure(4);
    // As another user, too, to whom /proc does not show who has the socket.
    if is_root() {
        let program = for_everyone(&folder);
        let as_nobody = |time: &str| finish(nobody(&program, ["doctor", "--json", "--timeout", time, &path]), b"");
        assert_check(&does_not_answer(as_nobody), "answer", "which is stopped", &format!("kill -CONT {pid}"));
    }
    signal("-CONT");
    drpc(["doctor", &path]).good();
}

#[test]
fn another_user_is_told_which_right_is_missing() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let program = for_everyone(&folder);
    let path = folder.at("in/sock");
    fs::create_dir(folder.at("in")).unwrap();
    let _server = serve(&path, Framing::Chunked, 7, |_, _| Ok(Vec::new()));
    let as_nobody = |code| {
        let said = finish(nobody(&program, ["doctor", "--json", &path]), b"").json(code);
        if code == 0 { Value::Null } else { last(&said) }
    };
    let set_mode = |path: &str, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    set_mode(&path, 0o666);
    as_nobody(0);
    set_mode(&path, 0o600);
    assert_check(&as_nobody(3), "permission", "permission denied", "the right to write (w)");
    set_mode(&folder.at("in"), 0o700);
    let check = as_nobody(3);
    assert_check(&check, "directory", "permission denied", "the right to execute (x)");
    assert!(check["detail"].as_str().unwrap().contains("does not let uid 65534 go through it"), "{check}");
    // Root may connect all the same.
    drpc(["doctor", &path]).good();
}

/// A file system that has lost its server. Only root can make one, and not in each container.
#[test]
fn a_file_system_that_hangs_holds_nothing_up() {
    let folder = Folder::new();
    let mount = "exec 5<>/dev/fuse && mount -i -t fuse -o fd=5,rootmode=40000,user_id=0,group_id=0 x \"$0\"";
    let in_mount = |script: String| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-m", "sh", "-c", &script, &folder.at("")]);
        finish(unshare, b"")
    };
    if !is_root() || in_mount(mount.to_owned()).code != 0 {
        return;
    }
    let program = env!("CARGO_BIN_EXE_drpc");
    for (arguments, text) in [
        ("ping", "the file system has not answered within 20 ms"),
        ("call --release 2.8 $0/sock 2/206", "the file system has not answered within "),
        ("bench $0/sock 2/206", "the file system has not answered within 20 ms"),
        ("status", "the file system of the socket has not answered in time"),
        ("doctor", "does not answer within 20ms"),
    ] {
        let (command, rest) = arguments.split_once(' ').unwrap_or((arguments, "$0/sock"));
        let run = in_mount(format!("{mount} && exec {program} {command} --timeout 20ms {rest}"));
        assert!(run.code == 4 && (run.stderr + &run.stdout).contains(text), "{arguments}");
    }
}

#[test]
fn work_that_hangs_is_left() {
    assert_eq!(deadline::within(Duration::from_secs(100), || 7), Some(7));
    assert_eq!(deadline::within(Duration::from_millis(1), || std::thread::sleep(Duration::from_secs(1000))), None);
}

/// What a file system or a peer says reaches no terminal as it is.
#[test]
fn names_are_escaped() {
    let folder = Folder::new();
    let run = drpc(["doctor", &folder.at("\x1b[31m")]);
    assert!(run.code == 3 && !run.stdout.contains('\x1b') && run.stdout.contains("\\u{1b}[31m"), "{run:?}");
    symlink("\x1b[32m", folder.at("link")).unwrap();
    for arguments in [&["doctor"][..], &["doctor", "--json"], &["status"], &["status", "--json"]] {
        let run = drpc([arguments, &[&folder.at("link")]].concat());
        assert!(run.code == 3 && !run.stdout.contains('\x1b'), "{run:?}");
    }
}

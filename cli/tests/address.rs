//! Addresses of DAOS's roles.

use std::ffi::OsStr;

use drpc::Framing;
use drpc_cli::address::{Address, Places};

use crate::support::{Folder, command, finish, serve};

fn places(folder: &Folder) -> Places {
    Places { agent: folder.at("").into(), server: folder.at("").into() }
}

fn resolve(folder: &Folder, given: &str) -> Result<String, String> {
    let path = Address::parse(OsStr::new(given)).and_then(|address| address.resolve(&places(folder)));
    path.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).map_err(|failure| failure.text)
}

#[test]
fn each_role_is_found_by_the_names_of_every_release() {
    let folder = Folder::new();
    for role in ["agent", "server", "engine", "engine:7"] {
        assert!(resolve(&folder, role).unwrap_err().contains("start the "), "{role}");
    }
    folder.write("agent.sock", "");
    assert_eq!(resolve(&folder, "agent").unwrap(), "agent.sock");
    folder.write("daos_agent.sock", "");
    assert_eq!(resolve(&folder, "agent").unwrap(), "daos_agent.sock");
    folder.write("daos_server.sock", "");
    assert_eq!(resolve(&folder, "server").unwrap(), "daos_server.sock");
    folder.write("daos_io_server_4294967295.sock", "");
    assert_eq!(resolve(&folder, "engine").unwrap(), "daos_io_server_4294967295.sock");
    // Of one engine that lives and one that has died, the one that lives.
    let alive = format!("daos_engine_{}.sock", std::process::id());
    folder.write(&alive, "");
    assert_eq!(resolve(&folder, "engine").unwrap(), alive);
    assert_eq!(resolve(&folder, "engine:4294967295").unwrap(), "daos_io_server_4294967295.sock");
    folder.write("daos_engine_1.sock", "");
    let several = resolve(&folder, "engine").unwrap_err();
    assert!(several.contains("engine:1, engine:"), "{several}");
    assert!(resolve(&folder, "engine:x").unwrap_err().contains("engine:4711"));
}

#[test]
fn a_word_is_a_path_where_the_user_says_so() {
    let folder = Folder::new();
    assert_eq!(resolve(&folder, "unix:agent").unwrap(), "agent");
    assert_eq!(resolve(&folder, "./agent").unwrap(), "agent");
    assert_eq!(resolve(&folder, "@name").unwrap(), "\0name");
}

#[test]
fn the_agent_is_where_its_variable_says() {
    let folder = Folder::new();
    let _server = serve(folder.at("daos_agent.sock"), Framing::Chunked, 2, |_, _| Ok(Vec::new()));
    let mut ping = command(["ping", "agent"]);
    ping.env("DAOS_AGENT_DRPC_DIR", folder.at(""));
    let run = finish(ping, b"");
    assert!(run.good().contains("daos_agent.sock: chunked"), "{run:?}");
}

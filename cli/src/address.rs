//! Addresses of servers: paths, abstract names, and the roles of DAOS, whose sockets are looked for.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// What the user has given as an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket file, or an abstract name, which begins with a zero byte.
    Path(PathBuf),
    /// The agent.
    Agent,
    /// The server.
    Server,
    /// An engine; without a process id the only one.
    Engine(Option<u32>),
}

/// The directories in which the sockets of DAOS are.
#[derive(Clone, Debug)]
pub struct Places {
    /// That of the agent.
    pub agent: PathBuf,
    /// That of the server and its engines.
    pub server: PathBuf,
}

impl Default for Places {
    /// The agent's is that which DAOS's clients use: `DAOS_AGENT_DRPC_DIR`, where it is set.
    fn default() -> Self {
        let agent = env::var_os("DAOS_AGENT_DRPC_DIR").map(|directory| {
            // DAOS appends a slash to the value, and an empty value counts.
            if directory.is_empty() { PathBuf::from("/") } else { directory.into() }
        });
        Self { agent: agent.unwrap_or_else(|| "/var/run/daos_agent".into()), server: "/var/run/daos_server".into() }
    }
}

/// The names of the agent's socket, the newest first.
const AGENT: [&str; 2] = ["daos_agent.sock", "agent.sock"];

/// The name of the server's socket in every release.
const SERVER: &str = "daos_server.sock";

/// The names of an engine's socket, the newest first, around its process id.
const ENGINE: [(&str, &str); 2] = [("daos_engine_", ".sock"), ("daos_io_server_", ".sock")];

impl Address {
    /// What an argument means.
    pub fn parse(given: &OsStr) -> Result<Self, Failure> {
        let bytes = given.as_bytes();
        if let Some(name) = bytes.strip_prefix(b"@") {
            let abstract_name = [b"\0", name].concat();
            return Ok(Self::Path(OsString::from_vec(abstract_name).into()));
        }
        if let Some(path) = bytes.strip_prefix(b"unix:") {
            return match path.strip_prefix(b"@") {
                Some(_) => Self::parse(OsStr::from_bytes(path)),
                None => Ok(Self::Path(OsStr::from_bytes(path).into())),
            };
        }
        Ok(match bytes {
            b"agent" => Self::Agent,
            b"server" => Self::Server,
            b"engine" => Self::Engine(None),
            _ => match bytes.strip_prefix(b"engine:").map(|pid| String::from_utf8_lossy(pid).parse()) {
                Some(Ok(pid)) => Self::Engine(Some(pid)),
                Some(Err(_)) => {
                    return Err(Failure::usage(
                        "engine: is followed by the process id of an engine, as in engine:4711",
                    ));
                }
                None => Self::Path(given.into()),
            },
        })
    }

    /// The paths at which the socket may be. Those of engines are the files that exist.
    pub fn candidates(&self, places: &Places) -> Vec<PathBuf> {
        match self {
            Self::Path(path) => vec![path.clone()],
            Self::Agent => AGENT.map(|name| places.agent.join(name)).to_vec(),
            Self::Server => vec![places.server.join(SERVER)],
            Self::Engine(Some(pid)) => {
                ENGINE.map(|(before, after)| places.server.join(format!("{before}{pid}{after}"))).to_vec()
            }
            Self::Engine(None) => engines(&places.server).into_iter().map(|(_, path)| path).collect(),
        }
    }

    /// The path to connect to: of several candidates the first that exists.
    pub fn resolve(&self, places: &Places) -> Result<PathBuf, Failure> {
        if let Self::Engine(None) = self {
            return only_engine(&places.server);
        }
        let candidates = self.candidates(places);
        let existing = candidates.iter().find(|path| path.symlink_metadata().is_ok());
        // Of one that this user may not see, the attempt to connect says why.
        let existing = existing.or_else(|| candidates.iter().find(|path| is_hidden(path)));
        match (existing, self) {
            (Some(path), _) if path.is_dir() => Err(directory(path)),
            (Some(path), _) => Ok(path.clone()),
            // The attempt to connect says more.
            (None, Self::Path(path)) => Ok(path.clone()),
            (None, _) => {
                let looked = candidates.iter().map(|path| shown(path)).collect::<Vec<_>>().join(" or ");
                let text = format!("there is no {looked}: start the {}, or give the path of its socket", self.role());
                Err(Failure::new(Exit::CannotConnect, text))
            }
        }
    }

    /// True for a path with the name of an agent's socket.
    pub fn is_agent(path: &Path) -> bool {
        path.file_name().is_some_and(|name| AGENT.iter().any(|agent| name == *agent))
    }

    /// The role of DAOS, for texts.
    pub fn role(&self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Engine(_) => "engine",
            _ => "server",
        }
    }
}

/// Says that a path is a directory, and which socket of DAOS is in it.
fn directory(path: &Path) -> Failure {
    let names = AGENT.iter().copied().chain([SERVER]);
    let inside = names.map(|name| path.join(name)).chain(engines(path).into_iter().map(|(_, socket)| socket));
    let inside: Vec<_> = inside.filter(|socket| socket.symlink_metadata().is_ok()).map(|it| shown(&it)).collect();
    let cure = match inside.as_slice() {
        [] => "use the path of the server's socket".to_owned(),
        sockets => format!("use {}", sockets.join(" or ")),
    };
    Failure::new(Exit::CannotConnect, format!("connect {}: the path is a directory: {cure}", shown(path)))
}

/// The sockets of engines in a directory, with the process ids in their names.
fn engines(directory: &Path) -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let pid = |name: &str| {
        let inner = |(before, after)| name.strip_prefix(before)?.strip_suffix(after)?.parse().ok();
        ENGINE.into_iter().find_map(inner)
    };
    let found = entries.flatten().filter_map(|entry| Some((pid(entry.file_name().to_str()?)?, entry.path())));
    let mut engines: Vec<_> = found.collect();
    engines.sort();
    engines
}

/// The socket of the only engine. An engine that has died leaves its file, and counts only where all have died.
fn only_engine(directory: &Path) -> Result<PathBuf, Failure> {
    let all = engines(directory);
    let mut alive: Vec<_> = all.iter().filter(|(pid, _)| Path::new("/proc").join(pid.to_string()).exists()).collect();
    if alive.is_empty() {
        alive = all.iter().collect();
    }
    match alive.as_slice() {
        [(_, path)] => Ok(path.clone()),
        [] => {
            let name = shown(directory);
            let text = match may_not_be_listed(directory) {
                true => format!("permission denied: this user may not list {name}: give the path of a socket"),
                false => format!("there is no socket of an engine in {name}: start the engine"),
            };
            Err(Failure::new(Exit::CannotConnect, text))
        }
        several => {
            let names = several.iter().map(|(pid, _)| format!("engine:{pid}")).collect::<Vec<_>>().join(", ");
            Err(Failure::usage(format!("there are several engines: say which: {names}")))
        }
    }
}

/// True for a path in a directory that this user may not go through.
pub fn is_hidden(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// True for a directory that this user may not list.
pub fn may_not_be_listed(directory: &Path) -> bool {
    fs::read_dir(directory).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// True for an abstract name.
pub fn is_abstract(path: &Path) -> bool {
    path.as_os_str().as_bytes().first() == Some(&0)
}

/// A path for output: an abstract name begins with `@`.
pub fn shown(path: &Path) -> String {
    let text = path.as_os_str().to_string_lossy();
    match text.strip_prefix('\0') {
        Some(name) => format!("@{name}"),
        None => text.into_owned(),
    }
}

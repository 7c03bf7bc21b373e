//! What is compared: a server and a client, as commands that want the path of a socket as their last argument.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::options::Options;
use crate::plan::ACTIVE;

/// A kind of measurement. What is asked of clients in each is in README.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Experiment {
    Latency,
    Connect,
    Paced,
    Pipeline,
    Clients,
    Idle,
    Placement,
}

impl Experiment {
    pub(crate) const ALL: [Self; 7] =
        [Self::Latency, Self::Connect, Self::Paced, Self::Pipeline, Self::Clients, Self::Idle, Self::Placement];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Connect => "connect",
            Self::Paced => "paced",
            Self::Pipeline => "pipeline",
            Self::Clients => "clients",
            Self::Idle => "idle",
            Self::Placement => "placement",
        }
    }

    /// Whether a round gives the time of all its calls alone, not that of each.
    pub(crate) fn is_throughput(self) -> bool {
        matches!(self, Self::Pipeline | Self::Clients | Self::Idle)
    }
}

/// Those in which calls are made one after the other.
const CALLS: &[Experiment] = &[Experiment::Latency, Experiment::Connect, Experiment::Paced];
const LATENCY: &[Experiment] = &[Experiment::Latency];
const PIPELINE: &[Experiment] = &[Experiment::Pipeline];
const CLIENTS: &[Experiment] = &[Experiment::Clients];
const IDLE: &[Experiment] = &[Experiment::Idle];
const PLACEMENT: &[Experiment] = &[Experiment::Placement];
/// Those of other RPC systems.
const PEERS: &[Experiment] =
    &[Experiment::Latency, Experiment::Connect, Experiment::Paced, Experiment::Pipeline, Experiment::Clients];

/// Sessions that do nothing beside the active ones: together they are as many as a server takes unless it is told
/// otherwise.
const CROWD: u64 = 4096 - ACTIVE;

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) server: Vec<PathBuf>,
    pub(crate) client: Vec<PathBuf>,
    /// Variables of both.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) experiments: &'static [Experiment],
    pub(crate) spins: bool,
    /// Connections that are open and do nothing meanwhile.
    pub(crate) idle: u64,
}

impl Pair {
    fn new(name: &str, experiments: &'static [Experiment], server: PathBuf, client: PathBuf, about: &str) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            server: vec![server],
            client: vec![client],
            environment: Vec::new(),
            experiments,
            spins: false,
            idle: 0,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits without sleeping, for which it needs a core of its own.
    fn spinning(mut self) -> Self {
        self.spins = true;
        self
    }

    /// The same beside sessions that do nothing.
    fn crowded(self, name: &str) -> Self {
        Self { name: name.to_owned(), idle: CROWD, ..self }
    }

    /// The same with another build of the library.
    fn built(&self, name: &str, library: &Path) -> Self {
        let mut other = self.clone().with("LD_LIBRARY_PATH", &library.display().to_string());
        other.name = format!("{} @{name}", self.name);
        other
    }
}

/// What others are compared with.
pub(crate) const FLOOR: &str = "floor";
pub(crate) const FLOOR_AGAIN: &str = "floor again";
pub(crate) const FLOOR_SPIN: &str = "floor, spinning";
pub(crate) const RAW_PIPE: &str = "raw pipe";
pub(crate) const RAW_EPOLL: &str = "raw epoll server";
pub(crate) const PLAIN_08: &str = "plain 0.8";
pub(crate) const PLAIN_28: &str = "plain 2.8";
pub(crate) const PLAIN_SPIN: &str = "plain 2.8, spinning";
pub(crate) const LOOP: &str = "progress loop";
pub(crate) const MANAGED: &str = "managed server";
pub(crate) const SHARED: &str = "shared client";
pub(crate) const SHARED_RAW: &str = "shared client, raw server";

pub(crate) const RUST: &str = "Rust";
pub(crate) const LISTENER: &str = "Rust, Listener";
pub(crate) const SD_BUS: &str = "sd-bus";

/// Beside sessions that do nothing.
pub(crate) const EPOLL_CROWDED: &str = "raw epoll server, crowded";
pub(crate) const MANAGED_CROWDED: &str = "managed server, crowded";
pub(crate) const RUST_CROWDED: &str = "Rust, crowded";

/// True for pairs that are named after an end without a library.
pub(crate) fn is_raw(pair: &str) -> bool {
    pair.starts_with("floor") || pair.starts_with("raw")
}

pub(crate) fn baseline(experiment: Experiment) -> &'static str {
    match experiment {
        Experiment::Latency | Experiment::Connect | Experiment::Paced | Experiment::Placement => FLOOR,
        Experiment::Pipeline => RAW_PIPE,
        Experiment::Clients => RAW_EPOLL,
        Experiment::Idle => MANAGED,
    }
}

/// The pairs of this repository, the baselines first.
pub(crate) fn ours(options: &Options) -> Vec<Pair> {
    let c = |program: &str| options.programs.join(program);
    let rust = |program: &str| options.rust_programs.join(program);
    let new = Pair::new;
    let epoll = |experiments| {
        new(RAW_EPOLL, experiments, c("epoll_server"), c("load_client"), "an epoll loop in C, one thread")
    };
    let managed = |experiments| {
        new(MANAGED, experiments, c("2.8/managed_server"), c("load_client"), "drpc/server.h, threads as it chooses")
    };
    let rust_server = |experiments| {
        new(RUST, experiments, rust("rust_server"), c("load_client"), "drpc::Server, threads as it chooses")
    };
    let pairs = vec![
        new(FLOOR, CALLS, c("floor_server"), c("floor_client"), "sendmsg and recvmsg in C; the server polls"),
        new(
            FLOOR_AGAIN,
            CALLS,
            c("floor_server"),
            c("floor_client"),
            "the same once more: its distance from 1 is noise",
        ),
        new("floor, send/recv", LATENCY, c("floor_server_send"), c("floor_client_send"), "the same with send and recv"),
        new(
            FLOOR_SPIN,
            LATENCY,
            c("floor_server_spin"),
            c("floor_client_spin"),
            "no poll, and recvmsg again and again for 50 µs",
        )
        .spinning(),
        new(RAW_PIPE, PIPELINE, c("epoll_server"), c("load_client"), "records made beforehand, an epoll loop in C"),
        epoll(CLIENTS),
        epoll(IDLE),
        epoll(IDLE).crowded(EPOLL_CROWDED),
        new(FLOOR, PLACEMENT, c("floor_server"), c("floor_client"), "its body where it always is"),
    ];
    let of_the_library = [
        new(
            PLAIN_08,
            CALLS,
            c("0.8/plain_server"),
            c("0.8/plain_client"),
            "daos/drpc.h and drpc_progress of libdrpc-0.8",
        ),
        new(
            PLAIN_28,
            CALLS,
            c("2.8/plain_server"),
            c("2.8/plain_client"),
            "daos/drpc.h and drpc_progress of libdrpc-2.8",
        ),
        new(PLAIN_SPIN, LATENCY, c("2.8/plain_server"), c("2.8/plain_client"), "with DRPC_SPIN_US=50")
            .with("DRPC_SPIN_US", "50")
            .spinning(),
        new(
            MANAGED,
            CALLS,
            c("2.8/managed_server"),
            c("2.8/plain_client"),
            "drpc/server.h, the plain client of libdrpc-2.8",
        ),
        new(SHARED, CALLS, c("2.8/managed_server"), c("2.8/shared_client"), "drpc/client.h and drpc/server.h"),
        new(
            SHARED_RAW,
            PIPELINE,
            c("epoll_server"),
            c("2.8/shared_client"),
            "drpc/client.h, submit and dispatch, the raw server",
        )
        .with("DRPC_FRAMING", "chunked"),
        new(
            SHARED,
            PIPELINE,
            c("2.8/managed_server"),
            c("2.8/shared_client"),
            "drpc/client.h, submit and dispatch, drpc/server.h",
        ),
        new(
            "raw pipe, managed server",
            PIPELINE,
            c("2.8/managed_server"),
            c("load_client"),
            "the raw client, drpc/server.h",
        ),
        managed(CLIENTS),
        managed(IDLE),
        managed(IDLE).crowded(MANAGED_CROWDED),
        new(LOOP, CLIENTS, c("2.8/plain_server"), c("load_client"), "drpc_progress of libdrpc-2.8"),
        new(
            PLAIN_28,
            PLACEMENT,
            c("2.8/plain_server"),
            c("2.8/plain_client"),
            "the client's body at an offset in its page",
        ),
        new(SHARED, PLACEMENT, c("2.8/managed_server"), c("2.8/shared_client"), "the same, with drpc/server.h"),
    ];
    let in_rust = [
        new(RUST, CALLS, rust("rust_server"), rust("rust_client"), "drpc::Client and drpc::Server"),
        new(LISTENER, CALLS, rust("rust_listener"), rust("rust_client"), "drpc::Client and drpc::Listener"),
        new(
            RUST,
            PIPELINE,
            rust("rust_server"),
            rust("rust_client"),
            "drpc::Client, submit and dispatch, and drpc::Server",
        ),
        rust_server(CLIENTS),
        rust_server(IDLE),
        rust_server(IDLE).crowded(RUST_CROWDED),
    ];
    let builds = options.libraries.iter().flat_map(|(name, library)| {
        let built = |pair: &Pair| pair.built(name, library);
        of_the_library.iter().map(built).collect::<Vec<_>>()
    });
    let builds = builds.collect::<Vec<_>>();
    pairs.into_iter().chain(of_the_library).chain(builds).chain(in_rust).collect()
}

/// A line of the manifest of peers.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) about: String,
    #[serde(default)]
    server: Vec<PathBuf>,
    #[serde(default)]
    client: Vec<PathBuf>,
    pub(crate) missing: Option<String>,
}

impl Peer {
    pub(crate) fn pair(&self) -> Pair {
        Pair {
            name: self.name.clone(),
            about: self.about.clone(),
            server: self.server.clone(),
            client: self.client.clone(),
            environment: Vec::new(),
            experiments: PEERS,
            spins: false,
            idle: 0,
        }
    }
}

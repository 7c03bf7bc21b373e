//! What is compared: a server and a client, as commands that want the path of a socket as their last argument.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cpus::Layout;
use crate::options::Options;
use crate::plan::{ACTIVE, Case, SMALL};

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
    Waits,
}

impl Experiment {
    pub(crate) const ALL: [Self; 8] = [
        Self::Latency,
        Self::Connect,
        Self::Paced,
        Self::Pipeline,
        Self::Clients,
        Self::Idle,
        Self::Placement,
        Self::Waits,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Connect => "connect",
            Self::Paced => "paced",
            Self::Pipeline => "pipeline",
            Self::Clients => "clients",
            Self::Idle => "idle",
            Self::Placement => "placement",
            Self::Waits => "waits",
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
const WAITS: &[Experiment] = &[Experiment::Waits];
/// Those of other RPC systems.
const PEERS: &[Experiment] = &[
    Experiment::Latency,
    Experiment::Connect,
    Experiment::Paced,
    Experiment::Pipeline,
    Experiment::Clients,
    Experiment::Waits,
];

/// Sessions that do nothing beside the active ones: together they are as many as a server takes unless it is told
/// otherwise.
const CROWD: u64 = 4096 - ACTIVE;

/// Of the floor that waits like a library: where waiting is a large part of a call.
const WAITING_SIZES: [u64; 3] = [SMALL, 4 << 10, 14 << 10];

/// Where peers are compared with pairs that may look.
fn is_alone_on_two(case: &Case) -> bool {
    case.cores == Layout::Free && case.setting.is_default()
}

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) server: Vec<PathBuf>,
    pub(crate) client: Vec<PathBuf>,
    /// Variables of both.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) experiments: &'static [Experiment],
    /// In which cases of its experiments.
    pub(crate) takes_part: fn(&Case) -> bool,
    /// The same pair with DRPC_SPIN_US=0.
    pub(crate) never_looking: Option<&'static str>,
    /// Whether the server says for how long it has looked.
    pub(crate) counts_looks: bool,
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
            takes_part: |_| true,
            never_looking: None,
            counts_looks: false,
            idle: 0,
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn only(self, takes_part: fn(&Case) -> bool) -> Self {
        Self { takes_part, ..self }
    }

    /// Waits without sleeping, for which it needs a core of its own.
    fn spinning(self) -> Self {
        self.only(|case| case.cores == Layout::Two)
    }

    fn counting_looks(self) -> Self {
        Self { counts_looks: true, ..self }
    }

    /// With one that differs from it in nothing but DRPC_SPIN_US=0.
    fn and_never_looking(self, name: &'static str) -> [Self; 2] {
        let other = Self { name: name.to_owned(), about: "never looks: DRPC_SPIN_US=0".to_owned(), ..self.clone() };
        [Self { never_looking: Some(name), ..self }, other.with("DRPC_SPIN_US", "0")]
    }

    /// The same beside sessions that do nothing.
    fn crowded(self, name: &str) -> Self {
        Self { name: name.to_owned(), idle: CROWD, ..self }
    }

    /// The same with another build of the library.
    fn built(&self, name: &str, library: &Path) -> Self {
        let mut other = self.clone().with("LD_LIBRARY_PATH", &library.display().to_string());
        other.name = format!("{} @{name}", self.name);
        other.never_looking = None;
        other
    }
}

/// What others are compared with.
pub(crate) const FLOOR: &str = "floor";
pub(crate) const FLOOR_AGAIN: &str = "floor again";
pub(crate) const FLOOR_WAIT: &str = "raw, waiting as a server of many must";
pub(crate) const FLOOR_SPIN: &str = "floor, spinning";
pub(crate) const RAW_PIPE: &str = "raw pipe";
pub(crate) const RAW_EPOLL: &str = "raw epoll server";
pub(crate) const PLAIN_08: &str = "plain 0.8";
pub(crate) const PLAIN_28: &str = "plain 2.8";
pub(crate) const PLAIN_AUTO: &str = "plain 2.8, DRPC_SPIN_US=auto";
pub(crate) const PLAIN_SPIN: &str = "plain 2.8, spinning";
pub(crate) const LOOP: &str = "progress loop";
pub(crate) const MANAGED: &str = "managed server";
pub(crate) const SHARED: &str = "shared client";
pub(crate) const SHARED_OFF: &str = "shared client, DRPC_SPIN_US=0";
pub(crate) const SHARED_RAW: &str = "shared client, raw server";

pub(crate) const RUST: &str = "Rust";
pub(crate) const RUST_OFF: &str = "Rust, DRPC_SPIN_US=0";
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
        Experiment::Latency | Experiment::Connect | Experiment::Paced | Experiment::Placement | Experiment::Waits => {
            FLOOR
        }
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
        new(
            FLOOR_WAIT,
            LATENCY,
            c("floor_server_wait"),
            c("floor_client_wait"),
            "ppoll before the client receives, for a deadline, and epoll_wait before the server does",
        )
        .only(|case| case.cores == Layout::One && WAITING_SIZES.contains(&case.size)),
        new(RAW_PIPE, PIPELINE, c("epoll_server"), c("load_client"), "records made beforehand, an epoll loop in C"),
        epoll(CLIENTS),
        epoll(IDLE),
        epoll(IDLE).crowded(EPOLL_CROWDED),
        new(FLOOR, PLACEMENT, c("floor_server"), c("floor_client"), "its body where it always is"),
        new(FLOOR, WAITS, c("floor_server"), c("floor_client"), "sendmsg and recvmsg in C; the server polls"),
    ];
    let [plain_auto, plain] = new(
        PLAIN_AUTO,
        WAITS,
        c("2.8/plain_server"),
        c("2.8/plain_client"),
        "daos/drpc.h and drpc_progress of libdrpc-2.8, which look when they are asked to",
    )
    .with("DRPC_SPIN_US", "auto")
    .and_never_looking(PLAIN_28);
    let [shared, shared_off] = new(
        SHARED,
        WAITS,
        c("2.8/managed_server"),
        c("2.8/shared_client"),
        "drpc/client.h and drpc/server.h, as they come",
    )
    .counting_looks()
    .and_never_looking(SHARED_OFF);
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
        plain,
        plain_auto,
        shared,
        shared_off,
    ];
    let [in_rust_looking, in_rust_off] =
        new(RUST, WAITS, rust("rust_server"), rust("rust_client"), "drpc::Client and drpc::Server, as they come")
            .counting_looks()
            .and_never_looking(RUST_OFF);
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
        in_rust_looking,
        in_rust_off,
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
            takes_part: |case| case.experiment != Experiment::Waits || is_alone_on_two(case),
            never_looking: None,
            counts_looks: false,
            idle: 0,
        }
    }
}

//! The question for the framing, and connections, in a time that holds even where a file system hangs.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drpc::{Client, ClientBuilder, Framing, Pong};

use crate::address::{Address, Places, shown};
use crate::deadline;
use crate::exit::{Exit, Failure};
use crate::release::framing_name;

/// What the library's own deadline may be exceeded by before the file system is blamed.
const GRACE: Duration = Duration::from_secs(1);

/// Asks the server which framing it reads. `None` if the way to the path has hung.
pub fn ping_within(path: &Path, timeout: Duration) -> Option<Result<Pong, drpc::Error>> {
    let asked = path.to_owned();
    deadline::within(timeout + GRACE, move || drpc::ping(&asked, timeout))
}

/// The same, with a failure for each.
pub fn ping(path: &Path, timeout: Duration) -> Result<Pong, Failure> {
    ping_within(path, timeout).ok_or_else(|| hung(&shown(path), timeout))?.map_err(Failure::of_silence)
}

/// The framing that `DRPC_FRAMING` says, else that which the server reads. A server that closes without an answer does not say.
pub fn framing(path: &Path, timeout: Duration) -> Result<Framing, Failure> {
    match set_framing() {
        Some(framing) => Ok(framing),
        None => Ok(ping(path, timeout)?.framing),
    }
}

fn set_framing() -> Option<Framing> {
    let set = env::var("DRPC_FRAMING").ok()?;
    [Framing::Chunked, Framing::Datagram].into_iter().find(|framing| set == framing_name(*framing))
}

/// Connects a client.
pub fn connect(builder: ClientBuilder, path: &Path, timeout: Duration) -> Result<Client, Failure> {
    let asked = path.to_owned();
    let connected = deadline::within(timeout + GRACE, move || builder.connect(&asked));
    Ok(connected.ok_or_else(|| hung(&shown(path), timeout))??)
}

/// The path of the socket at an address.
pub fn resolve(address: Address, timeout: Duration) -> Result<PathBuf, Failure> {
    let name = match &address {
        Address::Path(path) => shown(path),
        role => format!("the {}", role.role()),
    };
    let resolved = deadline::within(timeout, move || address.resolve(&Places::default()));
    resolved.ok_or_else(|| hung(&name, timeout))?
}

fn hung(name: &str, timeout: Duration) -> Failure {
    let ms = timeout.as_millis();
    let text = format!("connect {name}: timed out: the file system has not answered within {ms} ms");
    Failure::new(Exit::NoAnswer, format!("{text}: `findmnt` lists file systems, and one may have lost its server"))
}

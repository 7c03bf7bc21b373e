//! `drpc ping`: does a server answer, and in which framing?

use std::time::Duration;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;

use super::Entry;
use crate::address::shown;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::options;
use crate::output::{Output, Style, escape};
use crate::peer;
use crate::probe;
use crate::release::framing_name;
use crate::waiting::Waiting;

pub(super) const COMMAND: Entry =
    Entry { name: "ping", about: "Ask whether a server answers; nothing is executed", arguments, run };

const EXAMPLES: &str = "\
Examples:
  drpc ping agent
  drpc ping -c 5 -i 0.2 ./drpc.sock
  drpc ping --json agent | jq .framing

Ctrl-C ends a series of questions, which is then summed up.

The server is asked which framing it reads: chunked since DAOS 2.8, datagram before. A C server up \
to 2.6 logs two lines about a message that it does not understand, and closes the connection.
With --json: {\"address\", \"framing\", \"peer\": {\"pid\", \"uid\", \"gid\", \"program\"}, \"round_trips_us\": [...]}";

fn arguments(command: Command) -> Command {
    command
        .args([
            options::address(),
            Arg::new("count")
                .short('c')
                .long("count")
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(u32).range(1..))
                .help("Number of questions, each over a connection of its own"),
            Arg::new("interval")
                .short('i')
                .long("interval")
                .value_name("TIME")
                .default_value("1s")
                .value_parser(options::duration)
                .help("Time between two questions"),
            options::timeout(),
            options::json(),
            options::quiet(),
        ])
        .after_help(EXAMPLES)
}

fn run(matches: &ArgMatches) -> Result<Exit, Failure> {
    let output = Output::of(matches);
    let count: u32 = matches.get_one("count").copied().unwrap_or(1);
    let interval: Duration = matches.get_one("interval").copied().unwrap_or(Duration::from_secs(1));
    let timeout = options::timeout_of(matches);
    // One question has nothing to say when it is ended.
    let interrupt = (count > 1).then(Interrupt::taken).transpose()?;
    let path = probe::resolve(options::address_of(matches)?, timeout)?;
    let mut round_trips = Vec::new();
    let mut last = None;
    for at in 0..count {
        if at > 0 && interrupt.as_ref().is_some_and(|interrupt| interrupt.within(interval)) {
            break;
        }
        let waiting = Waiting::for_answer(&output, &shown(&path));
        let pong = probe::ping(&path, timeout);
        drop(waiting);
        let pong = pong?;
        if let Some(interrupt) = interrupt.as_ref().filter(|_| at == 0) {
            interrupt.await_one();
        }
        let us = microseconds(pong.round_trip);
        if !output.json {
            let name = output.paint(Style::Bold, &escape(&shown(&path)));
            let peer = peer::describe(pong.peer.pid, pong.peer.uid);
            output.line(&format!("{name}: {}, {}, {us} µs", framing_name(pong.framing), escape(&peer)))?;
        }
        round_trips.push(us);
        last = Some(pong);
    }
    if let Some(pong) = last.filter(|_| output.json) {
        let drpc::Credentials { pid, uid, gid } = pong.peer;
        output.json(&json!({
            "address": shown(&path),
            "framing": framing_name(pong.framing),
            "peer": { "pid": pid, "uid": uid, "gid": gid, "program": peer::program(pid) },
            "round_trips_us": round_trips,
        }))?;
    } else if count > 1 {
        output.line(&summary(&round_trips))?;
    }
    Ok(Exit::Good)
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn summary(round_trips: &[u64]) -> String {
    let mut sorted = round_trips.to_vec();
    sorted.sort_unstable();
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let (least, middle, most) = (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)));
    format!("{} answers: {least} µs at least, {middle} µs in the middle, {most} µs at most", sorted.len())
}

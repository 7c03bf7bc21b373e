//! `drpc bench`.

use std::io::BufRead;
use std::sync::atomic::{AtomicU32, Ordering};

use drpc::{Failure, Framing};
use serde_json::{Value, json};

use crate::serve::Served;
use crate::support::{FRAMINGS, Folder, drpc, interrupted, patiently, serve, silent};

/// One method that works, one with an error number, one that fails from its second call on.
fn management(method: i32, _: &[u8]) -> Result<Vec<u8>, Failure> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    match method {
        206 | 207 | 225 => Ok(Vec::new()),
        211 => Ok(b"\x08\x95\xf8\xff\xff\xff\xff\xff\xff\xff\x01".to_vec()),
        212 if CALLS.fetch_add(1, Ordering::Relaxed) == 0 => Ok(Vec::new()),
        212 => Err(Failure::other()),
        _ => Err(Failure::unknown_method()),
    }
}

fn sum(said: &Value) -> u64 {
    said["histogram"].as_array().unwrap().iter().map(|bar| bar["calls"].as_u64().unwrap()).sum()
}

#[test]
fn a_load_is_measured_in_each_framing() {
    for framing in FRAMINGS {
        let folder = Folder::new();
        let path = folder.at("sock");
        let _server = serve(&path, framing, 2, management);
        for more in [&["-c", "2", "-p", "3"][..], &["--rate", "100000"], &[]] {
            let all = [&["bench", &path, "GetAttachInfo", "--release", "2.6", "-n", "50", "--json"], more].concat();
            let said = drpc(all).json(0);
            assert_eq!((&said["calls"], &said["statuses"]), (&json!(50), &json!({ "SUCCESS": 50 })), "{said}");
            assert_eq!((&said["timed_out"], &said["missed"], sum(&said)), (&json!(0), &json!(0), 50));
            let at = |name: &str| said["latency_us"][name].as_f64().unwrap();
            let names = ["min", "p50", "p75", "p90", "p99", "p99_9", "p99_99", "max"];
            assert!(at("min") > 0.1 && names.windows(2).all(|pair| at(pair[0]) <= at(pair[1])), "{said}");
            assert!(at("min") <= at("mean") && at("mean") <= at("max"), "{said}");
            assert!(said["calls_per_s"].as_f64().unwrap() > 0.0 && said["elapsed_s"].as_f64().unwrap() > 0.0);
        }
        assert!(drpc(["bench", &path, "2/206", "--release", "2.6", "-d", "20ms"]).good().contains(" calls in "));
        let run = drpc(["bench", &path, "2/206", "--release", "2.6", "-n", "9"]);
        assert!(run.good().contains(" in a second\nmin\t") && run.stdout.contains('█'), "{run:?}");
        assert_eq!(run.stderr, "");
        assert_eq!(drpc(["bench", &path, "2/206", "--release", "2.6", "-n", "1", "-q"]).good(), "");
    }
}

/// A server that stalls once holds up the calls that are due meanwhile, and these say so.
#[test]
fn a_fixed_rate_is_timed_from_when_a_call_was_due() {
    let folder = Folder::new();
    let reply = r#"{"reply": {}}"#;
    let fixture = folder
        .write("fixture", format!(r#"{{"mgmt.ping_rank": [{reply}, {{"reply": {{}}, "delay": "200ms"}}, {reply}]}}"#));
    let served = Served::start(&folder, &["--fixture", &fixture]);
    let said = drpc(["bench", &served.path, "mgmt.ping_rank", "-n", "100", "--rate", "1000", "--json"]).json(0);
    // 100 calls are due in the first 100 ms, and answered after 200 ms at the earliest.
    assert!(said["latency_us"]["min"].as_f64().unwrap() >= 100_000.0, "{said}");
    drop(served);
    // In a closed loop one call waits, and the others do not know of it.
    let served = Served::start(&folder, &["--fixture", &fixture]);
    let said = drpc(["bench", &served.path, "mgmt.ping_rank", "-n", "100", "--json"]).json(0);
    assert!(said["latency_us"]["max"].as_f64().unwrap() >= 200_000.0, "{said}");
    drop(served);
    // What was due and not made is missed.
    let served = Served::start(&folder, &["--delay", "100ms", "--reply", "mgmt.ping_rank={}"]);
    let said = drpc(["bench", &served.path, "mgmt.ping_rank", "-d", "50ms", "--rate", "1000", "--json"]).json(0);
    let (calls, missed) = (said["calls"].as_u64().unwrap(), said["missed"].as_u64().unwrap());
    assert!(calls <= 1 && calls + missed == 50, "{said}");
    let run = drpc(["bench", &served.path, "mgmt.ping_rank", "-d", "50ms", "--rate", "1000"]);
    assert!(run.good().contains(" calls were due and not made"), "{run:?}");
}

#[test]
fn a_result_is_compared_with_an_older_one() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, management);
    let bench = |more: &[&str]| drpc([&["bench", &path, "mgmt.ping_rank", "-n", "20"], more].concat());
    let mut old = bench(&["--json"]).json(0);
    old["calls_per_s"] = json!(1);
    old["latency_us"]["p50"] = json!(1e9);
    let old = folder.write("old.json", old.to_string());
    let said = bench(&["--compare", &old, "--json"]).json(0);
    assert_eq!(said["ratios"]["calls_per_s"], said["calls_per_s"]);
    assert!(said["ratios"]["p50"].as_f64().unwrap() < 1.0 && said["ratios"]["p99_9"].is_f64(), "{said}");
    let run = bench(&["--compare", &old]);
    let line = run.good().lines().find(|line| line.starts_with("p50\t1000 s\t")).unwrap();
    assert!(line.ends_with("\t-100.0 %"), "{line}");
    assert_eq!(run.stderr, "");
    let run = bench(&["--compare", &old, "-c", "2"]);
    assert!(run.stderr.contains("the older result is of another load, by connections"), "{run:?}");
    let other = folder.write("other.json", "{}");
    assert!(bench(&["--compare", &other]).failure(2).contains("it is no result of"));
}

#[test]
fn bodies_have_sizes() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 7, |_, body| match body.len() {
        0 | 300_000 => Ok(body.to_vec()),
        _ => Err(Failure::other()),
    });
    let said = drpc(["bench", &path, "7/701", "--size", "300000", "-n", "5", "-p", "2", "--json"]).json(0);
    assert_eq!((&said["size"], &said["calls"]), (&json!(300_000), &json!(5)));
    assert_eq!(drpc(["bench", &path, "7/701", "-n", "1", "--json"]).json(0)["size"], 0);
    assert!(drpc(["bench", &path, "7/701", "--hex", "07", "-n", "1"]).failure(5).contains("FAILURE"));
    assert!(drpc(["bench", &path, "7/701", "{}"]).failure(2).contains("use --hex, --raw, --size or --proto"));
}

#[test]
fn what_does_harm_is_not_measured() {
    let folder = Folder::new();
    let path = folder.at("sock");
    // Said before any server is connected to.
    let bench = |more: &[&str]| drpc([&["bench", &path, "-n", "2"], more].concat());
    assert!(bench(&["mgmt.pool_destroy", "{}", "--yes"]).failure(2).contains("is dangerous, and so is never measured"));
    assert!(bench(&["2/299", "--yes", "--hex", ""]).failure(2).contains("and so is never measured"));
    for more in [&["--yes"][..], &["{}"], &[]] {
        let run = bench(&[&["mgmt.pool_create"], more].concat());
        assert!(run.failure(2).contains("changes state: give its JSON, even {}, and --yes"), "{run:?}");
    }
    let server = serve(&path, Framing::Chunked, 2, management);
    assert!(bench(&["mgmt.pool_create", "{}", "--yes"]).good().starts_with("2 calls in "));
    server.shutdown(std::time::Duration::from_secs(10)).unwrap();
    // Unknown to 0.8, which such a server may be of.
    let _server = serve(&path, Framing::Datagram, 2, management);
    assert!(bench(&["mgmt.ping_rank"]).failure(2).contains("say --release 0.8 or --release 2.6"));
    assert!(bench(&["mgmt.ping_rank", "--release", "2.6"]).good().starts_with("2 calls in "));
}

#[test]
fn failures_have_the_exit_codes_of_a_call() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let bench = |timeout: &str| drpc(["bench", &path, "mgmt.ping_rank", "-n", "20", "-c", "2", "--timeout", timeout]);
    assert!(bench("10s").failure(3).contains("no such file"));
    let silent = silent(&path);
    assert!(patiently(4, bench).failure(4).contains("the question for the framing was not answered"));
    drop(silent);
    std::fs::remove_file(&path).unwrap();
    let server = serve(&path, Framing::Chunked, 2, management);
    let run = drpc(["bench", &path, "mgmt.pool_query", "-n", "2"]);
    assert!(run.failure(5).contains("answered UNKNOWN_METHOD to mgmt.pool_query"), "{run:?}");
    let run = drpc(["bench", &path, "mgmt.smd_list_pools", "-n", "20"]);
    assert!(run.failure(5).contains("of 20 calls the server answered FAILURE to 20"), "{run:?}");
    let run = drpc(["bench", &path, "mgmt.smd_list_devs", "-n", "20"]);
    assert!(run.failure(6).contains("mgmt.smd_list_devs failed: -1003 (DER_INVAL)"), "{run:?}");
    drop(server);
    // The first call is answered, and then none: each counts with the time that it had.
    let fixture = folder.write("fixture", r#"{"mgmt.ping_rank": [{"reply": {}}, {"fault": "never"}]}"#);
    let run = patiently(4, |timeout| {
        let served = Served::start(&folder, &["--fixture", &fixture]);
        drpc(["bench", &served.path, "mgmt.ping_rank", "-n", "2", "-c", "2", "--timeout", timeout, "--json"])
    });
    let said = run.json(4);
    assert_eq!((&said["calls"], &said["timed_out"], &said["statuses"]), (&json!(2), &json!(2), &json!({})));
    assert!(run.stderr.contains("2 of 2 calls were not answered in time"), "{run:?}");
    // The end of a connection ends the run.
    let served = Served::start(&folder, &["--close-after", "3", "--reply", "mgmt.ping_rank={}"]);
    let run = drpc(["bench", &served.path, "mgmt.ping_rank", "-d", "1h", "--json"]);
    assert_eq!(run.json(4)["calls"], 2);
    assert!(run.stderr.contains("closed the connection"), "{run:?}");
}

/// Ctrl-C ends a load, of which is told what was measured.
#[test]
fn a_load_that_is_ended_tells_what_was_measured() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 2, |_, _| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(Vec::new())
    });
    let run = |more: &[&str]| {
        CALLS.store(0, Ordering::Relaxed);
        // The first call is not measured, and the second one is.
        let measured = |_: &mut dyn BufRead| while CALLS.load(Ordering::Relaxed) < 2 {};
        interrupted(&[&["bench", &path, "mgmt.ping_rank"], more].concat(), measured)
    };
    for more in [&["-d", "1h"][..], &["-n", "1000000000"], &["-d", "1h", "--rate", "0.001"]] {
        let said = run(&[more, &["--json"]].concat()).json(0);
        assert!(said["calls"].as_u64().unwrap() > 0 && said["missed"] == 0, "{said}");
    }
    let run = run(&["-d", "1h"]);
    assert!(run.good().contains(" calls in ") && run.stdout.contains("\np99\t"), "{run:?}");
}

#[test]
fn messages_of_other_people_come_from_their_files() {
    let folder = Folder::new();
    let path = folder.at("sock");
    let _server = serve(&path, Framing::Chunked, 7, |_, body| match body {
        b"\x0a\x01?" => Ok(body.to_vec()),
        _ => Ok(vec![7]),
    });
    let file = folder.write("own.proto", "syntax = \"proto3\"; package own; message Text { string text = 1; }");
    let own = ["bench", &path, "7/701", "-n", "3", "--proto", &file, "--request", "Text", "--response", "own.Text"];
    let bench = |more: &[&str]| drpc([&own[..], more].concat());
    assert_eq!(bench(&[r#"{"text": "?"}"#, "--json"]).json(0)["size"], 3);
    assert!(bench(&[]).failure(7).contains("its 1 bytes are no own.Text"));
    assert!(bench(&[r#"{"word": "?"}"#]).failure(2).contains("its fields are text"));
}

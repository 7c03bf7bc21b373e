//! The corpus of the fuzz target, and the recordings of DAOS's own programs, run through the invariants that the
//! target checks: what a fuzzer has found once stays found.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says so by panicking")]

mod support {
    #[expect(dead_code, reason = "memory does not fail here")]
    pub(crate) mod heap;
    pub(crate) mod invariants;
    pub(crate) mod oracle;
    pub(crate) mod parsers;
    pub(crate) mod records;
}

use std::fs;
use std::path::Path;

use drpc::Framing;
use drpc::framing::chunked::HEADER_LEN;
use drpc::framing::detect::detect;
use drpc::wire::ResponseRef;
use serde_json::Value;
use support::invariants;
use support::parsers::{Read, Rules, read};

#[test]
fn the_invariants_hold_of_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/records");
    let (mut inputs, mut framings) = (0, [0; 3]);
    for entry in fs::read_dir(corpus).unwrap() {
        let records = invariants::records_in(&fs::read(entry.unwrap().path()).unwrap());
        invariants::check(&records);
        inputs += 1;
        for record in &records {
            let told = [Some(Framing::Datagram), Some(Framing::Chunked), None];
            framings[told.iter().position(|told| *told == detect(record)).unwrap()] += 1;
        }
    }
    assert!(inputs > 100 && framings.iter().all(|records| *records > 50), "{inputs} inputs, {framings:?}");
}

/// What a recording says was sent, one record after the other; those too long to be recorded are left out.
fn sent(recording: &Value) -> Vec<Vec<u8>> {
    let records = ["datagrams", "sent", "reply"].iter().filter_map(|part| recording[part].as_array());
    records.flatten().filter_map(|record| record["hex"].as_str()).map(bytes).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn the_invariants_hold_of_the_recordings() {
    let golden: Value = serde_json::from_str(include_str!("golden/wire.json")).unwrap();
    let recordings = golden["records"].as_array().unwrap();
    let (mut records, mut clients) = (0, 0);
    for recording in recordings {
        let sent = sent(recording);
        invariants::check(&sent);
        records += sent.len();
        // What one of DAOS's clients begins with tells its framing.
        if let (Some("client"), Some(first)) = (recording["from"].as_str(), recording["datagrams"][0]["hex"].as_str()) {
            let expected = if recording["framing"] == "chunked" { Framing::Chunked } else { Framing::Datagram };
            assert_eq!(detect(&bytes(first)), Some(expected), "{}", recording["id"]);
            clients += 1;
        }
    }
    assert_eq!((records, clients), (364, 47));
}

/// The rules of old Go are those by which DAOS's Go server of 0.8.0 has answered.
#[test]
fn the_rules_of_old_servers_are_those_recorded() {
    let golden: Value = serde_json::from_str(include_str!("golden/wire.json")).unwrap();
    let mut answers = 0;
    for recording in golden["records"].as_array().unwrap() {
        let (sent, answered) = (&recording["sent"], &recording["reply"][0]["decoded"]);
        let (Some(record), true) = (sent[0]["hex"].as_str(), recording["framing"] == "datagram") else { continue };
        let refused = answered["sequence"] == -1 && answered["status_name"] == "FAILED_UNMARSHAL_CALL";
        assert_eq!(read(&bytes(record), Rules::OldGo).is_none(), refused, "{}", recording["id"]);
        answers += 1;
    }
    assert_eq!(answers, 49);
}

/// A detail behind any response that has been recorded changes nothing for any parser.
#[test]
fn a_detail_changes_no_recorded_response() {
    let golden: Value = serde_json::from_str(include_str!("golden/wire.json")).unwrap();
    let mut responses = 0;
    for recording in golden["records"].as_array().unwrap() {
        let head = if recording["framing"] == "chunked" { HEADER_LEN } else { 0 };
        for message in sent(recording).iter().filter_map(|record| record.get(head..)) {
            invariants::check_detail(message);
            responses += usize::from(ResponseRef::decode(message).is_ok());
        }
    }
    assert!(responses > 200, "{responses}");
}

/// A record as the table of the parsers has it: `78*10` is ten times the byte 78.
fn record(text: &str) -> Vec<u8> {
    let piece = |piece: &str| match piece.split_once('*') {
        Some((byte, times)) => bytes(byte).repeat(times.parse().unwrap()),
        None => bytes(piece),
    };
    text.split_whitespace().flat_map(piece).collect()
}

fn as_in_the_table(read: Option<Read<'_>>) -> String {
    let say = |Read { module, method, sequence, body }| format!("{module}/{method}/{sequence}/{}", body.len());
    read.map_or_else(|| "-".to_owned(), say)
}

/// The peers of `c-tests/interop` are held to the same table.
#[test]
fn the_models_of_parsers_read_what_the_table_says() {
    let lines = include_str!("support/parsers.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut lengths_read, mut refused) = ([[false; 8]; 4], 0);
    for line in lines {
        let (text, expected) = line.split_once('|').unwrap();
        let record = record(text);
        invariants::check_first(&record);
        let found = Rules::ALL.map(|rules| as_in_the_table(read(&record, rules)));
        assert_eq!(
            found.each_ref().map(String::as_str),
            *expected.split('|').map(str::trim).collect::<Vec<_>>(),
            "{line}"
        );
        refused += usize::from(found.iter().all(|read| read == "-"));
        if detect(&record) == Some(Framing::Chunked) {
            for (parser, read) in found.iter().enumerate() {
                lengths_read[parser][usize::from(record[0] % 8)] |= read != "-";
            }
        }
    }
    let lengths_read = lengths_read.map(|read| (0..8).filter(|rest| read[*rest]).collect::<Vec<_>>());
    assert_eq!(lengths_read, [vec![0, 1, 2, 5], vec![2], vec![2, 3], vec![2]]);
    assert!(refused > 30, "{refused}");
}

//! `drpc decode`.

use serde_json::{Value, json};

use crate::support::{Folder, Run, drpc, drpc_reading};

/// {"sys": "daos_server"} to 2/206, and its answer, an error number, as datagrams.
const CALL: &str = "08 02 10 ce 01 18 01 22 0d 0a 0b 64 61 6f 73 5f 73 65 72 76 65 72";
const ANSWER: &str = "08 01 1a 0b 08 95 f8 ff ff ff ff ff ff ff 01";

fn decode(text: &str) -> Run {
    drpc_reading(["decode", "--json"], text.as_bytes())
}

/// The objects of the lines, whose exit code has to be this.
fn objects(run: &Run, code: i32) -> Vec<Value> {
    assert_eq!(run.code, code, "{run:?}");
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_a_chunk(message: &str) -> String {
    let len = message.split_whitespace().count();
    format!("{len:02x} 00 00 00 00 00 00 00 {len:02x} 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 {message}")
}

#[test]
fn a_call_and_its_answer_are_read_in_each_framing() {
    let chunked = (in_a_chunk(CALL), in_a_chunk(ANSWER));
    for (framing, release, (call, answer)) in
        [("datagram", "0.8", (CALL.to_owned(), ANSWER.to_owned())), ("chunked", "2.8", chunked)]
    {
        let found = objects(&decode(&format!("# a comment\n{call}\n\n{answer}\n")), 0);
        let sequence = json!(1);
        assert_eq!(
            ["kind", "framing", "module", "method", "name", "sequence", "release", "body_size"]
                .map(|name| &found[0][name]),
            [
                &json!("call"),
                &json!(framing),
                &json!(2),
                &json!(206),
                &json!("mgmt.get_attach_info"),
                &sequence,
                &json!(release),
                &json!(13)
            ]
        );
        assert_eq!(found[0]["body"]["sys"], json!("daos_server"));
        assert_eq!(
            ["kind", "framing", "name", "sequence", "status", "status_name"].map(|name| &found[1][name]),
            [
                &json!("response"),
                &json!(framing),
                &json!("mgmt.get_attach_info"),
                &sequence,
                &json!(0),
                &json!("SUCCESS")
            ]
        );
        assert_eq!(found[1]["body"]["status"], json!(-1003));
    }
    let found = objects(&drpc_reading(["decode", "--json", "--release", "2.6"], CALL.as_bytes()), 0);
    assert_eq!(found[0]["release"], json!("2.6"));
}

#[test]
fn the_text_is_for_people() {
    let run = drpc_reading(["decode"], format!("{CALL}\n{ANSWER}").as_bytes());
    let expected = "call mgmt.get_attach_info (2/206), sequence 1, datagram, 13 bytes, DAOS 0.8\n\
                    {\n  \"sys\": \"daos_server\"\n}\n\
                    response mgmt.get_attach_info (2/206), sequence 1, SUCCESS, datagram, 11 bytes, DAOS 0.8\n\
                    {\n  \"status\": -1003,\n  \"psrs\": []\n}\n";
    assert_eq!(run.good(), expected);
}

#[test]
fn each_hexdump_is_a_record() {
    let bytes: Vec<_> = CALL.split(' ').collect();
    let expected = objects(&decode(CALL), 0);
    let pairs = |bytes: &[&str]| bytes.chunks(2).map(|pair| pair.concat()).collect::<Vec<_>>().join(" ");
    let words = |bytes: &[&str]| bytes.chunks(2).map(|pair| [pair[1], pair[0]].concat()).collect::<Vec<_>>().join(" ");
    let (first, second) = bytes.split_at(16);
    let dumps = [
        format!("00000000: {}  ........daos_ser\n00000010: {}  ver\n", pairs(first), pairs(second)),
        format!(
            "00000000  {}  {}  |........daos_ser|\n00000010  {}  |ver|\n00000016\n",
            first[..8].join(" "),
            first[8..].join(" "),
            second.join(" ")
        ),
        format!("000000 {}\n000010 {}\n000016\n", first.join(" "), second.join(" ")),
        format!("0000000 {}\n0000010 {}\n0000016\n", words(first), words(second)),
    ];
    for dump in dumps {
        assert_eq!(objects(&decode(&dump), 0), expected, "{dump}");
        assert_eq!(objects(&decode(&format!("{dump}{dump}")), 0).len(), 2, "{dump}");
    }
}

#[test]
fn a_trace_tells_connections_apart() {
    let escaped = |hex: &str| hex.split(' ').map(|byte| format!("\\x{byte}")).collect::<String>();
    let (call, answer) = (escaped(CALL), escaped(ANSWER));
    let (head, tail) = call.split_at(4 * 9);
    let trace = format!(
        "[pid 7] socket(AF_UNIX, SOCK_SEQPACKET, 0) = 3\n\
         [pid 7] sendmsg(3, {{msg_name=NULL, msg_namelen=0, msg_iov=[{{iov_base=\"{head}\", iov_len=9}}, \
         {{iov_base=\"{tail}\", iov_len=13}}], msg_iovlen=2, msg_controllen=0, msg_flags=0}}, 0) = 22\n\
         [pid 8] sendto(4, \"\\x08\\x01\\x10\\x65\\x18\\x01\", 6, 0, NULL, 0) = 6\n\
         [pid 7] recvfrom(3,  <unfinished ...>\n\
         [pid 8] recvfrom(4, 0x7ffd, 131072, 0, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)\n\
         [pid 7] <... recvfrom resumed>\"{answer}\", 131072, 0, NULL, NULL) = 15\n\
         [pid 8] recvfrom(4, \"\\x08\\x01\\x1a\\x05\\x12\\x03\"..., 131072, 0, NULL, NULL) = 9\n\
         +++ exited with 0 +++\n"
    );
    let found = objects(&decode(&trace), 7);
    let names: Vec<_> = found.iter().map(|record| (&record["kind"], &record["name"], &record["truncated"])).collect();
    let (info, creds) = (json!("mgmt.get_attach_info"), json!("sec_agent.request_creds"));
    let (call, response, unknown) = (json!("call"), json!("response"), json!("unknown"));
    let (no, yes, null) = (json!(false), json!(true), json!(null));
    assert_eq!(names, [(&call, &info, &no), (&call, &creds, &no), (&response, &info, &no), (&unknown, &null, &yes)]);
}

#[test]
fn chunks_are_put_together_and_the_probe_is_known() {
    let body = 150_000;
    let message = [&b"\x08\x07\x10\x07\x18\x01\x22\xf0\x93\x09"[..], &vec![7; body]].concat();
    let chunks = drpc::framing::chunked::Chunks::new(message.len()).unwrap();
    let records = chunks.map(|(header, range)| [&header.to_bytes()[..], &message[range]].concat());
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let probe = in_a_chunk("07 07 07 07 07 07 07");
    let text = records.map(hex).collect::<Vec<_>>().join("\n") + "\n" + &probe;
    let found = objects(&decode(&text), 0);
    assert_eq!(
        found.iter().map(|record| record["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["part", "call", "probe"]
    );
    assert_eq!((&found[0]["chunk"], &found[1]["chunk"], &found[1]["chunks"]), (&json!(0), &json!(1), &json!(2)));
    assert_eq!((&found[1]["name"], &found[1]["body_size"]), (&json!("7.7"), &json!(body)));
}

#[test]
fn secrets_are_masked() {
    // 1/101, and an answer with a credential.
    let text = "08 01 10 65 18 01\n08 01 1a 0c 12 0a 0a 08 08 01 12 04 6b 65 79 21";
    let found = objects(&decode(text), 0);
    assert_eq!(found[1]["body"]["cred"]["token"]["data"], json!("(masked)"));
    let found = objects(&drpc_reading(["decode", "--json", "--show-secrets"], text.as_bytes()), 0);
    assert_eq!(found[1]["body"]["cred"]["token"]["data"], json!("a2V5IQ=="));
    // Without its call an answer may be any.
    let alone = objects(&decode(text.lines().nth(1).unwrap()), 0);
    assert_eq!((&alone[0]["body"], &alone[0]["body_size"]), (&json!(null), &json!(12)));
}

#[test]
fn what_is_not_understood_is_exit_code_7() {
    assert!(decode("hello\n").failure(7).contains("line 1 is none of"));
    assert!(decode("").failure(7).contains("no records"));
    let found = objects(&decode("07"), 7);
    assert_eq!((&found[0]["kind"], &found[0]["framing"]), (&json!("unknown"), &json!(null)));
    let folder = Folder::new();
    let file = folder.write("trace", CALL);
    assert_eq!(objects(&drpc(["decode", "--json", &file]), 0).len(), 1);
    assert!(drpc(["decode", &folder.at("none")]).failure(2).contains("none: "));
}

/// A trace has reads of libraries, too, which are no records; what follows a record on its descriptor may be a broken one.
#[test]
fn a_trace_has_other_files() {
    let escaped = |hex: &str| hex.split(' ').map(|byte| format!("\\x{byte}")).collect::<String>();
    let noise = "openat(AT_FDCWD, \"\\x6c\", O_RDONLY) = 3\nread(3, \"\\x7f\\x45\\x4c\\x46\"..., 832) = 832\n";
    let write = format!("write(4, \"{}\", 22) = 22\n", escaped(CALL));
    let run = drpc_reading(["decode", "--json"], format!("{noise}{write}").as_bytes());
    assert_eq!(objects(&run, 0).len(), 1);
    assert!(run.stderr.contains("reads and writes of other files that are left out: 1"), "{run:?}");
    let broken = format!("{write}read(4, \"\\xff\\xff\\xff\", 832) = 3\n");
    assert_eq!(objects(&decode(&broken), 7)[1]["kind"], "unknown");
    assert!(drpc_reading(["decode"], noise.as_bytes()).failure(7).contains("no records in the text"));
}

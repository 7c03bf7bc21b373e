//! Calls, responses and statuses as values: their fields, their text, what Protocol Buffers does with messages, and
//! their descriptors. How they are encoded is tested by `golden.rs` and `wire_properties.rs`.
#![expect(clippy::unwrap_used, reason = "a test says so by panicking")]

use drpc::{Call, FILE_DESCRIPTOR_SET, Response, Status};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};

const STATUSES: [(i32, &str, Status); 8] = [
    (0, "SUCCESS", Status::Success),
    (1, "SUBMITTED", Status::Submitted),
    (2, "FAILURE", Status::Failure),
    (3, "UNKNOWN_MODULE", Status::UnknownModule),
    (4, "UNKNOWN_METHOD", Status::UnknownMethod),
    (5, "FAILED_UNMARSHAL_CALL", Status::FailedUnmarshalCall),
    (6, "FAILED_UNMARSHAL_PAYLOAD", Status::FailedUnmarshalPayload),
    (7, "FAILED_MARSHAL", Status::FailedMarshal),
];

fn call() -> Call {
    Call { module: 2, method: 201, sequence: 1, body: b"a\"\x01".to_vec() }
}

fn response() -> Response {
    Response { sequence: 1, status: Status::UnknownModule.into(), body: b"b".to_vec(), ..Response::default() }
}

const ENCODED_CALL: &[u8] = b"\x08\x02\x10\xc9\x01\x18\x01\x22\x03a\"\x01";
const ENCODED_RESPONSE: &[u8] = b"\x08\x01\x10\x03\x1a\x01b";

/// A field of number 9 and one of number 15.
const UNKNOWN: &[u8] = b"\x48\x05\x7a\x02no";

/// A message as a tool reads it that knows nothing but the descriptors: from its text, and from its bytes.
fn read_by_descriptor<M: Message + Default>(name: &str, text: &str, bytes: &[u8]) -> [M; 2] {
    let kind = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap().get_message_by_name(name).unwrap();
    let from_text = DynamicMessage::parse_text_format(kind.clone(), text).unwrap();
    let from_bytes = DynamicMessage::decode(kind, bytes).unwrap();
    [from_text, from_bytes].map(|message| message.transcode_to().unwrap())
}

#[test]
fn statuses_have_a_number_and_a_name() {
    for (number, name, status) in STATUSES {
        assert_eq!((i32::from(status), status.as_str_name()), (number, name));
        assert_eq!((Status::try_from(number), Status::from_str_name(name)), (Ok(status), Some(status)));
    }
    assert!([-1, 8].iter().all(|number| Status::try_from(*number).is_err()));
    assert_eq!(["", "success", "STATUS"].map(Status::from_str_name), [None; 3]);
}

#[test]
fn a_status_is_written_as_its_name() {
    for (_, name, status) in STATUSES {
        assert_eq!(status.to_string(), name);
    }
    assert_eq!(format!("{:>8}|{:<8}|", Status::Failure, Status::Success), " FAILURE|SUCCESS |");
}

#[test]
fn a_response_has_a_status() {
    for (number, _, status) in STATUSES {
        assert_eq!(Response { status: number, ..response() }.status(), status);
    }
    // One of a later release: whatever it means, it is not success.
    assert_eq!(Response { status: 100, ..response() }.status(), Status::Failure);
}

#[test]
fn messages_are_written_as_one_line() {
    assert_eq!(call().to_string(), r#"module:2 method:201 sequence:1 body:"a\"\x01""#);
    assert_eq!(response().to_string(), r#"sequence:1 status:UNKNOWN_MODULE body:"b""#);
    assert_eq!(Response { status: 42, ..Response::default() }.to_string(), "status:42");
    assert_eq!(Call { method: -1, ..Call::default() }.to_string(), "method:-1");
    assert_eq!((Call::default().to_string(), Response::default().to_string()), (String::new(), String::new()));
}

#[test]
fn messages_are_reset() {
    let (mut call, mut response) = (call(), response());
    call.clear();
    response.clear();
    assert_eq!((call, response), (Call::default(), Response::default()));
}

#[test]
fn messages_are_merged() {
    let (mut call, mut response) = (call(), response());
    call.merge(&Call { method: 202, body: b"c".to_vec(), ..Call::default() }.encode_to_vec()[..]).unwrap();
    response.merge(&Response { sequence: 7, ..Response::default() }.encode_to_vec()[..]).unwrap();
    assert_eq!(call, Call { module: 2, method: 202, sequence: 1, body: b"c".to_vec() });
    assert_eq!(response, Response { sequence: 7, status: 3, body: b"b".to_vec(), detail: None });
}

#[test]
fn messages_are_encoded_and_decoded() {
    assert_eq!((call().encode_to_vec(), call().encoded_len()), (ENCODED_CALL.to_vec(), ENCODED_CALL.len()));
    assert_eq!(response().encode_to_vec(), ENCODED_RESPONSE);
    assert_eq!(response().encoded_len(), ENCODED_RESPONSE.len());
    assert_eq!((Call::decode(ENCODED_CALL), Response::decode(ENCODED_RESPONSE)), (Ok(call()), Ok(response())));
    assert!(Call::decode(&ENCODED_CALL[..8]).is_err() && Response::decode(&ENCODED_RESPONSE[..6]).is_err());
}

#[test]
fn unknown_fields_are_discarded() {
    let decoded_call = Call::decode(&[UNKNOWN, ENCODED_CALL].concat()[..]).unwrap();
    let decoded_response = Response::decode(&[ENCODED_RESPONSE, UNKNOWN].concat()[..]).unwrap();
    assert_eq!(decoded_call.encode_to_vec(), ENCODED_CALL);
    assert_eq!(decoded_response.encode_to_vec(), ENCODED_RESPONSE);
}

#[test]
fn descriptors_describe_messages_and_statuses() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let names: Vec<_> = pool.all_messages().map(|message| message.full_name().to_owned()).collect();
    assert_eq!(names, ["drpc.Call", "drpc.Response"]);
    let statuses = pool.get_enum_by_name("drpc.Status").unwrap();
    let values: Vec<_> = statuses.values().map(|value| (value.number(), value.name().to_owned())).collect();
    assert_eq!(values, STATUSES.map(|(number, name, _)| (number, name.to_owned())));
    // No comments: they would be most of it.
    assert!(pool.files().all(|file| file.file_descriptor_proto().source_code_info.is_none()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn calls_are_read_by_their_descriptor(module: i32, method: i32, sequence: i64, body in vec(any::<u8>(), 0..40)) {
        let call = Call { module, method, sequence, body };
        let read = read_by_descriptor::<Call>("drpc.Call", &call.to_string(), &call.encode_to_vec());
        prop_assert_eq!(read, [call.clone(), call]);
    }

    #[test]
    fn responses_are_read_by_their_descriptor(sequence: i64, status in -2..10, body in vec(any::<u8>(), 0..40)) {
        let response = Response { sequence, status, body, detail: None };
        let read = read_by_descriptor::<Response>("drpc.Response", &response.to_string(), &response.encode_to_vec());
        prop_assert_eq!(read, [response.clone(), response]);
    }
}

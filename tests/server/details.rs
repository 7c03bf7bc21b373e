//! Why a call has failed, as the server tells the client and its log.

use std::time::Duration;

use drpc::{Client, Failure, Framing, Module, Server, ServerBuilder, ServerLimits, Session, Status};

use crate::callers::OTHER_USER;
use crate::limits::Lines;
use crate::modules::{ECHO, Echo, LATER, Later};
use crate::raw_client::{FRAMINGS, Raw, call};
use crate::support::body::pattern;
use crate::support::socket_path::socket_path;

/// A module that fails, in words that its caller is given.
struct Failing;

/// The number of the module.
const FAILING: i32 = 11;

impl Module for Failing {
    fn id(&self) -> i32 {
        FAILING
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let detail = String::from_utf8(body.to_vec()).unwrap();
        let status = Status::try_from(method).unwrap();
        Err(Failure::new(status).with_error_text("for the log").with_detail(detail))
    }
}

/// The status and the detail of the next response.
fn told(client: &Raw) -> (Status, Option<String>) {
    let response = client.reply();
    assert!(response.body.is_empty());
    (response.status(), response.detail().map(str::to_owned))
}

/// A call is answered with this text, which the log has, too.
#[track_caller]
fn assert_refused(client: &Raw, lines: &Lines, status: Status, text: &str) {
    assert_eq!(told(client), (status, Some(text.to_owned())));
    lines.await_ending(text, 1);
}

fn started(builder: ServerBuilder) -> (tempfile::TempDir, Server) {
    let (dir, path) = socket_path();
    let server = builder.bind(path).unwrap();
    server.start().unwrap();
    (dir, server)
}

#[test]
fn a_handler_tells_its_caller_why() {
    let (_dir, server) = started(Server::builder().module(Failing));
    for framing in FRAMINGS {
        let client = Raw::connect(server.path(), framing);
        let tell = |status: Status, text: &str, sequence| {
            client.send(&call(FAILING, status.into(), sequence, text.as_bytes()));
            told(&client)
        };
        let why = "pool 7 is gone";
        assert_eq!(tell(Status::Failure, why, 1), (Status::Failure, Some(why.to_owned())));
        assert_eq!(tell(Status::UnknownMethod, why, 2), (Status::UnknownMethod, Some(why.to_owned())));
        assert_eq!(tell(Status::Failure, "", 3), (Status::Failure, None));
        assert_eq!(tell(Status::Failure, "a\nb", 4), (Status::Failure, Some("a?b".to_owned())));
        let (_, long) = tell(Status::Failure, &"é".repeat(300), 5);
        assert_eq!(long, Some("é".repeat(100)));
        // A success says nothing, and nor does an answer with the sequence that stands for none.
        assert_eq!(tell(Status::Success, why, 6), (Status::Success, None));
        assert_eq!(tell(Status::Failure, why, -1), (Status::Failure, None));
    }
}

#[test]
fn a_deferred_call_is_told_why() {
    let (later, requests) = Later::new(false);
    let (_dir, server) = started(Server::builder().module(later));
    let client = Raw::connect(server.path(), Framing::Chunked);
    client.send(&call(LATER, 1, 1, b""));
    requests.recv().unwrap().reply(Err(Failure::other().with_detail("too late"))).unwrap();
    assert_eq!(told(&client), (Status::Failure, Some("too late".to_owned())));
    client.send(&call(LATER, 1, 2, b""));
    drop(requests.recv().unwrap());
    assert_eq!(told(&client), (Status::Failure, None));
}

#[test]
fn nothing_is_told_where_that_is_turned_off() {
    let lines = Lines::default();
    let builder = Server::builder().module(Failing).module(Echo).allow(ECHO, [OTHER_USER]);
    let (_dir, server) = started(builder.details(false).log(lines.log()));
    for framing in FRAMINGS {
        let client = Raw::connect(server.path(), framing);
        client.send(&call(FAILING, Status::Failure.into(), 1, b"why"));
        let record = client.receive_record();
        assert!(record.ends_with(b"\x08\x01\x10\x02"), "{record:02x?}");
        client.send(&call(ECHO, 1, 2, b""));
        assert_eq!(told(&client), (Status::Failure, None));
    }
    lines.await_ending("which ServerBuilder::allow leaves to other users", 2);
}

#[test]
fn what_was_met_is_told_alike_to_the_client_and_the_log() {
    let uid = crate::callers::own_ids().0;
    for framing in FRAMINGS {
        let limits = ServerLimits { message: 1000, datagram: 500, ..ServerLimits::default() };
        let (later, requests) = Later::new(true);
        let limits = ServerLimits { calls_per_session: 1, ..limits };
        let lines = Lines::default();
        let builder = Server::builder().module(Echo).module(Failing).module(later).log(lines.log());
        let (_dir, server) = started(builder.allow(FAILING, [OTHER_USER]).limits(limits).threads(4));
        let connect = || Raw::connect(server.path(), framing);
        let client = connect();
        client.send(&call(FAILING, 1, 1, b""));
        let text = format!("uid {uid} may not call the module 11, which ServerBuilder::allow leaves to other users");
        assert_refused(&client, &lines, Status::Failure, &text);
        // The call itself has four bytes more than the response.
        if framing == Framing::Datagram {
            client.send(&call(ECHO, 1, 2, &pattern(900)));
            let text = "a response of 905 bytes cannot be sent: ServerLimits::datagram is 500";
            assert_refused(&client, &lines, Status::FailedMarshal, text);
        }
        client.send(&call(ECHO, 1, 3, &pattern(2000)));
        let text = "closed: a call of 2009 bytes is too large: ServerLimits::message is 1000";
        assert_refused(&client, &lines, Status::Failure, text);
        client.assert_end();
        let client = connect();
        client.send(&call(LATER, 1, 1, b""));
        let request = requests.recv().unwrap();
        client.send(&call(LATER, 1, 2, b""));
        let text = "closed: 1 calls at once, the limit of ServerLimits::calls_per_session";
        assert_refused(&client, &lines, Status::Failure, text);
        request.reply(Ok(Vec::new())).unwrap();
    }
}

#[test]
fn a_client_that_is_refused_is_told_why() {
    let uid = crate::callers::own_ids().0;
    for framing in FRAMINGS {
        let (_dir, path) = socket_path();
        let lines = Lines::default();
        let server = Server::builder().module(Echo).log(lines.log()).authorise(|_| false).bind(&path).unwrap();
        let client = Raw::connect(&path, framing);
        client.send(&call(ECHO, 1, 7, b""));
        server.start().unwrap();
        let text = format!("refused: the function of ServerBuilder::authorise does not let uid {uid} in");
        assert_refused(&client, &lines, Status::Failure, &text);
        client.assert_end();
    }
}

/// Nothing is told before the client's framing is known, so that what a client learns from the answer stays exact.
#[test]
fn a_client_that_asks_is_told_nothing_else() {
    const REFUSAL: &[u8] = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x10\x05";
    let (_dir, path) = socket_path();
    let server = Server::builder().module(Echo).authorise(|_| false).bind(&path).unwrap();
    let asking = Raw::connect(&path, Framing::Chunked);
    asking.send_message(&[7; 7]);
    let garbage = Raw::connect(&path, Framing::Datagram);
    garbage.send_record(b"\xff");
    server.start().unwrap();
    assert!(asking.receive_record().ends_with(REFUSAL));
    assert_eq!(garbage.receive_record(), REFUSAL);
}

/// Where the limit of a response has no room for the text, the status comes without it.
#[test]
fn a_text_that_does_not_fit_is_left_out() {
    let limits = ServerLimits { datagram: 100, ..ServerLimits::default() };
    let (_dir, server) = started(Server::builder().module(Failing).limits(limits));
    let client = Raw::connect(server.path(), Framing::Datagram);
    for (len, expected) in [(80, Some(80)), (93, Some(93)), (94, None)] {
        let text = "x".repeat(len);
        client.send(&call(FAILING, Status::Failure.into(), 1, text.as_bytes()));
        let (status, detail) = told(&client);
        assert_eq!((status, detail.map(|text| text.len())), (Status::Failure, expected));
    }
    assert_eq!(server.stats().errors.unsendable, 0);
}

/// A client of this library has the text in its response and in the words of the answer.
#[test]
fn a_client_has_the_text() {
    let (_dir, server) = started(Server::builder().module(Failing));
    let names = drpc::modules::names::Names::V2_8;
    for framing in [None, Some(Framing::Datagram), Some(Framing::Chunked)] {
        let client = Client::builder().framing(framing).connect(server.path()).unwrap();
        let response = client.call(FAILING, Status::Failure.into(), b"pool 7 is gone").unwrap();
        assert_eq!(response.detail(), Some("pool 7 is gone"));
        let text = "the server answered FAILURE to 11.2: it says \"pool 7 is gone\"";
        assert_eq!(response.answer_to(names.call(FAILING, 2)).to_string(), text);
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = move |result: Result<drpc::Response, drpc::Error>| sender.send(result.unwrap()).unwrap();
        client.submit(&drpc::CallOptions::new(), FAILING, 2, b"why".to_vec(), done).unwrap();
        while client.dispatch(Some(Duration::from_secs(10))).unwrap() == 0 {}
        assert_eq!(receiver.recv().unwrap().detail(), Some("why"));
    }
}

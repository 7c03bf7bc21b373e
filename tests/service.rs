//! Modules, their registry, and the session that a handler gets: without a server around them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by panicking")]

use std::os::fd::{AsFd, AsRawFd};
use std::sync::mpsc;
use std::thread;

use drpc::{
    Call, Client, Connection, Failure, Listener, Module, Request, Response, Service, Session, Status, module_fn,
};
use prost::Message;
use tempfile::TempDir;

/// An accepted connection, the client at the other end, and the place of the socket.
fn connection() -> (Connection, Client, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    let listener = Listener::bind(&path).unwrap();
    let client = Client::connect(&path).unwrap();
    (listener.accept().unwrap(), client, dir)
}

/// Method 1 gives the body back, 2 fails, 3 panics.
struct Echo;

impl Module for Echo {
    fn id(&self) -> i32 {
        5
    }

    fn handle(&self, _session: &Session, method: i32, body: &[u8]) -> Result<Vec<u8>, Failure> {
        match method {
            1 => Ok(body.to_vec()),
            2 => Err(Failure::unmarshaling_payload()),
            3 => panic!("as it was told"),
            _ => Err(Failure::unknown_method()),
        }
    }
}

fn service() -> Service {
    let mut service = Service::new();
    service.register(Echo).unwrap();
    service
}

/// What becomes of a call as an encoded message.
fn processed(service: &Service, session: &Session, call: &Call) -> Response {
    Response::decode(&service.process_message(session, &call.encode_to_vec())[..]).unwrap()
}

/// The body reaches the closure, and comes back, without a copy.
#[test]
fn a_closure_is_a_module() {
    let (connection, _client, _dir) = connection();
    let mut service = Service::new();
    let module = module_fn(6, |session, method, body| match method {
        1 if session.peer().pid == std::process::id().cast_signed() => Ok(body),
        _ => Err(Failure::unknown_method()),
    });
    assert_eq!(format!("{module:?}"), "ModuleFn { id: 6, .. }");
    service.register(module).unwrap();
    let body = vec![1; 100];
    let place = body.as_ptr();
    let response = service.process(connection.session(), Call { module: 6, method: 1, sequence: 2, body });
    assert_eq!((response.status(), response.sequence, response.body.as_ptr()), (Status::Success, 2, place));
    let response = service.process(connection.session(), Call { module: 6, method: 2, ..Call::default() });
    assert_eq!(response.status(), Status::UnknownMethod);
}

#[test]
fn messages_are_processed() {
    let (connection, _client, _dir) = connection();
    let (service, session) = (service(), connection.session());
    let call = Call { module: 5, method: 1, sequence: 77, body: b"body".to_vec() };
    assert_eq!(processed(&service, session, &call), Response::success(&call, b"body".to_vec()));
    let of = |call: &Call, status| Response::of_status(call, status);
    let call = Call { method: 2, ..call };
    assert_eq!(processed(&service, session, &call), of(&call, Status::FailedUnmarshalPayload));
    let call = Call { method: 9, ..call };
    assert_eq!(processed(&service, session, &call), of(&call, Status::UnknownMethod));
    let call = Call { module: 6, ..call };
    assert_eq!(processed(&service, session, &call), of(&call, Status::UnknownModule));
}

#[test]
fn what_is_no_call_is_processed() {
    let (connection, _client, _dir) = connection();
    let response = service().process_message(connection.session(), b"\xff\xff");
    assert_eq!(Response::decode(&response[..]).unwrap(), Response::to_unparsable());
    assert_eq!(Response::to_unparsable().sequence, -1);
}

/// The next call goes to the same connection.
#[test]
fn a_module_that_panics_has_failed() {
    let (mut connection, client, _dir) = connection();
    let server = thread::spawn(move || {
        let service = service();
        while connection.serve_next(&service).unwrap() {}
    });
    assert_eq!(client.call(5, 3, b"").unwrap().status(), Status::Failure);
    assert_eq!(client.call(5, 1, b"?").unwrap().body, b"?");
    drop(client);
    server.join().unwrap();
}

struct Later(mpsc::Sender<Request>);

impl Module for Later {
    fn id(&self) -> i32 {
        6
    }

    fn serve(&self, request: Request) {
        self.0.send(request).unwrap();
    }
}

#[test]
fn an_answer_that_comes_later_is_waited_for() {
    let (connection, _client, _dir) = connection();
    let (sender, requests) = mpsc::channel::<Request>();
    let mut service = Service::new();
    service.register(Later(sender)).unwrap();
    let answering = thread::spawn(move || {
        let mut request = requests.recv().unwrap();
        let body = request.take_body();
        request.respond(Status::Failure.into(), b"a body that is not for a failure").unwrap();
        requests.recv().unwrap().reply(Ok(body)).unwrap();
        drop(requests.recv().unwrap());
    });
    let call = Call { module: 6, method: 0, sequence: 3, body: b"body".to_vec() };
    let of = |status| Response::of_status(&call, status);
    assert_eq!(service.process(connection.session(), call.clone()), of(Status::Failure));
    assert_eq!(service.process(connection.session(), call.clone()), Response::success(&call, b"body".to_vec()));
    assert_eq!(service.process(connection.session(), call.clone()), of(Status::Failure));
    answering.join().unwrap();
}

#[test]
fn a_session_says_who_is_connected() {
    let (connection, client, dir) = connection();
    let session = connection.session().clone();
    assert_eq!(session.path(), dir.path().join("drpc.sock"));
    assert_eq!(session.as_fd().as_raw_fd(), connection.as_fd().as_raw_fd());
    let peer = session.peer();
    let own = std::fs::metadata("/proc/self").map(|file| std::os::unix::fs::MetadataExt::uid(&file)).unwrap();
    assert_eq!((peer.pid.unsigned_abs(), peer.uid), (std::process::id(), own));
    let other = self::connection();
    assert_ne!(session.id(), other.0.session().id());
    // It may outlive the connection, and ends it.
    session.close();
    assert!(client.call(5, 1, b"").is_err());
    drop(connection);
    assert_eq!(session.clone().id(), session.id());
}

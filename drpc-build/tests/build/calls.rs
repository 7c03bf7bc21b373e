//! Generated clients and servers, over sockets.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use drpc::prost::Message;
use drpc::typed::CallFault;
use drpc::{CallOptions, Cause, Client, Failure, Module, Request, Server, Session, Status, module_fn};

use crate::generated::calc::{AddRequest, AddResponse, Calc, CalcClient, CalcModule, DivideRequest, DivideResponse};
use crate::generated::test::numbered::{Numbered, NumberedClient, NumberedModule};
use crate::generated::test::types::{Text, Tree};

/// A server of a module, and a client of it.
fn serve(module: impl Module + 'static) -> (Server, Client, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("drpc.sock");
    let server = Server::builder().module(module).bind(&path).unwrap();
    server.start().unwrap();
    let client = Client::connect(&path).unwrap();
    (server, client, dir)
}

/// Adds and divides, and remembers who was last to divide.
#[derive(Default)]
struct Calculator {
    uid: AtomicU32,
}

impl Calc for Calculator {
    fn add(&self, _session: &Session, AddRequest { a, b }: AddRequest) -> Result<AddResponse, Failure> {
        Ok(AddResponse { sum: a.checked_add(b).ok_or_else(Failure::other)? })
    }

    fn divide(&self, session: &Session, DivideRequest { a, b }: DivideRequest) -> Result<DivideResponse, Failure> {
        self.uid.store(session.peer().uid, Ordering::Relaxed);
        let quotient = a.checked_div(b).ok_or_else(|| Failure::other().with_detail("division by zero"))?;
        Ok(DivideResponse { quotient })
    }
}

#[test]
fn a_typed_client_calls_a_typed_server() {
    let calculator = Arc::new(Calculator { uid: AtomicU32::new(u32::MAX) });
    let (_server, client, dir) = serve(CalcModule::new(calculator.clone()));
    let calc = CalcClient::new(client);
    assert_eq!(calc.add(&AddRequest { a: 40, b: 2 }).unwrap(), AddResponse { sum: 42 });
    assert_eq!(calc.divide(&DivideRequest { a: i64::MIN, b: 2 }).unwrap().quotient, i64::MIN / 2);
    let own = Session::for_tests().unwrap().peer();
    assert_eq!((calculator.uid.load(Ordering::Relaxed), own.pid), (own.uid, std::process::id().cast_signed()));

    let error = calc.divide(&DivideRequest { a: 1, b: 0 }).unwrap_err();
    assert_eq!((error.status(), error.cause()), (Some(Status::Failure), None));
    assert_eq!(error.method(), &CalcClient::DIVIDE);
    assert_eq!(error.detail(), Some("division by zero"));
    let text = "the server answered FAILURE to calc.Calc.Divide: ";
    assert!(error.to_string().starts_with(text) && error.to_string().contains("division by zero"), "{error}");

    drop(dir);
    let nowhere = CalcClient::new(Client::new("/nonexistent/calc.sock"));
    let error = nowhere.add(&AddRequest::default()).unwrap_err();
    assert_eq!((error.status(), error.cause()), (None, Some(Cause::NotConnected)));
    assert!(error.to_string().starts_with("calc.Calc.Add: call /nonexistent/calc.sock: not connected"), "{error}");
}

/// The result of a future, in this thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park();
    }
}

/// One call after another, in a task that may move between threads.
#[test]
fn a_typed_client_calls_asynchronously() {
    let (_server, client, _dir) = serve(CalcModule::new(Calculator::default()));
    let calc = CalcClient::new(client);
    let tasks = async move {
        let sum = calc.add_async(&AddRequest { a: 40, b: 2 }).await.unwrap().sum;
        (sum, calc.divide_async(&DivideRequest { a: sum, b: 0 }).await)
    };
    let (sum, quotient) = thread::spawn(|| block_on(tasks)).join().unwrap();
    let error = quotient.unwrap_err();
    assert_eq!((sum, error.status()), (42, Some(Status::Failure)));
    assert!(error.to_string().starts_with("the server answered FAILURE to calc.Calc.Divide"), "{error}");

    let nowhere = CalcClient::new(Client::new("/nonexistent/calc.sock"));
    let error = block_on(nowhere.add_async(&AddRequest::default())).unwrap_err();
    assert_eq!((error.status(), error.cause()), (None, Some(Cause::NotConnected)));
}

/// A handler is called like any other function.
#[test]
fn a_handler_is_tested_without_a_socket() {
    let session = Session::for_tests().unwrap();
    let calculator = Calculator::default();
    assert_eq!(calculator.add(&session, AddRequest { a: 1, b: 2 }), Ok(AddResponse { sum: 3 }));
    let error = calculator.divide(&session, DivideRequest { a: 1, b: 0 }).unwrap_err();
    assert_eq!(error.detail(), Some("division by zero"));
}

#[test]
fn a_bad_request_is_answered_with_its_status() {
    let (_server, client, _dir) = serve(CalcModule::new(Calculator::default()));
    let status = |method, body: &[u8]| {
        let response = client.call(100, method, body).unwrap();
        assert!(response.status() == Status::Success || response.body.is_empty());
        let undecodable = response.status() == Status::FailedUnmarshalPayload;
        assert_eq!(response.detail().is_some_and(|detail| detail.contains("failed to decode")), undecodable);
        response.status()
    };
    assert_eq!(status(10001, b""), Status::Success);
    assert_eq!(status(10001, b"\x08\x01\x78\x01"), Status::Success, "a field that is not known");
    assert_eq!(status(10001, b"\x08"), Status::FailedUnmarshalPayload, "cut off");
    assert_eq!(status(10001, b"\x0a\x01\x01"), Status::FailedUnmarshalPayload, "another type");
    for method in [0, 10000, 10003, 1, -1, i32::MAX] {
        assert_eq!(status(method, b"\x08"), Status::UnknownMethod, "{method}");
    }
}

/// What the methods of `Numbered` take and give.
struct Trees;

impl Numbered for Trees {
    fn by_rule(&self, _session: &Session, request: Text) -> Result<(), Failure> {
        if request.text == "yes" { Ok(()) } else { Err(Failure::new(Status::FailedMarshal)) }
    }

    fn by_option(&self, _session: &Session, (): ()) -> Result<Text, Failure> {
        Ok(Text { text: "by option".into() })
    }

    fn r#move(&self, _session: &Session, request: Tree) -> Result<Tree, Failure> {
        Ok(request)
    }
}

#[test]
fn types_of_other_packages_are_taken_and_given() {
    let (_server, client, _dir) = serve(NumberedModule::new(Trees));
    let numbered = NumberedClient::new(client);
    numbered.by_rule(&Text { text: "yes".into() }).unwrap();
    assert_eq!(numbered.by_rule(&Text::default()).unwrap_err().status(), Some(Status::FailedMarshal));
    assert_eq!(numbered.by_option(&()).unwrap().text, "by option");
}

/// A tree of one branch, with this many nodes below its root.
fn branch(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |below, _| {
        let mut node = Vec::new();
        drpc::prost::encoding::bytes::encode(1, &below, &mut node);
        node
    })
}

/// More than 100 messages in one another are refused before they take the stack.
#[test]
fn nesting_is_bounded() {
    let (_server, client, _dir) = serve(NumberedModule::new(Trees));
    let answer = |depth| client.call(7, 703, &branch(depth)).unwrap();
    assert_eq!((answer(100).status(), answer(100).body), (Status::Success, branch(100)));
    for depth in [101, 1000, 10_000] {
        assert_eq!(answer(depth).status(), Status::FailedUnmarshalPayload, "{depth}");
    }
}

/// The same for what a server answers.
#[test]
fn a_response_that_is_no_message_is_an_error() {
    for body in [b"\x0a\x05".to_vec(), branch(101)] {
        let (_server, client, _dir) = serve(module_fn(7, move |_, _, _| Ok(body.clone())));
        let error = NumberedClient::new(client).r#move(&Tree::default()).unwrap_err();
        assert!(matches!(error.fault(), CallFault::Undecodable(_)), "{error}");
        assert_eq!((error.status(), error.cause()), (None, None));
        let text = "the body of the response to test.numbered.Numbered.Move is not the message expected: ";
        assert!(error.to_string().starts_with(text), "{error}");
    }
}

/// A module that answers with a status that has no name, and else keeps its requests.
struct Odd(Mutex<mpsc::Sender<Request>>);

impl Module for Odd {
    fn id(&self) -> i32 {
        CalcClient::MODULE
    }

    fn serve(&self, request: Request) {
        if request.call().method == CalcClient::ADD.number() {
            request.respond(77, b"").unwrap();
        } else {
            self.0.lock().unwrap().send(request).unwrap();
        }
    }
}

#[test]
fn a_status_without_a_name_is_a_failure_with_its_number() {
    let (_server, client, _dir) = serve(Odd(Mutex::new(mpsc::channel().0)));
    let error = CalcClient::new(client).add(&AddRequest::default()).unwrap_err();
    assert_eq!(error.status(), Some(Status::Failure));
    assert!(matches!(error.fault(), CallFault::Status(answer) if answer.status_number() == 77), "{error}");
    assert!(error.to_string().starts_with("the server answered 77 to calc.Calc.Add: "), "{error}");
}

/// The options are those of each call; a client without them is not changed.
#[test]
fn a_call_ends_at_its_deadline() {
    let (kept, requests) = mpsc::channel();
    let (_server, client, _dir) = serve(Odd(Mutex::new(kept)));
    let calc = CalcClient::new(client);
    let hurried = calc.with(CallOptions::new().timeout(Duration::from_millis(1)));
    for _ in 0..2 {
        let error = hurried.divide(&DivideRequest::default()).unwrap_err();
        assert_eq!((error.status(), error.cause()), (None, Some(Cause::TimedOut)), "{error}");
    }
    thread::scope(|scope| {
        let waiting = scope.spawn(|| calc.divide(&DivideRequest { a: 5, b: 3 }));
        let request = requests.iter().find(|request| !request.call().body.is_empty()).unwrap();
        request.reply(Ok(DivideResponse { quotient: 1 }.encode_to_vec())).unwrap();
        assert_eq!(waiting.join().unwrap().unwrap().quotient, 1);
    });
}

#[test]
fn calls_of_a_session_are_served_one_by_one_unless_concurrent() {
    let module = CalcModule::new(Calculator::default());
    assert!(!Module::concurrent(&module));
    assert!(Module::concurrent(&module.concurrent(true)));
}
